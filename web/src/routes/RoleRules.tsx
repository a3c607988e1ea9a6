import { Link } from '@tanstack/react-router'
import type { Role } from '../api/client'
import { durationWords } from '../duration'
import { Disclosure } from '../ui/Disclosure'
import styles from './Ask.module.css'
import { Words } from '../ui/Words'

/** How many sentences stand open; more are folded behind their number. */
const open = 3

/** What a role asks beside approvals, in words: told before somebody asks. */
export function RoleRules({ role }: { role: Role }) {
  const rules = rulesOf(role)
  if (rules.length === 0) return null
  const list = (
    <ul className={styles.rules}>
      {rules.map((text) => (
        <li key={text}>
          <Words text={text} />
        </li>
      ))}
    </ul>
  )
  return (
    <section className={styles.rulesFrame} aria-label={`The rules of ${role.name}`}>
      {rules.length > open ? <Disclosure small summary={`${role.name} has ${rules.length} rules`}>{list}</Disclosure> : list}
      <Link to="/policies/roles/$role" params={{ role: role.name }}>
        All that {role.name} says
      </Link>
    </section>
  )
}

function rulesOf(role: Role): string[] {
  const { start } = role
  return [
    ...role.windows,
    ...role.conditions,
    ...(role.confirm ? [confirmWords(role.confirm, role.fresh_seconds ?? 0)] : []),
    ...(start.at === 'first-use'
      ? [`Your time begins when you first use it, within ${durationWords(start.within_seconds ?? 0)} of the last approval.`]
      : []),
    ...(role.single_use ? ['You may open one session under it, and no second one.'] : []),
    ...(role.renewals ? [role.renewals] : []),
    ...role.session,
    ...role.separations,
  ]
}

function confirmWords(confirm: 'any' | 'attested', fresh: number): string {
  const passkey = confirm === 'attested' ? 'a passkey of yours of a make that is listed here' : 'a passkey of yours'
  return `You confirm what you ask for with ${passkey}${fresh > 0 ? `, no longer than ${durationWords(fresh)} before you begin` : ''}.`
}
