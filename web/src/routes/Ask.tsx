import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { api, body, type Role } from '../api/client'
import { asProblem } from '../api/problem'
import { refresh, roles as rolesQuery } from '../api/queries'
import { durationWords, formatDuration, parseDuration } from '../duration'
import { readLocal, writeUniversal } from '../moment'
import { useSubmit } from '../submit'
import { Button } from '../ui/Button'
import { Combobox } from '../ui/Combobox'
import { CopyLine } from '../ui/CopyLine'
import { DateTime } from '../ui/DateTime'
import { DurationChips } from '../ui/DurationChips'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Area, Field, FieldGroup, Input } from '../ui/Field'
import { Option, Options } from '../ui/Options'
import { PageHead } from '../ui/Page'
import { Select } from '../ui/Select'
import { notify } from '../ui/Toasts'
import { askCommand } from '../words'
import styles from './Ask.module.css'
import { Emergency } from './Emergency'
import { RoleMachine } from './RoleMachine'
import { RoleRules } from './RoleRules'
import { Verdict, type Draft } from './Verdict'

const route = getRouteApi('/ask')

/** The longest reason, in characters, as the policies say. */
const mostReason = 500

/** Target, role, how long, why; and all the while what policy says to it. */
export function AskPage() {
  const roles = useQuery(rolesQuery)
  return (
    <>
      <PageHead
        title="Ask for access"
        tab="Ask"
        words="It begins when everybody who must agree has agreed, and ends by itself."
      />
      {roles.error ? (
        <ErrorNotice problem={asProblem(roles.error)} retry={() => void roles.refetch()} />
      ) : !roles.data ? (
        <Loading what="what you may ask for" />
      ) : roles.data.items.length === 0 ? (
        <EmptyState title="No role is open to you">
          Roles name the groups that may ask for them, and you are in none of those. Ask whoever keeps the policies here.
        </EmptyState>
      ) : (
        <AskForm roles={roles.data.items} />
      )}
    </>
  )
}

