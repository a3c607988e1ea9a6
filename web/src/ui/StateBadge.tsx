import { classes } from './classes'
import styles from './StateBadge.module.css'

type Tone = 'live' | 'wait' | 'bad' | 'rest' | 'accent'
type Shape = 'dot' | 'half' | 'tick' | 'cross' | 'ring' | 'clock' | 'dash' | 'square' | 'pencil'

interface Look {
  word: string
  tone: Tone
  shape: Shape
}

/**
 * How each state looks: a word, a shape and a colour, so that no state is told by colour alone.
 * The names are the server's; an unknown one is shown as it is rather than hidden.
 */
const looks: Record<string, Look> = {
  draft: { word: 'Draft', tone: 'rest', shape: 'pencil' },
  pending: { word: 'Waiting', tone: 'wait', shape: 'half' },
  approved: { word: 'Approved', tone: 'accent', shape: 'tick' },
  active: { word: 'Active', tone: 'live', shape: 'dot' },
  ended: { word: 'Ended', tone: 'rest', shape: 'ring' },
  completed: { word: 'Completed', tone: 'rest', shape: 'ring' },
  expired: { word: 'Expired', tone: 'rest', shape: 'clock' },
  dropped: { word: 'Dropped', tone: 'rest', shape: 'dash' },
  withdrawn: { word: 'Withdrawn', tone: 'rest', shape: 'dash' },
  denied: { word: 'Denied', tone: 'bad', shape: 'cross' },
  revoked: { word: 'Revoked', tone: 'bad', shape: 'square' },
  live: { word: 'Live', tone: 'live', shape: 'dot' },
  serving: { word: 'Serving', tone: 'live', shape: 'dot' },
  draining: { word: 'Draining', tone: 'wait', shape: 'half' },
  stopped: { word: 'Stopped', tone: 'rest', shape: 'dash' },
  silent: { word: 'Silent', tone: 'bad', shape: 'cross' },
  unheard: { word: 'Not heard yet', tone: 'rest', shape: 'ring' },
  sealed: { word: 'Sealed', tone: 'rest', shape: 'tick' },
  verified: { word: 'Verified', tone: 'live', shape: 'tick' },
  unverified: { word: 'Not verified', tone: 'bad', shape: 'cross' },
  allowed: { word: 'Allowed', tone: 'live', shape: 'tick' },
  refused: { word: 'Refused', tone: 'bad', shape: 'cross' },
  'in-force': { word: 'In force', tone: 'live', shape: 'tick' },
  rejected: { word: 'Rejected', tone: 'bad', shape: 'cross' },
  superseded: { word: 'Superseded', tone: 'rest', shape: 'dash' },
  suspended: { word: 'Suspended', tone: 'bad', shape: 'square' },
  blocked: { word: 'Blocked', tone: 'bad', shape: 'square' },
  complies: { word: 'Complies', tone: 'live', shape: 'tick' },
  'complies-not': { word: 'Does not comply', tone: 'bad', shape: 'cross' },
  'open-alarm': { word: 'Open', tone: 'bad', shape: 'cross' },
  acknowledged: { word: 'Acknowledged', tone: 'rest', shape: 'tick' },
  scheduled: { word: 'Begins later', tone: 'accent', shape: 'clock' },
  unused: { word: 'Not used yet', tone: 'accent', shape: 'ring' },
  'needs-approval': { word: 'Needs approval', tone: 'wait', shape: 'half' },
  emergency: { word: 'Emergency', tone: 'bad', shape: 'square' },
  'break-glass': { word: 'Can be had alone in an emergency', tone: 'wait', shape: 'square' },
  wider: { word: 'Widens', tone: 'bad', shape: 'cross' },
  'not-wider': { word: 'Differs', tone: 'rest', shape: 'ring' },
  'may-ask': { word: 'May ask', tone: 'rest', shape: 'ring' },
  'kept-out': { word: 'Kept out', tone: 'bad', shape: 'cross' },
  locked: { word: 'Locked', tone: 'bad', shape: 'cross' },
  reviewed: { word: 'Reviewed', tone: 'live', shape: 'tick' },
  'review-due': { word: 'Review open', tone: 'wait', shape: 'half' },
  reminder: { word: 'Reminder', tone: 'wait', shape: 'half' },
  escalation: { word: 'Escalated', tone: 'wait', shape: 'clock' },
  needed: { word: 'Needed', tone: 'wait', shape: 'half' },
}

export interface StateBadgeProps {
  state: string
  /** Replaces the word, for a state that has more to say: "Waiting on Bob". */
  children?: string | undefined
  /** Without the pill, for dense tables. */
  bare?: boolean
}

export function StateBadge({ state, children, bare }: StateBadgeProps) {
  const look = looks[state] ?? { word: state, tone: 'rest' as const, shape: 'ring' as const }
  return (
    <span className={classes(styles.badge, styles[look.tone], bare && styles.bare)} data-state={state}>
      <Mark shape={look.shape} />
      {children ?? look.word}
    </span>
  )
}

export function Mark({ shape, size = 12 }: { shape: Shape; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 12 12"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {shape === 'dot' && (
        <>
          <circle cx="6" cy="6" r="3" fill="currentColor" stroke="none" />
          <circle cx="6" cy="6" r="5.1" strokeOpacity=".42" strokeWidth="1.3" />
        </>
      )}
      {shape === 'half' && (
        <>
          <circle cx="6" cy="6" r="4.7" />
          <path d="M6 1.3a4.7 4.7 0 0 1 0 9.4z" fill="currentColor" stroke="none" />
        </>
      )}
      {shape === 'tick' && <path d="M1.8 6.4 4.7 9.3l5.5-6.4" />}
      {shape === 'cross' && <path d="M2.4 2.4l7.2 7.2M9.6 2.4 2.4 9.6" />}
      {shape === 'ring' && <circle cx="6" cy="6" r="4.4" />}
      {shape === 'clock' && (
        <>
          <circle cx="6" cy="6" r="4.7" />
          <path d="M6 3.4V6l1.7 1.1" strokeWidth="1.4" />
        </>
      )}
      {shape === 'dash' && (
        <>
          <circle cx="6" cy="6" r="4.7" />
          <path d="M3.9 6h4.2" strokeWidth="1.4" />
        </>
      )}
      {shape === 'square' && <rect x="2" y="2" width="8" height="8" rx="1.2" fill="currentColor" stroke="none" />}
      {shape === 'pencil' && <circle cx="6" cy="6" r="4.4" strokeDasharray="2 2.4" />}
    </svg>
  )
}
