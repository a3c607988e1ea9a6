import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { api, body, type RequestSummary } from '../api/client'
import { asProblem } from '../api/problem'
import { refresh, requests, roles as rolesQuery } from '../api/queries'
import { durationWords, formatDuration } from '../duration'
import { Button, buttonClass } from '../ui/Button'
import { classes } from '../ui/classes'
import { CopyLine } from '../ui/CopyLine'
import { Countdown } from '../ui/Countdown'
import { Confirm } from '../ui/Dialog'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Moment } from '../ui/Moment'
import { Card, PageHead, Section } from '../ui/Page'
import { StateBadge } from '../ui/StateBadge'
import { notify } from '../ui/Toasts'
import styles from './Home.module.css'
import { lookOf } from './requestWords'
import { Told } from './Told'

/** What I hold, what I wait for, what I may ask for. */
export function Home() {
  const list = useInfiniteQuery(requests('mine'))
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  const held = items.filter((item) => item.state === 'active' || item.state === 'approved')
  const waiting = items.filter((item) => item.state === 'pending')
  const past = latest(items.filter((item) => !held.includes(item) && !waiting.includes(item)))

  return (
    <>
      <PageHead title="My access" tab="My access">
        <Link to="/ask" className={buttonClass('primary')}>
          Ask for access
        </Link>
      </PageHead>
      <Told most={3} />
      {list.error && (
        <ErrorNotice
          problem={asProblem(list.error)}
          kept={items.length > 0 ? 'What you see below is from before.' : ''}
          retry={() => void list.refetch()}
        />
      )}
      {list.isPending ? (
        <Loading what="what you hold" />
      ) : (
        <>
          <Section title="What you hold now">
            {held.length > 0 ? (
              <div className={styles.grants}>
                {held.map((item) => (
                  <Grant key={item.id} grant={item} />
                ))}
              </div>
            ) : (
              <EmptyState title="Nothing" command="stint request ROLE --target TARGET --duration 1h --reason 'why'">
                That is how it should be while you do not need it. Ask here or at a terminal; once it is approved, the line to
                connect with appears in this place.
              </EmptyState>
            )}
          </Section>
          {waiting.length > 0 && (
            <Section title="What you wait for">
              <ul className={styles.list}>
                {waiting.map((item) => (
                  <Waiting key={item.id} request={item} />
                ))}
              </ul>
            </Section>
          )}
          <div className={styles.columns}>
            <MayAsk />
            {past.length > 0 && (
              <Section title="Ask again">
                <ul className={styles.list}>
                  {past.map((item) => (
                    <Again key={item.id} request={item} />
                  ))}
                </ul>
              </Section>
            )}
          </div>
        </>
      )}
    </>
  )
}

function Grant({ grant }: { grant: RequestSummary }) {
  const [ending, setEnding] = useState(false)
  const look = lookOf(grant)
  const counts = look !== 'scheduled' && look !== 'unused'
  const what = `${grant.login} on ${grant.target}`
  return (
    <Card className={classes(styles.grant, !counts && styles.clockless)} label={what}>
      {counts && grant.ends && (
        <Countdown from={new Date(grant.ends).getTime() - grant.duration_seconds * 1000} until={grant.ends} what="Access ends" />
      )}
      <div>
        <p className={styles.what}>{what}</p>
        <p className={styles.sub}>
          <StateBadge state={look} />
          {grant.break_glass && <StateBadge state="emergency" bare />}
          <span>
            {grant.role}
            {look === 'scheduled' && (
              <>
                , begins <Moment at={grant.begins!} />
              </>
            )}
            {look === 'unused' && (
              <>
                , {durationWords(grant.duration_seconds)} from its first use; over if not used <Moment at={grant.use_by!} />
              </>
            )}
            {grant.ends && look !== 'unused' && (
              <>
                , until <Moment at={grant.ends} clock />
              </>
            )}
          </span>
          <Link to="/requests/$id" params={{ id: grant.id }}>
            What happened
          </Link>
        </p>
      </div>
      {grant.may.includes('drop') && (
        <div className={styles.actions}>
          <Button onClick={() => setEnding(true)}>I’m done</Button>
        </div>
      )}
      {grant.ssh && look !== 'scheduled' && (
        <div className={styles.line}>
          <CopyLine text={grant.ssh} what="the line to connect with" />
        </div>
      )}
      <Confirm
        open={ending}
        onClose={() => setEnding(false)}
        title={`Give back ${what}?`}
        words="Your access ends at once, and any session of yours on it closes. You can ask again whenever you need it."
        confirm={`Give back ${what}`}
        busy="Giving it back…"
        keep="Keep it"
        act={async () => {
          await body(api.POST('/api/requests/{id}/drop', { params: { path: { id: grant.id } }, body: {} }))
          notify.done(`Gave back ${what}`)
          await refresh()
        }}
      />
    </Card>
  )
}

