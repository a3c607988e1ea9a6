import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { api, body, type Request } from '../api/client'
import { asProblem } from '../api/problem'
import { refresh } from '../api/queries'
import { readConfirmation } from '../statement'
import { useSubmit } from '../submit'
import { Button } from '../ui/Button'
import { Disclosure } from '../ui/Disclosure'
import { Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Card } from '../ui/Page'
import { Statement } from '../ui/Statement'
import { notify } from '../ui/Toasts'
import { unreadable } from '../unreadable'
import { signStatement } from '../webauthn'
import styles from './Request.module.css'

/** The requester says themselves, with their passkey, what they ask for. */
export function ConfirmAsk({ request }: { request: Request }) {
  const path = { params: { path: { id: request.id } } }
  const challenge = useQuery({
    queryKey: ['confirmation', request.id, request.revision, 'challenge'],
    queryFn: async () => {
      const made = await body(api.POST('/api/requests/{id}/confirmation/challenge', path))
      try {
        await readConfirmation(made.statement, { request: request.statement })
      } catch (thrown) {
        throw unreadable(thrown)
      }
      return made
    },
    // What is shown must stay what is signed.
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  })
  const submit = useSubmit()
  const confirm = () =>
    submit.run(async () => {
      const signed = await signStatement(challenge.data!)
      await body(api.POST('/api/requests/{id}/confirmation', { ...path, body: signed })).catch(async (thrown: unknown) => {
        // A text is good for one attempt: the next one needs a new one.
        await challenge.refetch()
        throw thrown
      })
      notify.done('Confirmed', request.summary)
      await refresh()
    })
  const attested = request.decision.confirm === 'attested'
  return (
    <Card className={styles.own} label="Confirm with your passkey">
      <h2>{request.break_glass ? 'Confirm that you act alone' : 'Confirm it with your passkey'}</h2>
      <p>
        {request.break_glass
          ? 'It begins once you have confirmed it. All who approve this role know that you asked. '
          : 'Nobody else can say for you that you ask for it. '}
        {attested && 'It takes a passkey of a make that is listed here. '}
        <Link to="/passkeys">Your passkeys</Link>
      </p>
      {challenge.data ? (
        <Disclosure summary="The exact text that you sign">
          <Statement text={challenge.data.statement} digest={challenge.data.digest} label="The text that you sign" />
        </Disclosure>
      ) : challenge.error ? (
        <ErrorNotice problem={asProblem(challenge.error)} retry={() => void challenge.refetch()} />
      ) : (
        <Loading what="the text to sign" lines={2} />
      )}
      {submit.problem && <ErrorNotice problem={submit.problem} kept="Nothing was confirmed." />}
      <Button
        kind={request.break_glass ? 'final' : 'primary'}
        icon="passkey"
        busy={submit.running && 'Waiting for your passkey…'}
        unavailable={!challenge.data && 'The text to sign is being fetched'}
        onClick={() => void confirm()}
      >
        {request.break_glass ? `Begin ${request.login} on ${request.target} alone, with passkey` : 'Confirm with passkey'}
      </Button>
    </Card>
  )
}
