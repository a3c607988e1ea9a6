/**
 * Statements: the short texts that people sign. docs/formats/evidence.md describes them; server/evidence encodes and checks them.
 *
 * The portal never makes a statement. It shows the server's text byte for byte, reads from that text (and from nothing
 * beside it) what the signing person is told, and signs the SHA-256 that it computed itself.
 */
import { toHex, utf8, type Bytes } from './bytes'
import { formatDuration, parseDuration } from './duration'

const ask = ['role', 'target', 'login', 'duration', 'reason', 'ticket', 'start', 'break-glass'] as const

/** Every field of each kind, in its one order. */
const fieldsOf = {
  request: ['instance', 'request', 'revision', 'requester', 'requester-name', ...ask, 'policy', 'issued', 'expires', 'nonce'],
  approval: [
    'instance',
    'request',
    'revision',
    'request-digest',
    'requester',
    'requester-name',
    ...ask,
    'approver',
    'approver-name',
    'for',
    'for-name',
    'policy',
    'issued',
    'nonce',
  ],
  confirmation: ['instance', 'request', 'revision', 'request-digest', 'requester', 'requester-name', ...ask, 'issued', 'nonce'],
  login: ['instance', 'person', 'login-key', 'issued', 'expires', 'nonce'],
  enrolment: [
    'instance',
    'person',
    'name',
    'email',
    'groups',
    'credential',
    'public-key',
    'aaguid',
    'passkey-name',
    'issued',
    'expires',
    'nonce',
  ],
  roster: ['instance', 'change', 'person', 'name', 'email', 'groups', 'passkeys', 'issued', 'expires', 'nonce'],
  policy: ['instance', 'before', 'after', 'changes', 'reason', 'issued', 'expires', 'nonce'],
  delegation: ['instance', 'delegator', 'delegator-name', 'delegate', 'delegate-name', 'groups', 'issued', 'begins', 'ends', 'nonce'],
  presence: [
    'instance',
    'session',
    'request',
    'request-digest',
    'role',
    'login',
    'target',
    'person',
    'person-name',
    'issued',
    'nonce',
  ],
  review: [
    'instance',
    'request',
    'request-digest',
    'role',
    'requester',
    'requester-name',
    'reviewer',
    'reviewer-name',
    'finding',
    'issued',
    'nonce',
  ],
} as const

export type StatementKind = keyof typeof fieldsOf
export type Fields<K extends StatementKind> = Record<(typeof fieldsOf)[K][number], string>

const free = new Set([
  'requester-name',
  'reason',
  'ticket',
  'approver-name',
  'for-name',
  'name',
  'email',
  'passkey-name',
  'delegator-name',
  'delegate-name',
  'reviewer-name',
  'finding',
])

/**
 * Reads a statement of one kind; free text comes without its quotation marks. Throws on everything else: another kind or
 * version, a field missing, added or out of its place, quotation that is not exact. It reads what a person must be told
 * and leaves the bounds of single values to the signer, which checks all of them.
 */
export function readStatement<K extends StatementKind>(text: string, kind: K): Fields<K> {
  const lines = text.split('\n')
  if (lines.shift() !== `stint ${kind} 1`) throw new TypeError(`not a statement of kind ${kind}`)
  if (lines.pop() !== '') throw new TypeError('the last line has no end')
  const names: readonly string[] = fieldsOf[kind]
  if (lines.length !== names.length) throw new TypeError('a field is missing or added')
  const fields: Record<string, string> = {}
  for (const [place, name] of names.entries()) {
    const line = lines[place]!
    if (!line.startsWith(`${name}: `)) throw new TypeError(`${name} is not in its place`)
    const value = line.slice(name.length + 2)
    fields[name] = free.has(name) ? unquote(value) : value
  }
  return fields as Fields<K>
}

