import { useQuery } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import { api, body, type Passkey } from '../api/client'
import { asProblem } from '../api/problem'
import { enrolments as enrolmentsQuery, passkeys as passkeysQuery, refresh } from '../api/queries'
import { useMe } from '../me'
import { subjectOf } from '../statement'
import { useSubmit } from '../submit'
import { Button } from '../ui/Button'
import cards from '../ui/Cards.module.css'
import { Confirm } from '../ui/Dialog'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Field, Input } from '../ui/Field'
import { Icon } from '../ui/Icon'
import { Moment } from '../ui/Moment'
import { PageHead, Section } from '../ui/Page'
import { StateBadge } from '../ui/StateBadge'
import { SteadyList } from '../ui/SteadyList'
import { notify } from '../ui/Toasts'
import { AddPasskey } from './AddPasskey'
import { EnrolmentCard } from './EnrolmentCard'
import styles from './Passkeys.module.css'

/** My passkeys, those on their way, and those of others that wait for my signature. */
export function Passkeys() {
  const me = useMe()
  const [adding, setAdding] = useState(false)
  const own = useQuery(passkeysQuery)
  const waiting = useQuery(enrolmentsQuery)
  const mine = subjectOf(me.person)
  const open = (waiting.data?.items ?? []).filter(({ state }) => state === 'needs-possession' || state === 'needs-authority')
  const onTheirWay = open.filter(({ person }) => subjectOf(person) === mine)
  const toSign = open.filter((item) => subjectOf(item.person) !== mine && (item.may.includes('sign') || item.may.includes('send')))
  const onTheWay = new Set(onTheirWay.map(({ credential }) => credential))
  const settled = (own.data?.items ?? []).filter(({ credential }) => !onTheWay.has(credential))

  return (
    <>
      <PageHead
        title="Passkeys"
        tab="Passkeys"
        words="A passkey signs what you agree to. It stays on your device; the signer knows whose it is and what it counts for."
      >
        <Button
          kind={settled.length === 0 && toSign.length === 0 ? 'primary' : 'plain'}
          icon="ask"
          onClick={() => setAdding(true)}
        >
          Add a passkey
        </Button>
      </PageHead>
      {toSign.length > 0 && (
        <Section title="For you to sign" aside="as an administrator">
          <SteadyList items={toSign} keyOf={({ id }) => id} gone="This passkey waits no longer.">
            {(enrolment) => <EnrolmentCard enrolment={enrolment} />}
          </SteadyList>
        </Section>
      )}
      {onTheirWay.length > 0 && (
        <Section title="On their way">
          <div className={cards.list}>
            {onTheirWay.map((enrolment) => (
              <EnrolmentCard key={enrolment.id} enrolment={enrolment} own />
            ))}
          </div>
        </Section>
      )}
      <Section title="Yours">
        {own.error ? (
          <ErrorNotice problem={asProblem(own.error)} retry={() => void own.refetch()} />
        ) : own.isPending ? (
          <Loading what="your passkeys" />
        ) : settled.length === 0 ? (
          <EmptyState title={onTheirWay.length > 0 ? 'None yet that counts' : 'You have no passkey'}>
            You need one to approve requests, and to confirm a sign-in of your own from a machine without a browser. Asking for
            access needs none.
          </EmptyState>
        ) : (
          <div className={cards.list}>
            {settled.map((passkey) => (
              <PasskeyRow key={passkey.credential} passkey={passkey} last={settled.length === 1} />
            ))}
          </div>
        )}
      </Section>
      <AddPasskey open={adding} onClose={() => setAdding(false)} />
    </>
  )
}

function PasskeyRow({ passkey, last }: { passkey: Passkey; last: boolean }) {
  const [renaming, setRenaming] = useState(false)
  const [removing, setRemoving] = useState(false)
  const rename = useRef<HTMLButtonElement>(null)
  const renamed = () => {
    setRenaming(false)
    rename.current?.focus()
  }
  return (
    <article className={styles.passkey} aria-label={passkey.name}>
      <span className={styles.mark}>
        <Icon name="passkey" size={18} />
      </span>
      <div>
        <p className={cards.name}>
          <bdi>{passkey.name}</bdi>
        </p>
        <p className={cards.for}>
          {passkey.pinned ? (
            <StateBadge state="verified" bare>
              Pinned in the roster
            </StateBadge>
          ) : (
            <StateBadge state="unverified" bare>
              Counts for nothing
            </StateBadge>
          )}
          <span>{passkey.groups.length > 0 ? `counts for ${passkey.groups.join(', ')}` : 'confirms your own sign-ins and requests'}</span>
        </p>
        <p className={cards.meta}>
          made <Moment at={passkey.created} />
          {passkey.last_used ? (
            <>
              , last used <Moment at={passkey.last_used} />
            </>
          ) : (
            ', not used since'
          )}
        </p>
      </div>
      <div className={cards.actions}>
        <Button small kind="quiet" ref={rename} onClick={() => setRenaming(true)} aria-expanded={renaming}>
          Rename
        </Button>
        <Button small kind="destructive" onClick={() => setRemoving(true)} aria-label={`Remove ${passkey.name}`}>
          Remove
        </Button>
      </div>
      {renaming && <Rename passkey={passkey} onDone={renamed} />}
      <Confirm
        open={removing}
        onClose={() => setRemoving(false)}
        title={`Remove “${passkey.name}”?`}
        words={`It counts for nothing any more, at once${passkey.groups.length > 0 ? `: not for ${passkey.groups.join(', ')} either` : ''}. ${last ? 'It is your only one: you can then approve nothing until you enrol another. ' : ''}What it signed stays proved.`}
        confirm={`Remove “${passkey.name}”`}
        busy="Removing…"
        keep="Keep it"
        act={async () => {
          await body(api.DELETE('/api/passkeys/{credential}', { params: { path: { credential: passkey.credential } } }))
          notify.done(`Removed “${passkey.name}”`, 'It may still be listed by your device; you can delete it there.')
          await refresh()
        }}
      />
    </article>
  )
}

function Rename({ passkey, onDone }: { passkey: Passkey; onDone: () => void }) {
  const [name, setName] = useState(passkey.name)
  const submit = useSubmit()
  return (
    <form
      className={styles.rename}
      onSubmit={(event) => {
        event.preventDefault()
        void submit
          .run(async () => {
            await body(
              api.PATCH('/api/passkeys/{credential}', {
                params: { path: { credential: passkey.credential } },
                body: { name: name.trim() },
              }),
            )
            await refresh()
          })
          .then((done) => done && onDone())
      }}
    >
      <Field label="Name" error={submit.problem?.field('name') ?? submit.problem?.title}>
        <Input value={name} maxLength={64} autoFocus onValueChange={(value) => setName(value)} />
      </Field>
      <Button onClick={onDone}>Cancel</Button>
      <Button
        kind="primary"
        type="submit"
        busy={submit.running && 'Saving…'}
        unavailable={name.trim() === '' && 'A name is needed'}
      >
        Save
      </Button>
    </form>
  )
}
