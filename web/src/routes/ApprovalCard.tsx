import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { api, body, type Request, type Stage } from '../api/client'
import { asProblem } from '../api/problem'
import { refresh, request as requestQuery } from '../api/queries'
import { useMinute } from '../clock'
import { durationWords } from '../duration'
import { plainKey } from '../keys'
import { useIsMe, useMe } from '../me'
import { inOrder } from '../policy'
import { personOf, readApproval, readStatement, secondsOf } from '../statement'
import { useSubmit } from '../submit'
import { Button, buttonClass } from '../ui/Button'
import { Countdown } from '../ui/Countdown'
import { Confirm } from '../ui/Dialog'
import { DurationChips } from '../ui/DurationChips'
import { Disclosure } from '../ui/Disclosure'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Facts } from '../ui/Facts'
import { Area, Field } from '../ui/Field'
import { Icon } from '../ui/Icon'
import { Moment } from '../ui/Moment'
import { Card } from '../ui/Page'
import { Person } from '../ui/Person'
import { Mark, StateBadge } from '../ui/StateBadge'
import { Statement } from '../ui/Statement'
import { notify } from '../ui/Toasts'
import { unreadable } from '../unreadable'
import { signStatement } from '../webauthn'
import { called, neededWords, obstacles } from '../words'
import styles from './Approvals.module.css'

/** One request to decide about. Everything it says about the ask is read from the text that will be signed. */
export function ApprovalCard({ id, onDecided }: { id: string; onDecided: () => void }) {
  const { data: request, error, refetch } = useQuery(requestQuery(id))
  if (error && !request) return <ErrorNotice problem={asProblem(error)} retry={() => void refetch()} />
  if (!request) return <Loading what="the request" lines={5} />
  if (request.state !== 'pending') return <Decided request={request} />
  return <Pending request={request} onDecided={onDecided} />
}

function Decided({ request }: { request: Request }) {
  return (
    <EmptyState
      title={`${request.summary}.`}
      action={
        <Link to="/requests/$id" params={{ id: request.id }} className={buttonClass()}>
          What happened with it
        </Link>
      }
    >
      <StateBadge state={request.end_reason ?? request.state} /> Nothing is left to decide.
    </EmptyState>
  )
}

