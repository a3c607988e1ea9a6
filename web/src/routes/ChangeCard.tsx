import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { api, body, type Change } from '../api/client'
import { asProblem, Problem } from '../api/problem'
import { changeFiles, refresh } from '../api/queries'
import { about, readChange, wordless } from '../change'
import { useMe } from '../me'
import { useSubmit } from '../submit'
import { Backtest } from '../ui/Backtest'
import { Button, buttonClass } from '../ui/Button'
import styles from '../ui/Cards.module.css'
import { CopyLine } from '../ui/CopyLine'
import { Confirm } from '../ui/Dialog'
import { Differences } from '../ui/Difference'
import { Disclosure } from '../ui/Disclosure'
import { Loading } from '../ui/EmptyState'
import { ErrorNotice, Notice } from '../ui/ErrorNotice'
import { Facts } from '../ui/Facts'
import { Area, Field } from '../ui/Field'
import { Moment } from '../ui/Moment'
import { Person } from '../ui/Person'
import { Signatures } from '../ui/Signatures'
import { StateBadge } from '../ui/StateBadge'
import { Statement } from '../ui/Statement'
import { notify } from '../ui/Toasts'
import { unreadable } from '../unreadable'
import { signStatement } from '../webauthn'

/** How many sentences of a change stand in a list. More are read, and signed, on its own page. */
const mostInList = 8

/** A change: what it says, who has signed, and what the reader may do. All it says is read from the text that is signed. */
export function ChangeCard({ change, whole }: { change: Change; whole?: boolean }) {
  const submit = useSubmit()
  const [rejecting, setRejecting] = useState(false)
  const told = tell(change)
  const signable = !(told instanceof Problem) && change.may.includes('sign') && told.words.length <= mostInList
  // What is still to come would move the buttons away from under a finger, and is part of what is signed.
  const files = useQuery({ ...changeFiles(change.id), enabled: change.kind === 'policy' && (whole === true || signable) })
  if (told instanceof Problem) return <ErrorNotice problem={told} />
  const waiting = change.state === 'pending'
  const words = whole || told.words.length <= mostInList ? told.words : told.words.slice(0, mostInList - 2)
  const left = told.words.length - words.length
  const may = (what: string) => change.may.includes(what)
  const path = { params: { path: { change: change.id } } }
  const sign = () =>
    submit.run(async () => {
      try {
        done(await signChange(change))
      } finally {
        await refresh() // a signature that the signer refused is kept all the same
      }
    })
  const send = () =>
    submit.run(async () => {
      done(await body(api.POST('/api/changes/{change}/send', path)))
      await refresh()
    })

  return (
    <article className={styles.card} id={change.id} aria-label={told.headline}>
      <div className={styles.head}>
        {waiting ? (
          <StateBadge state="needed">
            {change.missing === 0
              ? 'Signed, not yet in force'
              : `Needs ${change.missing === 1 ? '1 signature' : `${change.missing} signatures`}`}
          </StateBadge>
        ) : (
          <StateBadge state={change.state} />
        )}
        <span>
          proposed by <Person person={change.proposer} />, <Moment at={change.created} />
          {waiting && (
            <>
              , void <Moment at={change.expires} />
            </>
          )}
        </span>
      </div>
      <h2 className={styles.sentence}>
        <strong>
          <bdi>{told.headline}</bdi>
        </strong>
      </h2>
      {words.length > 0 ? (
        <>
          <ul className={styles.words} aria-label="What it changes">
            {about(words).map(({ name, sentences }, index) => (
              <li key={index}>
                {name && sentences.length > 1 ? (
                  <>
                    <bdi>{name}</bdi>:
                    <ul className={styles.words}>
                      {sentences.map((text, place) => (
                        <li key={place}>
                          <bdi>{text}</bdi>
                        </li>
                      ))}
                    </ul>
                  </>
                ) : (
                  <bdi>{name ? `${name}: ${sentences[0]}` : sentences[0]}</bdi>
                )}
              </li>
            ))}
          </ul>
          {left > 0 && (
            <p>
              <Link to="/changes/$id" params={{ id: change.id }}>
                And {left} more sentences: read the whole change
              </Link>
            </p>
          )}
        </>
      ) : (
        <p className={styles.meta}>It changes the wording of the files, and nothing that they mean.</p>
      )}
      {wordless(told.words) > 0 && (
        <Notice tone="wait" title={`${wordless(told.words)} more changes stand in the files only`}>
          The sentences have no room for them. Read the files below as well{waiting ? ' before you sign' : ''}.
        </Notice>
      )}
      {(told.person || change.ended) && (
        <Facts
          rows={[
            ['Why', change.kind === 'roster' && change.reason && <bdi>{change.reason}</bdi>],
            ['Whom', told.person && <code>{told.person}</code>],
            [endings[change.state] ?? 'Ended', change.ended && <Ended change={change} />],
          ]}
        />
      )}
      <Signatures signed={change.signed} quorum={change.quorum} missing={change.missing} />
      {change.kind === 'policy' && <Files change={change} whole={whole === true} />}
      {waiting && files.data?.backtest && (
        <section className={styles.list} aria-label="Recorded requests, decided by it">
          <h3>Recorded requests, decided by it</h3>
          <Backtest backtest={files.data.backtest} />
        </section>
      )}
      <Disclosure summary={waiting ? 'The exact text that administrators sign' : 'The exact text that was signed'}>
        <Statement text={change.statement} digest={change.digest} label="The text of the change" />
      </Disclosure>
      {submit.problem && <ErrorNotice problem={submit.problem} kept={keptWords(submit.problem)} />}
      {waiting && change.missing > 0 && !may('sign') && (
        <div>
          <p className={styles.meta}>Nobody signs twice, or what is about themselves. Send this to another administrator, who signs it with their own passkey:</p>
          <CopyLine prompt={false} text={`${location.origin}/changes/${change.id}`} what="the link for another administrator" />
        </div>
      )}
      {!files.isLoading && (may('sign') || may('send') || may('reject')) && (
        <div className={styles.actions}>
          {may('sign') && left > 0 && (
            <Link to="/changes/$id" params={{ id: change.id }} className={buttonClass('primary')}>
              Read the rest, and sign
            </Link>
          )}
          {may('sign') && left === 0 && (
            <Button kind="primary" icon="passkey" busy={submit.running && 'Waiting for your passkey…'} onClick={() => void sign()}>
              Sign with my passkey
            </Button>
          )}
          {may('send') && (
            <Button kind="primary" icon="again" busy={submit.running && 'The signer checks…'} onClick={() => void send()}>
              Take it to the signer again
            </Button>
          )}
          {may('reject') && (
            <Button kind="destructive" onClick={() => setRejecting(true)}>
              Reject
            </Button>
          )}
        </div>
      )}
      <Reject change={change} headline={told.headline} open={rejecting} onClose={() => setRejecting(false)} />
    </article>
  )
}

