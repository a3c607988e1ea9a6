import { Link } from '@tanstack/react-router'
import type { Approval, Confirmation, Request } from '../api/client'
import { durationWords } from '../duration'
import { DecisionTree } from '../ui/DecisionTree'
import { Disclosure } from '../ui/Disclosure'
import { Facts } from '../ui/Facts'
import { Moment } from '../ui/Moment'
import { Section } from '../ui/Page'
import { Person } from '../ui/Person'
import { StateBadge } from '../ui/StateBadge'
import { Statement } from '../ui/Statement'
import styles from './Request.module.css'

/** Why policy says what it says, as a tree. */
export function Reasons({ request }: { request: Request }) {
  return (
    <Section title="Why" aside={request.decision.summary}>
      <DecisionTree decision={request.decision} waiting={request.state === 'pending'} />
    </Section>
  )
}

export function Approvals({ request }: { request: Request }) {
  if (request.approvals.length === 0) return null
  return (
    <Section title="Who agreed">
      <ul>
        {request.approvals.map((approval) => (
          <ApprovalItem
            key={approval.digest}
            approval={approval}
            shorter={approval.duration_seconds < request.duration_seconds}
          />
        ))}
      </ul>
    </Section>
  )
}

function ApprovalItem({ approval, shorter }: { approval: Approval; shorter: boolean }) {
  return (
    <li className={styles.item}>
      <div className={styles.itemHead}>
        <span>
          <Person person={approval.approver} />
          {approval.for && (
            <>
              {' '}
              on behalf of <Person person={approval.for} />
            </>
          )}
        </span>
        {approval.counts ? (
          <StateBadge state="approved" bare />
        ) : (
          <StateBadge state="refused" bare>
            Does not count now
          </StateBadge>
        )}
      </div>
      <span className={styles.meta}>
        {shorter && `for ${durationWords(approval.duration_seconds)}, `}with <bdi>“{approval.passkey_name}”</bdi>,{' '}
        <Moment at={approval.issued} />
      </span>
      <Disclosure small summary="What was signed">
        <Statement text={approval.statement} digest={approval.digest} label="The text that was signed" />
      </Disclosure>
    </li>
  )
}

/** The requester's own word, beside what they asked for. */
export function Confirmed({ confirmation }: { confirmation: Confirmation }) {
  return (
    <>
      with “<bdi>{confirmation.passkey_name}</bdi>”, <Moment at={confirmation.issued} />
      <Disclosure small summary="What was signed">
        <Statement text={confirmation.statement} digest={confirmation.digest} label="The text that the requester signed" />
      </Disclosure>
    </>
  )
}

/** Who was asked again, who may approve now too, and who was told of an emergency. */
export function WhoWasTold({ request }: { request: Request }) {
  if (request.told.length === 0) return null
  return (
    <Section title="Who was told">
      <ul className={styles.told}>
        {request.told.map((told) => (
          <li key={told.at + told.kind + (told.stage ?? '')}>
            <p>
              <bdi>{told.text}</bdi> <span className={styles.meta}><Moment at={told.at} /></span>
            </p>
            {told.people.length > 0 && (
              <Disclosure small summary={told.people.length === 1 ? '1 person' : `${told.people.length} people`}>
                <ul>
                  {told.people.map((person) => (
                    <li key={person.issuer + person.subject}>
                      <Person person={person} />
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

/** The broker's word on what nobody else can check. */
export function Asserted({ request }: { request: Request }) {
  if (request.asserted.length === 0) return null
  return (
    <Section title="What the broker asserted" aside="The signer cannot check these; it passes them on, and the record keeps them.">
      <Facts rows={request.asserted.map(({ name, value }) => [name, <code key={name}>{value}</code>])} />
    </Section>
  )
}

export function Sessions({ request }: { request: Request }) {
  if (request.sessions.length === 0) return null
  return (
    <Section title="Sessions">
      <ul>
        {request.sessions.map((session) => (
          <li key={session.id} className={styles.item}>
            <div className={styles.itemHead}>
              <Link to="/sessions/$session" params={{ session: session.id }}>
                {session.login} on {session.target}
              </Link>
              <StateBadge state={session.live ? 'live' : 'sealed'} bare>
                {session.live ? 'Live' : 'Recorded'}
              </StateBadge>
            </div>
            <span className={styles.meta}>
              <Moment at={session.started} />, from <code>{session.client_address}</code>
              {session.ended && (
                <>, {durationWords((new Date(session.ended).getTime() - new Date(session.started).getTime()) / 1000)}</>
              )}
            </span>
          </li>
        ))}
      </ul>
    </Section>
  )
}

export function Certificates({ request }: { request: Request }) {
  if (request.certificates.length === 0) return null
  return (
    <Section title="Certificates">
      <ul>
        {request.certificates.map((certificate) => (
          <li key={certificate.serial} className={styles.item}>
            <div className={styles.itemHead}>
              <code>{certificate.serial}</code>
              <span className={styles.meta}>ledger leaf {certificate.ledger_index}</span>
            </div>
            <span className={styles.meta}>
              for <code>{certificate.principal}</code>, issued <Moment at={certificate.issued} />, ends{' '}
              <Moment at={certificate.ends} />
            </span>
          </li>
        ))}
      </ul>
    </Section>
  )
}
