import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { api, body, type Alarm } from '../api/client'
import { asProblem } from '../api/problem'
import { alarms, refresh } from '../api/queries'
import { useMe } from '../me'
import { useSubmit } from '../submit'
import { Button } from '../ui/Button'
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
          {view === 'open' ? 'Nothing was found that somebody has not looked into.' : 'All that was compared fits.'}
        </EmptyState>
      ) : (
        <div className={styles.list}>
          {items.map((alarm) => (
            <AlarmCard key={alarm.id} alarm={alarm} />
          ))}
          {list.hasNextPage && (
            <Button busy={list.isFetchingNextPage && 'Loading…'} onClick={() => void list.fetchNextPage()}>
              Show older alarms
            </Button>
          )}
        </div>
      )}
    </>
  )
}

function AlarmCard({ alarm }: { alarm: Alarm }) {
  const [acknowledging, setAcknowledging] = useState(false)
  return (
    <article className={styles.alarm} aria-label={alarm.title} data-open={!alarm.acknowledged || undefined}>
      <div className={styles.head}>
        <StateBadge state={alarm.acknowledged ? 'ended' : 'denied'}>{alarm.acknowledged ? 'Acknowledged' : 'Open'}</StateBadge>
        <span>
          raised <Moment at={alarm.raised} />
        </span>
        <code>{alarm.kind}</code>
      </div>
      <h2 className={styles.title}>
        <bdi>{alarm.title}</bdi>
      </h2>
      <Facts
        rows={[
          ['What it means', alarm.means],
          ['What to do', alarm.do],
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
          [
            'Acknowledged',
            alarm.acknowledged && alarm.by && (
              <>
                by <Person person={alarm.by} /> <Moment at={alarm.acknowledged} />: <bdi>{alarm.reason}</bdi>
              </>
            ),
          ],
        ]}
      />
      {alarm.detail && (
        <Disclosure small summary="What was found, in full">
          <pre className={styles.detail} tabIndex={0} aria-label="What was found">
            {alarm.detail}
          </pre>
        </Disclosure>
      )}
      {!alarm.acknowledged && (
        <div>
          <Button onClick={() => setAcknowledging(true)}>Acknowledge this alarm</Button>
        </div>
      )}
      {acknowledging && <Acknowledge alarm={alarm} onClose={() => setAcknowledging(false)} />}
    </article>
  )
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
