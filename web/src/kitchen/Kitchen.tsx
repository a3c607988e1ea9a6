import { useState } from 'react'
import { Problem } from '../api/problem'
import { Button, type ButtonKind } from '../ui/Button'
import { Combobox } from '../ui/Combobox'
import { CopyLine } from '../ui/CopyLine'
import { Countdown, TimeLeft } from '../ui/Countdown'
import { Confirm } from '../ui/Dialog'
import { DurationChips } from '../ui/DurationChips'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice, Notice } from '../ui/ErrorNotice'
import { Facts } from '../ui/Facts'
import { Area, Field, Input } from '../ui/Field'
import { Moment } from '../ui/Moment'
import { Card, PageHead, Section } from '../ui/Page'
import { Person } from '../ui/Person'
import { Select } from '../ui/Select'
import { Shell } from '../ui/Shell'
import { StateBadge } from '../ui/StateBadge'
import { Statement } from '../ui/Statement'
import { Table } from '../ui/Table'
import { Timeline } from '../ui/Timeline'
import { notify } from '../ui/Toasts'

const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString()
const alice = { issuer: 'http://localhost:5556/dex', subject: 'CgVhbGljZQ', name: 'Alice Ahrens', email: 'alice@example.test' }
const rashid = {
  issuer: 'http://localhost:5556/dex',
  subject: 'CgVyYXNoaWQ',
  name: 'راشد المنصوري',
  email: 'rashid@example.test',
}
const states = [
  'pending',
  'approved',
  'active',
  'completed',
  'expired',
  'dropped',
  'withdrawn',
  'denied',
  'revoked',
  'live',
  'sealed',
  'verified',
  'unverified',
]
const kinds: [ButtonKind, string][] = [
  ['primary', 'Approve with passkey'],
  ['plain', 'Copy link'],
  ['quiet', 'Not now'],
  ['destructive', 'Revoke postgres on db1.prod'],
  ['final', 'Revoke now'],
]
const targets = [
  'db1.prod',
  'db2.prod',
  'web1.staging',
  'bastion.eu-west',
  'ledger-replica-with-a-rather-long-name.internal',
].map((value) => ({
  value,
  label: value,
  hint: value.includes('prod') ? 'env=prod · team=payments' : 'env=staging',
}))
const text = `stint approval 1
instance: k3f9x2mq
request: r-7h2kq9wz
requester: CgVhbGljZQ @ http://localhost:5556/dex
requester-name: "Alice Ahrens"
role: database-admin
target: db1.prod
login: postgres
duration: 1h
reason: "Vacuum of the orders table is stuck; need to look at locks and cancel it. Ticket OPS-4211."
nonce: 0f9a3c5577d1e2b84a6c90d1f2e3a4b5
`

