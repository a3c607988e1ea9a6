import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { asProblem } from '../api/problem'
import { change as changeQuery, changes, enrolments } from '../api/queries'
import { useMe } from '../me'
import { subjectOf } from '../statement'
import { Button } from '../ui/Button'
import styles from '../ui/Cards.module.css'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { PageHead, Section } from '../ui/Page'
import { SteadyList } from '../ui/SteadyList'
import { Tabs } from '../ui/Tabs'
import { ChangeCard } from './ChangeCard'
import { EnrolmentCard } from './EnrolmentCard'

/** What waits for administrators' signatures, and what became of earlier changes. */
export function Changes() {
  const me = useMe()
  const { over } = useSearch({ from: '/changes' })
  const navigate = useNavigate()
  if (!me.reviewer && !me.administrator) {
    return (
      <>
        <PageHead title="Changes" tab="Changes" />
        <EmptyState title="Changes are for administrators and reviewers">
          They see who is to be in which group and how the policy is to change, and administrators sign it together.
        </EmptyState>
      </>
    )
  }
  return (
    <>
      <PageHead
        title="Changes"
        tab="Changes"
        words="Who may do what is changed by several administrators together. Each signs the same text with their own passkey; the signer checks all of them."
      >
        <Tabs
          label="Which changes"
          value={over ? 'over' : 'open'}
          onChange={(value) => void navigate({ to: '/changes', search: value === 'over' ? { over: true } : {} })}
          options={[
            ['open', 'Waiting'],
            ['over', 'History'],
          ]}
        />
      </PageHead>
      {!over && <Joining />}
      <ChangeList over={over === true} />
    </>
  )
}

/** Passkeys of others that wait for administrators: they are signed for like any change. */
function Joining() {
  const me = useMe()
  const waiting = useQuery(enrolments)
  const open = (waiting.data?.items ?? []).filter(
    (item) => item.state === 'needs-authority' && subjectOf(item.person) !== subjectOf(me.person),
  )
  if (open.length === 0) return null
  return (
    <Section title="Passkeys to sign for">
      <SteadyList items={open} keyOf={({ id }) => id} gone="This passkey waits no longer.">
        {(enrolment) => <EnrolmentCard enrolment={enrolment} />}
      </SteadyList>
    </Section>
  )
}

function ChangeList({ over }: { over: boolean }) {
  const list = useInfiniteQuery(changes(over))
  const rows = list.data?.pages.flatMap((page) => page.items) ?? []
  if (list.error && rows.length === 0) return <ErrorNotice problem={asProblem(list.error)} retry={() => void list.refetch()} />
  if (list.isPending) return <Loading what="the changes" lines={6} />
  if (rows.length === 0) {
    return (
      <EmptyState
        title={over ? 'Nothing was changed yet' : 'No change waits'}
        {...(over ? {} : { command: 'stint policy propose DIRECTORY --reason "…"' })}
      >
        {over ? (
          'Every change that came into force, was rejected or ran out of time is kept here, with who signed it.'
        ) : (
          <>
            Somebody’s groups, or a suspension, are changed from the page <Link to="/people">People</Link>. The policy is changed under{' '}
            <Link to="/policies/what-if">What if…</Link>, where you read what would become of it before you propose it; or at a terminal:
            write the files in force into a directory with <code>stint policy show --write DIRECTORY</code>, edit them, and propose them:
          </>
        )}
      </EmptyState>
    )
  }
  return (
    <div className={styles.list}>
      <SteadyList key={over ? 'over' : 'open'} items={rows} keyOf={({ id }) => id} gone="This change waits no longer.">
        {(change) => <ChangeCard change={change} />}
      </SteadyList>
      {list.hasNextPage && (
        <div className={styles.actions}>
          <Button onClick={() => void list.fetchNextPage()} busy={list.isFetchingNextPage && 'Loading more…'}>
            Show more
          </Button>
        </div>
      )}
    </div>
  )
}

/** One change by its own address, for whoever was sent its link. */
export function ChangePage() {
  const { id } = useParams({ from: '/changes/$id' })
  const { data: change, error, refetch } = useQuery(changeQuery(id))
  return (
    <>
      <PageHead title="A change" tab="A change" words={<Link to="/changes">All changes</Link>} />
      {change ? (
        <ChangeCard change={change} whole />
      ) : error ? (
        <ErrorNotice problem={asProblem(error)} retry={() => void refetch()} />
      ) : (
        <Loading what="the change" lines={6} />
      )}
    </>
  )
}
