import { useMinute } from '../clock'
import { readLocal, writeLocal, zoneWords } from '../moment'
import { Field, Input } from './Field'

export interface DateTimeProps {
  label: string
  /** As a field of the type datetime-local holds it; empty: none is set. */
  value: string
  onChange: (value: string) => void
  /** The latest that may be chosen. */
  latest?: Date
  optional?: boolean
  /** What is said before the zone: "It begins no sooner." */
  hint?: string
  error?: string | undefined
}

/** A day and a time in the reader's own zone, which stands below it. */
export function DateTime({ label, value, onChange, latest, optional, hint, error }: DateTimeProps) {
  const now = new Date(useMinute())
  const zone = zoneWords(readLocal(value) ?? now)
  return (
    <Field label={label} optional={optional ?? false} error={error} hint={[hint, `In your time zone: ${zone}.`].filter(Boolean).join(' ')}>
      <Input
        type="datetime-local"
        value={value}
        onValueChange={onChange}
        min={writeLocal(now)}
        {...(latest ? { max: writeLocal(latest) } : {})}
      />
    </Field>
  )
}
