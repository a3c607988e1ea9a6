/** Words and small reckonings of the pages about the policy. */
import type { Backtest, CollusionResult, Fault, Finding, Reason, Stage } from './api/client'

/** "2 people together", "1 person alone"; 0 is nobody. */
export function together(people: number): string {
  return people === 0 ? 'nobody' : people === 1 ? '1 person alone' : `${people} people together`
}

/** How few people together get a role, as one sentence. */
export function collusionSentence({ people }: Pick<CollusionResult, 'people'>, role: string): string {
  if (people === 0) return `Nobody gets ${role} as people and their passkeys are now.`
  if (people === 1) return `One person alone gets ${role}.`
  return `It takes ${people} people together to get ${role}.`
}

const ways: Record<string, string> = {
  ask: 'By asking, with approvals',
  allow: 'By asking, where a condition spares approvals',
  'break-glass': 'Alone, in an emergency',
  policy: 'By changing the policy',
  enrolment: 'By enrolling people or passkeys',
}

/** What one way to a role is, as a heading. */
export function wayWords(way: string): string {
  return ways[way] ?? way
}

/** The findings that weigh most in front, those of one weight in the order they came in. */
export function weighed(findings: readonly Finding[]): Finding[] {
  const weight = { error: 0, warning: 1, note: 2 }
  return [...findings].sort((a, b) => weight[a.severity] - weight[b.severity])
}

/** How many faults each file has. */
export function faultsByFile(faults: readonly Pick<Fault, 'file'>[]): Map<string, number> {
  const found = new Map<string, number>()
  for (const { file } of faults) found.set(file, (found.get(file) ?? 0) + 1)
  return found
}

/** Where a line and a column, both from 1, are in a text, in UTF-16 units. Columns count bytes of UTF-8, as Go does. */
export function placeIn(text: string, line: number, column: number): number {
  let start = 0
  for (let left = line; left > 1; left--) {
    const end = text.indexOf('\n', start)
    if (end < 0) return text.length
    start = end + 1
  }
  let bytes = 0
  let place = start
  for (const character of text.slice(start)) {
    if (character === '\n' || bytes >= column - 1) break
    bytes += new TextEncoder().encode(character).length
    place += character.length
  }
  return place
}

/** Which files of a draft differ from those in force: their names. */
export function changedFiles(before: Readonly<Record<string, string>>, after: Readonly<Record<string, string>>): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].filter((name) => before[name] !== after[name]).sort()
}

/** What a backtest comes to, as one sentence; whether it widens anything. */
export function backtestSentence(backtest: Backtest): { text: string; wider: boolean } {
  if (backtest.requests === 0) return { text: 'Nothing is recorded yet that could be decided anew.', wider: false }
  const sum = (which: (count: Backtest['counts'][number]) => boolean) =>
    backtest.counts.reduce((all, count) => all + (which(count) ? count.number : 0), 0)
  const wider = sum((count) => count.wider)
  const reasons = sum((count) => count.change === 'other-reasons')
  const differ = backtest.requests - backtest.same - reasons
  const one = backtest.requests === 1
  const which = one ? 'The one recorded request' : `Of ${backtest.requests} recorded requests, ${differ}`
  if (differ > 0) {
    const more = one ? `it would ${wider > 0 ? '' : 'not '}have more access` : `${wider || 'none'} of them would have more access`
    return { text: `${which} would be decided otherwise; ${more}.`, wider: wider > 0 }
  }
  const same = one ? which : `Nothing recorded would differ: all ${backtest.requests} requests`
  const why = reasons === 0 ? '' : one ? ', for other reasons' : `, ${reasons} of them for other reasons`
  return { text: `${same} would be decided as ${one ? 'it was' : 'they were'}${why}.`, wider: false }
}

/** A decision's reasons as branches: what stands against it, who must agree, what is met. */
export interface Branch {
  name: 'against' | 'stages' | 'met'
  reasons: { reason: Reason; stage?: Stage }[]
}

export function branches(reasons: readonly Reason[], stages: readonly Stage[]): Branch[] {
  const found: Record<Branch['name'], Branch['reasons']> = { against: [], stages: [], met: [] }
  for (const reason of reasons) {
    const stage = stages.find(({ name }) => reason.rule === `stage:${name}`)
    const branch = reason.rule.startsWith('stage:') || reason.rule === 'approval' || reason.rule === 'confirm' ? 'stages' : reason.met ? 'met' : 'against'
    found[branch].push(stage ? { reason, stage } : { reason })
  }
  return (['against', 'stages', 'met'] as const).map((name) => ({ name, reasons: found[name] })).filter((branch) => branch.reasons.length > 0)
}

/** Stages in the order in which they take approvals: those that wait for others behind them. */
export function inOrder<S extends Pick<Stage, 'name' | 'after'>>(stages: readonly S[]): S[] {
  const left = [...stages]
  const done: S[] = []
  while (left.length > 0) {
    const place = left.findIndex(({ after }) => !after.some((name) => left.some((other) => other.name === name)))
    done.push(...left.splice(Math.max(0, place), 1))
  }
  return done
}
