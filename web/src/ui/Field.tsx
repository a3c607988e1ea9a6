import { Field as Base } from '@base-ui/react/field'
import type { ComponentProps, ReactNode } from 'react'
import { classes } from './classes'
import styles from './Field.module.css'
import { Icon } from './Icon'

export interface FieldProps {
  label: ReactNode
  /** The name the server uses for this field, so that its errors find their way here. */
  name?: string | undefined
  hint?: ReactNode
  /** What is wrong with the value and what would be right. */
  error?: string | undefined
  optional?: boolean
  children: ReactNode
}

/** A label, one control, and what helps with it. Input, Area, Select and Combobox inside it are labelled by it. */
export function Field({ label, name, hint, error, optional, children }: FieldProps) {
  return (
    <Base.Root className={styles.field} name={name} invalid={Boolean(error)}>
      <Base.Label className={styles.label}>
        {label}
        {optional && <span className={styles.optional}> · optional</span>}
      </Base.Label>
      {children}
      <FieldError error={error} />
      {hint && !error && <Base.Description className={styles.hint}>{hint}</Base.Description>}
    </Base.Root>
  )
}

function FieldError({ error }: { error: string | undefined }) {
  if (!error) return null
  return (
    <Base.Error className={styles.error} match>
      <Icon name="alert" size={13} />
      {error}
    </Base.Error>
  )
}

/** A group of controls under one legend, such as radio chips. */
export function FieldGroup({ label, hint, error, children }: Omit<FieldProps, 'name' | 'optional'>) {
  return (
    <fieldset className={styles.field}>
      <legend className={styles.label}>{label}</legend>
      {children}
      {error && (
        <p className={styles.error} role="alert">
          <Icon name="alert" size={13} />
          {error}
        </p>
      )}
      {hint && !error && <p className={styles.hint}>{hint}</p>}
    </fieldset>
  )
}

export function Input({ className, ...rest }: ComponentProps<typeof Base.Control>) {
  return <Base.Control {...rest} className={classes(styles.control, typeof className === 'string' && className)} />
}

export interface AreaProps {
  value: string
  onChange: (value: string) => void
  /** The bound, counted as the server counts: in Unicode code points. */
  most: number
  placeholder?: string
}

/** Free text with a bound. The count appears when it starts to matter, and nothing typed is ever cut off. */
export function Area({ value, onChange, most, placeholder }: AreaProps) {
  const left = most - [...value].length
  return (
    <>
      <Base.Control
        className={classes(styles.control, styles.area)}
        value={value}
        onValueChange={onChange}
        render={<textarea rows={3} placeholder={placeholder} dir="auto" />}
      />
      {left < most / 4 && (
        <p className={styles.counter} data-over={left < 0 || undefined} aria-live="polite">
          {left < 0 ? `${-left} too many` : `${left} left`}
        </p>
      )}
    </>
  )
}

/** The look of a text control, for the kit's own controls. */
export const controlClass = styles.control
