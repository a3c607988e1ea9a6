import type { ReactNode } from 'react'
import { classes } from './classes'
import styles from './Disclosure.module.css'
import { Icon } from './Icon'

/** What is there for those who want to look, and out of the way for the others. */
export function Disclosure({ summary, small, children }: { summary: ReactNode; small?: boolean; children: ReactNode }) {
  return (
    <details className={classes(styles.disclosure, small && styles.small)}>
      <summary>
        <Icon name="right" size={13} />
        <span>{summary}</span>
      </summary>
      {children}
    </details>
  )
}