function done(after: Change) {
  if (after.state === 'in-force') {
    notify.done('In force', after.kind === 'policy' ? 'Bring the same files to the broker now.' : after.headline)
  } else {
    notify.done('Signed', `${after.missing} more of the administrators must sign.`)
  }
}

function keptWords(problem: Problem): string {
  return problem.code.startsWith('signer.') ? 'Your signature is kept; the change is not in force.' : 'Nothing was signed.'
}

/** Fetches the text, makes sure that it is the one shown, and signs it. */
async function signChange(change: Change): Promise<Change> {
  const path = { params: { path: { change: change.id } } }
  const challenge = await body(api.POST('/api/changes/{change}/challenge', path))
  if (challenge.statement !== change.statement) throw unreadable(new Error('the text to sign is not the one shown'))
  const { assertion } = await signStatement(challenge)
  return body(api.POST('/api/changes/{change}/signatures', { ...path, body: { assertion } }))
}

const endings: Partial<Record<Change['state'], string>> = {
  'in-force': 'In force',
  rejected: 'Rejected',
  expired: 'Expired',
  superseded: 'Superseded',
}

function Ended({ change }: { change: Change }) {
  return (
    <>
      <Moment at={change.ended!} />
      {change.ended_by && (
        <>
          {' '}
          by <Person person={change.ended_by} />
        </>
      )}
      {change.end_reason && (
        <>
          : <bdi>{change.end_reason}</bdi>
        </>
      )}
    </>
  )
}

/** The files of a policy change, line by line: asked for by whoever wants them, and on the change's own page. */
function Files({ change, whole }: { change: Change; whole: boolean }) {
  const [asked, setAsked] = useState(whole)
  const me = useMe()
  const files = useQuery({ ...changeFiles(change.id), enabled: asked })
  if (!asked) {
    return (
      <div className={styles.actions}>
        <Button small onClick={() => setAsked(true)}>
          Show the files, line by line
        </Button>
      </div>
    )
  }
  if (files.error) return <ErrorNotice problem={asProblem(files.error)} retry={() => void files.refetch()} />
  if (!files.data) return <Loading what="the files" lines={4} />
  return (
    <div className={styles.list}>
      <p className={styles.meta}>
        The files, as the broker shows them. What is signed names them by their digest, and the signer takes no others.
      </p>
      <Differences files={files.data.files} />
      {change.state === 'in-force' && me.policy_warning && (
        <p className={styles.meta}>
          This broker’s own files are others. <Link to="/audit">The audit log</Link> names every policy that was in force.
        </p>
      )}
    </div>
  )
}

interface RejectProps {
  change: Change
  headline: string
  open: boolean
  onClose: () => void
}

function Reject({ change, headline, open, onClose }: RejectProps) {
  const [reason, setReason] = useState('')
  return (
    <Confirm
      open={open}
      onClose={onClose}
      title={`Reject “${headline}”?`}
      words="The signatures under it count for nothing then. It can be proposed anew."
      confirm="Reject the change"
      busy="Rejecting…"
      keep="Leave it open"
      act={async () => {
        const text = reason.trim()
        await body(
          api.POST('/api/changes/{change}/reject', {
            params: { path: { change: change.id } },
            body: text ? { reason: text } : {},
          }),
        )
        notify.done('Rejected', headline)
        await refresh()
      }}
    >
      <Field label="Reason" optional>
        <Area value={reason} onChange={setReason} most={500} placeholder="What would make it all right" />
      </Field>
    </Confirm>
  )
}

/** What the change's text says; a Problem where it cannot be read, and then nothing may be shown in its place. */
function tell(change: Change) {
  try {
    return readChange(change.statement, change.kind)
  } catch (thrown) {
    return unreadable(thrown)
  }
}
