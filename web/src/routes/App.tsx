import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, Outlet, useRouterState, type ErrorComponentProps } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useState } from 'react'
import { api, body } from '../api/client'
import { news } from '../api/policyQueries'
import { asProblem } from '../api/problem'
import { changes, enrolments, me as meQuery, queryClient, requests } from '../api/queries'
import { MeContext } from '../me'
import { waitingCount } from '../told'
import { Button, buttonClass } from '../ui/Button'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice, Notice } from '../ui/ErrorNotice'
import { PageHead } from '../ui/Page'
import { Shell } from '../ui/Shell'
import { notify } from '../ui/Toasts'
import styles from './App.module.css'
import { AlarmBanner } from './AlarmBanner'
import { SignIn } from './SignIn'
import { useNews } from './news'

// Loaded at the first Ctrl-K: most visits never open it.
const Palette = lazy(async () => ({ default: (await import('./Palette')).Palette }))

/** Asks who is here, then shows the frame with the page in it, or the sign-in page in its place. */
export function App() {
  const { data: me, error, refetch } = useQuery(meQuery)
  if (me) return <Inside />
  if (me === null) return <SignIn />
  return (
    <main className={styles.alone}>
      {error ? (
        <ErrorNotice problem={asProblem(error)} retry={() => void refetch()} />
      ) : (
        <Loading what="who is signed in" lines={0} />
      )}
    </main>
  )
}

function Inside() {
  const me = useQuery(meQuery).data!
  const [searching, setSearching] = useState(false)
  const waiting = useInfiniteQuery(requests('to-approve', ['pending']))
  const toDecide = (waiting.data?.pages ?? []).flatMap((page) => page.items).filter((item) => item.may.includes('approve'))
  const told = useQuery(news).data?.items ?? []
  const toSign = useToSign(me.administrator)
  useNews()
  useShortcut('k', () => setSearching(true))
  useFocusOnNavigation()
  useFocusKept()

  return (
    <MeContext value={me}>
      <Shell me={me} waiting={waitingCount(toDecide, told)} toSign={toSign} onSearch={() => setSearching(true)} onSignOut={() => void signOut()} banner={<Banners />}>
        <Outlet />
      </Shell>
      {searching && (
        <Suspense>
          <Palette onClose={() => setSearching(false)} />
        </Suspense>
      )}
    </MeContext>
  )
}

/** How many changes and enrolments wait for this administrator's signature. */
function useToSign(administrator: boolean): number {
  const waiting = useInfiniteQuery({ ...changes(false), enabled: administrator })
  const joining = useQuery({ ...enrolments, enabled: administrator })
  const signs = ({ may }: { may: string[] }) => may.includes('sign') || may.includes('send')
  return (
    (waiting.data?.pages ?? []).flatMap((page) => page.items).filter(signs).length + (joining.data?.items ?? []).filter(signs).length
  )
}

function Banners() {
  return (
    <>
      <AlarmBanner />
      <Banner />
    </>
  )
}

function Banner() {
  const me = useQuery(meQuery).data
  if (me?.policy_warning) {
    return (
      <Notice tone="wait" title="The broker and the signer decide by different policies">
        {me.policy_warning}
      </Notice>
    )
  }
  if (me?.ceremony) {
    return (
      <Notice title="The first administrators are still to be enrolled">
        That happens at the signer’s own page, not here: ask whoever runs the signer for your ceremony link. Until all of them are
        enrolled nobody else’s passkey can count, and nobody can approve anything.
      </Notice>
    )
  }
  return null
}

async function signOut() {
  try {
    await body(api.POST('/api/logout'))
    queryClient.setQueryData(meQuery.queryKey, null)
    queryClient.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== meQuery.queryKey[0] })
  } catch (thrown) {
    notify.failed(thrown)
  }
}

/** Ctrl or ⌘ with a key, anywhere. */
function useShortcut(key: string, act: () => void) {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === key) {
        event.preventDefault()
        act()
      }
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  })
}

/** After going to another page, the keyboard and the screen reader start at that page and not at a link that is gone. */
function useFocusOnNavigation() {
  const path = useRouterState({ select: (state) => state.resolvedLocation?.pathname })
  const [first, setFirst] = useState(path)
  useEffect(() => {
    if (path === first) return
    setFirst(undefined)
    const content = document.getElementById('content')
    if (content && !content.contains(document.activeElement)) content.focus({ preventScroll: true })
  }, [path, first])
}

/**
 * What has the focus may go away with what it did: an approved card, a dialog and the button that opened it. The keyboard
 * and the screen reader then go on at the page, where the browser would have them begin again at the top of the frame.
 */
function useFocusKept() {
  useEffect(() => {
    let focused: Node | undefined
    let timer = 0
    const note = (event: FocusEvent) => (focused = event.target as Node)
    const watch = new MutationObserver(() => {
      if (!focused || focused.isConnected) return
      focused = undefined
      // Later, for a dialog that closes gives the focus back by itself.
      timer = window.setTimeout(() => {
        if (document.activeElement === document.body) document.getElementById('content')?.focus({ preventScroll: true })
      }, 50)
    })
    addEventListener('focusin', note)
    watch.observe(document.body, { childList: true, subtree: true })
    return () => {
      removeEventListener('focusin', note)
      watch.disconnect()
      clearTimeout(timer)
    }
  }, [])
}

export function NotFound() {
  return (
    <>
      <PageHead title="There is no such page" tab="Not found" />
      <EmptyState
        title="The address leads nowhere"
        action={
          <Link to="/" className={buttonClass('primary')}>
            Go to my access
          </Link>
        }
      >
        It may be mistyped, or belong to something that you may not see.
      </EmptyState>
    </>
  )
}

/** A page that failed to render, or whose code did not load: a newer version may have replaced it on the server. */
export function Lost({ error }: ErrorComponentProps) {
  return (
    <main className={styles.alone}>
      <ErrorNotice problem={asProblem(error)} />
      <Button icon="again" onClick={() => location.reload()}>
        Reload the page
      </Button>
    </main>
  )
}
