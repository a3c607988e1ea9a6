/**
 * What the pages read, and how long it stays true. Every page is live: what can change behind the reader's back is
 * asked for again every few seconds while the page is visible, and at once when the window gets the focus.
 */
import { infiniteQueryOptions, QueryCache, QueryClient, queryOptions } from '@tanstack/react-query'
import { api, body } from './client'
import { asProblem } from './problem'

export const live = 4000

export const queryClient = new QueryClient({
  queryCache: new QueryCache({
    onError(thrown) {
      // The session ended elsewhere: who is signed in must be asked again, and the shell then shows the sign-in page.
      if (asProblem(thrown).kind === 'signed-out') queryClient.setQueryData(me.queryKey, null)
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 2000,
      retry(count, thrown) {
        const { kind } = asProblem(thrown)
        return (kind === 'offline' || kind === 'unavailable' || kind === 'busy') && count < 3
      },
      retryDelay: (attempt) => Math.min(500 * 2 ** attempt, 8000),
    },
    mutations: { retry: false },
  },
})

/** Who is signed in; null for nobody. */
export const me = queryOptions({
  queryKey: ['me'],
  queryFn: async () => {
    try {
      return await body(api.GET('/api/me'))
    } catch (thrown) {
      if (asProblem(thrown).kind === 'signed-out') return null
      throw thrown
    }
  },
  staleTime: 5_000,
  // What the page may offer hangs on it, and a broker that has just started has
  // not heard the signer yet.
  refetchInterval: 10_000,
})

export const roles = queryOptions({
  queryKey: ['roles'],
  queryFn: () => body(api.GET('/api/roles')),
  staleTime: 30_000,
})

export type View = 'mine' | 'to-approve' | 'all'

export type RequestState = 'pending' | 'approved' | 'active' | 'denied' | 'withdrawn' | 'expired' | 'ended'

export const requests = (view: View, state: readonly RequestState[] = []) =>
  infiniteQueryOptions({
    queryKey: ['requests', view, state],
    queryFn: ({ pageParam }) =>
      body(
        api.GET('/api/requests', {
          params: {
            query: {
              view,
              limit: 50,
              ...(state.length > 0 ? { state: [...state] } : {}),
              ...(pageParam ? { cursor: pageParam } : {}),
            },
          },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.cursor || undefined,
    refetchInterval: live,
  })

export const request = (id: string) =>
  queryOptions({
    queryKey: ['request', id],
    queryFn: () => body(api.GET('/api/requests/{id}', { params: { path: { id } } })),
    refetchInterval: live,
  })

export const passkeys = queryOptions({
  queryKey: ['passkeys'],
  queryFn: () => body(api.GET('/api/passkeys')),
  refetchInterval: live,
})

export const enrolments = queryOptions({
  queryKey: ['enrolments'],
  queryFn: () => body(api.GET('/api/enrolments')),
  refetchInterval: live,
})

export const people = (everybody: boolean) =>
  infiniteQueryOptions({
    queryKey: ['people', everybody],
    queryFn: ({ pageParam }) =>
      body(
        api.GET('/api/people', {
          params: { query: { view: everybody ? 'all' : 'roster', limit: 50, ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.cursor || undefined,
    refetchInterval: live,
  })

export const devices = (everybody: boolean) =>
  infiniteQueryOptions({
    queryKey: ['devices', everybody],
    queryFn: ({ pageParam }) =>
      body(
        api.GET('/api/devices', {
          params: { query: { view: everybody ? 'all' : 'mine', limit: 50, ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.cursor || undefined,
    refetchInterval: live,
  })

export const member = ({ issuer, subject }: { issuer: string; subject: string }) =>
  queryOptions({
    queryKey: ['member', issuer, subject],
    queryFn: () => body(api.GET('/api/people/member', { params: { query: { issuer, subject } } })),
    refetchInterval: live,
  })

export const changes = (over: boolean) =>
  infiniteQueryOptions({
    queryKey: ['changes', over],
    queryFn: ({ pageParam }) =>
      body(
        api.GET('/api/changes', {
          params: { query: { view: over ? 'closed' : 'open', limit: 50, ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.cursor || undefined,
    refetchInterval: live,
  })

export const change = (id: string) =>
  queryOptions({
    queryKey: ['change', id],
    queryFn: () => body(api.GET('/api/changes/{change}', { params: { path: { change: id }, query: { files: false } } })),
    refetchInterval: live,
  })

/**
 * The files of a policy change, which may be megabytes and stay what they are, and what recorded requests would come to
 * under it, which is dear to work out: asked for once.
 */
export const changeFiles = (id: string) =>
  queryOptions({
    queryKey: ['change-files', id],
    queryFn: async () => {
      const { files, backtest } = await body(api.GET('/api/changes/{change}', { params: { path: { change: id } } }))
      return { files, backtest: backtest ?? null }
    },
    staleTime: Infinity,
  })

export const proxies = () =>
  queryOptions({
    queryKey: ['proxies'],
    queryFn: () => body(api.GET('/api/proxies')),
    refetchInterval: 3_000,
  })

export const sessions = (filter: { live: boolean }) =>
  infiniteQueryOptions({
    queryKey: ['sessions', filter],
    queryFn: ({ pageParam }) =>
      body(
        api.GET('/api/sessions', {
          params: { query: { limit: 50, ...(filter.live ? { live: true } : {}), ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.cursor || undefined,
    refetchInterval: live,
  })

export const session = (id: string) =>
  queryOptions({
    queryKey: ['session', id],
    queryFn: () => body(api.GET('/api/sessions/{session}', { params: { path: { session: id } } })),
    refetchInterval: live,
  })

export const audit = infiniteQueryOptions({
  queryKey: ['audit'],
  queryFn: ({ pageParam }) =>
    body(api.GET('/api/audit', { params: { query: { limit: 100, ...(pageParam ? { cursor: pageParam } : {}) } } })),
  initialPageParam: '',
  getNextPageParam: (page) => page.cursor || undefined,
  refetchInterval: live,
})

/** What must not be. Its first page says how many are open; the frame asks for it on every page. */
export const alarms = (state: 'open' | 'all') =>
  infiniteQueryOptions({
    queryKey: ['alarms', state],
    queryFn: ({ pageParam }) =>
      body(api.GET('/api/alarms', { params: { query: { state, limit: 50, ...(pageParam ? { cursor: pageParam } : {}) } } })),
    initialPageParam: '',
    getNextPageParam: (page) => page.cursor || undefined,
    refetchInterval: live,
  })

/** After a write: everything that may show it is asked for again; but no text to sign, which must stay what is shown, and no files, which do stay. */
export async function refresh(): Promise<void> {
  await queryClient.invalidateQueries({ predicate: ({ queryKey }) => !queryKey.includes('challenge') && queryKey[0] !== 'change-files' })
}
