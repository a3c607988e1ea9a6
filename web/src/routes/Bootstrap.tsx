import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { Enrolment } from '../api/client'
import { refresh } from '../api/queries'
import { parseBootstrapCode, takeBootstrapCode } from '../bootstrap'
import { authoriseWithCode, makePasskey, provePossession } from '../enrol'
import { useMe } from '../me'
import { useSubmit } from '../submit'
import { Button, buttonClass } from '../ui/Button'
import { EmptyState } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Field, Input } from '../ui/Field'
import { Card, PageHead, Section } from '../ui/Page'
import { Statement } from '../ui/Statement'
import { called } from '../words'
import { Steps, suggestedName } from './AddPasskey'
import { administrators, GroupChoice } from './GroupChoice'
import styles from './Passkeys.module.css'

/**
 * The first administrator's passkey. The one-time code comes in the address's fragment or is typed; it is never sent. What
 * is sent is an HMAC, under the code, of the text that the new passkey has signed, and the signer checks it.
 */
export function Bootstrap() {
  const me = useMe()
  const [code, setCode] = useState(takeCodeOnce)
  const [name, setName] = useState(() => suggestedName(called(me.person)))
  const [groups, setGroups] = useState<string[]>([administrators])
  const [step, setStep] = useState(-1)
  const [made, setMade] = useState<Enrolment>()
  const [pinned, setPinned] = useState<Enrolment>()
  const submit = useSubmit()
  const parsed = parseBootstrapCode(code)

  const go = () =>
    submit.run(async () => {
      let enrolment = made
      if (!enrolment) {
        setStep(0)
        enrolment = await makePasskey(name.trim(), groups)
        setMade(enrolment)
      }
      if (enrolment.state === 'needs-possession') {
        setStep(1)
        enrolment = await provePossession(enrolment, me.person)
        setMade(enrolment)
      }
      setStep(2)
      setPinned(await authoriseWithCode(enrolment, parsed!))
      setCode('')
      await refresh()
    })

  if (pinned) return <Done enrolment={pinned} />
  if (!me.bootstrap_open && !made) {
    return (
      <>
        <PageHead title="The first administrator" tab="First administrator" />
        <EmptyState
          title="There is nothing to begin here"
          action={
            <Link to="/passkeys" className={buttonClass('primary')}>
              Go to my passkeys
            </Link>
          }
        >
          The one-time code has been used, or there was none. Further passkeys are signed for by an administrator.
        </EmptyState>
      </>
    )
  }
  return (
    <>
      <PageHead
        title="The first administrator"
        tab="First administrator"
        words={`You are signed in as ${called(me.person)}. Your passkey becomes the first that the signer trusts; it then signs for everybody else’s.`}
      />
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault()
          if (parsed) void go()
        }}
      >
        <Field
          label="One-time code"
          hint="It stays in this page: only a proof of it is sent."
          error={code !== '' && !parsed ? 'It looks like admin:XXXXX-XXXXX-…, as it was printed.' : undefined}
        >
          <Input
            value={code}
            onValueChange={(value) => setCode(value)}
            type="text"
            autoComplete="off"
            autoCapitalize="characters"
            spellCheck={false}
            placeholder="admin:XXXXX-XXXXX-XXXXX"
          />
        </Field>
        {made === undefined && (
          <>
            <Field label="Name of the passkey" error={submit.problem?.field('name')}>
              <Input value={name} maxLength={64} onValueChange={(value) => setName(value)} />
            </Field>
            <GroupChoice chosen={groups} onChange={setGroups} />
          </>
        )}
        {step >= 0 && (
          <Steps
            now={step}
            words={[
              'Make it: answer your browser’s prompt',
              'Prove it: answer the second prompt',
              'The signer checks the code’s proof',
            ]}
          />
        )}
        {submit.problem && (
          <ErrorNotice
            problem={submit.problem}
            kept={made ? 'The passkey is made; going on continues from here.' : 'Nothing was stored.'}
          />
        )}
        <div className={styles.actions}>
          <Button
            kind="primary"
            icon="passkey"
            type="submit"
            busy={submit.running && 'Waiting for your device…'}
            unavailable={
              (!parsed && 'The one-time code is missing') ||
              (name.trim() === '' && 'Name the passkey first') ||
              (groups.length === 0 && 'Choose what it shall count for')
            }
          >
            {made ? 'Go on' : 'Make my passkey'}
          </Button>
        </div>
      </form>
    </>
  )
}

/** Taken when the module is first shown and kept for the page's life: React may begin a component twice, the address is wiped once. */
let taken: string | undefined
function takeCodeOnce(): string {
  const fresh = takeBootstrapCode()
  taken = fresh || taken
  return taken ?? ''
}

function Done({ enrolment }: { enrolment: Enrolment }) {
  taken = undefined
  return (
    <>
      <PageHead
        title="Done: the roster has its first administrator"
        tab="First administrator"
        words={`“${enrolment.passkey}” counts for ${enrolment.groups.join(', ')}.`}
      />
      <Card>
        <p>Next: let approvers add their passkeys. Each appears under Passkeys, for you to sign.</p>
        <div className={styles.actions}>
          <Link to="/passkeys" className={buttonClass('primary')}>
            Go to passkeys
          </Link>
        </div>
      </Card>
      <Section title="What was signed">
        <Statement text={enrolment.statement} digest={enrolment.digest} label="The text of the enrolment" />
      </Section>
    </>
  )
}
