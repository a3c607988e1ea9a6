import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { OpenReview } from '../api/client'
import { reviews } from '../api/policyQueries'
import { asProblem } from '../api/problem'
import { buttonClass } from '../ui/Button'
import styles from '../ui/Cards.module.css'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Facts } from '../ui/Facts'
import { Moment } from '../ui/Moment'
import { PageHead } from '../ui/Page'
import { Person } from '../ui/Person'
import { StateBadge } from '../ui/StateBadge'
import { SteadyList } from '../ui/SteadyList'
import { ApprovalPlaces } from './ApprovalPlaces'

/** Emergencies that nobody has reviewed, the one that is due first in front. */
export function Reviews() {
  const list = useQuery(reviews)
  return (
    <>
      <PageHead
        title="Reviews of emergencies"
        tab="Reviews"
        words="Somebody acted alone. A reviewer reads why, replays what they did, and closes it with a finding; in time, or the role is locked for everybody."
      />
      <ApprovalPlaces />
      {list.error && <ErrorNotice problem={asProblem(list.error)} retry={() => void list.refetch()} />}
      {!list.data ? (
        !list.error && <Loading what="the open reviews" />
      ) : list.data.items.length === 0 ? (
        <EmptyState title="No emergency waits for a review">
          When somebody acts alone by a role that allows it, it stands here from its beginning until a reviewer has closed it. What was
          reviewed stays on the request’s own page, under <Link to="/requests">Requests</Link>.
        </EmptyState>
      ) : (
        <SteadyList items={list.data.items} keyOf={({ request }) => request.id} gone="This emergency waits no longer.">
          {(open) => <OpenCard open={open} />}
        </SteadyList>
      )}
    </>
  )
}

function OpenCard({ open }: { open: OpenReview }) {
  const { request } = open
  const goesOn = request.state === 'approved' || request.state === 'active'
  return (
    <article className={styles.card} aria-label={request.summary}>
      <div className={styles.head}>
        {open.locked ? <StateBadge state="locked">{`${request.role} is locked`}</StateBadge> : <StateBadge state="review-due" />}
        <span>
          began <Moment at={open.begun} />, due <Moment at={open.due} />
        </span>
      </div>
      <h2 className={styles.sentence}>
        <strong>
          <bdi>{request.summary}</bdi>
        </strong>
      </h2>
      <Facts
        rows={[
          ['Who', <Person key="who" person={request.requester} />],
          ['Why', request.reason ? <bdi>{request.reason}</bdi> : 'no reason was given'],
          ['Role', request.role],
        ]}
      />
      <div className={styles.actions}>
        <Link to="/requests/$id" params={{ id: request.id }} className={buttonClass(open.may ? 'primary' : 'plain')}>
          {open.may ? 'Read it and review' : 'Read it'}
        </Link>
      </div>
      {!open.may && (
        <p className={styles.meta}>
          {goesOn
            ? 'It goes on. It is reviewed once it is over; whoever may review it can end it now, on its page.'
            : 'Somebody else closes it: never the one who acted, and with a passkey of a group that reviews.'}
        </p>
      )}
    </article>
  )
}
