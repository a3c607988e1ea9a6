import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { api, body } from '../api/client'
import { refresh } from '../api/queries'
import { dropPolicyTry, type PolicyTry } from '../draft'
import { useSubmit } from '../submit'
import { Button } from '../ui/Button'
import { Dialog } from '../ui/Dialog'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Area, Field } from '../ui/Field'
import { notify } from '../ui/Toasts'

/** Makes a change of it, which administrators sign at its own page. */
export function Propose({ tried, unavailable }: { tried: PolicyTry; unavailable: string | undefined }) {
  const [open, setOpen] = useState(false)
  const [reason, setReason] = useState('')
  const submit = useSubmit()
  const navigate = useNavigate()
  const propose = () =>
    submit.run(async () => {
      const change = await body(api.POST('/api/changes/policy', { body: { files: tried.files, reason: reason.trim() } }))
      notify.done('Proposed', 'Administrators sign it now.')
      dropPolicyTry()
      await refresh()
      await navigate({ to: '/changes/$id', params: { id: change.id } })
    })
  return (
    <>
      <Button kind="primary" icon="change" unavailable={unavailable} onClick={() => setOpen(true)}>
        Propose this change
      </Button>
      <Dialog
        open={open}
        onClose={() => !submit.running && setOpen(false)}
        title="Propose this change"
        words="It waits under Changes until enough administrators have signed it; until then nothing changes."
        actions={
          <>
            <Button onClick={() => setOpen(false)}>Not yet</Button>
            <Button
              kind="primary"
              busy={submit.running && 'Proposing…'}
              unavailable={reason.trim() === '' && 'Say why first'}
              onClick={() => void propose()}
            >
              Propose this change
            </Button>
          </>
        }
      >
        <Field label="Reason" error={submit.problem?.field('reason')}>
          <Area value={reason} onChange={setReason} most={500} placeholder="Administrators read it before they sign" />
        </Field>
        {submit.problem && <ErrorNotice problem={submit.problem} kept="Your files are still here." />}
      </Dialog>
    </>
  )
}
