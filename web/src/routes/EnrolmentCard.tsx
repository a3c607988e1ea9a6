import { useEffect, useRef, useState } from 'react'
import { api, body, type Enrolment } from '../api/client'
import { asProblem } from '../api/problem'
import { refresh } from '../api/queries'
import { authoriseWithPasskey, provePossession, readEnrolment } from '../enrol'
import { useMe } from '../me'
import { useSubmit } from '../submit'
import { Button } from '../ui/Button'
import styles from '../ui/Cards.module.css'
import { Confirm } from '../ui/Dialog'
import { CopyLine } from '../ui/CopyLine'
import { Disclosure } from '../ui/Disclosure'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Facts } from '../ui/Facts'
import { Moment } from '../ui/Moment'
import { Signatures } from '../ui/Signatures'
import { StateBadge } from '../ui/StateBadge'
import { Statement } from '../ui/Statement'
import { notify } from '../ui/Toasts'

/** A passkey on its way: what it would count for, the text that everybody signs, and what the reader may do. */
export function EnrolmentCard({ enrolment, own }: { enrolment: Enrolment; own?: boolean }) {
  const me = useMe()
  const submit = useSubmit()
  const [rejecting, setRejecting] = useState(false)
  const text = read(enrolment)
  const card = useRef<HTMLElement>(null)
  useEffect(() => {
    // The list comes after the page, so the browser itself finds nothing to go to.
    if (location.hash === `#${enrolment.id}`) card.current?.scrollIntoView({ block: 'center' })
  }, [enrolment.id])
  if (!text) return <ErrorNotice problem={asProblem(new TypeError('the enrolment cannot be read'))} />
  const groups = text.groupList
  const may = (what: string) => enrolment.may.includes(what)
  const sign = () =>
    submit.run(async () => {
      const after = await authoriseWithPasskey(enrolment)
      notify.done(after.state === 'pinned' ? 'Signed: it is in the roster' : 'Signed; others must sign as well', `${text.name} · ${text['passkey-name']}`)
      await refresh()
    })
  const send = () =>
    submit.run(async () => {
      await body(api.POST('/api/enrolments/{enrolment}/send', { params: { path: { enrolment: enrolment.id } } }))
      notify.done('It is in the roster', `${text.name} · ${text['passkey-name']}`)
      await refresh()
    })
  const prove = () =>
    submit.run(async () => {
      await provePossession(enrolment, me.person)
      await refresh()
    })

  return (
    <article ref={card} className={styles.card} id={enrolment.id} aria-label={`Passkey of ${text.name}`}>
      <div className={styles.head}>
        <StateBadge state="needed">
          {enrolment.state === 'needs-possession'
            ? 'Must prove itself'
            : own && !may('authorise')
              ? `Waits for ${administratorsWords(enrolment.missing)}`
              : `Needs ${enrolment.missing > 1 ? `${enrolment.missing} signatures` : 'a signature'}`}
        </StateBadge>
        <span>
          asked <Moment at={enrolment.created} />, void <Moment at={enrolment.expires} />
        </span>
      </div>
      <p className={styles.sentence}>
        <strong>
          <bdi>{own ? 'Your' : `${text.name}’s`}</bdi>
        </strong>{' '}
        passkey{' '}
        <strong>
          <bdi>{text['passkey-name']}</bdi>
        </strong>{' '}
        {groups.length > 0 ? (
          <>
            would count for <strong>{groups.join(', ')}</strong>
          </>
        ) : (
          `would confirm ${own ? 'your' : 'their'} own sign-ins and nothing else`
        )}
      </p>
      {!own && (
        <Facts
          rows={[
            ['Who', <code key="who">{text.person}</code>],
            ['E-mail', text.email && <bdi>{text.email}</bdi>],
            ['Before you sign', 'make sure with them, in person or by voice, that they made this passkey just now'],
          ]}
        />
      )}
      {enrolment.state === 'needs-authority' && (groups.length > 0 || enrolment.signed.length > 0) && enrolment.quorum > 1 && (
        <Signatures signed={enrolment.signed} quorum={enrolment.quorum} missing={enrolment.missing} />
      )}
      <Disclosure summary="The exact text that is signed">
        <Statement text={enrolment.statement} digest={enrolment.digest} label="The text of the enrolment" />
      </Disclosure>
      {submit.problem && <ErrorNotice problem={submit.problem} kept="Nothing was signed." />}
      {own && enrolment.state === 'needs-authority' && !may('authorise') && (
        <div>
          <p className={styles.meta}>
            {enrolment.missing > 1
              ? `Send this to ${enrolment.missing} administrators, who each sign it with their own passkey:`
              : 'Send this to an administrator, who signs it with their own passkey:'}
          </p>
          <CopyLine prompt={false} text={`${location.origin}/passkeys#${enrolment.id}`} what="the link for an administrator" />
        </div>
      )}
      <div className={styles.actions}>
        {may('possession') && (
          <Button kind="primary" icon="passkey" busy={submit.running && 'Waiting for your passkey…'} onClick={() => void prove()}>
            Prove it with the new passkey
          </Button>
        )}
        {(may('authorise') || may('sign')) && (
          <Button kind="primary" icon="passkey" busy={submit.running && 'Waiting for your passkey…'} onClick={() => void sign()}>
            {own ? 'Sign with an earlier passkey' : 'Sign with my passkey'}
          </Button>
        )}
        {may('send') && (
          <Button kind="primary" icon="again" busy={submit.running && 'The signer checks…'} onClick={() => void send()}>
            Take it to the signer again
          </Button>
        )}
        {may('reject') && (
          <Button kind={own ? 'quiet' : 'destructive'} onClick={() => setRejecting(true)}>
            {own ? 'Give it up' : 'Reject'}
          </Button>
        )}
      </div>
      <Confirm
        open={rejecting}
        onClose={() => setRejecting(false)}
        title={own ? `Give up “${text['passkey-name']}”?` : `Reject “${text['passkey-name']}” of ${text.name}?`}
        words="It never comes into the roster. Another one can be made at any time."
        confirm={own ? 'Give up the passkey' : 'Reject the passkey'}
        busy="Rejecting…"
        keep="Leave it open"
        act={async () => {
          await body(api.POST('/api/enrolments/{enrolment}/reject', { params: { path: { enrolment: enrolment.id } }, body: {} }))
          await refresh()
        }}
      />
    </article>
  )
}

function administratorsWords(missing: number): string {
  return missing > 1 ? `${missing} administrators` : 'an administrator'
}

function read(enrolment: Enrolment) {
  try {
    return readEnrolment(enrolment)
  } catch {
    return undefined
  }
}
