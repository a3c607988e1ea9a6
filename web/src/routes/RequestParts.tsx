import { Link } from '@tanstack/react-router'
import type { Approval, Reason, Request } from '../api/client'
import { durationWords } from '../duration'
import { Disclosure } from '../ui/Disclosure'
import { Moment } from '../ui/Moment'
import { Section } from '../ui/Page'
import { Person } from '../ui/Person'
import { Mark, StateBadge } from '../ui/StateBadge'
import { Statement } from '../ui/Statement'
import { anyOf, called } from '../words'
import styles from './Request.module.css'

/** Why policy says what it says: each rule's own sentence, and under each stage who could agree. */
export function Reasons({ request }: { request: Request }) {
  const { reasons, stages, summary } = request.decision
  return (
    <Section title="Why" aside={summary}>
      <ul className={styles.reasons}>
        {reasons.map((reason) => {
          const stage = stages.find(({ name }) => reason.rule === `stage:${name}`)
          return (
            <li key={reason.rule + reason.text} className={styles.why}>
              <Verdict reason={reason} open={stage !== undefined && request.state === 'pending'} />
              <span>{reason.text}</span>
              {stage && !reason.met && stage.approvers.length > 0 && (
                <span className={styles.who}>could agree: {anyOf(stage.approvers.map(called), 8)}</span>
              )}
              {stage && !reason.met && stage.approvers.length === 0 && (
                <span className={styles.who}>nobody has a passkey enrolled for {anyOf(stage.groups)}</span>
              )}
            </li>
          )
        })}
      </ul>
    </Section>
  )
}

function Verdict({ reason, open }: { reason: Reason; open: boolean }) {
  const [look, words, shape] = reason.met
    ? ([styles.met, 'Met:', 'tick'] as const)
    : open
      ? ([styles.open, 'Open:', 'half'] as const)
      : ([styles.unmet, 'Not met:', 'cross'] as const)
  return (
    <span className={look}>
      <Mark shape={shape} />
      <span className="visually-hidden">{words}</span>
    </span>
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
        <Person person={approval.approver} />
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
