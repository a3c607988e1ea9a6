import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, body, type Inhabitant } from '../api/client'
import { policyPeople, policyRole, policyRoles } from '../api/policyQueries'
import { asProblem } from '../api/problem'
import { usePolicyTry } from '../draft'
import { formatDuration, parseDuration } from '../duration'
import { readLocal, writeUniversal } from '../moment'
import { Combobox } from '../ui/Combobox'
import { DateTime } from '../ui/DateTime'
import { DecisionTree } from '../ui/DecisionTree'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Area, Field, Input } from '../ui/Field'
import { Moment } from '../ui/Moment'
import { Option, Options } from '../ui/Options'
import { Section } from '../ui/Page'
import { Select } from '../ui/Select'
import { StateBadge } from '../ui/StateBadge'
import styles from './WhatIf.module.css'

/** What would happen if somebody asked: whom, what and when on the left, the decision as a tree on the right. */
export function Simulate() {
  const people = useQuery(policyPeople)
  const roles = useQuery(policyRoles)
  const tried = usePolicyTry()
  const [who, setWho] = useState<string | null>(null)
  const [roleName, setRole] = useState<string | null>(null)
  const role = useQuery({ ...policyRole(roleName ?? ''), enabled: roleName !== null }).data?.role
  const [chosenTarget, setTarget] = useState<string | null>(null)
  const [chosenLogin, setLogin] = useState<string | null>(null)
  const [typedDuration, setDuration] = useState<string>()
  const [at, setAt] = useState('')
  const [reason, setReason] = useState('')
  const [ticket, setTicket] = useState('')
  const [breakGlass, setBreakGlass] = useState(false)
  const [withTry, setWithTry] = useState(false)

  const target = role?.targets.find(({ name }) => name === chosenTarget)?.name ?? role?.targets[0]?.name
  const login = role?.logins.find((name) => name === chosenLogin) ?? role?.logins[0]
  const duration = typedDuration ?? (role ? formatDuration(role.default_seconds) : '')
  const seconds = parseDuration(duration)
  const person = people.data?.people.find((one) => keyOf(one) === who)
  const moment = at === '' ? undefined : readLocal(at)
  const edits = withTry && tried ? tried.edits : 0
  const draft =
    person && role && target && login && seconds !== null && moment !== null
      ? {
          issuer: person.issuer,
          subject: person.subject,
          ask: {
            role: role.name,
            target,
            login,
            duration_seconds: seconds,
            reason: reason.trim(),
            ticket: ticket.trim(),
            break_glass: breakGlass,
          },
          ...(moment ? { at: writeUniversal(moment) } : {}),
        }
      : undefined
  const answer = useQuery({
    queryKey: ['simulate', draft, edits],
    queryFn: async ({ signal }) => {
      await new Promise((resolve) => setTimeout(resolve, 300))
      signal.throwIfAborted()
      return body(api.POST('/api/policy/simulate', { body: { ...draft!, ...(edits ? { files: tried!.files } : {}) }, signal }))
    },
    enabled: draft !== undefined,
    placeholderData: (before, query) => (draft && JSON.stringify(query?.queryKey[1] ?? null).includes(draft.subject) ? before : undefined),
    staleTime: 10_000,
  })

  if (people.error) return <ErrorNotice problem={asProblem(people.error)} retry={() => void people.refetch()} />
  if (!people.data || !roles.data) return <Loading what="people and roles" lines={5} />
  return (
    <div className={styles.split}>
      <form className={styles.side} noValidate onSubmit={(event) => event.preventDefault()}>
        <Field label="Who asks">
          <Combobox options={people.data.people.map(personOption)} value={who} onChange={setWho} placeholder="A name, an address or a group" empty="Nobody who is known is called that." />
        </Field>
        <Field label="Role">
          <Combobox
            options={roles.data.items.map(({ name, description }) => ({ value: name, label: name, hint: description }))}
            value={roleName}
            onChange={setRole}
            placeholder="A part of its name"
            empty="No role is called that."
          />
        </Field>
        {role && (
          <>
            <Field label="Target">
              <Combobox
                options={role.targets.map(({ name }) => ({ value: name, label: name }))}
                value={target ?? null}
                onChange={setTarget}
                placeholder="A part of its name"
                empty="The role reaches no such target."
              />
            </Field>
            <div className={styles.pair}>
              <Field label="Login">
                <Select options={role.logins.map((name) => ({ value: name, label: name }))} value={login ?? null} onChange={setLogin} placeholder="Choose" />
              </Field>
              <Field label="For how long" error={seconds === null ? 'Write it as 45m, 2h or 1h30m.' : undefined}>
                <Input value={duration} onValueChange={setDuration} placeholder="1h30m" />
              </Field>
            </div>
            <DateTime label="When" optional value={at} onChange={setAt} hint="Empty: now." error={moment === null ? 'A day and a time.' : undefined} />
            {role.ticket && (
              <Field label="Ticket" optional={!role.ticket.required}>
                <Input value={ticket} onValueChange={setTicket} placeholder={role.ticket.pattern ?? 'OPS-12'} />
              </Field>
            )}
            <Field label="Reason" optional={!role.reason_required}>
              <Area value={reason} onChange={setReason} most={500} placeholder="As they would write it" />
            </Field>
            <Options>
              {roles.data.items.some(({ name, break_glass }) => name === role.name && break_glass) && (
                <Option title="Alone, in an emergency" checked={breakGlass} onChoose={() => setBreakGlass(!breakGlass)}>
                  No stage is asked; the role’s rules about emergencies decide.
                </Option>
              )}
              {tried && (
                <Option title="By the policy as I edited it" checked={withTry} onChoose={() => setWithTry(!withTry)}>
                  In the place of the one in force.
                </Option>
              )}
            </Options>
          </>
        )}
      </form>
      <div className={styles.side} aria-live="polite">
        {!draft ? (
          <EmptyState title="Choose who asks for what">You read here what policy would say to them, rule by rule, and what would change it.</EmptyState>
        ) : answer.error ? (
          <ErrorNotice problem={asProblem(answer.error)} retry={() => void answer.refetch()} />
        ) : !answer.data ? (
          <Loading what="what policy says" lines={4} />
        ) : (
          <Section title="What would happen">
            <div className={styles.outcome}>
              <StateBadge state={answer.data.outcome} />
              <span className={styles.summary}>{answer.data.summary}</span>
            </div>
            {answer.data.begins && (
              <p className={styles.state}>
                It would begin <Moment at={answer.data.begins} />
                {answer.data.ends && (
                  <>
                    {' '}
                    and end <Moment at={answer.data.ends} />
                  </>
                )}
                .
              </p>
            )}
            <DecisionTree decision={answer.data} waiting />
          </Section>
        )}
      </div>
    </div>
  )
}

function keyOf({ issuer, subject }: Inhabitant): string {
  return `${issuer}\n${subject}`
}

function personOption(one: Inhabitant) {
  return { value: keyOf(one), label: one.name || one.subject, hint: [one.email, one.groups.join(', ')].filter(Boolean).join(' · ') }
}
