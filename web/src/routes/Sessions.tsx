import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import type { Session } from '../api/client'
import { asProblem } from '../api/problem'
import { sessions } from '../api/queries'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Moment } from '../ui/Moment'
import { PageHead } from '../ui/Page'
import { Person } from '../ui/Person'
import { StateBadge } from '../ui/StateBadge'
import { Table, type Column } from '../ui/Table'
import { Tabs } from '../ui/Tabs'
import { endWords, lengthWords, RecordingBadge } from './sessionWords'

const columns: Column<Session>[] = [
  {
    name: 'Where',
    main: true,
    cell: (session) => (
      <Link to="/sessions/$session" params={{ session: session.id }}>
        {session.login}@{session.target}
      </Link>
    ),
  },
  { name: 'Who', cell: (session) => <Person person={session.person} /> },
  { name: 'Started', narrow: true, cell: (session) => <Moment at={session.started} clock /> },
  { name: 'Length', narrow: true, end: true, cell: lengthWords },
  { name: 'Ended', narrow: true, cell: (session) => (session.live ? <StateBadge state="live" bare /> : endWords(session)) },
  { name: 'Recording', narrow: true, cell: (session) => <RecordingBadge session={session} /> },
  { name: 'Request', narrow: true, onlyWide: true, cell: (session) => <Link to="/requests/$id" params={{ id: session.request }}>{session.request}</Link> },
]

/** Every session that the reader may see, live ones first. */
export function Sessions() {
  const { live } = useSearch({ from: '/sessions' })
  const navigate = useNavigate()
  const list = useInfiniteQuery(sessions({ live: live === true }))
  const rows = list.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <>
      <PageHead title="Sessions" tab="Sessions" words={<>Each is recorded before it takes effect, by a <Link to="/sessions/proxies">proxy</Link>. Open one to replay it.</>}>
        <Tabs
          label="Which sessions"
          value={live ? 'live' : 'all'}
          onChange={(value) => void navigate({ to: '/sessions', search: value === 'live' ? { live: true } : {} })}
          options={[
            ['all', 'All'],
            ['live', 'Live'],
          ]}
        />
      </PageHead>
      {list.error && <ErrorNotice problem={asProblem(list.error)} retry={() => void list.refetch()} />}
      {list.isPending ? (
        <Loading what="sessions" lines={6} />
      ) : rows.length === 0 && !list.error ? (
        <EmptyState title={live ? 'Nobody is connected now' : 'No session yet'} command="stint ssh TARGET">
          {live ? 'A session appears here the moment somebody connects through a proxy.' : 'A session begins when somebody with a grant connects.'}
        </EmptyState>
      ) : (
        <Table label="Sessions" columns={columns} rows={rows} rowKey={(session) => session.id} more={list.hasNextPage ? () => void list.fetchNextPage() : undefined} loadingMore={list.isFetchingNextPage} />
      )}
    </>
  )
}
