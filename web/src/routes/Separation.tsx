import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { SeparationCell, SeparationMatrix } from '../api/client'
import { separation } from '../api/policyQueries'
import { asProblem } from '../api/problem'
import { useMe } from '../me'
import { Button } from '../ui/Button'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Moment } from '../ui/Moment'
import { PageHead, Section } from '../ui/Page'
import { Person } from '../ui/Person'
import { StateBadge } from '../ui/StateBadge'
import { Words } from '../ui/Words'
import { counted } from '../words'
import styles from './Separation.module.css'

/** Who can have what beside what: the rules in words, and below them people by roles. */
export function Separation() {
  const me = useMe()
  const sees = me.reviewer || me.administrator
  const matrix = useInfiniteQuery({ ...separation, enabled: sees })
  const first = matrix.data?.pages[0]
  const head = (
    <PageHead
      title="Separation of duty"
      tab="Separation of duty"
      words={
        <>
          What nobody may have together, and how people stand towards it now. <Link to="/policies">All roles</Link>
        </>
      }
    />
  )
  if (!sees) {
    return (
      <>
        <PageHead title="Separation of duty" tab="Separation of duty" />
        <EmptyState title="Separation of duty is for administrators and reviewers">
          What a role may not be had beside stands on its own page, under <Link to="/policies">Policies</Link>.
        </EmptyState>
      </>
    )
  }
  return (
    <>
      {head}
      {matrix.error && (
        <ErrorNotice problem={asProblem(matrix.error)} kept={first ? 'What you see below is from before.' : ''} retry={() => void matrix.refetch()} />
      )}
      {!first ? (
        !matrix.error && <Loading what="who can have what" lines={6} />
      ) : first.rules.length === 0 ? (
        <EmptyState title="The policy keeps no duties apart" command="stint policy show --write DIRECTORY">
          A document with <code>kind: Separation</code> names roles that nobody may have together: in the groups that ask for both, held at
          once, one after the other, or on targets of one’s own. Add one under <Link to="/policies/what-if">What if…</Link> and read at once
          whom it would keep out.
        </EmptyState>
      ) : (
        <>
          <Rules matrix={first} />
          <Matrix roles={first.roles} rows={matrix.data!.pages.flatMap(({ rows }) => rows)} />
          {matrix.hasNextPage && (
            <div className={styles.foot}>
              <Button onClick={() => void matrix.fetchNextPage()} busy={matrix.isFetchingNextPage && 'Loading more…'}>
                Show more people
              </Button>
            </div>
          )}
        </>
      )}
    </>
  )
}

function Rules({ matrix }: { matrix: SeparationMatrix }) {
  return (
    <Section title="The rules">
      <ul className={styles.rules}>
        {matrix.rules.map((rule) => (
          <li key={rule.name}>
            <RuleText name={rule.name} text={rule.text} />
            {rule.description && (
              <p className={styles.meta} dir="auto">
                {rule.description}
              </p>
            )}
          </li>
        ))}
      </ul>
    </Section>
  )
}

/** The sentence begins with the rule's name, by which the cells below refer to it. */
function RuleText({ name, text }: { name: string; text: string }) {
  if (!text.startsWith(`${name}: `)) return <Words text={text} />
  return (
    <>
      <strong>{name}</strong>: <Words text={text.slice(name.length + 2)} />
    </>
  )
}

function Matrix({ roles, rows }: { roles: readonly string[]; rows: SeparationMatrix['rows'] }) {
  if (rows.length === 0) {
    return <EmptyState title="Nobody who is known may ask for one of these roles">As soon as somebody in their groups signs in, they stand here.</EmptyState>
  }
  return (
    <Section title="People and roles" aside="People who may ask for one of the roles that a rule names.">
      <div className={styles.frame} role="region" aria-label="People and roles, scrolls" tabIndex={0}>
        {/* The roles are said again because rows that become a list are no longer laid out as rows, and browsers then forget them. */}
        <table className={styles.table} role="table" aria-label="Who may have which role">
          <thead role="rowgroup">
            <tr role="row">
              <th scope="col" role="columnheader">
                Person
              </th>
              {roles.map((role) => (
                <th key={role} scope="col" role="columnheader">
                  <Link to="/policies/roles/$role" params={{ role }}>
                    {role}
                  </Link>
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {rows.map(({ person, cells }) => (
              <tr key={person.issuer + person.subject} role="row">
                <th scope="row" role="rowheader">
                  <Person person={person} />
                </th>
                {roles.map((role) => (
                  <Cell key={role} role={role} cell={cells.find((cell) => cell.role === role)} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  )
}

function Cell({ role, cell }: { role: string; cell: SeparationCell | undefined }) {
  if (!cell) {
    return (
      <td role="cell" className={styles.none} data-none>
        <span aria-hidden="true">–</span>
        <span className="visually-hidden">may not ask</span>
      </td>
    )
  }
  const state = cell.against.length > 0 ? 'kept-out' : cell.held ? 'active' : 'may-ask'
  return (
    <td role="cell">
      <div className={styles.cell}>
        <span className={styles.role}>{role}</span>
        <StateBadge state={state} bare>
          {cell.held ? 'Holds it now' : cell.against.length > 0 ? 'Kept out now' : 'May ask'}
        </StateBadge>
        {cell.last_used && (
          <span className={styles.meta}>
            used <Moment at={cell.last_used} />
          </span>
        )}
        {cell.against.length > 0 && <span className={styles.against}>against it: {cell.against.join(', ')}</span>}
        {cell.own_targets.map(({ separation, targets, number }) => (
          <span key={separation} className={styles.against}>
            not on their own {ownWords(targets, number)}: {separation}
          </span>
        ))}
      </div>
    </td>
  )
}

/** "vault", "web-1 and web-2", "web-1, web-2 and 9 others". */
function ownWords(targets: readonly string[], number: number): string {
  const named = targets.slice(0, 3)
  const others = number - named.length
  if (others > 0) return `${named.join(', ')} and ${counted(others, 'other')}`
  return named.length < 2 ? named.join() : `${named.slice(0, -1).join(', ')} and ${named.at(-1)}`
}
