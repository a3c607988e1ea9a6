import { useId, useState } from 'react'
import { durationWords, formatDuration, parseDuration } from '../duration'
import { classes } from './classes'
import styles from './DurationChips.module.css'
import { controlClass, FieldGroup } from './Field'
import { Icon } from './Icon'

export interface DurationChipsProps {
  label: string
  /** Seconds, or null while what is typed is no duration. */
  value: number | null
  onChange: (seconds: number | null) => void
  /** The longest, in seconds, that may be chosen. */
  most: number
  /** Who sets that bound: "the role's longest", "what was asked". */
  bound: string
  /** The shortest, in seconds, that makes sense. */
  least?: number
  error?: string | undefined
}

const usual = [15 * 60, 30 * 60, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600]

/** Usual durations up to a bound, the bound itself, and any other typed as 1h30m. */
export function DurationChips({ label, value, onChange, most, bound, least = 60, error }: DurationChipsProps) {
  const name = useId()
  const choices = [...usual.filter((seconds) => seconds < most), most]
  const [typing, setTyping] = useState(() => value !== null && !choices.includes(value))
  const [asked, setAsked] = useState(false)
  const [typed, setTyped] = useState(() => (value === null ? '' : formatDuration(value)))
  const seconds = parseDuration(typed)
  const wrong = !typing ? undefined : complaint(typed, seconds, least, most, bound)

  return (
    <FieldGroup label={label} error={error ?? wrong} hint={`At most ${durationWords(most)}, ${bound}.`}>
      <div className={styles.chips}>
        {choices.map((choice) => (
          <label key={choice} className={styles.chip}>
            <input
              type="radio"
              name={name}
              checked={!typing && value === choice}
              onChange={() => {
                setTyping(false)
                onChange(choice)
              }}
            />
            <span className={styles.face}>
              {!typing && value === choice && <Icon name="check" size={13} />}
              {durationWords(choice)}
            </span>
          </label>
        ))}
        <label className={styles.chip}>
          <input
            type="radio"
            name={name}
            checked={typing}
            onChange={() => {
              setTyping(true)
              setAsked(true)
              onChange(within(seconds, least, most))
            }}
          />
          <span className={styles.face}>{typing && <Icon name="check" size={13} />}Other</span>
        </label>
        {typing && (
          <input
            className={classes(controlClass, styles.other)}
            aria-label={`${label}, for example 1h30m`}
            aria-invalid={wrong ? true : undefined}
            placeholder="1h30m"
            value={typed}
            // Only for who has just chosen it: a page that opens filled in must not jump here.
            autoFocus={asked}
            onChange={(event) => {
              setTyped(event.target.value)
              onChange(within(parseDuration(event.target.value), least, most))
            }}
          />
        )}
      </div>
    </FieldGroup>
  )
}

function within(seconds: number | null, least: number, most: number): number | null {
  return seconds !== null && seconds >= least && seconds <= most ? seconds : null
}

function complaint(typed: string, seconds: number | null, least: number, most: number, bound: string): string | undefined {
  if (typed.trim() === '') return undefined
  if (seconds === null) return 'Write it as 45m, 2h or 1h30m.'
  if (seconds > most) return `At most ${durationWords(most)}, ${bound}.`
  if (seconds < least) return `At least ${durationWords(least)}.`
  return undefined
}
