import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { NewsItem } from '../api/client'
import { news } from '../api/policyQueries'
import { byHaste, isLoud, tellingKey, toldSentence } from '../told'
import { Button, buttonClass } from '../ui/Button'
import { Moment } from '../ui/Moment'
import { Section } from '../ui/Page'
import { StateBadge } from '../ui/StateBadge'
import { useNewlyTold } from './news'
import styles from './Told.module.css'

/** What the reader was told and has not answered, what is loud in front; nothing where there is nothing. `except` is a request that is on the page already. */
export function Told({ except, most }: { except?: string | undefined; most: number }) {
  const told = useQuery(news).data?.items ?? []
  const [all, setAll] = useState(false)
  const [said, say] = useState('')
  useNewlyTold((item) => say(toldSentence(item).join('')))
  const items = byHaste(told).filter((item) => item.request.id !== except || isLoud(item))
  const shown = all ? items : items.slice(0, most)
  return (
    <div className={styles.told}>
      <p role="status" className="visually-hidden">
        {said}
      </p>
      {items.length > 0 && (
        <Section title="You were told" aside="It still waits.">
          <ul className={styles.list}>
            {shown.map((item) => (
              <Item key={tellingKey(item)} item={item} />
            ))}
          </ul>
          {items.length > shown.length && (
            <div>
              <Button small kind="quiet" onClick={() => setAll(true)}>
                Show {items.length - shown.length} more
              </Button>
            </div>
          )}
        </Section>
      )}
    </div>
  )
}

function Item({ item }: { item: NewsItem }) {
  const [who, says] = toldSentence(item)
  return (
    <li className={styles.item} data-loud={isLoud(item) || undefined}>
      <div className={styles.says}>
        <p className={styles.meta}>
          <Badge item={item} />
          <span>
            <Moment at={item.told.at} />
            {item.due && !item.locked && (
              <>
                , due <Moment at={item.due} />
              </>
            )}
          </span>
        </p>
        <p>
          <strong>
            <bdi>{who}</bdi>
          </strong>
          {says}
        </p>
      </div>
      <Act item={item} />
    </li>
  )
}

function Badge({ item: { told, locked } }: { item: NewsItem }) {
  switch (told.kind) {
    case 'break-glass':
      return <StateBadge state="emergency" />
    case 'review':
      return locked ? <StateBadge state="locked" /> : <StateBadge state="review-due" />
    case 'reminder':
    case 'escalation':
      return <StateBadge state={told.kind} bare />
  }
}

/** The way to where it is answered. */
function Act({ item: { request, told } }: { item: NewsItem }) {
  const params = { id: request.id }
  const what = `${request.login} on ${request.target}`
  if (told.kind === 'reminder' || told.kind === 'escalation') {
    return (
      <Link to="/approvals/$id" params={params} className={buttonClass('plain', { small: true })} aria-label={`Decide: ${what}`}>
        Decide
      </Link>
    )
  }
  const word = request.may.includes('review') ? 'Review' : 'See it'
  return (
    <Link to="/requests/$id" params={params} className={buttonClass('plain', { small: true })} aria-label={`${word}: ${what}`}>
      {word}
    </Link>
  )
}
