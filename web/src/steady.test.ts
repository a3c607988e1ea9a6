import assert from 'node:assert/strict'
import { test } from 'node:test'
import { merge } from './steady'

interface Item {
  id: string
  text?: string
}
const of = (...ids: string[]): Item[] => ids.map((id) => ({ id }))
const first = (...ids: string[]) => merge([], of(...ids), ({ id }) => id).rows
const after = (before: ReturnType<typeof first>, items: Item[]) => {
  const { rows, waiting } = merge(before, items, ({ id }) => id)
  return [rows.map(({ key, gone }) => key + (gone ? ' gone' : '')).join(), waiting]
}

test('nothing comes in between, and nothing moves up', () => {
  assert.deepEqual(after(first('a', 'b', 'c'), of('a', 'b', 'c')), ['a,b,c', 0])
  assert.deepEqual(after(first('a', 'b', 'c'), of('new', 'a', 'newer', 'c')), ['a,b gone,c', 2])
  assert.deepEqual(after(first('a', 'b'), of('b', 'a')), ['a,b', 0])
})

test('what comes behind moves nothing', () => {
  assert.deepEqual(after(first('a', 'b'), of('new', 'a', 'b', 'c', 'd')), ['a,b,c,d', 1])
  assert.deepEqual(after(first('a'), of('x', 'y')), ['a gone,x,y', 0])
})

test('what stays is shown as it is now', () => {
  const { rows } = merge(first('a', 'b'), [{ id: 'a', text: 'signed' }, { id: 'b' }], ({ id }) => id)
  assert.equal(rows[0]!.item.text, 'signed')
})
