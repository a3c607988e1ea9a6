/**
 * Passkeys: WebAuthn Level 3 in the API's own JSON. Options come from the server as JSON; a challenge over a statement never
 * does: it is the SHA-256 that this page computed over the text it shows.
 */
import type { Assertion, SignedStatement, SigningChallenge } from './api/client'
import { Problem } from './api/problem'
import { fromBase64url, toBase64url, toHex, utf8 } from './bytes'
import { sha256 } from './statement'

/** WebAuthn Level 3 names this dictionary; TypeScript's own library does not yet. */
export type RegistrationResponseJSON = Record<string, unknown> & { id: string; rawId: string; type: string }

export function passkeysWork(): boolean {
  return typeof PublicKeyCredential === 'function' && window.isSecureContext
}

/**
 * Makes a passkey. `options` is PublicKeyCredentialCreationOptionsJSON; the result is RegistrationResponseJSON.
 * Must be called from a click: some browsers refuse otherwise.
 */
export async function createPasskey(options: unknown): Promise<RegistrationResponseJSON> {
  const credential = await ceremony(() =>
    navigator.credentials.create({ publicKey: creationOptions(options as PublicKeyCredentialCreationOptionsJSON) }),
  )
  return registrationJSON(credential)
}

/**
 * Signs the challenge's statement with one of its passkeys. The digest is computed here, over exactly this text; if the
 * server named another one, nothing is signed.
 */
export async function signStatement({
  statement,
  digest,
  relying_party,
  credentials,
  valid_seconds,
}: SigningChallenge): Promise<SignedStatement> {
  const challenge = await sha256(utf8(statement))
  if (toHex(challenge) !== digest.replace(/^sha256:/, '')) {
    throw new Problem({
      kind: 'passkey',
      code: 'portal.digest-differs',
      title: 'The text and its digest do not belong together. Nothing was signed; tell whoever runs Stint here.',
    })
  }
  const credential = await ceremony(() =>
    navigator.credentials.get({
      publicKey: {
        challenge,
        rpId: relying_party,
        allowCredentials: (credentials ?? []).map((id) => ({ type: 'public-key', id: fromBase64url(id) })),
        userVerification: 'required',
        timeout: Math.max(30, Math.min(valid_seconds, 300)) * 1000,
      },
    }),
  )
  return { statement, assertion: assertionOf(credential) }
}

function assertionOf(credential: PublicKeyCredential): Assertion {
  const response = credential.response as AuthenticatorAssertionResponse
  return {
    credential: toBase64url(credential.rawId),
    authenticator_data: toBase64url(response.authenticatorData),
    client_data: toBase64url(response.clientDataJSON),
    signature: toBase64url(response.signature),
  }
}

async function ceremony(run: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  if (!passkeysWork()) {
    throw new Problem({
      kind: 'passkey',
      code: 'portal.no-passkeys',
      title:
        'This browser cannot use passkeys here. Open the portal under its own host name, over https or on localhost, in a current browser.',
    })
  }
  let credential: Credential | null
  try {
    credential = await run()
  } catch (thrown) {
    throw passkeyProblem(thrown)
  }
  if (!credential) throw passkeyProblem(new DOMException('', 'NotAllowedError'))
  return credential as PublicKeyCredential
}

/** Browsers say little on purpose; this says what the person can do about each. */
function passkeyProblem(thrown: unknown): Problem {
  const name = thrown instanceof DOMException ? thrown.name : ''
  const titles: Record<string, string> = {
    NotAllowedError:
      'The passkey was not used: the prompt was closed, ran out of time, or no passkey of yours is on this device. Try again, or use the device that has it.',
    InvalidStateError: 'This device already holds a passkey of yours for Stint. Use that one, or take another device.',
    SecurityError: 'The browser refuses passkeys under this address. Open the portal under its own host name.',
    NotSupportedError: 'This authenticator cannot make the kind of passkey that Stint needs. Take another one.',
    ConstraintError: 'This authenticator cannot check who you are (fingerprint, face or PIN). Set that up, or take another one.',
    AbortError: 'The passkey prompt was interrupted. Try again.',
  }
  return new Problem({
    kind: 'passkey',
    code: name
      ? `passkey.${name
          .replace(/Error$/, '')
          .replace(/(?<=[a-z])(?=[A-Z])/g, '-')
          .toLowerCase()}`
      : 'passkey.failed',
    title: titles[name] ?? 'The passkey could not be used. Try again, or take another device.',
    detail: name ? '' : String(thrown),
    cause: thrown,
  })
}

/** Level 3 browsers parse the JSON themselves; for the others, the few binary fields are decoded here. */
export function creationOptions(json: PublicKeyCredentialCreationOptionsJSON): PublicKeyCredentialCreationOptions {
  if (typeof PublicKeyCredential !== 'undefined' && 'parseCreationOptionsFromJSON' in PublicKeyCredential) {
    return PublicKeyCredential.parseCreationOptionsFromJSON(json)
  }
  const { challenge, user, excludeCredentials, ...rest } = json
  return {
    ...(rest as unknown as Omit<PublicKeyCredentialCreationOptions, 'challenge' | 'user' | 'excludeCredentials'>),
    challenge: fromBase64url(challenge),
    user: { ...user, id: fromBase64url(user.id) },
    excludeCredentials: (excludeCredentials ?? []).map(({ id, transports }) => ({
      type: 'public-key',
      id: fromBase64url(id),
      ...(transports ? { transports: transports as AuthenticatorTransport[] } : {}),
    })),
  }
}

/** RegistrationResponseJSON, also where the browser's own toJSON is missing. */
export function registrationJSON(credential: PublicKeyCredential): RegistrationResponseJSON {
  if (typeof credential.toJSON === 'function') return credential.toJSON() as unknown as RegistrationResponseJSON
  const response = credential.response as AuthenticatorAttestationResponse
  const publicKey = response.getPublicKey()
  return {
    id: credential.id,
    rawId: toBase64url(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: {
      clientDataJSON: toBase64url(response.clientDataJSON),
      attestationObject: toBase64url(response.attestationObject),
      authenticatorData: toBase64url(response.getAuthenticatorData()),
      publicKey: publicKey ? toBase64url(publicKey) : undefined,
      publicKeyAlgorithm: response.getPublicKeyAlgorithm(),
      transports: response.getTransports(),
    },
  }
}
