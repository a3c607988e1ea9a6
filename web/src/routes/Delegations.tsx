import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { api, body, type Delegation } from '../api/client'
import { delegations } from '../api/policyQueries'
import { asProblem } from '../api/problem'
import { refresh } from '../api/queries'
import { Button, buttonClass } from '../ui/Button'
import styles from '../ui/Cards.module.css'
import { Confirm } from '../ui/Dialog'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Moment } from '../ui/Moment'
import { PageHead, Section } from '../ui/Page'
import { Person } from '../ui/Person'
import { StateBadge } from '../ui/StateBadge'
import { notify } from '../ui/Toasts'
import { called } from '../words'
import { ApprovalPlaces } from './ApprovalPlaces'
import { Delegate } from './Delegate'

/** Who approves on whose behalf: what the reader gave to others, what others gave to them. */
export function Delegations() {
  const list = useQuery(delegations)
  return (
    <>
      <PageHead
        title="Delegations"
        tab="Delegations"
        words="While you are away, somebody else approves on your behalf, with your groups. You sign it with your passkey; it ends by itself, and either of you can end it at once."
      />
      <ApprovalPlaces />
      {list.error && <ErrorNotice problem={asProblem(list.error)} retry={() => void list.refetch()} />}
      {!list.data ? (
        !list.error && <Loading what="the delegations" />
      ) : (
        <>
          <Section title="Somebody approves for me">
            {list.data.groups.length > 0 ? (
              <Delegate form={list.data} />
            ) : (
              <EmptyState
                title="You have nothing to delegate"
                action={
                  <Link to="/passkeys" className={buttonClass()}>
                    Your passkeys
                  </Link>
                }
              >
                What can be delegated are groups in which your own passkey approves.
              </EmptyState>
            )}
            <List items={list.data.given} mine />
          </Section>
          <Section title="I approve for somebody">
            {list.data.taken.length > 0 ? (
              <List items={list.data.taken} />
            ) : (
              <p className={styles.meta}>Nobody has asked you to approve on their behalf.</p>
            )}
          </Section>
        </>
      )}
    </>
  )
}

/** How many delegations are shown at once. */
const atOnce = 20

function List({ items, mine }: { items: readonly Delegation[]; mine?: boolean }) {
  const [most, setMost] = useState(atOnce)
  if (items.length === 0) return null
  return (
    <>
      <ul className={styles.list}>
        {items.slice(0, most).map((one) => (
          <li key={one.id}>
            <One one={one} mine={mine === true} />
          </li>
        ))}
      </ul>
      {items.length > most && (
        <div className={styles.actions}>
          <Button onClick={() => setMost(most + atOnce)}>Show more of {items.length}</Button>
        </div>
      )}
    </>
  )
}

function One({ one, mine }: { one: Delegation; mine: boolean }) {
  const [ending, setEnding] = useState(false)
  const other = mine ? one.delegate : one.delegator
  const title = mine ? `${called(other)} approves for me` : `I approve for ${called(other)}`
  return (
    <article className={styles.card} aria-label={title}>
      <div className={styles.head}>
        {one.in_force ? <StateBadge state="in-force" /> : <StateBadge state={one.ended ? 'ended' : 'expired'} />}
        <span>
          since <Moment at={one.begins} />
          {one.ended ? (
            <>
              , ended <Moment at={one.ended} />
              {one.ended_by && (
                <>
                  {' '}
                  by <Person person={one.ended_by} />
                </>
              )}
            </>
          ) : (
            <>
              , until <Moment at={one.ends} clock />
            </>
          )}
        </span>
      </div>
      <p>
        <Person person={other} /> {mine ? 'approves on my behalf' : 'is who I approve for'}, in {one.groups.join(', ')}.
      </p>
      {one.may.includes('end') && (
        <div className={styles.actions}>
          <Button kind="destructive" onClick={() => setEnding(true)}>
            End it now
          </Button>
        </div>
      )}
      <Confirm
        open={ending}
        onClose={() => setEnding(false)}
        title={mine ? `End that ${called(other)} approves for you?` : `End that you approve for ${called(other)}?`}
        words={`No approval on behalf of ${mine ? 'you' : called(other)} is taken from then on. What was approved by it counts no more.`}
        confirm="End this delegation"
        busy="Ending…"
        keep="Keep it"
        act={async () => {
          await body(api.POST('/api/delegations/{delegation}/end', { params: { path: { delegation: one.id } }, body: {} }))
          notify.done('Ended', title)
          await refresh()
        }}
      />
    </article>
  )
}
