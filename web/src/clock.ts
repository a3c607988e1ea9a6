/**
 * The server's time, and words for times.
 *
 * What has ended is decided by the server; a laptop whose clock is wrong must still count down to the right moment. So
 * every answer's Date header corrects what this page shows.
 */
import { useSyncExternalStore } from 'react'

let aheadBy = 0

/** Takes the Date header of an answer that came back `tookMs` after it was asked for. */
export function correctClock(date: string | null, tookMs: number): void {
  const server = date === null ? NaN : Date.parse(date)
  if (Number.isNaN(server)) return
  // The header is cut to whole seconds and was written somewhere within the wait: a smaller difference says nothing.
  const difference = server + 500 - (Date.now() - tookMs / 2)
  aheadBy = Math.abs(difference) < 1500 + tookMs / 2 ? 0 : difference
}

/** Milliseconds since 1970 by the server's clock, as near as this page knows it. */
export function serverNow(): number {
  return Date.now() + aheadBy
}

type Listener = () => void

/** One timer for all who watch the same beat; it beats on the whole second, so that two countdowns never disagree. */
class Beat {
  #listeners = new Set<Listener>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #now = 0
  readonly #every: number

  constructor(every: number) {
    this.#every = every
  }

  subscribe = (listener: Listener) => {
    this.#listeners.add(listener)
    if (this.#timer === undefined) this.#schedule()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) {
        clearTimeout(this.#timer)
        this.#timer = undefined
      }
    }
  }

  now = () => {
    if (this.#timer === undefined) this.#now = this.#whole()
    return this.#now
  }

  #whole() {
    return Math.floor(serverNow() / this.#every) * this.#every
  }

  #schedule() {
    this.#now = this.#whole()
    this.#timer = setTimeout(
      () => {
        this.#schedule()
        for (const listener of this.#listeners) listener()
      },
      this.#every - (serverNow() % this.#every) + 5,
    )
  }
}

const second = new Beat(1000)
const quarterMinute = new Beat(15_000)

/** The server's time, cut to the whole second, and again each second. */
export function useSecond(): number {
  return useSyncExternalStore(second.subscribe, second.now)
}

/** The server's time for words like "4 minutes ago": it moves four times a minute. */
export function useMinute(): number {
  return useSyncExternalStore(quarterMinute.subscribe, quarterMinute.now)
}

const units: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['week', 7 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
]
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'long' })

/** "in 4 minutes", "yesterday", "just now". */
export function relativeWords(at: number, now: number): string {
  const seconds = Math.round((at - now) / 1000)
  if (Math.abs(seconds) < 45) return seconds > 15 ? 'in moments' : 'just now'
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size * 0.92) return relative.format(Math.round(seconds / size), unit)
  }
  return relative.format(Math.sign(seconds), 'minute')
}

const exact = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  timeZoneName: 'longOffset',
})

/** "Sun, 22 Nov 2026, 21:45:38 GMT+01:00": the reader's zone, named. */
export function exactWords(at: number): string {
  return exact.format(at)
}

/** "2026-11-22 20:45:38 UTC": the same words for everybody, and what logs say. */
export function universalWords(at: number): string {
  return new Date(at)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC')
}

const clockTime = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const dayAndTime = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })

/** "21:45" today, "22 Nov, 21:45" on other days. */
export function shortWords(at: number, now: number): string {
  return new Date(at).toDateString() === new Date(now).toDateString() ? clockTime.format(at) : dayAndTime.format(at)
}
