import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Backtest, Finding, Reason, Stage } from './api/client'
import { backtestSentence, branches, changedFiles, collusionSentence, faultsByFile, inOrder, placeIn, together, weighed } from './policy'

test('how few people are said in words', () => {
  assert.deepEqual([0, 1, 2].map(together), ['nobody', '1 person alone', '2 people together'])
  assert.match(collusionSentence({ people: 0 }, 'x'), /^Nobody gets x/)
  assert.equal(collusionSentence({ people: 1 }, 'x'), 'One person alone gets x.')
  assert.equal(collusionSentence({ people: 3 }, 'x'), 'It takes 3 people together to get x.')
})

test('what weighs most comes first, and nothing else moves', () => {
  const finding = (severity: Finding['severity'], text: string): Finding => ({ severity, text, rule: 'r' })
  const sorted = weighed([finding('note', 'a'), finding('warning', 'b'), finding('error', 'c'), finding('warning', 'd')])
  assert.equal(sorted.map(({ text }) => text).join(''), 'cbda')
})

test('faults are counted by file, and edited files are found', () => {
  assert.deepEqual([...faultsByFile([{ file: 'a' }, { file: 'b' }, { file: 'a' }])], [['a', 2], ['b', 1]])
  assert.deepEqual(changedFiles({ a: '1', b: '2', c: '3' }, { a: '1', b: '3', d: '' }), ['b', 'c', 'd'])
  assert.deepEqual(changedFiles({ a: '' }, {}), ['a'])
})

test('a place is found by line and column, whose bytes are those of UTF-8', () => {
  const text = 'one\ntwö 😀 x\n\nlast'
  assert.equal(placeIn(text, 1, 1), 0)
  assert.equal(text.slice(placeIn(text, 2, 1)).slice(0, 3), 'twö')
  assert.equal(text[placeIn(text, 2, 11)], 'x') // ö is two bytes, the face four
  assert.equal(placeIn(text, 2, 99), text.indexOf('\n\n'))
  assert.equal(placeIn(text, 3, 5), text.indexOf('last') - 1)
  assert.equal(placeIn(text, 9, 1), text.length)
})

const backtest = (requests: number, same: number, wider: number): Backtest => ({
  requests,
  same,
  counts: [
    { change: 'now-open', wider: true, number: wider, text: '' },
    { change: 'now-refused', wider: false, number: requests - same - wider, text: '' },
  ],
  differences: [],
  note: '',
})

test('what a backtest comes to names what widens', () => {
  assert.equal(backtestSentence(backtest(0, 0, 0)).text, 'Nothing is recorded yet that could be decided anew.')
  assert.match(backtestSentence(backtest(7, 7, 0)).text, /^Nothing recorded would differ: all 7/)
  assert.deepEqual(backtestSentence(backtest(7, 5, 0)), { text: 'Of 7 recorded requests, 2 would be decided otherwise; none of them would have more access.', wider: false })
  assert.deepEqual(backtestSentence(backtest(7, 4, 2)), { text: 'Of 7 recorded requests, 3 would be decided otherwise; 2 of them would have more access.', wider: true })
  assert.equal(backtestSentence({ ...backtest(7, 5, 0), counts: [{ change: 'other-reasons', wider: false, number: 2, text: '' }] }).text, 'Nothing recorded would differ: all 7 requests would be decided as they were, 2 of them for other reasons.')
  assert.deepEqual(backtestSentence(backtest(1, 0, 1)), { text: 'The one recorded request would be decided otherwise; it would have more access.', wider: true })
})

test('the reasons of a decision as a tree: what stands against it first', () => {
  const reason = (rule: string, met: boolean): Reason => ({ rule, met, text: rule })
  const stage = { name: 'lead', groups: [], count: 1, after: [], notes: [], given: [], approvers: [] } satisfies Stage
  const tree = branches([reason('target', true), reason('stage:lead', false), reason('reason', false), reason('confirm', false)], [stage])
  assert.deepEqual(
    tree.map(({ name, reasons }) => [name, reasons.map(({ reason }) => reason.rule).join()]),
    [
      ['against', 'reason'],
      ['stages', 'stage:lead,confirm'],
      ['met', 'target'],
    ],
  )
  assert.equal(tree[1]!.reasons[0]!.stage, stage)
})

test('stages stand in the order in which they are asked', () => {
  const stage = (name: string, ...after: string[]) => ({ name, after })
  const names = (...stages: ReturnType<typeof stage>[]) => inOrder(stages).map(({ name }) => name).join('')
  assert.equal(names(stage('a', 'b'), stage('b'), stage('c', 'a')), 'bac')
  assert.equal(names(stage('a'), stage('b', 'gone'), stage('c')), 'abc')
  assert.equal(names(stage('a', 'b'), stage('b', 'a')), 'ab') // never asked; shown all the same
})
