/**
 * The first administrator's one-time code, "ID:CODE". It arrives in the address's fragment, which browsers never send, and
 * it never leaves this page: what is sent is an HMAC under it.
 */

export interface BootstrapCode {
  id: string
  secret: string
}

const key = 'stint-bootstrap-code'

/** Null where the text is no code. The secret part is upper case with its hyphens, as it was printed. */
export function parseBootstrapCode(text: string): BootstrapCode | null {
  const found = /^\s*([A-Za-z0-9_.-]{1,64}):([A-Za-z0-9-]{8,128})\s*$/.exec(text)
  return found ? { id: found[1]!, secret: found[2]!.toUpperCase() } : null
}

/** Called on the way to the sign-in, which comes back without the fragment. Only this tab can read it, and only once. */
export function keepBootstrapCode(): void {
  const fragment = decodeURIComponent(location.hash.slice(1))
  if (location.pathname === '/bootstrap' && parseBootstrapCode(fragment)) {
    try {
      sessionStorage.setItem(key, fragment)
    } catch {
      // Without storage the person types the code after signing in.
    }
  }
}

/** The code from the address or from before the sign-in. Both are wiped, so that it stays in no history. */
export function takeBootstrapCode(): string {
  const fragment = decodeURIComponent(location.hash.slice(1))
  let kept = ''
  try {
    kept = sessionStorage.getItem(key) ?? ''
    sessionStorage.removeItem(key)
  } catch {
    // See above.
  }
  if (location.hash !== '') history.replaceState(history.state, '', location.pathname + location.search)
  return fragment || kept
}
