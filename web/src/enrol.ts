/**
 * A passkey's way into the signer's roster: the authenticator makes it, it signs its own enrolment statement (possession),
 * and whoever allows it signs the same text.
 */
import { api, body, type Enrolment, type Person } from './api/client'
import { Problem } from './api/problem'
import { readGroups, readStatement, subjectOf, type Fields } from './statement'
import { createPasskey, signStatement } from './webauthn'

/** Makes the passkey and hands it in. The browser prompts once. */
export async function makePasskey(name: string, groups: readonly string[]): Promise<Enrolment> {
  const { ceremony, options } = await body(api.POST('/api/passkeys/registration', { body: { name } }))
  const credential = await createPasskey(options)
  return body(api.POST('/api/enrolments', { body: { ceremony, credential, groups: [...groups].sort() } }))
}

/** The new passkey signs its enrolment, if the text is about this person and this passkey. The browser prompts once. */
export async function provePossession(enrolment: Enrolment, me: Person): Promise<Enrolment> {
  const text = readEnrolment(enrolment)
  if (text.person !== subjectOf(me)) throw differs('it names another person')
  const signed = await signStatement({
    statement: enrolment.statement,
    digest: enrolment.digest,
    // The portal's relying party is its exact host, by design.
    relying_party: location.hostname,
    credentials: [enrolment.credential],
    valid_seconds: 120,
  })
  return body(api.POST('/api/enrolments/{enrolment}/possession', { params: { path: { enrolment: enrolment.id } }, body: signed }))
}

/** An authority's passkey signs the same text: an administrator's, or an earlier one of the same person. */
export async function authoriseWithPasskey(enrolment: Enrolment): Promise<Enrolment> {
  const path = { params: { path: { enrolment: enrolment.id } } }
  const challenge = await body(api.POST('/api/enrolments/{enrolment}/challenge', path))
  if (challenge.statement !== enrolment.statement) throw differs('the text to sign is not the one shown')
  const { assertion } = await signStatement(challenge)
  return body(api.POST('/api/enrolments/{enrolment}/authorisation', { ...path, body: { passkey: assertion } }))
}

/** What the enrolment's text says. Throws where it is no enrolment, or is about another passkey than the server says. */
export function readEnrolment(enrolment: Enrolment): Fields<'enrolment'> & { groupList: string[] } {
  let text: Fields<'enrolment'>
  let groupList: string[]
  try {
    text = readStatement(enrolment.statement, 'enrolment')
    groupList = readGroups(text.groups)
  } catch (thrown) {
    throw differs(thrown instanceof Error ? thrown.message : '')
  }
  if (text.credential !== enrolment.credential) throw differs('it names another passkey')
  return { ...text, groupList }
}

function differs(detail: string): Problem {
  return new Problem({
    kind: 'fault',
    code: 'portal.statement-differs',
    title: 'The text to sign does not say what this page was told. Nothing was signed; tell whoever runs Stint here.',
    detail,
  })
}
