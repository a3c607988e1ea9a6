import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { Backtest as Result, BacktestDifference, Reason } from '../api/client'
import { backtestSentence } from '../policy'
import styles from './Backtest.module.css'
import { Button } from './Button'
import { Disclosure } from './Disclosure'
import { Notice } from './ErrorNotice'
import { Moment } from './Moment'
import { Person } from './Person'
import { StateBadge } from './StateBadge'
import { Words } from './Words'

/** How many recorded requests are shown at once. */
const atOnce = 10

const outcomes: Record<string, string> = {
  refused: 'refused',
  'needs-approval': 'to be approved',
  scheduled: 'granted for later',
  allowed: 'granted',
}

/** What recorded requests would come to under another policy: those that would have more access in front, and named as such. */
export function Backtest({ backtest }: { backtest: Result }) {
  const [most, setMost] = useState(atOnce)
  const { text, wider } = backtestSentence(backtest)
  return (
    <div className={styles.backtest}>
      {wider ? <Notice tone="bad" title={`It widens: ${text}`} /> : <p className={styles.lead}>{text}</p>}
      {backtest.counts.length > 0 && (
        <ul className={styles.counts}>
          {backtest.counts.map((count) => (
            <li key={count.change}>
              <StateBadge state={count.wider ? 'wider' : 'not-wider'} bare>
                {count.text.replace(/ \(wider!\)$/, '')}
              </StateBadge>
            </li>
          ))}
        </ul>
      )}
      {backtest.differences.length > 0 && (
        <ul className={styles.list} aria-label="Requests that would be decided otherwise">
          {backtest.differences.slice(0, most).map((one) => (
            <Difference key={one.request} one={one} />
          ))}
        </ul>
      )}
      {backtest.differences.length > most && (
        <div>
          <Button small onClick={() => setMost(most + atOnce * 5)}>
            Show more of {backtest.differences.length}
          </Button>
        </div>
      )}
      {backtest.since && (
        <p className={styles.meta}>
          The oldest was asked for <Moment at={backtest.since} />.
        </p>
      )}
      <Disclosure small summary="What it was reckoned with">
        <p className={styles.meta}>{backtest.note}</p>
      </Disclosure>
    </div>
  )
}

/** An ask that was refused is recorded, and no request came of it. */
const isRequest = (one: BacktestDifference) => !one.request.startsWith('ref-')

function Difference({ one }: { one: BacktestDifference }) {
  return (
    <li className={styles.one} data-wider={one.wider}>
      <div className={styles.head}>
        <StateBadge state={one.wider ? 'wider' : 'not-wider'} bare>
          {one.wider ? 'Widens' : one.before === one.after ? 'Other reasons' : 'Differs'}
        </StateBadge>
        <span>
          <Person person={one.who} />, {one.login} on {one.target} by {one.role}
        </span>
        <span className={styles.meta}>
          asked <Moment at={one.asked} />
        </span>
      </div>
      <p>
        {one.before === one.after ? (
          <>Would be {outcomes[one.after] ?? one.after} as before. </>
        ) : (
          <>
            Is {outcomes[one.before] ?? one.before} now, would be <strong>{outcomes[one.after] ?? one.after}</strong>.{' '}
          </>
        )}
        {isRequest(one) ? (
          <Link to="/requests/$id" params={{ id: one.request }} aria-label={`The request ${one.request}`}>
            The request
          </Link>
        ) : (
          <>It was refused when it was asked, as the audit log says.</>
        )}
      </p>
      {one.gained.length + one.lost.length > 0 && (
        <Disclosure small summary="Why">
          <ul className={styles.reasons}>
            <Reasons word="then" reasons={one.gained} />
            <Reasons word="no more" reasons={one.lost} />
          </ul>
        </Disclosure>
      )}
    </li>
  )
}

function Reasons({ word, reasons }: { word: string; reasons: readonly Reason[] }) {
  return reasons.map(({ rule, text }) => (
    <li key={word + rule + text} className={styles.reason}>
      <span>{word}:</span>
      <Words text={text} />
    </li>
  ))
}
