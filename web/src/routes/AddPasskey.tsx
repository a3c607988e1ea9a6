import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Enrolment } from '../api/client'
import { refresh, roles as rolesQuery } from '../api/queries'
import { makePasskey, provePossession } from '../enrol'
import { useMe } from '../me'
import { useSubmit } from '../submit'
import { Button } from '../ui/Button'
import cards from '../ui/Cards.module.css'
import { Dialog } from '../ui/Dialog'
import { ErrorNotice, Notice } from '../ui/ErrorNotice'
import { Field, Input } from '../ui/Field'
import { Mark } from '../ui/StateBadge'
import { notify } from '../ui/Toasts'
import { passkeysWork } from '../webauthn'
import { called } from '../words'
import { administrators, GroupChoice } from './GroupChoice'
import styles from './AddPasskey.module.css'

/** Makes a passkey and lets it prove itself; then it waits for an authority, and the page behind shows it so. */
export function AddPasskey({ open, onClose }: { open: boolean; onClose: () => void }) {
  const me = useMe()
  const [name, setName] = useState(() => suggestedName(called(me.person)))
  const [groups, setGroups] = useState<string[]>([])
  const [step, setStep] = useState(0)
  const [made, setMade] = useState<Enrolment>()
  const submit = useSubmit()
  // The groups offered come above the buttons: until then these would move from under a finger.
  const listed = useQuery(rolesQuery)

  const close = () => {
    if (submit.running) return
    setStep(0)
    setMade(undefined)
    submit.clear()
    onClose()
  }
  const go = async () => {
    const done = await submit.run(async () => {
      let enrolment = made
      if (!enrolment) {
        setStep(1)
        enrolment = await makePasskey(name.trim(), groups)
        setMade(enrolment)
      }
      setStep(2)
      await provePossession(enrolment, me.person)
      await refresh()
    })
    if (!done) return
    notify.done('The passkey is made', 'It counts once it is signed for.')
    setStep(0)
    setMade(undefined)
    onClose()
  }

  return (
    <Dialog
      open={open}
      onClose={close}
      title="Add a passkey"
      words="Your browser asks twice: once to make it, once to prove that it works."
      actions={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button
            kind="primary"
            icon="passkey"
            busy={submit.running && 'Waiting for your device…'}
            unavailable={(!passkeysWork() && 'This browser cannot use passkeys here') || (listed.isPending && 'What it can count for is being read') || (name.trim() === '' && 'Name it first')}
            onClick={() => void go()}
          >
            {made ? 'Prove it' : 'Make the passkey'}
          </Button>
        </>
      }
    >
      {!passkeysWork() && (
        <Notice tone="wait" title="This browser cannot use passkeys here">
          Open the portal under its own host name, over https or on localhost, in a current browser.
        </Notice>
      )}
      {step === 0 ? (
        <>
          <Field label="Name" hint="So that you know it again." error={submit.problem?.field('name')}>
            <Input value={name} maxLength={64} onValueChange={(value) => setName(value)} />
          </Field>
          <GroupChoice chosen={groups} onChange={setGroups} />
          {groups.length > 0 || me.roster_groups.includes(administrators) ? (
            <p className={cards.meta}>Administrators must then sign for it, as many as the policy says.</p>
          ) : (
            me.roster_groups.length > 0 && <p className={cards.meta}>An earlier passkey of yours can then sign for it.</p>
          )}
        </>
      ) : (
        <Steps now={step - 1} words={['Make it: answer your browser’s prompt', 'Prove it: answer the second prompt']} />
      )}
      {submit.problem && (
        <ErrorNotice problem={submit.problem} kept={made ? 'The passkey is made; it only has to prove itself.' : ''} />
      )}
    </Dialog>
  )
}

/** What is done, what goes on, what comes. */
function Steps({ now, words }: { now: number; words: readonly string[] }) {
  return (
    <ol className={styles.steps}>
      {words.map((text, index) => {
        const state = index < now ? 'done' : index === now ? 'now' : 'later'
        return (
          <li key={text} className={styles.step} data-step={state} aria-current={state === 'now' ? 'step' : undefined}>
            <Mark shape={state === 'done' ? 'tick' : state === 'now' ? 'half' : 'ring'} />
            {text}
          </li>
        )
      })}
    </ol>
  )
}

/** "Bob's Mac", as people call their devices. */
function suggestedName(person: string): string {
  const agent = navigator.userAgent
  const device = /iPhone/.test(agent)
    ? 'iPhone'
    : /iPad/.test(agent)
      ? 'iPad'
      : /Android/.test(agent)
        ? 'phone'
        : /Macintosh/.test(agent)
          ? 'Mac'
          : /Windows/.test(agent)
            ? 'PC'
            : 'computer'
  return `${person.split(/[\s@]/)[0] || 'My'}’s ${device}`.slice(0, 64)
}
