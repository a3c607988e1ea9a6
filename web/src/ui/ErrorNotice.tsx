import type { ReactNode } from 'react'
import type { Problem } from '../api/problem'
import { Button } from './Button'
import { classes } from './classes'
import { Icon } from './Icon'
import styles from './Notice.module.css'

export interface ErrorNoticeProps {
  problem: Problem
  /** What was kept: "Your reason is still here. Nothing was stored." */
  kept?: string
  retry?: (() => void) | undefined
}

/** What happened, what was kept, what to do, and the stable code that support asks for. */
export function ErrorNotice({ problem, kept, retry }: ErrorNoticeProps) {
  const waiting = problem.kind === 'offline' || problem.kind === 'unavailable' || problem.kind === 'busy'
  return (
    <div role="alert" className={classes(styles.notice, waiting ? styles.wait : styles.bad)}>
      <Icon name="alert" />
      <div className={styles.body}>
        <p className={styles.title}>{problem.title}</p>
        {problem.detail && problem.detail !== problem.title && <p className={styles.detail}>{problem.detail}</p>}
        {problem.fields.length > 0 && (
          <ul className={styles.fields}>
            {problem.fields.map((field) => (
              <li key={field.field + field.message}>
                <code>{field.field.replace(/^body\./, '')}</code>: {field.message}
              </li>
            ))}
          </ul>
        )}
        {kept && <p className={styles.detail}>{kept}</p>}
        <div className={styles.foot}>
          {retry && (
            <Button small icon="again" onClick={retry}>
              Try again
            </Button>
          )}
          <code className={styles.code}>{problem.code}</code>
        </div>
      </div>
    </div>
  )
}

/** Something to know that is no error. */
export function Notice({ title, tone = 'calm', children }: { title: string; tone?: 'calm' | 'wait' | 'bad'; children?: ReactNode }) {
  return (
    <div className={classes(styles.notice, styles[tone])}>
      <Icon name={tone === 'calm' ? 'info' : 'alert'} />
      <div className={styles.body}>
        <p className={styles.title}>{title}</p>
        {children && <div className={styles.detail}>{children}</div>}
      </div>
    </div>
  )
}