function Waiting({ request }: { request: RequestSummary }) {
  return (
    <li className={styles.row}>
      <div>
        <Link to="/requests/$id" params={{ id: request.id }} className={styles.title}>
          {request.login} on {request.target} for {durationWords(request.duration_seconds)}
        </Link>
        <div className={styles.meta}>
          <StateBadge state="pending" bare>
            {request.waits_for || 'Waiting'}
          </StateBadge>
          <span>
            asked <Moment at={request.asked} />, void <Moment at={request.expires} />
          </span>
        </div>
      </div>
      {request.may.includes('withdraw') && <Withdraw request={request} />}
    </li>
  )
}

function Withdraw({ request }: { request: RequestSummary }) {
  const [asking, setAsking] = useState(false)
  const what = `${request.login} on ${request.target}`
  return (
    <>
      <Button small kind="quiet" onClick={() => setAsking(true)}>
        Take back
      </Button>
      <Confirm
        open={asking}
        onClose={() => setAsking(false)}
        title={`Take back your request for ${what}?`}
        words="Nobody can approve it any more, and approvals it already has are void."
        confirm="Take back the request"
        busy="Taking it back…"
        keep="Keep waiting"
        act={async () => {
          await body(api.POST('/api/requests/{id}/withdraw', { params: { path: { id: request.id } }, body: {} }))
          notify.done(`Took back the request for ${what}`)
          await refresh()
        }}
      />
    </>
  )
}

function Again({ request }: { request: RequestSummary }) {
  const search = {
    role: request.role,
    target: request.target,
    login: request.login,
    duration: formatDuration(request.duration_seconds),
    reason: request.reason,
  }
  return (
    <li className={styles.row}>
      <div>
        <Link to="/requests/$id" params={{ id: request.id }} className={styles.title}>
          {request.login} on {request.target}
        </Link>
        <div className={styles.meta}>
          <StateBadge state={request.end_reason || request.state} bare />
          <span>
            <Moment at={request.ends ?? request.asked} />
          </span>
        </div>
      </div>
      <Link to="/ask" search={search} className={buttonClass('plain', { small: true })}>
        Ask again
      </Link>
    </li>
  )
}

function MayAsk() {
  const roles = useQuery(rolesQuery)
  if (roles.error) return <ErrorNotice problem={asProblem(roles.error)} retry={() => void roles.refetch()} />
  if (!roles.data) return <Loading what="the roles you may ask for" />
  return (
    <Section title="What you may ask for">
      {roles.data.items.length === 0 ? (
        <EmptyState title="No role is open to you">
          Roles name the groups that may ask for them, and you are in none of those. Ask whoever keeps the policies here.
        </EmptyState>
      ) : (
        <ul className={styles.list}>
          {roles.data.items.map((role) => (
            <li key={role.name} className={styles.row}>
              <div>
                <Link to="/ask" search={{ role: role.name }} className={styles.title}>
                  {role.name}
                </Link>
                <div className={styles.meta}>
                  <span>{role.description}</span>
                </div>
                <div className={styles.meta}>
                  <span>
                    {role.targets.length === 1 ? role.targets[0]!.name : `${role.targets.length} targets`} · up to{' '}
                    {durationWords(role.longest_seconds)} ·{' '}
                    {role.stages.length === 0
                      ? 'granted at once'
                      : `${role.stages.reduce((sum, stage) => sum + stage.count, 0)} must agree`}
                  </span>
                </div>
              </div>
              <Link
                to="/ask"
                search={{ role: role.name }}
                className={buttonClass('plain', { small: true })}
                aria-label={`Ask for ${role.name}`}
              >
                Ask
              </Link>
            </li>
          ))}
        </ul>
      )}
    </Section>
  )
}

/** The newest of each ask, at most six: the same one ten times helps nobody. */
function latest(items: readonly RequestSummary[]): RequestSummary[] {
  const seen = new Map<string, RequestSummary>()
  for (const item of items) {
    const key = [item.role, item.target, item.login].join(' ')
    if (!seen.has(key)) seen.set(key, item)
  }
  return [...seen.values()].slice(0, 6)
}
