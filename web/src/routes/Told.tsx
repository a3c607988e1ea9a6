import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { NewsItem, OpenReview } from '../api/client'
import { news, reviews } from '../api/policyQueries'
import { byHaste, isLocked, isLoud, tellingKey, toldSentence } from '../told'
import { Button, buttonClass } from '../ui/Button'
import { Moment } from '../ui/Moment'
import { Section } from '../ui/Page'
import { StateBadge } from '../ui/StateBadge'
import { useNewlyTold } from './news'
import styles from './Told.module.css'

/** What the reader was told and has not answered, what is loud in front; nothing where there is nothing. `except` is a request that is on the page already. */
export function Told({ except, most }: { except?: string | undefined; most: number }) {
  const told = useQuery(news).data?.items ?? []
  const open = useQuery(reviews).data?.items ?? []
  const [all, setAll] = useState(false)
  const [said, say] = useState('')
  useNewlyTold((item) => say(toldSentence(item, open).join('')))
  const items = byHaste(told, open).filter((item) => item.request.id !== except || isLoud(item, open))
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
              <Item key={tellingKey(item)} item={item} open={open} />
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

function Item({ item, open }: { item: NewsItem; open: readonly OpenReview[] }) {
  const { request, told } = item
  const [who, says] = toldSentence(item, open)
  const due = told.kind === 'review' && open.find((review) => review.request.id === request.id && !review.locked)?.due
  return (
    <li className={styles.item} data-loud={isLoud(item, open) || undefined}>
      <div className={styles.says}>
        <p className={styles.meta}>
          <Badge item={item} open={open} />
          <span>
            <Moment at={told.at} />
            {due && (
              <>
                , due <Moment at={due} />
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

function Badge({ item, open }: { item: NewsItem; open: readonly OpenReview[] }) {
  switch (item.told.kind) {
    case 'break-glass':
      return <StateBadge state="emergency" />
    case 'review':
      return isLocked(item, open) ? <StateBadge state="locked" /> : <StateBadge state="review-due" />
    case 'reminder':
    case 'escalation':
      return <StateBadge state={item.told.kind} bare />
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
