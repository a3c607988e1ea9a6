/** What somebody was told of and has not answered: its words, and what comes first. */
import type { NewsItem } from './api/client'
import { durationWords } from './duration'
import { called } from './words'

/** The same for one telling, however often it is read. */
export function tellingKey({ request, told }: NewsItem): string {
  return [request.id, told.kind, told.at].join(' ')
}

/** Somebody acts alone, or a role is locked: that must not be overlooked. */
export function isLoud(item: NewsItem): boolean {
  return item.told.kind === 'break-glass' || item.locked
}

/** What is loud in front, the newest first among the loud and among the others. */
export function byHaste(items: readonly NewsItem[]): NewsItem[] {
  return [...items].sort((a, b) => Number(isLoud(b)) - Number(isLoud(a)) || Date.parse(b.told.at) - Date.parse(a.told.at))
}

/** One sentence, in two parts: who it is about, and what goes on behind the name. */
export function toldSentence({ request, told, locked }: NewsItem): [who: string, says: string] {
  const what = `${request.login} on ${request.target} for ${durationWords(request.duration_seconds)}`
  const says = {
    reminder: ` still waits for your answer: ${what}.`,
    escalation: ` has waited, and you may approve it too: ${what}.`,
    'break-glass': ` ${request.state === 'pending' ? 'wants to act' : request.state === 'ended' ? 'acted' : 'acts'} alone, in an emergency: ${what}.`,
    review: locked
      ? `’s emergency was not reviewed in time, so that nobody has ${request.role}: ${what}.`
      : `’s emergency waits for a review: ${what}.`,
  }
  return [called(request.requester), says[told.kind]]
}

/** How many requests wait for somebody: to be decided, or because they were told of them; and whether one is loud. */
export function waitingCount(toDecide: readonly { id: string }[], told: readonly NewsItem[]): { count: number; loud: boolean } {
  const ids = new Set([...toDecide.map(({ id }) => id), ...told.map(({ request }) => request.id)])
  return { count: ids.size, loud: told.some(isLoud) }
}
