import type { ReactNode } from 'react'
import { CopyLine } from './CopyLine'
import styles from './EmptyState.module.css'

export interface EmptyStateProps {
  title: string
  /** Why it is empty and what to do next. */
  children: ReactNode
  /** The next step as a command. */
  command?: string
  action?: ReactNode
}

/** Nothing here yet: why, and the next step. */
export function EmptyState({ title, children, command, action }: EmptyStateProps) {
  return (
    <div className={styles.empty}>
      <div className={styles.words}>
        <p className={styles.title}>{title}</p>
        <p>{children}</p>
      </div>
      {action}
      {command && (
        <div className={styles.command}>
          <CopyLine text={command} what="the command" />
        </div>
      )}
    </div>
  )
}

/** What is being loaded, in words, in roughly the room it will take. */
export function Loading({ what, lines = 3 }: { what: string; lines?: number }) {
  return (
    <div className={styles.loading} role="status">
      <p className={styles.late}>Loading {what}…</p>
      {Array.from({ length: lines }, (_, line) => (
        <div key={line} className={styles.bar} aria-hidden="true" />
      ))}
    </div>
  )
}
