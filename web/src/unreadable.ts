import { Problem } from './api/problem'

/** The text to sign does not say what the page was told: nothing may be signed, and nothing shown in its place. */
export function unreadable(thrown: unknown): Problem {
  return new Problem({
    kind: 'fault',
    code: 'portal.statement-differs',
    title: 'The text to sign does not say what this page was told. Nothing can be signed here; tell whoever runs Stint.',
    detail: thrown instanceof Error ? thrown.message : '',
    cause: thrown,
  })
}
