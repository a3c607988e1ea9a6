import { useState } from 'react'
import { api, body, type Session } from '../api/client'
import { refresh } from '../api/queries'
import { called } from '../words'
import { Button } from '../ui/Button'
import { Confirm } from '../ui/Dialog'
import { Notice } from '../ui/ErrorNotice'
import { Area, Field } from '../ui/Field'
import { Moment } from '../ui/Moment'
import { notify } from '../ui/Toasts'

/** Who keeps the recording from being removed, since when and why. */
export function HoldNotice({ session }: { session: Session }) {
  const { hold } = session
  if (!hold) return null
  return (
    <Notice title="This recording is under a legal hold">
      <bdi>{called(hold.by)}</bdi> set it <Moment at={hold.at} />: <bdi>{hold.reason}</bdi> It is not removed before somebody lifts that.
    </Notice>
  )
}

/** Puts a recording under a legal hold, or lifts it. */
export function LegalHold({ session }: { session: Session }) {
  const [open, setOpen] = useState(false)
  const [reason, setReason] = useState('')
  const holds = session.may?.includes('hold')
  if (!holds && !session.may?.includes('release')) return null
  const whose = `${called(session.person)}’s session on ${session.target}`
  const close = () => {
    setOpen(false)
    setReason('')
  }
  return (
    <>
      <Button small onClick={() => setOpen(true)}>
        {holds ? 'Put under legal hold' : 'Lift the legal hold'}
      </Button>
      <Confirm
        open={open}
        onClose={close}
        title={holds ? `Hold the recording of ${whose}?` : `Lift the hold of ${whose}?`}
        words={
          holds
            ? 'Nobody removes it until somebody lifts the hold, however long recordings are kept.'
            : 'It is removed when its time is over; if that is past already, within a minute.'
        }
        confirm={holds ? 'Hold the recording' : 'Lift the hold'}
        busy={holds ? 'Holding…' : 'Lifting…'}
        keep="Change nothing"
        act={async () => {
          const path = holds ? '/api/sessions/{session}/hold' : '/api/sessions/{session}/release'
          await body(api.POST(path, { params: { path: { session: session.id } }, body: { reason: reason.trim() } }))
          notify.done(holds ? 'The recording is held' : 'The hold is lifted')
          await refresh()
        }}
      >
        <Field label="Why" hint="It is written into the audit log.">
          <Area value={reason} onChange={setReason} most={500} />
        </Field>
      </Confirm>
    </>
  )
}
