import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { useEffect } from 'react'
import { asProblem } from '../api/problem'
import { requests } from '../api/queries'
import type { RequestSummary } from '../api/client'
import { durationWords } from '../duration'
import { plainKey } from '../keys'
import { useMe } from '../me'
import { Button, buttonClass } from '../ui/Button'
import { MinutesLeft } from '../ui/Countdown'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { PageHead } from '../ui/Page'
import { StateBadge } from '../ui/StateBadge'
import { called, counted } from '../words'
import { ApprovalPlaces } from './ApprovalPlaces'
import { ApprovalCard } from './ApprovalCard'
import styles from './Approvals.module.css'
import { Told } from './Told'

/** The queue at the left, one card at the right. On a phone the card is all, with a way to the next one. */
export function Approvals() {
  const { id } = useParams({ strict: false })
  const navigate = useNavigate()
  const list = useInfiniteQuery(requests('to-approve', ['pending']))
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  const place = id === undefined ? 0 : items.findIndex((item) => item.id === id)
  const shown = id ?? items[0]?.id
  const go = (step: number) => {
    const next = items[(place < 0 ? 0 : place) + step]
    if (next) void navigate({ to: '/approvals/$id', params: { id: next.id }, replace: true })
  }
  useStepKeys(go)

  const head = (
    <>
      <PageHead
        title="Approvals"
        tab={items.length > 0 ? `(${items.length}) Approvals` : 'Approvals'}
        words={
          items.length > 0 ? `${counted(items.length, 'request')} ${items.length === 1 ? 'waits' : 'wait'} for you.` : undefined
        }
      />
      <ApprovalPlaces />
      <Told except={shown} most={2} />
    </>
  )
  if (list.error && items.length === 0) {
    return (
      <>
        {head}
        <ErrorNotice problem={asProblem(list.error)} retry={() => void list.refetch()} />
      </>
    )
  }
  if (list.isPending) {
    return (
      <>
        {head}
        <Loading what="what waits for you" />
      </>
    )
  }
  if (shown === undefined) {
    return (
      <>
        {head}
        <NothingWaits />
      </>
    )
  }
  const alone = items.length === 0 || (items.length === 1 && place === 0)
  return (
    <>
      {head}
      {items.length > 1 && (
        <div className={styles.pager}>
          <Button small kind="quiet" icon="back" unavailable={place <= 0 && 'This is the first'} onClick={() => go(-1)}>
            Before
          </Button>
          <span>{place < 0 ? 'not in the queue' : `${place + 1} of ${items.length}`}</span>
          <Button small kind="quiet" unavailable={place >= items.length - 1 && 'This is the last'} onClick={() => go(1)}>
            Next
          </Button>
        </div>
      )}
      <div className={alone ? `${styles.layout} ${styles.single}` : styles.layout}>
        {!alone && (
          <nav className={styles.queue} aria-label="Requests that wait for you">
            {items.map((item) => (
              <Entry key={item.id} item={item} current={item.id === shown} />
            ))}
            {list.hasNextPage && (
              <Button
                small
                kind="quiet"
                busy={list.isFetchingNextPage && 'Loading more…'}
                onClick={() => void list.fetchNextPage()}
              >
                Show more
              </Button>
            )}
          </nav>
        )}
        <ApprovalCard
          key={shown}
          id={shown}
          onDecided={() => {
            const next = items[place + 1] ?? items[place - 1]
            void navigate(
              next ? { to: '/approvals/$id', params: { id: next.id }, replace: true } : { to: '/approvals', replace: true },
            )
          }}
        />
      </div>
    </>
  )
}

function Entry({ item, current }: { item: RequestSummary; current: boolean }) {
  return (
    <Link
      to="/approvals/$id"
      params={{ id: item.id }}
      replace
      className={styles.entry}
      aria-current={current ? 'true' : undefined}
    >
      <span className={styles.entryWho}>
        <bdi>{called(item.requester)}</bdi>
        {item.break_glass && <StateBadge state="emergency" bare />}
        <span className={styles.entryLeft}>
          <MinutesLeft until={item.expires} />
        </span>
      </span>
      <span className={styles.entryWhat}>
        {item.login} on {item.target}, {durationWords(item.duration_seconds)}
      </span>
    </Link>
  )
}

function NothingWaits() {
  const me = useMe()
  if (me.approver) {
    return (
      <EmptyState title="Nothing waits for you">
        When somebody asks for a role that you may approve, it appears here at once. You can leave this page open.
      </EmptyState>
    )
  }
  return (
    <EmptyState
      title="You approve nothing yet"
      action={
        <Link to="/passkeys" className={buttonClass('primary')}>
          Add a passkey
        </Link>
      }
    >
      Approvers sign with a passkey that an administrator has agreed to. Add one and name the groups you approve for.
    </EmptyState>
  )
}

/** j and k go through the queue, as in every list that is worked off. */
function useStepKeys(go: (step: number) => void) {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (!plainKey(event)) return
      if (event.key === 'j') go(1)
      if (event.key === 'k') go(-1)
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  })
}
