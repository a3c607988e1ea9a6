import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { api, body, type Alarm } from '../api/client'
import { asProblem } from '../api/problem'
import { alarms, refresh } from '../api/queries'
import { useMe } from '../me'
import { useSubmit } from '../submit'
import { Button } from '../ui/Button'
import { CopyLine } from '../ui/CopyLine'
import { Dialog } from '../ui/Dialog'
import { Disclosure } from '../ui/Disclosure'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Facts } from '../ui/Facts'
import { Area, Field } from '../ui/Field'
import { Moment } from '../ui/Moment'
import { PageHead } from '../ui/Page'
import { Person } from '../ui/Person'
import { StateBadge } from '../ui/StateBadge'
import { SteadyList } from '../ui/SteadyList'
import { Tabs } from '../ui/Tabs'
import { notify } from '../ui/Toasts'
import styles from './Alarms.module.css'

const views = [
  ['open', 'Open'],
  ['all', 'All'],
] as const

/** What was found that must not be, and what to do about it. */
export function Alarms() {
  const me = useMe()
  const [view, setView] = useState<'open' | 'all'>('open')
  const list = useInfiniteQuery({ ...alarms(view), enabled: me.reviewer || me.administrator })
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  if (!me.reviewer && !me.administrator) {
    return (
      <>
        <PageHead title="Alarms" tab="Alarms" />
        <EmptyState title="Alarms are for reviewers and administrators">They look into each and say what it came of.</EmptyState>
      </>
    )
  }
  return (
    <>
      <PageHead
        title="Alarms"
        tab="Alarms"
        words="The signer’s ledger is compared with what was granted every ten seconds. What does not fit is here until somebody has looked into it."
      >
        <Tabs label="Which alarms" value={view} onChange={setView} options={views} />
      </PageHead>
      {list.error && <ErrorNotice problem={asProblem(list.error)} retry={() => void list.refetch()} />}
      {list.isPending ? (
        <Loading what="the alarms" />
      ) : items.length === 0 && !list.error ? (
        <EmptyState title={view === 'open' ? 'No alarm is open' : 'There was never an alarm'}>
          {view === 'open'
            ? 'All that was compared fits, or somebody has looked into it: those are under All, with what they found.'
            : 'All that was compared fits. What would raise one: a certificate that no grant explains, a session without a certificate in the ledger, a signature by a wrong key, a certificate at a target that no ledger holds, and a ledger that contradicts its mirror.'}
        </EmptyState>
      ) : (
        <SteadyList key={view} items={items} keyOf={({ id }) => id} gone="This alarm is no longer open.">
          {(alarm) => <AlarmCard alarm={alarm} taught={items.find(({ kind }) => kind === alarm.kind)?.id === alarm.id} />}
        </SteadyList>
      )}
      {list.hasNextPage && (
        <div className={styles.more}>
          <Button busy={list.isFetchingNextPage && 'Loading…'} onClick={() => void list.fetchNextPage()}>
            Show older alarms
          </Button>
        </div>
      )}
    </>
  )
}

/** taught: it is the first of its kind on the page, so that its advice stands open. */
function AlarmCard({ alarm, taught }: { alarm: Alarm; taught: boolean }) {
  const [acknowledging, setAcknowledging] = useState(false)
  const over = Boolean(alarm.acknowledged)
  return (
    <article className={styles.alarm} aria-label={alarm.title} data-open={!over || undefined}>
      <div className={styles.head}>
        <StateBadge state={over ? 'acknowledged' : 'open-alarm'} />
        <span>
          raised <Moment at={alarm.raised} />
        </span>
        <code>{alarm.kind}</code>
      </div>
      <h2 className={styles.title}>
        <bdi>{alarm.title}</bdi>
      </h2>
      {over && (
        <p className={styles.said}>
          {alarm.by && <Person person={alarm.by} />}, <Moment at={alarm.acknowledged!} />: <bdi>{alarm.reason}</bdi>
        </p>
      )}
      {!over && taught ? (
        <Advice alarm={alarm} />
      ) : (
        <Disclosure small summary="What it means, and what to do">
          <Advice alarm={alarm} />
        </Disclosure>
      )}
      {(alarm.request || alarm.session) && (
        <Facts
          rows={[
            [
              'Request',
              alarm.request && (
                <Link to="/requests/$id" params={{ id: alarm.request }}>
                  {alarm.request}
                </Link>
              ),
            ],
            [
              'Session',
              alarm.session && (
                <Link to="/sessions/$session" params={{ session: alarm.session }}>
                  {alarm.session}
                </Link>
              ),
            ],
          ]}
        />
      )}
      {alarm.detail && (
        <Disclosure small summary="What was found, in full">
          <pre className={styles.detail} tabIndex={0} aria-label="What was found">
            {alarm.detail}
          </pre>
        </Disclosure>
      )}
      {!over && (
        <div>
          <Button onClick={() => setAcknowledging(true)} aria-label={`Acknowledge this alarm: ${alarm.title}`}>
            Acknowledge this alarm
          </Button>
        </div>
      )}
      {acknowledging && <Acknowledge alarm={alarm} onClose={() => setAcknowledging(false)} />}
    </article>
  )
}

/** What an alarm means, and what to do about it, one step after the other. */
function Advice({ alarm }: { alarm: Alarm }) {
  return (
    <div className={styles.advice}>
      <p>{alarm.means}</p>
      <ol className={styles.steps} aria-label="What to do">
        {alarm.steps.map((step) => (
          <li key={step.text}>
            {step.text} <StepLink alarm={alarm} page={step.page} />
            {step.command && <CopyLine text={step.command} what="the command" />}
          </li>
        ))}
      </ol>
    </div>
  )
}

/** The way to the page on which a step is done. */
function StepLink({ alarm, page }: { alarm: Alarm; page: Alarm['steps'][number]['page'] }) {
  switch (page) {
    case 'request':
      return (
        <Link to="/requests/$id" params={{ id: alarm.request ?? '' }}>
          Open the request
        </Link>
      )
    case 'session':
      return (
        <Link to="/sessions/$session" params={{ session: alarm.session ?? '' }}>
          Open the session
        </Link>
      )
    case 'audit':
      return <Link to="/audit">Open the audit log</Link>
    case 'people':
      return (
        <Link to="/people" search={{ everybody: true }}>
          Open People
        </Link>
      )
    case undefined:
      return null
  }
}

function Acknowledge({ alarm, onClose }: { alarm: Alarm; onClose: () => void }) {
  const [reason, setReason] = useState('')
  const submit = useSubmit()
  const acknowledge = async () => {
    const done = await submit.run(async () => {
      await body(api.POST('/api/alarms/{alarm}/acknowledge', { params: { path: { alarm: alarm.id } }, body: { reason: reason.trim() } }))
      await refresh()
    })
    if (!done) return
    notify.done('Acknowledged', alarm.title)
    onClose()
  }
  return (
    <Dialog
      open
      onClose={onClose}
      title="Acknowledge this alarm?"
      words={<bdi>{alarm.title}</bdi>}
      actions={
        <>
          <Button onClick={onClose}>Leave it open</Button>
          <Button kind="primary" busy={submit.running && 'Acknowledging…'} onClick={() => void acknowledge()}>
            Acknowledge with this reason
          </Button>
        </>
      }
    >
      <Field label="What it came of" hint="It stays in the record under your name. The same finding raises no alarm again.">
        <Area value={reason} onChange={setReason} most={500} placeholder="What you looked at and what you found" />
      </Field>
      {submit.problem && <ErrorNotice problem={submit.problem} kept="Your reason is still here." />}
    </Dialog>
  )
}
