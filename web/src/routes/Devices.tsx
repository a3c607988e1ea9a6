import { useInfiniteQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { api, body, type Device, type Posture } from '../api/client'
import { asProblem } from '../api/problem'
import { devices, refresh } from '../api/queries'
import { useMe } from '../me'
import { Button } from '../ui/Button'
import styles from '../ui/Cards.module.css'
import { Confirm } from '../ui/Dialog'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Area, Field } from '../ui/Field'
import { Moment } from '../ui/Moment'
import { PageHead } from '../ui/Page'
import { Person } from '../ui/Person'
import { StateBadge } from '../ui/StateBadge'
import { SteadyList } from '../ui/SteadyList'
import { Tabs } from '../ui/Tabs'
import { Taken } from '../ui/Taken'
import { notify } from '../ui/Toasts'
import { BindFleet, FleetFacts } from './DeviceFleet'

/** The machines whose keys the signer knows, with what they last said of themselves; blocking one at once. */
export function Devices() {
  const me = useMe()
  const overseer = me.reviewer || me.administrator
  const { everybody } = useSearch({ from: '/devices' })
  const all = overseer && everybody === true
  const navigate = useNavigate()
  const list = useInfiniteQuery(devices(all))
  const rows = list.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <>
      <PageHead
        title="Devices"
        tab="Devices"
        words="Machines with a key of their own. What they say of their state is their own word, and what Fleet says is Fleet’s: either can take access away, and gives none."
      >
        {overseer && (
          <Tabs
            label="Whose devices"
            value={all ? 'everybody' : 'mine'}
            onChange={(value) => void navigate({ to: '/devices', search: value === 'everybody' ? { everybody: true } : {} })}
            options={[
              ['mine', 'Mine'],
              ['everybody', 'Everybody’s'],
            ]}
          />
        )}
      </PageHead>
      {list.error && <ErrorNotice problem={asProblem(list.error)} retry={() => void list.refetch()} />}
      {list.isPending ? (
        <Loading what="the devices" lines={6} />
      ) : rows.length === 0 && !list.error ? (
        <EmptyState title={all ? 'Nobody has enrolled a device' : 'You have enrolled no device'} command="stint device enroll">
          Some roles may be used from an enrolled machine only, and say so where they are asked for. A machine is enrolled on itself, by
          whoever is signed in there with <code>stint login</code>:
        </EmptyState>
      ) : (
        <SteadyList key={all ? 'everybody' : 'mine'} items={rows} keyOf={({ id }) => id} gone="This device is no longer in the list.">
          {(device) => <DeviceCard device={device} />}
        </SteadyList>
      )}
      {list.hasNextPage && (
        <div className={styles.actions}>
          <Button onClick={() => void list.fetchNextPage()} busy={list.isFetchingNextPage && 'Loading more…'}>
            Show more
          </Button>
        </div>
      )}
    </>
  )
}

function DeviceCard({ device }: { device: Device }) {
  const [blocking, setBlocking] = useState(false)
  const [binding, setBinding] = useState(false)
  return (
    <article className={styles.card} aria-label={device.name}>
      <div className={styles.head}>
        <p className={styles.name}>
          <bdi>{device.name}</bdi>
        </p>
        <span>
          of <Person person={device.owner} />, enrolled <Moment at={device.enrolled} />
        </span>
      </div>
      <p className={styles.for}>
        {device.blocked && <StateBadge state="blocked" />}
        <span>
          <Held device={device} />
        </span>
      </p>
      {device.blocked && <Taken what="blocked" taken={device.blocked} />}
      {device.posture ? <Facts posture={device.posture} name={device.name} /> : <p>It has not said in what state it is.</p>}
      {device.fleet && <FleetFacts fleet={device.fleet} name={device.name} />}
      {!device.blocked && device.rules.length > 0 && <Rules device={device} />}
      {device.may.length > 0 && (
        <div className={styles.actions}>
          {device.may.includes('bind-fleet') && (
            <Button small onClick={() => setBinding(true)} aria-label={`Bind ${device.name} to its host in Fleet`}>
              {device.fleet ? 'Bind to another host in Fleet' : 'Bind to its host in Fleet'}
            </Button>
          )}
          {device.may.includes('block') && (
            <Button small kind="destructive" icon="stop" onClick={() => setBlocking(true)} aria-label={`Block ${device.name}`}>
              Block
            </Button>
          )}
        </div>
      )}
      <BindFleet device={device} open={binding} onClose={() => setBinding(false)} />
      <Block device={device} open={blocking} onClose={() => setBlocking(false)} />
    </article>
  )
}