function AskForm({ roles }: { roles: readonly Role[] }) {
  const search = route.useSearch()
  const navigate = useNavigate()
  const submit = useSubmit()
  const named = roles.find((role) => role.name === search.role)
  const [target, setTarget] = useState<string | null>(
    search.target ?? (named?.targets.length === 1 ? named.targets[0]!.name : null),
  )
  const [chosenRole, setRole] = useState<string | undefined>(search.role)
  const [chosenLogin, setLogin] = useState<string | null>(search.login ?? null)
  const [chosenDuration, setDuration] = useState<number | null | undefined>(
    search.duration === undefined ? undefined : parseDuration(search.duration),
  )
  const [reason, setReason] = useState(search.reason ?? '')
  const [typedTicket, setTicket] = useState(search.ticket ?? '')
  const [typedStart, setStart] = useState('')
  const [emergency, setEmergency] = useState(false)

  const reaching =
    target === null ? (named ? [named] : []) : roles.filter((role) => role.targets.some(({ name }) => name === target))
  const role = reaching.find(({ name }) => name === chosenRole) ?? (reaching.length === 1 ? reaching[0] : undefined)
  const alone = emergency && role?.break_glass !== undefined
  const longest = alone ? role.break_glass!.longest_seconds : (role?.longest_seconds ?? 0)
  const ticket = role?.ticket ? typedTicket.trim() : ''
  const ahead = alone ? 0 : (role?.start.ahead_seconds ?? 0)
  const start = ahead > 0 && typedStart !== '' ? readLocal(typedStart) : undefined
  const login = role ? (role.logins.find((name) => name === chosenLogin) ?? role.logins[0] ?? '') : ''
  const seconds = !role
    ? null
    : chosenDuration === undefined
      ? Math.min(role.default_seconds, longest)
      : chosenDuration === null
        ? null
        : Math.min(chosenDuration, longest)
  const duration = seconds === null ? undefined : formatDuration(seconds)

  const draft: Draft | undefined =
    role && target !== null && seconds !== null
      ? {
          role: role.name,
          target,
          login,
          duration_seconds: seconds,
          reason: reason.trim(),
          ticket,
          break_glass: alone,
          ...(start ? { start: writeUniversal(start) } : {}),
        }
      : undefined
  // Not while the ask is sent: the page then goes to the request, and must not be called back.
  useShareableAddress(
    !submit.running && (role || target || reason)
      ? { role: role?.name, target: target ?? undefined, login: chosenLogin ?? undefined, duration, reason: reason || undefined, ticket: typedTicket || undefined }
      : undefined,
  )

  const lacks: [boolean, string][] = [
    [!target, 'Choose a target first'],
    [!role, 'Choose a role first'],
    [seconds === null, 'Say for how long'],
    [start === null, 'Say when it is to begin, or empty that field'],
    [role?.ticket?.required === true && ticket === '', 'Name the ticket first'],
    [role?.reason_required === true && reason.trim() === '', 'Say why first'],
    [[...reason].length > mostReason, 'The reason is too long'],
  ]
  const missing = lacks.find(([lacking]) => lacking)?.[1]

  const send = () =>
    submit.run(async () => {
      const request = await body(api.POST('/api/requests', { body: draft! }))
      notify.done(request.state === 'pending' ? 'Asked' : 'Granted', request.summary)
      void refresh()
      await navigate(request.state === 'pending' || request.begins === undefined ? { to: '/requests/$id', params: { id: request.id } } : { to: '/' })
    })

  return (
    <form
      className={styles.layout}
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        if (draft && !missing) void send()
      }}
    >
      <div className={styles.form}>
        <Field label="Target" name="target" error={submit.problem?.field('target')}>
          <Combobox
            options={targetOptions(roles)}
            value={target}
            onChange={setTarget}
            placeholder="Type a part of its name or of a label"
            empty="No target you may ask for has this in its name or its labels."
            autoFocus={search.target === undefined}
          />
        </Field>
        {reaching.length > 0 && (
          <FieldGroup label="Role" error={submit.problem?.field('role')}>
            <Options>
              {reaching.map((option) => (
                <Option key={option.name} among="role" title={option.name} checked={role === option} onChoose={() => setRole(option.name)}>
                  {option.description} {logins(option)} {option.device.length > 0 && 'From an enrolled device only.'}
                </Option>
              ))}
            </Options>
          </FieldGroup>
        )}
        {role && <RoleMachine role={role} />}
        {role && <RoleRules role={role} />}
        {role && <Emergency role={role} alone={alone} onChange={setEmergency} />}
        {role && role.logins.length > 1 && (
          <Field label="Login" name="login" error={submit.problem?.field('login')}>
            <Select
              options={role.logins.map((name) => ({ value: name, label: name }))}
              value={login}
              onChange={setLogin}
              placeholder="Choose"
            />
          </Field>
        )}
        {role && (
          <DurationChips
            key={`${role.name} ${longest}`}
            label="For how long"
            value={seconds}
            onChange={setDuration}
            most={longest}
            bound={`the longest that ${role.name} gives${alone ? ' in an emergency' : ''}`}
            error={submit.problem?.field('duration_seconds')}
          />
        )}
        {role && ahead > 0 && (
          <DateTime
            label="Start later"
            optional
            value={typedStart}
            onChange={setStart}
            latest={new Date(Date.now() + ahead * 1000)}
            hint={`Empty: as soon as it may. At most ${durationWords(ahead)} ahead.`}
            error={submit.problem?.field('start') ?? (start === null ? 'A day and a time.' : undefined)}
          />
        )}
        {role?.ticket && (
          <Field
            label="Ticket"
            name="ticket"
            optional={!role.ticket.required}
            error={submit.problem?.field('ticket')}
            hint={role.ticket.pattern ? <>It reads like <code>{role.ticket.pattern}</code>, from its beginning to its end.</> : 'The one that it is for.'}
          >
            <Input value={typedTicket} onValueChange={setTicket} spellCheck={false} maxLength={200} />
          </Field>
        )}
        <Field
          label="Reason"
          name="reason"
          optional={role ? !role.reason_required : false}
          error={submit.problem?.field('reason')}
          hint="Approvers read it first. It stays in the record."
        >
          <Area value={reason} onChange={setReason} most={mostReason} placeholder="What you will do, and why now" />
        </Field>
      </div>
      <Verdict draft={draft} />
      {submit.problem && <ErrorNotice problem={submit.problem} kept="Nothing was stored; what you typed is still here." />}
      <div className={styles.send}>
        <Button kind={alone ? 'final' : 'primary'} type="submit" busy={submit.running && 'Asking…'} unavailable={missing}>
          {!draft
            ? 'Ask for access'
            : alone
              ? `Act alone: ${draft.login} on ${draft.target} for ${durationWords(draft.duration_seconds)}`
              : `Ask for ${draft.login} on ${draft.target} for ${durationWords(draft.duration_seconds)}`}
        </Button>
        <CopyLink />
      </div>
      {draft && (
        <div className={styles.terminal}>
          <span>The same at a terminal</span>
          <CopyLine
            text={askCommand({
              role: draft.role,
              target: draft.target,
              login: role!.logins.length > 1 ? draft.login : undefined,
              duration,
              reason: reason.trim(),
              ticket,
              start: draft.start,
              breakGlass: alone,
            })}
            what="the command"
          />
        </div>
      )}
    </form>
  )
}

/** Every target of every role, once, with its labels. */
function targetOptions(roles: readonly Role[]) {
  const targets = new Map(roles.flatMap((role) => role.targets.map((target) => [target.name, target] as const)))
  return [...targets.values()]
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
    .map(({ name, labels }) => ({
      value: name,
      label: name,
      hint: Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(' · '),
    }))
}

function logins(role: Role): string {
  return role.logins.length === 1 ? `Login ${role.logins[0]}.` : `Logins ${role.logins.join(', ')}.`
}

/** Keeps what is filled in in the address, so that the page can be shared or reloaded. */
function useShareableAddress(values: Record<string, string | undefined> | undefined) {
  const navigate = useNavigate()
  const search = values && JSON.stringify(values)
  useEffect(() => {
    if (!search) return
    const timer = setTimeout(() => {
      void navigate({ to: '/ask', search: JSON.parse(search) as Record<string, string>, replace: true, resetScroll: false })
    }, 400)
    return () => clearTimeout(timer)
  }, [navigate, search])
}

function CopyLink() {
  return (
    <Button
      kind="quiet"
      icon="copy"
      onClick={() => {
        navigator.clipboard.writeText(location.href).then(
          () => notify.done('Copied the link', 'It opens this page filled in like this; whoever opens it asks for themselves.'),
          () => notify.news('Copy the address of this page', 'It opens the page filled in like this.'),
        )
      }}
    >
      Copy as a link
    </Button>
  )
}
