import type { Suspension } from '../api/client'
import styles from './Cards.module.css'
import { Moment } from './Moment'
import { Person } from './Person'

/** When something was taken away, by whom and why: "blocked today at 9:14 by Dana: left on a train". */
export function Taken({ what, taken }: { what: 'blocked' | 'suspended'; taken: Suspension }) {
  return (
    <p className={styles.meta}>
      {what} <Moment at={taken.at} />
      {taken.by && (
        <>
          {' '}
          by <Person person={taken.by} />
        </>
      )}
      {taken.reason && (
        <>
          : <bdi>{taken.reason}</bdi>
        </>
      )}
    </p>
  )
}
