import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { RoleSummary } from '../api/client'
import { policyRoles } from '../api/policyQueries'
import { asProblem } from '../api/problem'
import { useMe } from '../me'
import { together } from '../policy'
import { buttonClass } from '../ui/Button'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Field, Input } from '../ui/Field'
import { Moment } from '../ui/Moment'
import { PageHead } from '../ui/Page'
import { StateBadge } from '../ui/StateBadge'
import { Table, type Column } from '../ui/Table'
import { anyOf } from '../words'
import styles from './Policies.module.css'

/** How many roles are put on the page at once, and from how many on they can be searched. */
const atOnce = 100
const many = 12

/** The roles of the policy in force, to be read. Reviewers and administrators see all, others those they may ask for. */
export function Policies() {
  const me = useMe()
  const roles = useQuery(policyRoles)
  const sees = me.reviewer || me.administrator
  return (
    <>
      <PageHead
        title="Policies"
        tab="Policies"
        words={
          sees
            ? 'Every role, who can get it, and how few people that takes.'
            : 'The roles that you may ask for. Reviewers and administrators see all.'
        }
      >
        {sees && (
          <div className={styles.links}>
            <Link to="/policies/separation" className={buttonClass()}>
              Separation of duty
            </Link>
            <Link to="/policies/what-if" className={buttonClass()}>
              What if…
            </Link>
          </div>
        )}
      </PageHead>
      {roles.error && (
        <ErrorNotice
          problem={asProblem(roles.error)}
          kept={roles.data ? 'What you see below is from before.' : ''}
          retry={() => void roles.refetch()}
        />
      )}
      {roles.data ? <RoleList roles={roles.data.items} all={roles.data.all} /> : !roles.error && <Loading what="the roles" lines={6} />}
    </>
  )
}

function RoleList({ roles, all }: { roles: readonly RoleSummary[]; all: boolean }) {
  const [sought, setSought] = useState('')
  const [most, setMost] = useState(atOnce)
  if (roles.length === 0) {
    return all ? (
      <EmptyState title="The policy has no role" command="stint policy show --write DIRECTORY">
        A role says who may ask for which logins on which targets, and who must agree. Write the files in force into a directory, add a
        document with <code>kind: Role</code>, and propose them; or edit them under <Link to="/policies/what-if">What if…</Link>, where
        you read at once what would change.
      </EmptyState>
    ) : (
      <EmptyState title="No role is open to you">
        Roles name the groups that may ask for them, and you are in none of those. Ask whoever keeps the policies here.
      </EmptyState>
    )
  }
  const words = sought.toLowerCase().split(/\s+/)
  const found = roles.filter((role) => {
    const text = `${role.name} ${role.description} ${role.requesters.join(' ')}`.toLowerCase()
    return words.every((word) => text.includes(word))
  })
  return (
    <>
      {roles.length > many && (
        <div className={styles.filter}>
          <Field label="Find a role">
            <Input value={sought} onValueChange={setSought} placeholder="A part of its name, its words or a group" />
          </Field>
        </div>
      )}
      {found.length === 0 ? (
        <EmptyState title="No role is like that">Its name, its description and the groups that may ask for it are searched.</EmptyState>
      ) : (
        <Table
          label="Roles"
          columns={all ? [...own, ...counts, last] : [...own, last]}
          rows={found.slice(0, most)}
          rowKey={({ name }) => name}
          more={found.length > most ? () => setMost(most + atOnce) : undefined}
        />
      )}
    </>
  )
}

const own: Column<RoleSummary>[] = [
  {
    name: 'Role',
    main: true,
    cell: (role) => (
      <>
        <Link to="/policies/roles/$role" params={{ role: role.name }} className={styles.name}>
          {role.name}
        </Link>
        <p className={styles.words} dir="auto">
          {role.description}
        </p>
        <RoleMarks role={role} />
      </>
    ),
  },
  { name: 'Who asks', cell: (role) => anyOf(role.requesters, 3), onlyWide: true },
]

const counts: Column<RoleSummary>[] = [
  { name: 'Can ask', narrow: true, cell: (role) => peopleWords(role.may_ask, 'can ask') },
  { name: 'Can approve', narrow: true, cell: (role) => peopleWords(role.may_approve, 'can approve') },
  {
    name: 'It takes',
    narrow: true,
    cell: (role) => <span data-people={role.collusion}>{role.collusion === undefined ? '' : together(role.collusion)}</span>,
  },
]

const last: Column<RoleSummary> = {
  name: 'Last used',
  narrow: true,
  cell: (role) => (role.last_used ? <Moment at={role.last_used} /> : <span className={styles.meta}>never used</span>),
}

/** The figure alone where the column says what it counts, and with its words where the row is a card. */
function peopleWords(count: number | undefined, what: string) {
  if (count === undefined) return null
  return (
    <>
      {count === 0 ? 'nobody' : count}
      <span className={styles.onCard}> {what}</span>
    </>
  )
}

/** What stands out about a role, each by a word and a shape. */
export function RoleMarks({ role }: { role: RoleSummary }) {
  if (!role.locked && !role.break_glass) return null
  return (
    <div className={styles.marks}>
      {role.locked && <StateBadge state="locked" />}
      {role.break_glass && <StateBadge state="break-glass" bare />}
    </div>
  )
}
