import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState, type ReactNode } from 'react'
import { api, body, type Member } from '../api/client'
import { member as memberQuery, refresh } from '../api/queries'
import { useSubmit } from '../submit'
import { Button } from '../ui/Button'
import styles from '../ui/Cards.module.css'
import { Confirm, Dialog } from '../ui/Dialog'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Area, Field, FieldGroup } from '../ui/Field'
import { Option, Options } from '../ui/Options'
import { notify } from '../ui/Toasts'
import { called, counted } from '../words'
import { GroupChoice } from './GroupChoice'

/** Ends all that somebody holds, after naming it. It needs no proof: undoing it does. */
export function Suspend({ member, open, onClose }: { member: Member; open: boolean; onClose: () => void }) {
  const [reason, setReason] = useState('')
  const full = useQuery({ ...memberQuery(member.person), enabled: open })
  const holds = full.data?.holds ?? []
  const name = called(member.person)
  return (
    <Confirm
      open={open}
      onClose={onClose}
      title={`Suspend ${name}?`}
      words={
        <>
          At once they are signed out, no passkey of theirs counts, and{' '}
          {holds.length === 0
            ? 'they can ask for nothing. They hold nothing now.'
            : `${counted(holds.length, 'grant or request')} of theirs ${holds.length > 1 ? 'end' : 'ends'}, with every session.`}{' '}
          Lifting it takes administrators’ signatures.
        </>
      }
      confirm={`Suspend ${name}`}
      busy="Suspending…"
      keep="Change nothing"
      act={async () => {
        const { issuer, subject } = member.person
        const text = reason.trim()
        await body(api.POST('/api/people/suspend', { body: { issuer, subject, ...(text ? { reason: text } : {}) } }))
        notify.done(`${name} is suspended`)
        await refresh()
      }}
    >
      {holds.length > 0 && (
        <ul className={styles.words} aria-label="What ends">
          {holds.map((text, index) => (
            <li key={index}>
              <bdi>{text}</bdi>
            </li>
          ))}
        </ul>
      )}
      <Field label="Reason" optional hint="They read it, and so does whoever lifts it.">
        <Area value={reason} onChange={setReason} most={500} />
      </Field>
    </Confirm>
  )
}

interface ActProps {
  member: Member
  onClose: () => void
}

/** What the groups become, and which passkeys speak for them. */
export function ProposeGroups({ member, onClose }: ActProps) {
  const [groups, setGroups] = useState<string[]>([...member.groups])
  const speaking = member.passkeys.filter((one) => one.groups.length > 0)
  const [passkeys, setPasskeys] = useState(() =>
    (speaking.length > 0 ? speaking : member.passkeys).map(({ credential }) => credential),
  )
  const toggle = (credential: string) =>
    setPasskeys(passkeys.includes(credential) ? passkeys.filter((one) => one !== credential) : [...passkeys, credential])
  return (
    <Proposal
      member={member}
      onClose={onClose}
      title={`Groups of ${called(member.person)}`}
      words="What they are in afterwards. Administrators sign exactly this."
      draft={{ change: 'groups', groups: [...groups].sort(), passkeys: groups.length > 0 ? [...passkeys].sort() : [] }}
    >
      <GroupChoice chosen={groups} onChange={setGroups} of={member.groups} />
      {groups.length > 0 && member.passkeys.length > 0 && (
        <FieldGroup label="Passkeys that speak for them" hint="The others confirm sign-ins, and nothing else.">
          <Options>
            {member.passkeys.map((one) => (
              <Option
                key={one.credential}
                title={<bdi>{one.name}</bdi>}
                checked={passkeys.includes(one.credential)}
                onChoose={() => toggle(one.credential)}
              >
                {one.groups.length > 0 ? `Speaks for ${one.groups.join(', ')} now.` : 'Confirms sign-ins now.'}
              </Option>
            ))}
          </Options>
        </FieldGroup>
      )}
    </Proposal>
  )
}

export function ProposeRemoval({ member, onClose }: ActProps) {
  const [credential, setCredential] = useState(member.passkeys[0]?.credential ?? '')
  return (
    <Proposal
      member={member}
      onClose={onClose}
      title={`Take a passkey of ${called(member.person)} away`}
      words="It counts for nothing any more once administrators have signed. To stop it at once, suspend them."
      draft={{ change: 'remove-passkey', credential }}
    >
      <FieldGroup label="Which one">
        <Options>
          {member.passkeys.map((one) => (
            <Option
              key={one.credential}
              among="passkey"
              title={<bdi>{one.name}</bdi>}
              checked={credential === one.credential}
              onChoose={() => setCredential(one.credential)}
            >
              {one.groups.length > 0 ? `Speaks for ${one.groups.join(', ')}.` : 'Confirms sign-ins.'}
            </Option>
          ))}
        </Options>
      </FieldGroup>
    </Proposal>
  )
}

export function ProposeUnsuspend({ member, onClose }: ActProps) {
  return (
    <Proposal
      member={member}
      onClose={onClose}
      title={`Lift the suspension of ${called(member.person)}`}
      words="Their passkeys count again once administrators have signed. What the suspension ended stays ended."
      draft={{ change: 'unsuspend' }}
    />
  )
}

export function ProposeDelete({ member, onClose }: ActProps) {
  return (
    <Proposal
      member={member}
      onClose={onClose}
      title={`Delete ${called(member.person)} from the roster`}
      words="Once administrators have signed, none of their passkeys counts, and policy no longer knows whom they are linked with. To stop them at once, suspend them."
      draft={{ change: 'delete' }}
    />
  )
}

interface Draft {
  change: 'groups' | 'unsuspend' | 'delete' | 'remove-passkey'
  groups?: string[]
  passkeys?: string[]
  credential?: string
}

interface ProposalProps extends ActProps {
  title: string
  words: string
  draft: Draft
  children?: ReactNode
}

/** What all proposals have in common: a reason, and the way to the change that comes of it. */
function Proposal({ member, onClose, title, words, draft, children }: ProposalProps) {
  const [reason, setReason] = useState('')
  const submit = useSubmit()
  const navigate = useNavigate()
  const propose = () =>
    submit.run(async () => {
      const { issuer, subject } = member.person
      const text = reason.trim()
      const made = await body(api.POST('/api/changes', { body: { ...draft, issuer, subject, ...(text ? { reason: text } : {}) } }))
      await refresh()
      onClose()
      await navigate({ to: '/changes/$id', params: { id: made.id } })
    })
  return (
    <Dialog
      open
      onClose={onClose}
      title={title}
      words={words}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" busy={submit.running && 'Proposing…'} onClick={() => void propose()}>
            Propose
          </Button>
        </>
      }
    >
      {children}
      <Field label="Why" optional hint="Administrators read it before they sign.">
        <Area value={reason} onChange={setReason} most={500} />
      </Field>
      {submit.problem && <ErrorNotice problem={submit.problem} kept="Nothing was proposed." />}
    </Dialog>
  )
}
