import { useState } from 'react'
import { api, body, type Device, type FleetHost } from '../api/client'
import { refresh } from '../api/queries'
import { useSubmit } from '../submit'
import { Button } from '../ui/Button'
import { Dialog } from '../ui/Dialog'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Field, Input } from '../ui/Field'
import { Moment } from '../ui/Moment'
import { Person } from '../ui/Person'
import { notify } from '../ui/Toasts'
import { called } from '../words'
import styles from '../ui/Cards.module.css'

/** What the Fleet server last said of a device's host, and when the machine told it so. */
export function FleetFacts({ fleet, name }: { fleet: FleetHost; name: string }) {
  const { word } = fleet
  return (
    <div>
      <p>
        Fleet’s host {fleet.host}
        {word && (
          <>
            , <bdi>{word.name}</bdi>
          </>
        )}
        {word?.collected ? (
          <>
            , told Fleet <Moment at={word.collected} />: <bdi>{word.system}</bdi>
          </>
        ) : (
          ' has told Fleet nothing'
        )}
      </p>
      {word && (
        <ul className={styles.words} aria-label={`What Fleet says of ${name}`}>
          <li>disk encryption: {word.disk_encryption}</li>
          <li>
            Fleet’s policies: passes {word.passing}
            {word.failing.length > 0 && (
              <>
                , does not pass <bdi>{word.failing.join(', ')}</bdi>
              </>
            )}
            {word.judged ? (
              <>
                , as it answered <Moment at={word.judged} />
              </>
            ) : (
              ', which it has not answered'
            )}
          </li>
        </ul>
      )}
      {fleet.trouble && <p>{fleet.trouble}</p>}
      <p className={styles.meta}>
        Serial number <bdi>{fleet.serial || 'unknown'}</bdi>, bound <Moment at={fleet.bound} />
        {fleet.by && (
          <>
            {' '}
            by <Person person={fleet.by} />
          </>
        )}
        ; Fleet answered <Moment at={fleet.said} />
      </p>
    </div>
  )
}

/** Says which of Fleet's hosts a device is. Its owner cannot. */
export function BindFleet({ device, open, onClose }: { device: Device; open: boolean; onClose: () => void }) {
  const [host, setHost] = useState('')
  const submit = useSubmit()
  const close = () => {
    submit.clear()
    onClose()
  }
  const bind = async () => {
    const text = host.trim()
    const done = await submit.run(async () => {
      const bound = await body(
        api.POST('/api/devices/{device}/fleet', { params: { path: { device: device.id } }, body: { host: text } }),
      )
      notify.done(`${device.name} is Fleet’s host ${bound.fleet?.word?.name ?? text}`)
      await refresh()
    })
    if (done) onClose()
  }
  return (
    <Dialog
      open={open}
      onClose={close}
      title={`Which host in Fleet is ${device.name}?`}
      words={
        <>
          Take the serial number from where machines are handed out, not from {called(device.owner)}: who names a healthy machine of
          somebody else’s has Fleet speak well of theirs.
        </>
      }
      actions={
        <>
          <Button onClick={close}>Change nothing</Button>
          <Button
            kind="primary"
            busy={submit.running && 'Asking Fleet…'}
            unavailable={host.trim().length < 4 && 'Give the serial number or hardware UUID'}
            onClick={() => void bind()}
          >
            Bind {device.name}
          </Button>
        </>
      }
    >
      <Field label="Serial number or hardware UUID" hint="As Fleet knows it; a host’s name does not do.">
        <Input
          value={host}
          onChange={(event) => setHost(event.target.value)}
          maxLength={64}
          autoComplete="off"
          spellCheck={false}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && host.trim().length >= 4) void bind()
          }}
        />
      </Field>
      {submit.problem && <ErrorNotice problem={submit.problem} />}
    </Dialog>
  )
}
