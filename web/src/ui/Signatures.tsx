import type { Signature } from '../api/client'
import { Moment } from './Moment'
import { Person } from './Person'
import styles from './Signatures.module.css'
import { Mark } from './StateBadge'

/** Who has signed and, while it waits, how many administrators are still missing. A quorum of 0: it is over. */
export function Signatures({ signed, quorum, missing }: { signed: readonly Signature[]; quorum: number; missing: number }) {
  return (
    <div className={styles.frame}>
      {quorum > 0 ? (
        <p className={styles.count}>
          <strong>
            {quorum - missing} of {quorum}
          </strong>{' '}
          {quorum === 1 ? 'administrator has signed' : 'administrators have signed'}
        </p>
      ) : (
        <p className={styles.count}>
          <strong>{signed.length}</strong> {signed.length === 1 ? 'administrator' : 'administrators'} signed
        </p>
      )}
      <ul className={styles.list}>
        {signed.map((one) => (
          <li key={one.person.issuer + one.person.subject} className={styles.one} data-counts={one.counts}>
            <Mark shape={one.counts ? 'tick' : 'cross'} />
            <span>
              <Person person={one.person} />, <Moment at={one.signed} />, with “<bdi>{one.passkey_name}</bdi>”
              {!one.counts && '; counts no more'}
            </span>
          </li>
        ))}
        {Array.from({ length: missing }, (_, index) => (
          <li key={index} className={styles.one} data-counts="missing">
            <Mark shape="ring" />
            <span>{signed.length + index === 0 ? 'an administrator' : 'another administrator'}</span>
          </li>
        ))}
      </ul>
    </div>
  )
}
