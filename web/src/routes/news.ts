import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useRouterState } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import type { NewsItem, RequestSummary } from '../api/client'
import { news } from '../api/policyQueries'
import { requests } from '../api/queries'
import { isLoud, tellingKey, toldSentence } from '../told'
import { notify } from '../ui/Toasts'

const sentences: Record<string, string> = {
  approved: 'Approved',
  active: 'Approved',
  denied: 'Denied',
  expired: 'Nobody answered in time',
  'ended:revoked': 'Revoked',
  'ended:expired': 'Your time is up',
}

/** Tells the person what became of their own requests, and of what others ask of them, while they were looking elsewhere in the portal. */
export function useNews(): void {
  const { data } = useInfiniteQuery(requests('mine'))
  const seen = useRef<Map<string, string>>(undefined)
  useEffect(() => {
    if (!data) return
    const states = new Map(data.pages.flatMap((page) => page.items).map((item) => [item.id, item]))
    for (const [id, state] of seen.current ?? []) {
      const item = states.get(id)
      if (item && stateOf(item) !== state && !(state === 'approved' && item.state === 'active')) tell(item)
    }
    seen.current = new Map([...states].map(([id, item]) => [id, stateOf(item)]))
  }, [data])

  // Where it stands at the top of the page, a note over the buttons would only be in the way.
  const there = useRouterState({ select: ({ matches }) => matches.some(({ staticData }) => staticData.tells) })
  const loud = useRef<(() => void)[]>([])
  // Loud notes go when the reader comes there, and when they sign out: the next at this screen is somebody else.
  useEffect(() => () => loud.current.splice(0).forEach((close) => close()), [there])
  useNewlyTold((item) => {
    if (there) return
    const words = [titles[item.told.kind], toldSentence(item).join('')] as const
    if (isLoud(item)) loud.current.push(notify.loud(...words))
    else notify.news(...words)
  })
}

const titles: Record<NewsItem['told']['kind'], string> = {
  reminder: 'A reminder',
  escalation: 'Something waits for you too',
  'break-glass': 'Somebody acts alone',
  review: 'A review is due',
}

/** Calls for each thing that the person is told from now on; what they were told before they came is no news. */
export function useNewlyTold(then: (item: NewsItem) => void): void {
  const { data } = useQuery(news)
  const seen = useRef<Set<string>>(undefined)
  useEffect(() => {
    if (!data) return
    const before = seen.current
    seen.current = new Set(data.items.map(tellingKey))
    if (before) data.items.filter((item) => !before.has(tellingKey(item))).forEach(then)
  }, [data])
}

function stateOf(item: RequestSummary): string {
  return item.state === 'ended' ? `ended:${item.end_reason ?? ''}` : item.state
}

function tell(item: RequestSummary) {
  const words = sentences[stateOf(item)]
  if (words) notify.news(words, item.summary)
}
