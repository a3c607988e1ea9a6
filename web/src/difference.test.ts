import assert from 'node:assert/strict'
import { test } from 'node:test'
import { counts, differences, type DifferenceLine } from './difference'

test('lines that differ', () => {
  const marks = (before: string, after: string) => differences(before, after).map(({ mark, text }) => mark + text)
  assert.deepEqual(marks('a\nb\nc\n', 'a\nx\nc\n'), [' a', '-b', '+x', ' c'])
  assert.deepEqual(marks('', 'a\nb\n'), ['+a', '+b'])
  assert.deepEqual(marks('a\n', ''), ['-a'])
  assert.deepEqual(marks('a\nb\n', 'b\na\n'), ['-a', ' b', '+a'])
  const long = Array.from({ length: 40 }, (_, i) => `line ${i}`)
  const changed = long.with(20, 'other')
  const folded = differences(long.join('\n'), changed.join('\n'))
  assert.ok(folded.length < 12 && folded.some(({ mark }) => mark === '…'))
})

/** What a difference makes of each side; nothing may be lost or made up. */
function side(all: readonly DifferenceLine[], other: '-' | '+'): string[] {
  return all.filter(({ mark }) => mark !== other).map(({ text }) => text)
}

function numbered(count: number, text: (place: number) => string): string {
  return Array.from({ length: count }, (_, place) => text(place)).join('\n') + '\n'
}

test('a large file shows the lines that differ, and no others', () => {
  // As large as a proposal may be, every 900th line another.
  const before = numbered(20_000, (n) => `line ${n} of a file that somebody wrote`)
  const after = numbered(20_000, (n) => (n % 900 === 0 ? `line ${n}, written anew` : `line ${n} of a file that somebody wrote`))
  const found = differences(before, after)
  assert.deepEqual(counts(found), { come: 23, go: 23 })
  assert.ok(found.length < 23 * 10, `${found.length} lines are shown`)
})

test('both sides of every difference are whole', () => {
  const word = (seed: number) => 'abcdefg'[(seed * 7919) % 7]!
  for (let round = 0; round < 60; round++) {
    const before = Array.from({ length: round }, (_, n) => word(n * round + 1))
    const after = Array.from({ length: (round * 3) % 41 }, (_, n) => word(n * n + round))
    const found = differences(before.join('\n'), after.join('\n'))
    if (found.some(({ mark }) => mark === '…')) continue
    assert.deepEqual(side(found, '+'), before.length === 1 && before[0] === '' ? [] : before)
    assert.deepEqual(side(found, '-'), after)
  }
})

test('two files made to be slow to compare are told in bounded time', () => {
  // No line stands once, and no two neighbours are the same on both sides.
  const before = numbered(150_000, (n) => 'ab'[n % 2]!)
  const after = numbered(150_000, (n) => 'bca'[n % 3]!)
  const begun = performance.now()
  const found = differences(before, after)
  assert.ok(counts(found).come + counts(found).go > 0)
  assert.ok(performance.now() - begun < 20_000)
})
