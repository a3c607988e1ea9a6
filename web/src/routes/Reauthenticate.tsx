import { api, body, type Session } from '../api/client'
import { refresh } from '../api/queries'
import { readPresence } from '../statement'
import { useSubmit } from '../submit'
import { Button } from '../ui/Button'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Moment } from '../ui/Moment'
import { Card } from '../ui/Page'
import { notify } from '../ui/Toasts'
import { unreadable } from '../unreadable'
import { signStatement } from '../webauthn'
import styles from './Request.module.css'

/** Whose session it is confirms with a passkey that they are there, and it goes on. */
export function Reauthenticate({ session }: { session: Session }) {
  const submit = useSubmit()
  if (!session.may?.includes('reauthenticate')) return null
  const path = { params: { path: { session: session.id } } }
  const sign = () =>
    submit.run(async () => {
      const challenge = await body(api.POST('/api/sessions/{session}/presence/challenge', path))
      try {
        readPresence(challenge.statement, session)
      } catch (thrown) {
        throw unreadable(thrown)
      }
      const signed = await signStatement(challenge)
      await body(api.POST('/api/sessions/{session}/presence', { ...path, body: signed }))
      notify.done('Confirmed', 'The terminal says so within a few seconds.')
      await refresh()
    })
  return (
    <Card className={styles.own} label="Confirm that you are there">
      <h2>Are you there?</h2>
      <p>
        {session.role} asks again and again. Confirm with your passkey
        {session.reauthenticate_by && (
          <>
            {' '}
            by <Moment at={session.reauthenticate_by} clock />
          </>
        )}
        , and the session goes on; otherwise it ends. You sign that you are there, as {session.login} on {session.target}, and nothing else.
      </p>
      {submit.problem && <ErrorNotice problem={submit.problem} kept="Nothing was confirmed." />}
      <Button kind="primary" icon="passkey" busy={submit.running && 'Waiting for your passkey…'} onClick={() => void sign()}>
        I am there: confirm with passkey
      </Button>
    </Card>
  )
}
