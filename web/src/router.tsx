/** The portal's addresses. The pages people open first are in the main bundle; the others are loaded when they are opened. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Navigate } from '@tanstack/react-router'
import { parseDuration } from './duration'
import { App, Lost, NotFound } from './routes/App'
import { Home } from './routes/Home'

const root = createRootRoute({ component: App, notFoundComponent: NotFound, errorComponent: Lost })

const home = createRoute({ getParentRoute: () => root, path: '/', component: Home, staticData: { tells: true } })

/** What a link to the ask page may fill in. It only fills in: the person still reads it and asks. */
export interface AskSearch {
  role?: string
  target?: string
  login?: string
  /** As people write it: 1h30m. */
  duration?: string
  reason?: string
  ticket?: string
}

function word(value: unknown, most: number): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, most) : undefined
}

function onlySet<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never
}

/** Where a sign-in that failed comes back to. Who is signed in already has nothing to do here. */
const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  component: () => <Navigate to="/" replace />,
})

const ask = createRoute({
  getParentRoute: () => root,
  path: '/ask',
  validateSearch: (search: Record<string, unknown>): AskSearch => {
    const duration = word(search['duration'], 16)
    return onlySet({
      role: word(search['role'], 63),
      target: word(search['target'], 63),
      login: word(search['login'], 32),
      duration: duration !== undefined && parseDuration(duration) !== null ? duration : undefined,
      reason: word(search['reason'], 500),
      ticket: word(search['ticket'], 200),
    })
  },
  component: lazyRouteComponent(() => import('./routes/Ask'), 'AskPage'),
})

const approvals = createRoute({
  getParentRoute: () => root,
  path: '/approvals',
  component: lazyRouteComponent(() => import('./routes/Approvals'), 'Approvals'),
  staticData: { tells: true },
})

const reviews = createRoute({
  getParentRoute: () => root,
  path: '/approvals/reviews',
  component: lazyRouteComponent(() => import('./routes/Reviews'), 'Reviews'),
})

const delegations = createRoute({
  getParentRoute: () => root,
  path: '/approvals/delegations',
  component: lazyRouteComponent(() => import('./routes/Delegations'), 'Delegations'),
})

const approval = createRoute({
  getParentRoute: () => root,
  path: '/approvals/$id',
  component: lazyRouteComponent(() => import('./routes/Approvals'), 'Approvals'),
  staticData: { tells: true },
})

export interface RequestsSearch {
  view?: 'mine' | 'all'
  state?: 'pending' | 'held' | 'over'
}

const requests = createRoute({
  getParentRoute: () => root,
  path: '/requests',
  validateSearch: (search: Record<string, unknown>): RequestsSearch =>
    onlySet({
      view: search['view'] === 'all' || search['view'] === 'mine' ? search['view'] : undefined,
      state:
        search['state'] === 'pending' || search['state'] === 'held' || search['state'] === 'over' ? search['state'] : undefined,
    }),
  component: lazyRouteComponent(() => import('./routes/Requests'), 'Requests'),
})

const request = createRoute({
  getParentRoute: () => root,
  path: '/requests/$id',
  component: lazyRouteComponent(() => import('./routes/Request'), 'RequestPage'),
})

const passkeys = createRoute({
  getParentRoute: () => root,
  path: '/passkeys',
  component: lazyRouteComponent(() => import('./routes/Passkeys'), 'Passkeys'),
})

const devices = createRoute({
  getParentRoute: () => root,
  path: '/devices',
  validateSearch: (search: Record<string, unknown>): { everybody?: true } => (search['everybody'] === true ? { everybody: true } : {}),
  component: lazyRouteComponent(() => import('./routes/Devices'), 'Devices'),
})

const people = createRoute({
  getParentRoute: () => root,
  path: '/people',
  validateSearch: (search: Record<string, unknown>): { everybody?: true } => (search['everybody'] === true ? { everybody: true } : {}),
  component: lazyRouteComponent(() => import('./routes/People'), 'People'),
})

const changes = createRoute({
  getParentRoute: () => root,
  path: '/changes',
  validateSearch: (search: Record<string, unknown>): { over?: true } => (search['over'] === true ? { over: true } : {}),
  component: lazyRouteComponent(() => import('./routes/Changes'), 'Changes'),
})

const change = createRoute({
  getParentRoute: () => root,
  path: '/changes/$id',
  component: lazyRouteComponent(() => import('./routes/Changes'), 'ChangePage'),
})

const policies = createRoute({
  getParentRoute: () => root,
  path: '/policies',
  component: lazyRouteComponent(() => import('./routes/Policies'), 'Policies'),
})

const whatIf = createRoute({
  getParentRoute: () => root,
  path: '/policies/what-if',
  validateSearch: (search: Record<string, unknown>): { ask?: true } => (search['ask'] === true ? { ask: true } : {}),
  component: lazyRouteComponent(() => import('./routes/WhatIf'), 'WhatIf'),
})

const separation = createRoute({
  getParentRoute: () => root,
  path: '/policies/separation',
  component: lazyRouteComponent(() => import('./routes/Separation'), 'Separation'),
})

/** A role's page; below a word of its own, so that no role's name can be that of another page. */
const policyRole = createRoute({
  getParentRoute: () => root,
  path: '/policies/roles/$role',
  component: lazyRouteComponent(() => import('./routes/PolicyRole'), 'PolicyRolePage'),
})

const confirm = createRoute({
  getParentRoute: () => root,
  path: '/confirm/$code',
  component: lazyRouteComponent(() => import('./routes/ConfirmLogin'), 'ConfirmLogin'),
})

const audit = createRoute({
  getParentRoute: () => root,
  path: '/audit',
  component: lazyRouteComponent(() => import('./routes/Audit'), 'Audit'),
})

const alarms = createRoute({
  getParentRoute: () => root,
  path: '/alarms',
  component: lazyRouteComponent(() => import('./routes/Alarms'), 'Alarms'),
})

const sessions = createRoute({
  getParentRoute: () => root,
  path: '/sessions',
  validateSearch: (search: Record<string, unknown>): { live?: true } => (search['live'] === true ? { live: true } : {}),
  component: lazyRouteComponent(() => import('./routes/Sessions'), 'Sessions'),
})

const proxies = createRoute({
  getParentRoute: () => root,
  path: '/sessions/proxies',
  component: lazyRouteComponent(() => import('./routes/Proxies'), 'Proxies'),
})

const sessionPage = createRoute({
  getParentRoute: () => root,
  path: '/sessions/$session',
  component: lazyRouteComponent(() => import('./routes/SessionPage'), 'SessionPage'),
})

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    signIn,
    ask,
    approvals,
    reviews,
    delegations,
    approval,
    requests,
    request,
    passkeys,
    devices,
    people,
    changes,
    change,
    policies,
    whatIf,
    separation,
    policyRole,
    confirm,
    sessions,
    proxies,
    sessionPage,
    audit,
    alarms,
  ]),
  defaultPreload: 'intent',
  scrollRestoration: true,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
  interface StaticDataRouteOption {
    /** The page says itself, at its top, what the reader was told. */
    tells?: boolean
  }
}