/** The text between quotation marks; in it only a quotation mark and a backslash stand behind a backslash. */
function unquote(text: string): string {
  if (!/^"(?:[^"\\]|\\["\\])*"$/.test(text)) throw new TypeError('not quoted as it must be')
  return text.slice(1, -1).replace(/\\(["\\])/g, '$1')
}

/** A list of quoted texts, such as the groups of an enrolment; none is an empty list. */
export function readGroups(text: string): string[] {
  if (text === 'none') return []
  const found = text.match(/"(?:[^"\\]|\\["\\])*"/g) ?? []
  if (found.length === 0 || found.join(', ') !== text) throw new TypeError('not a list of groups')
  return found.map(unquote)
}

/** An identity as statements write it. */
export function subjectOf(person: { issuer: string; subject: string }): string {
  return `${person.subject} @ ${person.issuer}`
}

/** Whom a statement means: the subject, and the issuer who calls them so. */
export function personOf(text: string): { subject: string; issuer: string } {
  const place = text.lastIndexOf(' @ ')
  if (place < 1) throw new TypeError('not a person')
  return { subject: text.slice(0, place), issuer: text.slice(place + 3) }
}

/** The duration of a statement, in seconds. Throws where it is not written in its one form. */
export function secondsOf(text: string): number {
  const seconds = parseDuration(text)
  if (seconds === null || formatDuration(seconds) !== text) throw new TypeError('not a duration')
  return seconds
}

const repeated = [
  'instance',
  'request',
  'revision',
  'requester',
  'requester-name',
  'role',
  'target',
  'login',
  'reason',
  'ticket',
  'start',
  'break-glass',
] as const

/**
 * Reads an approval and makes sure that it repeats the request word for word, and is by this approver for this long, on
 * behalf of whom it is said to be (nobody, where nobody is named).
 * Throws where it does not: then the card and the text say different things, and nothing may be signed.
 */
export async function readApproval(
  text: string,
  of: {
    request: string
    approver: { issuer: string; subject: string }
    for?: { issuer: string; subject: string; name: string }
    seconds: number
  },
): Promise<Fields<'approval'>> {
  const approval = readStatement(text, 'approval')
  const request = readStatement(of.request, 'request')
  for (const name of [...repeated, 'policy'] as const) {
    if (approval[name] !== request[name]) throw new TypeError(`${name} is not what was asked for`)
  }
  if (approval['request-digest'] !== `sha256:${await sha256Hex(of.request)}`) throw new TypeError('it is about another request')
  if (approval.approver !== subjectOf(of.approver)) throw new TypeError('it is for another approver')
  if (approval.for !== (of.for ? subjectOf(of.for) : 'none') || approval['for-name'] !== (of.for?.name ?? '')) {
    throw new TypeError('it is on behalf of somebody else')
  }
  if (secondsOf(approval.duration) !== of.seconds) throw new TypeError('it is for another duration')
  if (of.seconds > secondsOf(request.duration)) throw new TypeError('it is for longer than was asked')
  return approval
}

/**
 * Reads the confirmation by which requesters say themselves, with their passkey, what they ask for, and makes sure that
 * it repeats the request word for word. Throws where it does not.
 */
export async function readConfirmation(text: string, of: { request: string }): Promise<Fields<'confirmation'>> {
  const confirmation = readStatement(text, 'confirmation')
  const request = readStatement(of.request, 'request')
  for (const name of [...repeated, 'duration'] as const) {
    if (confirmation[name] !== request[name]) throw new TypeError(`${name} is not what was asked for`)
  }
  if (confirmation['request-digest'] !== `sha256:${await sha256Hex(of.request)}`) throw new TypeError('it is about another request')
  return confirmation
}

interface Identity {
  issuer: string
  subject: string
}

/**
 * Reads the review that closes an emergency, and makes sure that it is of this request, by this reviewer, with this finding.
 * Throws where it is not.
 */
export async function readReview(
  text: string,
  of: { request: string; reviewer: Identity; finding: string },
): Promise<Fields<'review'>> {
  const review = readStatement(text, 'review')
  const request = readStatement(of.request, 'request')
  for (const name of ['instance', 'request', 'role', 'requester', 'requester-name'] as const) {
    if (review[name] !== request[name]) throw new TypeError(`${name} is not that of the emergency`)
  }
  if (review['request-digest'] !== `sha256:${await sha256Hex(of.request)}`) throw new TypeError('it is about another request')
  if (review.reviewer !== subjectOf(of.reviewer)) throw new TypeError('it is for another reviewer')
  if (review.finding !== of.finding) throw new TypeError('it has another finding')
  return review
}

/** Reads the word that somebody is there, and makes sure that it is theirs, for this session of theirs. Throws where it is not. */
export function readPresence(
  text: string,
  of: { id: string; request: string; role: string; login: string; target: string; person: Identity },
): Fields<'presence'> {
  const presence = readStatement(text, 'presence')
  for (const name of ['request', 'role', 'login', 'target'] as const) {
    if (presence[name] !== of[name]) throw new TypeError(`${name} is not that of the session`)
  }
  if (presence.session !== of.id) throw new TypeError('it is about another session')
  if (presence.person !== subjectOf(of.person)) throw new TypeError('it is for somebody else')
  return presence
}

/** Reads a delegation, and makes sure that it gives these groups to this person, no longer than until then. Throws where it does not. */
export function readDelegation(
  text: string,
  of: { delegator: Identity; delegate: Identity; groups: readonly string[]; ends: string },
): Fields<'delegation'> {
  const delegation = readStatement(text, 'delegation')
  if (delegation.delegator !== subjectOf(of.delegator)) throw new TypeError('it is by somebody else')
  if (delegation.delegate !== subjectOf(of.delegate)) throw new TypeError('it is to somebody else')
  if (readGroups(delegation.groups).join() !== [...of.groups].sort().join()) throw new TypeError('it is about other groups')
  if (new Date(delegation.ends).getTime() !== new Date(of.ends).getTime()) throw new TypeError('it ends at another time')
  return delegation
}

export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
}

/** The digest of a statement's text, in lower-case hex. */
export async function sha256Hex(text: string): Promise<string> {
  return toHex(await sha256(utf8(text)))
}
