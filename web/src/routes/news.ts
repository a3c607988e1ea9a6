import { useInfiniteQuery } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import type { RequestSummary } from '../api/client'
import { requests } from '../api/queries'
import { notify } from '../ui/Toasts'

const sentences: Record<string, string> = {
  approved: 'Approved',
  active: 'Approved',
  denied: 'Denied',
  expired: 'Nobody answered in time',
  'ended:revoked': 'Revoked',
  'ended:expired': 'Your time is up',
}

/** Tells the person what became of their own requests while they were looking elsewhere in the portal. */
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
}

function stateOf(item: RequestSummary): string {
  return item.state === 'ended' ? `ended:${item.end_reason ?? ''}` : item.state
}

function tell(item: RequestSummary) {
  const words = sentences[stateOf(item)]
  if (words) notify.news(words, item.summary)
}
