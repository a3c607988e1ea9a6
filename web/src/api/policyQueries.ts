/** What the pages about the policy, about delegations and about reviews read, and what somebody was told. */
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { api, body } from './client'
import { live } from './queries'

/** What the analyses say is dear to work out, and changes with the policy and the roster only. */
const slow = 15_000

export const policyRoles = queryOptions({
  queryKey: ['policy-roles'],
  queryFn: () => body(api.GET('/api/policy/roles')),
  refetchInterval: slow,
})

export const policyRole = (name: string) =>
  queryOptions({
    queryKey: ['policy-role', name],
    queryFn: () => body(api.GET('/api/policy/roles/{name}', { params: { path: { name } } })),
    refetchInterval: slow,
  })

export const policyPeople = queryOptions({
  queryKey: ['policy-people'],
  queryFn: () => body(api.GET('/api/policy/people')),
  staleTime: 30_000,
})

export const separation = infiniteQueryOptions({
  queryKey: ['separation'],
  queryFn: ({ pageParam }) =>
    body(api.GET('/api/policy/separation', { params: { query: { limit: 50, ...(pageParam ? { cursor: pageParam } : {}) } } })),
  initialPageParam: '',
  getNextPageParam: (page) => page.cursor || undefined,
  refetchInterval: slow,
})

/** The files in force. */
export const policyInForce = queryOptions({
  queryKey: ['policy'],
  queryFn: () => body(api.GET('/api/policy')),
  staleTime: 30_000,
})

export const delegations = queryOptions({
  queryKey: ['delegations'],
  queryFn: () => body(api.GET('/api/delegations')),
  refetchInterval: live,
})

export const reviews = queryOptions({
  queryKey: ['reviews'],
  queryFn: () => body(api.GET('/api/reviews')),
  refetchInterval: live,
})

/** What the caller was told and has not answered; the frame asks for it on every page. */
export const news = queryOptions({
  queryKey: ['news'],
  queryFn: () => body(api.GET('/api/news')),
  refetchInterval: live,
})
