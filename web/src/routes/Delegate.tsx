import { useState } from 'react'
import { api, body, type Delegations } from '../api/client'
import { serverNow } from '../clock'
import { durationWords } from '../duration'
import { useMe } from '../me'
import { readLocal, writeLocal, writeUniversal } from '../moment'
import { readDelegation, subjectOf } from '../statement'
import { useSubmit } from '../submit'
import { refresh } from '../api/queries'
import { Button } from '../ui/Button'
import styles from '../ui/Cards.module.css'
import { Combobox } from '../ui/Combobox'
import { DateTime } from '../ui/DateTime'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Field, FieldGroup } from '../ui/Field'
import { Option, Options } from '../ui/Options'
import { Card } from '../ui/Page'
import { notify } from '../ui/Toasts'
import { unreadable } from '../unreadable'
import { signStatement } from '../webauthn'
import { called } from '../words'

const day = 24 * 3600 * 1000

/** The form by which somebody lets another approve on their behalf. */
export function Delegate({ form }: { form: Delegations }) {
  const me = useMe()
  const [open, setOpen] = useState(false)
  const [who, setWho] = useState<string | null>(null)
  const [groups, setGroups] = useState<readonly string[]>(form.groups.length === 1 ? form.groups : [])
  const [until, setUntil] = useState(() => writeLocal(new Date(serverNow() + Math.min(7 * day, form.longest_seconds * 1000))))
  const submit = useSubmit()
  const delegate = form.delegates.find((person) => subjectOf(person) === who)
  const ends = readLocal(until)
  const lacks: [boolean, string][] = [
    [!delegate, 'Choose who approves for you'],
    [groups.length === 0, 'Choose a group'],
    [ends === null, 'Say until when'],
    [ends !== null && ends.getTime() <= serverNow(), 'Its end has passed already'],
    [ends !== null && ends.getTime() > serverNow() + form.longest_seconds * 1000, `It is longer than ${lengthWords(form.longest_seconds)}`],
  ]
  const missing = lacks.find(([lacking]) => lacking)?.[1]

  const sign = () =>
    submit.run(async () => {
      const draft = { issuer: delegate!.issuer, subject: delegate!.subject, groups: [...groups], ends: writeUniversal(ends!) }
      const challenge = await body(api.POST('/api/delegations/challenge', { body: draft }))
      try {
        readDelegation(challenge.statement, { delegator: me.person, delegate: delegate!, groups, ends: draft.ends })
      } catch (thrown) {
        throw unreadable(thrown)
      }
      const signed = await signStatement(challenge)
      await body(api.POST('/api/delegations', { body: signed }))
      notify.done('Delegated', `${called(delegate!)} approves on your behalf.`)
      setOpen(false)
      setWho(null)
      await refresh()
    })

  if (!open) {
    return (
      <div>
        <Button icon="ask" onClick={() => setOpen(true)}>
          Let somebody approve for me
        </Button>
      </div>
    )
  }
  return (
    <Card label="Let somebody approve for me">
      <Field label="Who approves for me">
        <Combobox
          options={form.delegates.map((person) => ({ value: subjectOf(person), label: called(person), hint: person.email }))}
          value={who}
          onChange={setWho}
          placeholder="A name or an address"
          empty="Nobody in the signer’s roster is called that."
        />
      </Field>
      <FieldGroup label="In which groups" error={submit.problem?.field('groups')}>
        <Options>
          {form.groups.map((group) => (
            <Option
              key={group}
              title={group}
              checked={groups.includes(group)}
              onChoose={() => setGroups(groups.includes(group) ? groups.filter((one) => one !== group) : [...groups, group])}
            />
          ))}
        </Options>
      </FieldGroup>
      <DateTime
        label="Until"
        value={until}
        onChange={setUntil}
        latest={new Date(serverNow() + form.longest_seconds * 1000)}
        hint={`At most ${lengthWords(form.longest_seconds)}.`}
        error={submit.problem?.field('ends')}
      />
      {submit.problem && <ErrorNotice problem={submit.problem} kept="Nothing was delegated." />}
      <div className={styles.actions}>
        <Button
          kind="primary"
          icon="passkey"
          busy={submit.running && 'Waiting for your passkey…'}
          unavailable={missing}
          onClick={() => void sign()}
        >
          {delegate ? `Let ${called(delegate)} approve for me, with passkey` : 'Let them approve for me, with passkey'}
        </Button>
        <Button onClick={() => setOpen(false)}>Not now</Button>
      </div>
    </Card>
  )
}

function lengthWords(seconds: number): string {
  return seconds % 86_400 === 0 && seconds > 86_400 ? `${seconds / 86_400} days` : durationWords(seconds)
}