export function Kitchen() {
  const [target, setTarget] = useState<string | null>(null)
  const [login, setLogin] = useState<string | null>('postgres')
  const [duration, setDuration] = useState<number | null>(3600)
  const [reason, setReason] = useState('Vacuum of the orders table is stuck; need to look at locks.')
  const [open, setOpen] = useState(false)
  return (
    <Shell
      me={{
        person: alice,
        groups: [],
        roster_groups: [],
        approver: true,
        administrator: false,
        reviewer: true,
        ceremony: false,
        instance: 'k',
      }}
      waiting={{ count: 3, loud: true }}
      toSign={1}
      onSearch={() => notify.news('Bob approved your request', 'postgres on db1.prod, until 15:04')}
      onSignOut={() => notify.done('Signed out')}
    >
      <PageHead title="The kit" tab="The kit" words="Every part on one page: in light and dark, on a phone and on a wall." />
      <Card>
        <div style={{ display: 'flex', gap: 24, alignItems: 'center', flexWrap: 'wrap' }}>
          <Countdown from={ago(30)} until={ago(-34)} what="Access ends" />
          <Countdown from={ago(600)} until={ago(-4.5)} what="Access ends" />
          <Countdown from={ago(600)} until={ago(-700)} what="Access ends" />
          <Countdown from={ago(60)} until={ago(1)} what="Access ends" />
          <Countdown from={ago(10)} until={ago(-20)} what="Request expires" size={44} />
          <span>
            <TimeLeft until={ago(-14)} /> · asked <Moment at={ago(4)} /> by <Person person={alice} /> and{' '}
            <Person person={rashid} />, <Moment at={ago(3000)} clock />
          </span>
        </div>
        <CopyLine text="ssh -J stint@localhost:2222 postgres@db1.prod" what="the ssh line" />
        <div style={{ display: 'flex', gap: 8, flexWrap: 'wrap' }}>
          {states.map((state) => (
            <StateBadge key={state} state={state} />
          ))}
        </div>
        <div style={{ display: 'flex', gap: 8, flexWrap: 'wrap' }}>
          {kinds.map(([kind, words]) => (
            <Button key={kind} kind={kind} hint={kind === 'primary' ? 'A' : undefined} onClick={() => setOpen(true)}>
              {words}
            </Button>
          ))}
          <Button kind="primary" busy="Waiting for your passkey…">
            Approve
          </Button>
          <Button unavailable="You asked for it yourself">Approve</Button>
        </div>
      </Card>
      <Section title="Fields" aside="as on the ask page">
        <Card>
          <Field label="Target" hint="Type a part of its name or of a label.">
            <Combobox
              options={targets}
              value={target}
              onChange={setTarget}
              placeholder="db1.prod"
              empty="No target you may ask for has this in its name. Try a label, such as env=prod."
            />
          </Field>
          <Field label="Login">
            <Select
              options={[
                { value: 'postgres', label: 'postgres' },
                { value: 'root', label: 'root', hint: 'needs two approvers' },
              ]}
              value={login}
              onChange={setLogin}
              placeholder="Choose"
            />
          </Field>
          <DurationChips label="For how long" value={duration} onChange={setDuration} most={14400} bound="the role's longest" />
          <Field label="Reason" error={reason ? undefined : 'Say why: approvers read it, and it stays in the record.'}>
            <Area value={reason} onChange={setReason} most={80} placeholder="What you will do, and why now" />
          </Field>
          <Field label="Name" optional>
            <Input placeholder="Bob's phone" />
          </Field>
        </Card>
      </Section>
      <Statement text={text} label="The statement" />
      <Statement text={text} digest={'0'.repeat(64)} label="The statement, tampered" />
      <Facts
        rows={[
          ['Who', <Person key="p" person={alice} />],
          ['Gets', 'postgres on db1.prod'],
          ['For', '1 hour'],
        ]}
      />
      <Timeline
        label="What happened"
        items={[
          {
            key: 1,
            time: ago(30),
            text: 'Alice asked for postgres on db1.prod for 1 hour',
            tone: 'wait',
            shape: 'half',
            below: 'audit leaf 41',
          },
          { key: 2, time: ago(28), text: 'Bob approved with “Bob’s phone”', tone: 'accent', shape: 'tick' },
          { key: 3, time: ago(27), text: 'A certificate was issued', tone: 'live', shape: 'dot' },
          { key: 4, time: ago(2), text: 'Bob revoked it; 1 session closed', tone: 'bad', shape: 'square' },
        ]}
      />
      <Table
        label="Sessions"
        rowKey={(row) => row.id}
        rows={[1, 2, 3].map((id) => ({ id }))}
        more={() => undefined}
        columns={[
          { name: 'Time', narrow: true, cell: () => <Moment at={ago(30)} clock /> },
          { name: 'What', main: true, cell: (row) => `Alice used postgres on db${row.id}.prod for 14 minutes` },
          { name: 'State', narrow: true, cell: () => <StateBadge state="live" bare /> },
        ]}
      />
      <ErrorNotice
        problem={
          new Problem({
            kind: 'conflict',
            code: 'request.not-pending',
            title: 'Dana has already approved this request. Nothing is left to do.',
            detail: 'The request became active at 14:02.',
          })
        }
        kept="Your shortened duration was not stored."
        retry={() => undefined}
      />
      <Notice title="The broker and the signer decide by different policies" tone="wait">
        What you ask for is decided by the signer’s.
      </Notice>
      <EmptyState
        title="You hold no access now"
        command="stint request database-admin --target db1.prod --duration 1h --reason '…'"
        action={<Button kind="primary">Ask for access</Button>}
      >
        Ask here or in a terminal; when it is approved, the ssh line appears in this place.
      </EmptyState>
      <Loading what="requests" />
      <Confirm
        open={open}
        onClose={() => setOpen(false)}
        title="Revoke postgres on db1.prod?"
        words="Alice’s access ends at once and 2 live sessions close. She is told why."
        confirm="Revoke it and close 2 sessions"
        busy="Revoking…"
        keep="Keep it"
        act={() =>
          Promise.reject(new Problem({ kind: 'conflict', code: 'request.not-active', title: 'It ended by itself a moment ago.' }))
        }
      />
    </Shell>
  )
}