function Pending({ request, onDecided }: { request: Request; onDecided: () => void }) {
  const asked = ask(request)
  const [seconds, setSeconds] = useState<number | null>(asked.seconds)
  const mayApprove = request.may.includes('approve')
  const submit = useSubmit()
  const challenge = useChallenge(request, mayApprove ? seconds : null, submit.running)
  const behalf = challenge.data ? challenge.data.for : request.approve_for
  const [denying, setDenying] = useState(false)
  const approve = () =>
    submit.run(async () => {
      if (!challenge.data) throw asProblem(challenge.error ?? new Error('the text to sign is not there yet'))
      const signed = await signStatement(challenge.data)
      const after = await body(
        api.POST('/api/requests/{id}/approvals', { params: { path: { id: request.id } }, body: signed }),
      ).catch(async (thrown: unknown) => {
        // A text is good for one attempt: the next one needs a new one.
        await challenge.refetch()
        throw thrown
      })
      notify.done(
        after.state === 'pending' ? 'You agreed; others must agree as well' : 'Approved',
        `${asked.who} · ${asked.what}`,
      )
      await refresh()
      onDecided()
    })
  const over = new Date(request.expires).getTime() <= useMinute()
  const ready = mayApprove && !over && seconds !== null && challenge.data !== undefined && !submit.running
  useDecisionKeys(ready ? () => void approve() : undefined, request.may.includes('deny') ? () => setDenying(true) : undefined)

  return (
    <Card className={styles.card} label={`${asked.who} wants ${asked.what}`}>
      <div className={styles.face}>
        <div className={styles.top}>
          <span>
            asked <Moment at={request.asked} />
            <LastTold request={request} />
          </span>
          <Countdown from={request.asked} until={request.expires} what="The request is void" size={52} />
        </div>
        <h2 className={styles.headline}>
          <strong>
            <bdi>{asked.who}</bdi>
          </strong>{' '}
          wants <strong>{asked.login}</strong> on <strong>{asked.target}</strong> for{' '}
          <strong>{durationWords(asked.seconds)}</strong>
        </h2>
        {asked.reason ? (
          <blockquote className={styles.reason} dir="auto">
            {asked.reason}
          </blockquote>
        ) : (
          <p className={styles.noReason}>No reason was given.</p>
        )}
        {asked.alone && (
          <p className={styles.caution}>
            <Mark shape="square" />
            <span>An emergency: they act alone, and nobody’s approval is asked.</span>
          </p>
        )}
        {mayApprove && behalf && (
          <p className={styles.behalf}>
            <Icon name="person" size={14} />
            <span>
              You decide on behalf of <Person person={behalf} />, by a delegation.
            </span>
          </p>
        )}
        <Cautions request={request} />
      </div>
      <div className={styles.details}>
        <Facts
          rows={[
            ['Who', <Person key="who" person={{ ...asked.person, name: asked.who }} />],
            [
              'Gets',
              <>
                {asked.role}: a shell, commands and file copies as <span className={styles.whole}>{asked.login}</span> on{' '}
                <span className={styles.whole}>{asked.target}</span>, all recorded
              </>,
            ],
            ['Ticket', asked.ticket && <bdi>{asked.ticket}</bdi>],
            [
              'Begins',
              asked.start && (
                <>
                  <Moment at={asked.start} clock />, <Moment at={asked.start} />
                </>
              ),
            ],
            ['Until', untilWords(request, seconds ?? asked.seconds)],
            ['Agreement', neededWords(request.decision.stages)],
            ['Stages', request.decision.stages.length > 1 && <Stages stages={request.decision.stages} />],
          ]}
        />
        {mayApprove && asked.seconds > 60 && (
          <DurationChips
            label="Agree to"
            value={seconds}
            onChange={setSeconds}
            most={asked.seconds}
            bound="what was asked; you may shorten it"
          />
        )}
        <Disclosure summary={mayApprove ? 'The exact text that you sign' : 'The exact text of the request'}>
          {mayApprove ? (
            challenge.data ? (
              <Statement text={challenge.data.statement} digest={challenge.data.digest} label="The text that you sign" />
            ) : challenge.error ? null : (
              <Loading what="the text" lines={4} />
            )
          ) : (
            <Statement text={request.statement} digest={request.statement_digest} label="The text of the request" />
          )}
        </Disclosure>
      </div>
      <div className={styles.actions}>
        {challenge.error && mayApprove && (
          <ErrorNotice problem={asProblem(challenge.error)} retry={() => void challenge.refetch()} />
        )}
        {submit.problem && <ErrorNotice problem={submit.problem} kept="Nothing was approved." />}
        {mayApprove || request.may.includes('deny') ? (
          <div className={styles.buttons}>
            {request.may.includes('deny') && (
              <Button kind="destructive" hint="D" onClick={() => setDenying(true)}>
                Deny
              </Button>
            )}
            <Button
              kind="primary"
              icon="passkey"
              hint="A"
              busy={submit.running && 'Waiting for your passkey…'}
              unavailable={whyNot(mayApprove, over, seconds, challenge.data !== undefined)}
              onClick={() => void approve()}
            >
              {seconds !== null && seconds < asked.seconds
                ? `Approve ${durationWords(seconds)} with passkey`
                : 'Approve with passkey'}
            </Button>
          </div>
        ) : (
          <p>
            You may see this request, but not decide about it. <Link to="/passkeys">Which groups you approve for</Link>
          </p>
        )}
      </div>
      <Deny
        request={request}
        who={asked.who}
        what={asked.what}
        open={denying}
        onClose={() => setDenying(false)}
        onDecided={onDecided}
      />
    </Card>
  )
}

/** That this approver was asked again, or that it has come to them, in the place of an entry above the card. */
function LastTold({ request }: { request: Request }) {
  const isMe = useIsMe()
  const told = request.told.findLast(({ people }) => people.some(isMe))
  if (told?.kind !== 'reminder' && told?.kind !== 'escalation') return null
  return (
    <>
      , {told.kind === 'reminder' ? 'you were reminded' : 'it came to you too'} <Moment at={told.at} />
    </>
  )
}

function untilWords(request: Request, seconds: number): string {
  const from = request.start ? 'after it begins' : request.use_by ? 'after its first use' : 'after the last approval'
  return `${durationWords(seconds)} ${from}; you can revoke it before`
}

