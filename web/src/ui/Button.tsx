import type { ComponentProps, MouseEvent, ReactNode } from 'react'
import styles from './Button.module.css'
import { classes } from './classes'
import { Icon, type IconName } from './Icon'

export type ButtonKind =
  | 'plain'
  /** The one thing this screen is for. At most one is visible at a time. */
  | 'primary'
  /** Begins something that takes away. Its words name what: "Revoke postgres on db1.prod", never "OK". */
  | 'destructive'
  /** The last click, inside the dialog that says what will be lost. */
  | 'final'
  | 'quiet'

export interface ButtonProps extends Omit<ComponentProps<'button'>, 'disabled'> {
  kind?: ButtonKind
  icon?: IconName | undefined
  small?: boolean
  wide?: boolean
  /** What is going on, in words. While set, the button keeps its place and focus and refuses clicks. */
  busy?: string | false | undefined
  /** Why it cannot be used now. Shown on hover and read out; the button stays reachable by keyboard. */
  unavailable?: string | false | undefined
  /** A key that does the same, shown on devices with a keyboard. */
  hint?: string | undefined
  children: ReactNode
}

/** The class names of a button, for links that look like one. */
export function buttonClass(kind: ButtonKind = 'plain', options: { small?: boolean; wide?: boolean } = {}): string {
  return classes(styles.button, kind !== 'plain' && styles[kind], options.small && styles.small, options.wide && styles.wide)
}

export function Button({ kind, icon, small, wide, busy, unavailable, hint, className, onClick, children, ...rest }: ButtonProps) {
  const refuses = Boolean(busy || unavailable)
  const click = (event: MouseEvent<HTMLButtonElement>) => {
    if (refuses) event.preventDefault()
    else onClick?.(event)
  }
  return (
    <button
      type="button"
      {...rest}
      className={classes(buttonClass(kind, { small: Boolean(small), wide: Boolean(wide) }), className)}
      aria-disabled={refuses || undefined}
      aria-busy={busy ? true : undefined}
      title={unavailable || rest.title}
      onClick={click}
    >
      {icon && <Icon name={icon} />}
      <span aria-live={busy ? 'polite' : undefined}>{busy || children}</span>
      {unavailable && <span className="visually-hidden">({unavailable})</span>}
      {hint && !refuses && (
        <kbd className={styles.hint} aria-hidden="true">
          {hint}
        </kbd>
      )}
    </button>
  )
}
