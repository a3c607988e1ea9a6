/** Sentences that several pages say. */
import type { Person, Reason, Stage } from './api/client'

/** "Bob", "Bob or Dana", "Bob, Dana or Eve"; a long list is cut with its count. */
export function anyOf(names: readonly string[], most = 5): string {
  if (names.length === 0) return 'nobody'
  if (names.length === 1) return names[0]!
  if (names.length > most) return `${names.slice(0, most).join(', ')} or ${counted(names.length - most, 'other')}`
  return `${names.slice(0, -1).join(', ')} or ${names[names.length - 1]}`
}

export function called(person: Pick<Person, 'name' | 'subject'>): string {
  return person.name || person.subject
}

/** "2 sessions", "1 session", "no session". */
export function counted(count: number, one: string): string {
  return count === 0 ? `no ${one}` : count === 1 ? `1 ${one}` : `${count} ${one}s`
}

/** Who must still agree, as one sentence. */
export function neededWords(stages: readonly Stage[]): string {
  const open = stages.filter((stage) => stage.given.length < stage.count)
  if (stages.length === 0) return 'Granted at once: this role needs nobody’s approval.'
  if (open.length === 0) return 'Everybody who must agree has agreed.'
  return open
    .map((stage, index) => {
      const missing = stage.count - stage.given.length
      const names = stage.approvers.map(called)
      const words = names.length > 0 ? anyOf(names) : `the group ${anyOf(stage.groups)}`
      if (names.length === 1 && missing === 1) return `${index === 0 ? 'Needs' : 'and'} ${words}`
      return `${index === 0 ? 'Needs' : 'and'} ${missing} ${stage.given.length > 0 ? 'more ' : ''}of ${words}`
    })
    .join(', ')
    .concat('.')
}

/** Stages which the people enrolled today cannot fill: a request would wait for nobody. */
export function unreachable(stages: readonly Stage[]): Stage[] {
  return stages.filter((stage) => stage.approvers.length < stage.count - stage.given.length)
}

/** What speaks against it, but for approvals and the requester's own confirmation, which are still to come. */
export function obstacles(reasons: readonly Reason[]): Reason[] {
  return reasons.filter(({ met, rule }) => !met && !rule.startsWith('stage:') && rule !== 'approval' && rule !== 'confirm')
}

/** The same ask at the command line. */
export function askCommand(ask: {
  role: string
  target: string
  login?: string | undefined
  duration?: string | undefined
  reason?: string | undefined
  ticket?: string | undefined
  start?: string | undefined
  breakGlass?: boolean
}): string {
  return [
    'stint request',
    quoted(ask.role || 'ROLE'),
    `--target ${quoted(ask.target || 'TARGET')}`,
    ask.login && `--login ${quoted(ask.login)}`,
    ask.duration && `--duration ${ask.duration}`,
    ask.ticket && `--ticket ${quoted(ask.ticket)}`,
    ask.start && `--start ${ask.start}`,
    ask.breakGlass && '--break-glass',
    ask.reason && `--reason ${quoted(ask.reason)}`,
  ]
    .filter(Boolean)
    .join(' ')
}

/** One word for a POSIX shell, whatever it holds. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9._@:=/-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
