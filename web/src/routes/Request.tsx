import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import type { Request, TimelineEntry } from '../api/client'
import { asProblem } from '../api/problem'
import { request as requestQuery } from '../api/queries'
import { durationWords, formatDuration } from '../duration'
import { useIsMe } from '../me'
import { buttonClass } from '../ui/Button'
import { CopyLine } from '../ui/CopyLine'
import { Countdown } from '../ui/Countdown'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Facts } from '../ui/Facts'
import { Moment } from '../ui/Moment'
import { Card, PageHead, Section, useTab } from '../ui/Page'
import { Person } from '../ui/Person'
import { StateBadge } from '../ui/StateBadge'
import { Statement } from '../ui/Statement'
import { Timeline, type TimelineItem } from '../ui/Timeline'
import styles from './Request.module.css'
import { ConfirmAsk } from './ConfirmAsk'
import { TakeUpExtension } from './Extend'
import { RequestActions } from './RequestActions'
import { Approvals, Asserted, Certificates, Confirmed, Reasons, Sessions, WhoWasTold } from './RequestParts'
import { EmergencyBanner, ReviewRequest, ReviewSection } from './ReviewRequest'
import { lookOf } from './requestWords'

/** One request with all that became of it: what happened, why, who agreed, what was issued and used. */
export function RequestPage() {
  const { id } = useParams({ from: '/requests/$id' })
  const { data: request, error, refetch } = useQuery(requestQuery(id))
  useTab(request?.summary ?? 'Request')
  if (error && !request) {
    const problem = asProblem(error)
    return problem.kind === 'not-found' ? (
      <>
        <PageHead title="There is no such request" tab="Not found" />
        <EmptyState
          title={id}
          action={
            <Link to="/requests" className={buttonClass()}>
              Look at the list
            </Link>
          }
        >
          The id may be mistyped, or it is somebody else’s and you may not see it.
        </EmptyState>
      </>
    ) : (
      <ErrorNotice problem={problem} retry={() => void refetch()} />
    )
  }
  if (!request) return <Loading what="the request" lines={6} />
  return <Whole request={request} />
}

function Whole({ request }: { request: Request }) {
  const held = request.state === 'approved' || request.state === 'active'
  const look = lookOf(request)
  return (
    <>
      <EmergencyBanner request={request} />
      <header className={styles.lead}>
        <h1 className={styles.headline}>{request.summary}</h1>
        <div className={styles.state}>
          <StateBadge state={look} />
          <State request={request} />
        </div>
      </header>
      {request.reason && (
        <blockquote className={styles.reason} dir="auto">
          {request.reason}
        </blockquote>
      )}
      {request.may.includes('confirm') && <ConfirmAsk request={request} />}
      {request.may.includes('review') && <ReviewRequest request={request} />}
      {held && request.ends && look !== 'scheduled' && (
        <Card className={styles.held} label="What it gives">
          <Countdown
            from={request.begins ?? new Date(request.ends).getTime() - request.duration_seconds * 1000}
            until={request.ends}
            what="Access ends"
          />
          <div className={styles.use}>
            {request.ssh && <CopyLine text={request.ssh} what="the line to connect with" />}
            {request.state === 'approved' && request.may.includes('activate') && !request.single_use && (
              <TakeUpExtension request={request.id} />
            )}
            <RequestActions request={request} />
          </div>
        </Card>
      )}
      {(!held || !request.ends || look === 'scheduled') && <RequestActions request={request} />}
      <div className={styles.columns}>
        <div className={styles.column}>
          <Section title="What happened">
            <Timeline
              label="What happened"
              items={request.timeline.map((entry) => timelineItem(entry, request.end_reason === 'revoked'))}
            />
          </Section>
          <Reasons request={request} />
          <Asserted request={request} />
          <Section title="The request as it was asked">
            <Statement text={request.statement} digest={request.statement_digest} label="The text of the request" />
          </Section>
        </div>
        <div className={styles.column}>
          <Section title="In short">
            <Facts
              rows={[
                ['Who', <Person key="who" person={request.requester} />],
                ['Role', request.role],
                ['Login', `${request.login} on ${request.target}`],
                ['For', durationWords(request.duration_seconds)],
                ['Ticket', request.ticket && <bdi>{request.ticket}</bdi>],
                ['Asked', <Moment key="asked" at={request.asked} />],
                ['Set to begin', request.start && <Moment at={request.start} clock />],
                ['Begins', request.begins && <Moment at={request.begins} />],
                ['Ends', request.ends && <Moment at={request.ends} />],
                ['Use by', request.use_by && <Moment at={request.use_by} />],
                ['Sessions', request.single_use && 'one, and no second one'],
                ['Confirmed', request.confirmation && <Confirmed confirmation={request.confirmation} />],
                ['Id', <code key="id">{request.id}</code>],
              ]}
            />
          </Section>
          <Approvals request={request} />
          <ReviewSection request={request} />
          <WhoWasTold request={request} />
          <Sessions request={request} />
          <Certificates request={request} />
          <Section title="Proof">
            <div className={styles.proof}>
              <p className={styles.meta}>Every text that was signed, with the signatures: anybody can check it offline.</p>
              <a
                className={buttonClass('plain', { small: true })}
                href={`/api/requests/${encodeURIComponent(request.id)}/evidence`}
                download={`${request.id}.evidence.json`}
              >
                Download the evidence
              </a>
              <CopyLine text={`stint evidence verify ${request.id}.evidence.json`} what="the command that checks it" />
            </div>
          </Section>
        </div>
      </div>
    </>
  )
}