/** Where the key is; what is said of a TPM was proven when the device was enrolled. */
function Held({ device }: { device: Device }) {
  if (device.held === 'file') {
    return 'its key is in a file: whoever copies the file has it'
  }
  if (!device.maker) {
    return 'its key is in a TPM that no maker in the policy certified: software can pass for one'
  }
  return (
    <>
      its key is in its TPM, certified by <bdi>{device.maker}</bdi>
    </>
  )
}

/** What the machine last said, one fact a line. */
function Facts({ posture, name }: { posture: Posture; name: string }) {
  const facts = [
    ['disk encryption', posture.disk_encryption],
    ['firewall', posture.firewall],
    ['screen lock', posture.screen_lock],
    ['secure boot', posture.secure_boot],
    ['last system update', ageWords(posture.system_age_days)],
    ['protection', posture.protection.length > 0 ? posture.protection.join(', ') : 'none that is known'],
  ] as const
  return (
    <div>
      <p>
        Said <Moment at={posture.at} />: <bdi>{posture.system}</bdi>
      </p>
      <ul className={styles.words} aria-label={`What ${name} said`}>
        {facts.map(([fact, value]) => (
          <li key={fact} data-value={value}>
            {fact}: <bdi>{value}</bdi>
          </li>
        ))}
      </ul>
    </div>
  )
}

function ageWords(days: number | undefined): string {
  if (days === undefined) return 'unknown'
  if (days === 0) return 'within a day'
  return days === 1 ? '1 day ago' : `${days} days ago`
}

/** What each role that asks for a device makes of this one now. */
function Rules({ device }: { device: Device }) {
  return (
    <ul className={styles.words} aria-label={`Roles and ${device.name}`}>
      {device.rules.map((rule) => (
        <li key={rule.role}>
          <StateBadge state={rule.complies ? 'complies' : 'complies-not'} bare>
            {rule.complies ? `does what ${rule.role} asks` : `not for ${rule.role}`}
          </StateBadge>
          {!rule.complies && (
            <ul className={styles.words}>
              {rule.reasons
                .filter((reason) => !reason.met)
                .map((reason) => (
                  <li key={reason.rule}>
                    <bdi>{reason.text.replaceAll('`', '')}</bdi>
                  </li>
                ))}
            </ul>
          )}
        </li>
      ))}
    </ul>
  )
}

/** Makes a device count for nothing, after naming it. It needs no proof. */
function Block({ device, open, onClose }: { device: Device; open: boolean; onClose: () => void }) {
  const [reason, setReason] = useState('')
  return (
    <Confirm
      open={open}
      onClose={onClose}
      title={`Block ${device.name}?`}
      words={
        <>
          Its sessions end at once, and nothing more is signed for it. It stays blocked: its machine then needs another key. It signs
          nobody out; where somebody else may be using the machine, suspend its owner.
        </>
      }
      confirm={`Block ${device.name}`}
      busy="Blocking…"
      keep="Change nothing"
      act={async () => {
        const text = reason.trim()
        const call = api.POST('/api/devices/{device}/block', {
          params: { path: { device: device.id } },
          body: text ? { reason: text } : {},
        })
        await body(call)
        notify.done(`${device.name} is blocked`)
        await refresh()
      }}
    >
      <Field label="Reason" optional hint="Its owner reads it.">
        <Area value={reason} onChange={setReason} most={500} />
      </Field>
    </Confirm>
  )
}
