import type { ReactNode } from 'react'
import { Moment } from './Moment'
import { Mark } from './StateBadge'
import styles from './Timeline.module.css'

export interface TimelineItem {
  key: string | number
  time: string
  text: ReactNode
  /** A line below: who, or where the proof is. */
  below?: ReactNode
  tone: 'live' | 'wait' | 'bad' | 'rest' | 'accent'
  shape: 'dot' | 'half' | 'tick' | 'cross' | 'ring' | 'clock' | 'dash' | 'square'
}

/** What happened, in order. */
export function Timeline({ items, label }: { items: readonly TimelineItem[]; label: string }) {
  return (
    <ol className={styles.timeline} aria-label={label}>
      {items.map((item) => (
        <li key={item.key} className={styles.entry}>
          <span className={`${styles.mark} ${styles[item.tone]}`}>
            <Mark shape={item.shape} />
          </span>
          <div className={styles.text}>
            <p>{item.text}</p>
            {item.below && <div className={styles.below}>{item.below}</div>}
          </div>
          <span className={styles.when}>
            <Moment at={item.time} clock />
          </span>
        </li>
      ))}
    </ol>
  )
}