/** The state in one sentence. */
function State({ request }: { request: Request }) {
  const mine = useIsMe()(request.requester)
  const again = {
    role: request.role,
    target: request.target,
    login: request.login,
    duration: formatDuration(request.duration_seconds),
    reason: request.reason,
  }
  switch (request.state) {
    case 'pending':
      return (
        <span>
          {request.decision.summary} Void <Moment at={request.expires} />.
        </span>
      )
    case 'approved':
    case 'active':
      if (request.use_by && !request.begins) {
        return (
          <span>
            Its time begins when it is first used, and it is over if that is not <Moment at={request.use_by} />.
          </span>
        )
      }
      if (lookOf(request) === 'scheduled') {
        return (
          <span>
            Begins <Moment at={request.begins!} />, until <Moment at={request.ends!} clock />. Nothing can be used before.
          </span>
        )
      }
      return request.ends ? (
        <span>
          Ends <Moment at={request.ends} />.
        </span>
      ) : null
    default:
      return (
        <span>
          {request.ends && (
            <>
              Ended <Moment at={request.ends} />.{' '}
            </>
          )}
          {mine && (
            <Link to="/ask" search={again}>
              Ask for the same again
            </Link>
          )}
        </span>
      )
  }
}

/** How each kind of event looks in the timeline; the words are the server's. */
const looks: [RegExp, TimelineItem['tone'], TimelineItem['shape']][] = [
  [/^request\.asked/, 'wait', 'half'],
  [/^(request\.break-glass-asked|alarm\.raised)/, 'bad', 'square'],
  [/^(request\.(break-glass-(told|found)|reminded|escalated)|review\.due)/, 'wait', 'half'],
  [/^request\.confirmed/, 'accent', 'tick'],
  [/^review\.closed/, 'live', 'tick'],
  [/^request\.appro/, 'accent', 'tick'],
  [/^request\.denied/, 'bad', 'cross'],
  [/^request\.(withdrawn|expired)/, 'rest', 'dash'],
  [/^certificate\.issued/, 'live', 'tick'],
  [/^certificate\.withheld/, 'bad', 'cross'],
  [/^session\.started/, 'live', 'dot'],
  [/^session\.(refused|killed)/, 'bad', 'square'],
  [/^grant\.ended/, 'rest', 'square'],
]

function timelineItem(entry: TimelineEntry, revoked: boolean): TimelineItem {
  const look = looks.find(([kind]) => kind.test(entry.kind))
  return {
    key: entry.index,
    time: entry.time,
    text: <bdi>{entry.text}</bdi>,
    below: `audit leaf ${entry.index}`,
    tone: revoked && entry.kind === 'grant.ended' ? 'bad' : (look?.[1] ?? 'rest'),
    shape: look?.[2] ?? 'ring',
  }
}
