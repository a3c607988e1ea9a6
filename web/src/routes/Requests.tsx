import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import type { RequestSummary } from '../api/client'
import { asProblem } from '../api/problem'
import { requests, type RequestState } from '../api/queries'
import { formatDuration } from '../duration'
import { useMe } from '../me'
import type { RequestsSearch } from '../router'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Moment } from '../ui/Moment'
import { PageHead } from '../ui/Page'
import { Person } from '../ui/Person'
import { StateBadge } from '../ui/StateBadge'
import { Table, type Column } from '../ui/Table'
import { Tabs } from '../ui/Tabs'
import { lookOf } from './requestWords'
import styles from './Requests.module.css'

const route = getRouteApi('/requests')

const states: Record<NonNullable<RequestsSearch['state']>, RequestState[]> = {
  pending: ['pending'],
  held: ['approved', 'active'],
  over: ['denied', 'withdrawn', 'expired', 'ended'],
}

const columns: Column<RequestSummary>[] = [
  { name: 'State', narrow: true, cell: (item) => <StateBadge state={lookOf(item)} bare /> },
  { name: 'Who', cell: (item) => <Person person={item.requester} /> },
  {
    name: 'What',
    main: true,
    cell: (item) => (
      <>
        <Link to="/requests/$id" params={{ id: item.id }}>
          {item.login} on {item.target}
        </Link>
        <div className={styles.role}>{item.role}</div>
      </>
    ),
  },
  { name: 'For', narrow: true, cell: (item) => formatDuration(item.duration_seconds) },
  { name: 'Why', cell: (item) => <bdi className={styles.why}>{item.reason || '–'}</bdi>, onlyWide: true },
  { name: 'Asked', narrow: true, cell: (item) => <Moment at={item.asked} /> },
]

/** Every request one may see, newest first. */
export function Requests() {
  const me = useMe()
  const search = route.useSearch()
  const navigate = useNavigate()
  const seesAll = me.reviewer || me.administrator
  const view = seesAll ? (search.view ?? 'all') : 'mine'
  const list = useInfiniteQuery(requests(view, search.state ? states[search.state] : []))
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  const go = (next: RequestsSearch) => void navigate({ to: '/requests', search: { ...search, ...next }, replace: true })

  return (
    <>
      <PageHead title="Requests" tab="Requests" words={view === 'all' ? 'Everybody’s, newest first.' : 'Yours, newest first.'}>
        <div className={styles.filters}>
          {seesAll && (
            <Tabs
              label="Whose"
              value={view}
              onChange={(next) => go({ view: next })}
              options={[
                ['all', 'Everybody’s'],
                ['mine', 'Mine'],
              ]}
            />
          )}
          <Tabs
            label="State"
            value={search.state ?? 'any'}
            onChange={(next) =>
              void navigate({
                to: '/requests',
                search: { ...(search.view ? { view: search.view } : {}), ...(next === 'any' ? {} : { state: next }) },
                replace: true,
              })
            }
            options={[
              ['any', 'All'],
              ['pending', 'Waiting'],
              ['held', 'Held'],
              ['over', 'Over'],
            ]}
          />
        </div>
      </PageHead>
      {list.error && <ErrorNotice problem={asProblem(list.error)} retry={() => void list.refetch()} />}
      {list.isPending ? (
        <Loading what="requests" lines={6} />
      ) : items.length === 0 && !list.error ? (
        <EmptyState
          title={search.state ? 'None in this state' : 'No requests yet'}
          command="stint request ROLE --target TARGET --duration 1h --reason 'why'"
        >
          {search.state
            ? 'Look at all of them, or ask for something.'
            : 'Every ask appears here, with what became of it. Ask in the portal or at a terminal.'}
        </EmptyState>
      ) : (
        <Table
          label="Requests"
          columns={columns}
          rows={items}
          rowKey={(item) => item.id}
          more={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          loadingMore={list.isFetchingNextPage}
        />
      )}
    </>
  )
}
