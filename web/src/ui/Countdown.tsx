import { durationWords, clockFace } from '../duration'
import { shortWords, useMinute, useSecond } from '../clock'
import { classes } from './classes'
import styles from './Countdown.module.css'

export interface CountdownProps {
  from: string | number
  until: string | number
  /** What happens at the end, for those who hear it: "Access ends". */
  what: string
  size?: number
}

/** A ring that empties towards the end of something. The figure says it exactly; the colour changes in the last tenth. */
export function Countdown({ from, until, what, size = 92 }: CountdownProps) {
  const now = useSecond()
  const end = new Date(until).getTime()
  const whole = Math.max(1, end - new Date(from).getTime())
  const left = Math.max(0, end - now)
  const share = Math.min(1, left / whole)
  const stroke = size > 60 ? 6 : 4
  const radius = (size - stroke) / 2
  const around = 2 * Math.PI * radius
  const soon = left > 0 && (share < 0.1 || left < 60_000)
  return (
    <div
      className={classes(styles.ring, soon && styles.soon, left === 0 && styles.over)}
      role="timer"
      aria-label={left === 0 ? `${what}: over` : `${what} in ${durationWords(roughly(left / 1000))}, at ${shortWords(end, now)}`}
    >
      <svg width={size} height={size} fill="none" strokeWidth={stroke} strokeLinecap="round" aria-hidden="true">
        <circle className={styles.track} cx={size / 2} cy={size / 2} r={radius} />
        {left > 0 && (
          <circle
            className={styles.left}
            cx={size / 2}
            cy={size / 2}
            r={radius}
            strokeDasharray={around}
            strokeDashoffset={around * (1 - share)}
          />
        )}
      </svg>
      <div className={styles.face} aria-hidden="true">
        <span className={styles.clock} style={{ fontSize: face(size, left) }}>
          {left === 0 ? 'over' : size < 60 && left >= 3_600_000 ? `${Math.floor(left / 3_600_000)} h` : clockFace(left / 1000)}
        </span>
        {size > 60 && left > 0 && <span className={styles.word}>left</span>}
      </div>
    </div>
  )
}

/** The same as words in a sentence: "4:59 left". */
export function TimeLeft({ until }: { until: string | number }) {
  const now = useSecond()
  const left = Math.max(0, new Date(until).getTime() - now)
  return (
    <span className={styles.inline} role="timer">
      {left === 0 ? 'over' : `${clockFace(left / 1000)} left`}
    </span>
  )
}

/** "54 min": for lists, where figures that run would only distract. */
export function MinutesLeft({ until }: { until: string | number }) {
  const now = useMinute()
  const left = new Date(until).getTime() - now
  return (
    <span>
      {left <= 0 ? 'over' : left < 3_600_000 ? `${Math.ceil(left / 60_000)} min left` : `${Math.round(left / 3_600_000)} h left`}
    </span>
  )
}

function face(size: number, left: number): string {
  return `${Math.round(size * (size < 60 ? 0.225 : left >= 36_000_000 ? 0.165 : left >= 3_600_000 ? 0.19 : 0.225))}px`
}

/** Whole minutes while there are any: a screen reader need not count seconds for an hour. */
function roughly(seconds: number): number {
  return seconds > 120 ? Math.round(seconds / 60) * 60 : seconds
}
