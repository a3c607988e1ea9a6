import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { AuditEvent } from '../api/client'
import { asProblem } from '../api/problem'
import { audit } from '../api/queries'
import { CopyLine } from '../ui/CopyLine'
import { Disclosure } from '../ui/Disclosure'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Facts } from '../ui/Facts'
import { Moment } from '../ui/Moment'
import { PageHead, Section } from '../ui/Page'
import { Person } from '../ui/Person'
import { Table, type Column } from '../ui/Table'
import styles from './Audit.module.css'

const columns: Column<AuditEvent>[] = [
  { name: 'Leaf', narrow: true, end: true, cell: (event) => <span className={styles.index}>{event.index}</span> },
  { name: 'When', narrow: true, cell: (event) => <Moment at={event.time} clock /> },
  { name: 'Kind', narrow: true, cell: (event) => <code className={styles.kind}>{event.kind}</code> },
  { name: 'What happened', main: true, cell: (event) => <What event={event} /> },
  { name: 'Who', cell: (event) => (event.actor?.subject ? <Person person={event.actor} /> : <span className={styles.process}>{event.actor?.name ?? 'Stint'}</span>) },
]

/** The audit log, newest first. What it says is proved by its checkpoint and checked at a terminal. */
export function Audit() {
  const list = useInfiniteQuery(audit)
  const events = list.data?.pages.flatMap((page) => page.items) ?? []
  const checkpoint = list.data?.pages[0]?.checkpoint
  return (
    <>
      <PageHead
        title="Audit"
        tab="Audit"
        words="Every change, in one append-only log. Leaves are numbered; nothing between two numbers can be missing."
      />
      {list.error && <ErrorNotice problem={asProblem(list.error)} retry={() => void list.refetch()} />}
      {list.isPending ? (
        <Loading what="the audit log" lines={8} />
      ) : events.length === 0 && !list.error ? (
        <EmptyState title="Nothing has happened yet">The first sign-in writes the first leaf.</EmptyState>
      ) : (
        <Table
          label="Audit events"
          columns={columns}
          rows={events}
          rowKey={(event) => event.index}
          more={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          loadingMore={list.isFetchingNextPage}
        />
      )}
      {checkpoint && (
        <Section title="Checkpoint" aside="signed by the broker over the whole log">
          <div className={styles.checkpoint}>
            <pre tabIndex={0} aria-label="Checkpoint">
              {checkpoint}
            </pre>
            <CopyLine text="stint audit verify" what="the command that checks the whole log" />
          </div>
        </Section>
      )}
    </>
  )
}

function What({ event }: { event: AuditEvent }) {
  return (
    <Disclosure summary={<bdi>{event.text}</bdi>}>
      <div className={styles.detail}>
        <Facts
          rows={[
            [
              'Request',
              event.request && (
                <Link to="/requests/$id" params={{ id: event.request }}>
                  {event.request}
                </Link>
              ),
            ],
            [
              'Session',
              event.session && (
                <Link to="/sessions/$session" params={{ session: event.session }}>
                  {event.session}
                </Link>
              ),
            ],
            ['Leaf hash', <code key="hash">{event.hash}</code>],
          ]}
        />
        {event.data !== undefined && event.data !== null && <pre>{JSON.stringify(event.data, null, 2)}</pre>}
      </div>
    </Disclosure>
  )
}
