import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import type { CollusionResult, PolicyRole } from '../api/client'
import { policyRole } from '../api/policyQueries'
import { asProblem } from '../api/problem'
import { collusionSentence, together, wayWords } from '../policy'
import { buttonClass } from '../ui/Button'
import { Disclosure } from '../ui/Disclosure'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice, Notice } from '../ui/ErrorNotice'
import { Moment } from '../ui/Moment'
import { PageHead, Section, useTab } from '../ui/Page'
import { StateBadge } from '../ui/StateBadge'
import { Findings } from './Findings'
import styles from './Policies.module.css'
import { RoleWho } from './RoleWho'
import { Words } from '../ui/Words'

/** A role as a page to be read: what it says, who can do what with it, how few people get it together. */
export function PolicyRolePage() {
  const { role: name } = useParams({ from: '/policies/roles/$role' })
  const { data: role, error, refetch } = useQuery(policyRole(name))
  useTab(name)
  if (role) return <Whole role={role} />
  if (!error) return <Loading what="the role" lines={6} />
  const problem = asProblem(error)
  if (problem.kind !== 'not-found') return <ErrorNotice problem={problem} retry={() => void refetch()} />
  return (
    <>
      <PageHead title="There is no such role" tab="Not found" />
      <EmptyState
        title={name}
        action={
          <Link to="/policies" className={buttonClass()}>
            Look at the list
          </Link>
        }
      >
        Its name may be mistyped, or it is one that you may not ask for and so may not see.
      </EmptyState>
    </>
  )
}

function Whole({ role }: { role: PolicyRole }) {
  const { summary } = role
  return (
    <>
      <header className={styles.lead}>
        <p className={styles.meta}>
          <Link to="/policies">Policies</Link>
        </p>
        <h1 className={styles.headline}>{summary.name}</h1>
        <p className={styles.takes} dir="auto">
          {summary.description}
        </p>
        <div className={styles.marks}>
          {summary.locked && <StateBadge state="locked" />}
          {summary.break_glass && <StateBadge state="break-glass" />}
          <span className={styles.meta}>
            {summary.last_used ? (
              <>
                last used <Moment at={summary.last_used} />
              </>
            ) : (
              'never used'
            )}
          </span>
        </div>
        {summary.mine && (
          <div className={styles.links}>
            <Link to="/ask" search={{ role: summary.name }} className={buttonClass('primary')}>
              Ask for {summary.name}
            </Link>
          </div>
        )}
      </header>
      {summary.locked && (
        <Notice tone="bad" title="Nobody has this role now">
          {summary.locked} <Link to="/approvals/reviews">The open reviews</Link>
        </Notice>
      )}
      <div className={styles.columns}>
        <div className={styles.column}>
          {role.collusion && <Collusion result={role.collusion} name={summary.name} />}
          <Section title="What it says">
            <div className={styles.sections}>
              {role.words.map(({ heading, sentences }) => (
                <div key={heading} className={styles.sub}>
                  <h3 className={styles.heading}>{heading}</h3>
                  <ul>
                    {sentences.map((text) => (
                      <li key={text}>
                        <Words text={text} />
                      </li>
                    ))}
                  </ul>
                </div>
              ))}
            </div>
          </Section>
          <Section title="Last uses">
            {role.uses.length === 0 ? (
              <p className={styles.words}>Nobody has asked for it yet, as far as you may see.</p>
            ) : (
              <ul className={styles.uses}>
                {role.uses.map((use) => (
                  <li key={use.id}>
                    <Link to="/requests/$id" params={{ id: use.id }}>
                      {use.summary}
                    </Link>
                    <StateBadge state={use.end_reason || use.state} bare />
                    {use.break_glass && <StateBadge state="emergency" bare />}
                    <span className={styles.meta}>
                      asked <Moment at={use.asked} />
                    </span>
                  </li>
                ))}
              </ul>
            )}
          </Section>
        </div>
        <div className={styles.column}>
          {role.who && <RoleWho who={role.who} />}
          {role.who && (
            <Section title="What lint says">
              {role.findings.length > 0 ? <Findings findings={role.findings} /> : <p className={styles.words}>Nothing.</p>}
            </Section>
          )}
        </div>
      </div>
    </>
  )
}

/** How few people together get it: the number, and for each way an example with names. */
function Collusion({ result, name }: { result: CollusionResult; name: string }) {
  return (
    <Section title="How few people together">
      <p className={styles.takes}>
        <strong>{collusionSentence(result, name)}</strong>
      </p>
      <ul className={styles.ways}>
        {result.ways.map((way) => (
          <li key={way.way + (way.target ?? '')} className={styles.way}>
            <h3 className={styles.heading}>
              {wayWords(way.way)}: {together(way.people)}
            </h3>
            <p>
              <Words text={way.text} />
            </p>
            {way.assumed.length > 0 && (
              <Disclosure small summary={way.assumed.length === 1 ? 'One thing was taken to suit them' : `${way.assumed.length} things were taken to suit them`}>
                <ul>
                  {way.assumed.map((text) => (
                    <li key={text} className={styles.meta}>
                      <Words text={text} />
                    </li>
                  ))}
                </ul>
              </Disclosure>
            )}
          </li>
        ))}
      </ul>
    </Section>
  )
}
