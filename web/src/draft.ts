/** A policy that somebody tries: kept while they look at other pages, and gone when they sign out. */
import { queryOptions, useQuery } from '@tanstack/react-query'
import { queryClient } from './api/queries'

export interface PolicyTry {
  /** Every file, text by name. */
  files: Record<string, string>
  /** Counts the edits: names this state of the files. */
  edits: number
  /** The digest of the policy in force that it began from. */
  from: string
}

const kept = queryOptions<PolicyTry | null>({
  queryKey: ['policy-try'],
  queryFn: () => null,
  enabled: false,
  initialData: null,
  gcTime: Infinity,
})

let edits = 0

/** The policy that is tried; null while nothing was edited. */
export function usePolicyTry(): PolicyTry | null {
  return useQuery(kept).data
}

/** Keeps what was edited. */
export function tryPolicy(files: Record<string, string>, from: string): void {
  queryClient.setQueryData<PolicyTry | null>(['policy-try'], () => ({ files, edits: ++edits, from }))
}

/** Goes back to the policy in force. */
export function dropPolicyTry(): void {
  queryClient.setQueryData<PolicyTry | null>(['policy-try'], null)
}
