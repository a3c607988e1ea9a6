/** What went wrong, in the one shape that every part of the portal shows. */

export type ProblemKind =
  /** The broker could not be reached. */
  | 'offline'
  /** Nobody is signed in, or no longer. */
  | 'signed-out'
  | 'forbidden'
  | 'not-found'
  /** Somebody else was faster, or the thing is no longer in a state that allows this. */
  | 'conflict'
  /** The input is wrong; `fields` says where. */
  | 'invalid'
  | 'busy'
  /** The broker, or something it needs, is not able to answer now. */
  | 'unavailable'
  /** The browser or the authenticator said no. */
  | 'passkey'
  | 'fault'

export interface FieldProblem {
  field: string
  message: string
}

export class Problem extends Error {
  override readonly name = 'Problem'
  readonly kind: ProblemKind
  /** Stable, for programs and for support: "request.not-pending". */
  readonly code: string
  /** One sentence that tells what to do. */
  readonly title: string
  readonly detail: string
  readonly fields: readonly FieldProblem[]
  readonly status: number

  constructor(parts: {
    kind: ProblemKind
    code: string
    title: string
    detail?: string
    fields?: readonly FieldProblem[]
    status?: number
    cause?: unknown
  }) {
    super(`${parts.code}: ${parts.title}`, { cause: parts.cause })
    this.kind = parts.kind
    this.code = parts.code
    this.title = parts.title
    this.detail = parts.detail ?? ''
    this.fields = parts.fields ?? []
    this.status = parts.status ?? 0
  }

  /** What is wrong with one field, by the server's name for it: "duration_seconds" or "body.duration_seconds". */
  field(name: string): string | undefined {
    return this.fields.find(({ field }) => field === name || field === `body.${name}`)?.message
  }
}

const kinds: Record<number, ProblemKind> = {
  400: 'invalid',
  401: 'signed-out',
  403: 'forbidden',
  404: 'not-found',
  405: 'invalid',
  409: 'conflict',
  410: 'conflict',
  412: 'conflict',
  413: 'invalid',
  415: 'invalid',
  422: 'invalid',
  423: 'conflict',
  429: 'busy',
}

function kindOf(status: number): ProblemKind {
  return kinds[status] ?? (status >= 502 && status <= 504 ? 'unavailable' : 'fault')
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** Reads an RFC 9457 document. Whatever else stood in the body is not shown: it may come from a proxy on the way. */
export function problemFrom(status: number, body: unknown): Problem {
  const document = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  const fields = Array.isArray(document['fields']) ? document['fields'] : []
  return new Problem({
    kind: kindOf(status),
    status,
    code: text(document['code']) || `http.${status}`,
    title:
      text(document['title']) ||
      `The server answered with status ${status}. Try again; if it stays, ask whoever runs Stint here.`,
    detail: text(document['detail']),
    fields: fields.flatMap((field: unknown) => {
      const entry = typeof field === 'object' && field !== null ? (field as Record<string, unknown>) : {}
      return text(entry['field']) ? [{ field: text(entry['field']), message: text(entry['message']) }] : []
    }),
  })
}

/** Makes a Problem of anything thrown. */
export function asProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown
  if (thrown instanceof TypeError) {
    return new Problem({
      kind: 'offline',
      code: 'portal.unreachable',
      title: 'The broker cannot be reached. Check the network; this page tries again by itself.',
      cause: thrown,
    })
  }
  return new Problem({
    kind: 'fault',
    code: 'portal.fault',
    title: 'This page failed. Reload it; if it stays, tell whoever runs Stint here, with the code below.',
    detail: thrown instanceof Error ? thrown.message : String(thrown),
    cause: thrown,
  })
}