/** The stages in their order, each with how far it is. */
function Stages({ stages }: { stages: readonly Stage[] }) {
  return (
    <ol className={styles.stages}>
      {inOrder(stages).map((stage) => {
        const full = stage.given.length >= stage.count
        return (
          <li key={stage.name}>
            <Mark shape={full ? 'tick' : stage.after.length > 0 ? 'clock' : 'half'} />
            <span>
              {stage.name}: {stage.given.length} of {stage.count}
              {!full && stage.after.length > 0 && `, after ${stage.after.join(' and ')}`}
            </span>
          </li>
        )
      })}
    </ol>
  )
}

function whyNot(mayApprove: boolean, over: boolean, seconds: number | null, ready: boolean): string | undefined {
  if (!mayApprove) return 'You cannot approve this one'
  if (over) return 'Its time to be approved is over'
  if (seconds === null) return 'Say for how long'
  return ready ? undefined : 'The text to sign is being fetched'
}

/** What policy holds against it, were it approved now; and nothing else. */
function Cautions({ request }: { request: Request }) {
  const against = obstacles(request.decision.reasons)
  if (against.length === 0) return null
  return (
    <ul className={styles.cautions}>
      {against.map(({ rule, text }) => (
        <li key={rule + text} className={styles.caution}>
          <Icon name="alert" size={14} />
          <span>{text}</span>
        </li>
      ))}
    </ul>
  )
}

function Deny({
  request,
  who,
  what,
  open,
  onClose,
  onDecided,
}: {
  request: Request
  who: string
  what: string
  open: boolean
  onClose: () => void
  onDecided: () => void
}) {
  const [reason, setReason] = useState('')
  return (
    <Confirm
      open={open}
      onClose={onClose}
      title={`Deny ${what} to ${who}?`}
      words="They are told at once, with your reason, and can ask again."
      confirm={`Deny ${what}`}
      busy="Denying…"
      keep="Leave it open"
      act={async () => {
        await body(
          api.POST('/api/requests/{id}/deny', {
            params: { path: { id: request.id } },
            body: reason.trim() ? { reason: reason.trim() } : {},
          }),
        )
        notify.done('Denied', `${called(request.requester)} · ${what}`)
        await refresh()
        onDecided()
      }}
    >
      <Field label="Reason" optional>
        <Area value={reason} onChange={setReason} most={500} placeholder="What would make it all right" />
      </Field>
    </Confirm>
  )
}

/** The ask as the request's own signed text has it. Where that cannot be read, nothing may be shown in its place. */
function ask(request: Request) {
  try {
    const text = readStatement(request.statement, 'request')
    return {
      who: text['requester-name'],
      person: personOf(text.requester),
      role: text.role,
      target: text.target,
      login: text.login,
      seconds: secondsOf(text.duration),
      reason: text.reason,
      ticket: text.ticket,
      start: text.start === 'none' ? undefined : text.start,
      alone: text['break-glass'] === 'yes',
      what: `${text.login} on ${text.target}`,
    }
  } catch (thrown) {
    throw unreadable(thrown)
  }
}

/**
 * The text to sign for this duration, fetched ahead so that the passkey prompt comes with the click, and renewed before it is
 * too old. What is shown must stay what is signed, so nothing may fetch another while the passkey prompt is open: no interval,
 * and not the window getting its focus back from that very prompt.
 */
function useChallenge(request: Request, seconds: number | null, signing: boolean) {
  const me = useMe()
  return useQuery({
    queryKey: ['challenge', request.id, request.revision, seconds],
    queryFn: async () => {
      const challenge = await body(
        api.POST('/api/requests/{id}/challenge', { params: { path: { id: request.id } }, body: { duration_seconds: seconds! } }),
      )
      try {
        await readApproval(challenge.statement, {
          request: request.statement,
          approver: me.person,
          seconds: seconds!,
          ...(challenge.for ? { for: challenge.for } : {}),
        })
      } catch (thrown) {
        throw unreadable(thrown)
      }
      return challenge
    },
    enabled: seconds !== null,
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    refetchInterval: (query) => (query.state.data && !signing ? Math.max(20, query.state.data.valid_seconds / 2) * 1000 : false),
  })
}

/** A approves, D denies. */
function useDecisionKeys(approve: (() => void) | undefined, deny: (() => void) | undefined) {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (!plainKey(event)) return
      const act = event.key === 'a' ? approve : event.key === 'd' ? deny : undefined
      if (!act) return
      event.preventDefault()
      act()
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  })
}
