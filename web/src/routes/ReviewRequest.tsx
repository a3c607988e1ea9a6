import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { api, body, type Request } from '../api/client'
import { refresh } from '../api/queries'
import { useMe } from '../me'
import { readReview } from '../statement'
import { useSubmit } from '../submit'
import { Button } from '../ui/Button'
import { Disclosure } from '../ui/Disclosure'
import { ErrorNotice, Notice } from '../ui/ErrorNotice'
import { Area, Field } from '../ui/Field'
import { Moment } from '../ui/Moment'
import { Card, Section } from '../ui/Page'
import { Person } from '../ui/Person'
import { StateBadge } from '../ui/StateBadge'
import { Statement } from '../ui/Statement'
import { notify } from '../ui/Toasts'
import { unreadable } from '../unreadable'
import { signStatement } from '../webauthn'
import { anyOf, called } from '../words'
import styles from './Request.module.css'

/** Says on top of the page that somebody acted alone, and what becomes of it. */
export function EmergencyBanner({ request }: { request: Request }) {
  if (!request.break_glass) return null
  const { review } = request
  const held = request.state === 'approved' || request.state === 'active'
  return (
    <Notice tone={review?.closed ? 'calm' : 'bad'} title={`${called(request.requester)} ${held ? 'acts' : request.state === 'pending' ? 'wants to act' : 'acted'} alone here, in an emergency`}>
      {review?.closed ? (
        <>
          Nobody approved it. It was reviewed <Moment at={review.closed} />.
        </>
      ) : review?.due ? (
        <>
          Nobody approved it. Somebody of {anyOf(review.groups)} must review it by <Moment at={review.due} clock />
          {review.locked ? `; that time is over, and nobody has ${request.role} until they have.` : `, or nobody has ${request.role} from then on.`}
        </>
      ) : request.state === 'pending' ? (
        'No approval is asked for; it begins with a passkey of the one who asks.'
      ) : held ? (
        'Nobody approved it. From its first use on it waits for a review.'
      ) : (
        'Nobody approved it, and it was not used.'
      )}
    </Notice>
  )
}

/** What a reviewer found, once there is one. */
export function ReviewSection({ request }: { request: Request }) {
  const { review } = request
  if (!review?.closed) return null
  return (
    <Section title="The review">
      <p>
        <StateBadge state="reviewed" bare /> by {review.by && <Person person={review.by} />}, <Moment at={review.closed} />
        {review.passkey_name && (
          <>
            , with “<bdi>{review.passkey_name}</bdi>”
          </>
        )}
      </p>
      {review.finding && (
        <blockquote className={styles.reason} dir="auto">
          {review.finding}
        </blockquote>
      )}
      {review.statement && (
        <Disclosure small summary="What was signed">
          <Statement text={review.statement} digest={review.digest} label="The text that was signed" />
        </Disclosure>
      )}
    </Section>
  )
}

/** A reviewer writes what they found, reads the text that says so, and signs it. */
export function ReviewRequest({ request }: { request: Request }) {
  const me = useMe()
  const [finding, setFinding] = useState('')
  const submit = useSubmit()
  const path = { params: { path: { id: request.id } } }
  const text = finding.trim()
  const sign = () =>
    submit.run(async () => {
      const challenge = await body(api.POST('/api/requests/{id}/review/challenge', { ...path, body: { finding: text } }))
      try {
        await readReview(challenge.statement, { request: request.statement, reviewer: me.person, finding: text })
      } catch (thrown) {
        throw unreadable(thrown)
      }
      const signed = await signStatement(challenge)
      await body(api.POST('/api/requests/{id}/review', { ...path, body: signed }))
      notify.done('Reviewed', request.summary)
      await refresh()
    })
  return (
    <Card className={styles.own} label="Review this emergency">
      <h2>Review this emergency</h2>
      <p>
        Read why {called(request.requester)} acted alone
        {request.sessions.length > 0 ? ', and replay what they did.' : '; no session was opened.'} What you write is signed with your
        passkey and stays in the record.
      </p>
      {request.sessions.length > 0 && (
        <ul className={styles.told}>
          {request.sessions.map((session) => (
            <li key={session.id}>
              <Link to="/sessions/$session" params={{ session: session.id }}>
                Replay {session.login} on {session.target}
              </Link>{' '}
              <span className={styles.meta}>
                <Moment at={session.started} />
              </span>
            </li>
          ))}
        </ul>
      )}
      <Field label="What you found" name="finding" error={submit.problem?.field('finding')}>
        <Area value={finding} onChange={setFinding} most={500} placeholder="What was done, whether it was needed, what follows" />
      </Field>
      {submit.problem && <ErrorNotice problem={submit.problem} kept="What you wrote is still here; nothing was signed." />}
      <Button
        kind="primary"
        icon="passkey"
        busy={submit.running && 'Waiting for your passkey…'}
        unavailable={text === '' ? 'Write first what you found' : [...finding].length > 500 ? 'It is too long' : undefined}
        onClick={() => void sign()}
      >
        Close the review with passkey
      </Button>
    </Card>
  )
}
