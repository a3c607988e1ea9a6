import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NewsItem } from './api/client'
import { byHaste, tellingKey, toldSentence, waitingCount } from './told'

const alice = { issuer: 'https://id', subject: 'alice', name: 'Alice' }

function telling(id: string, kind: NewsItem['told']['kind'], minute: number, state = 'pending', locked = false): NewsItem {
  const at = new Date(Date.UTC(2026, 10, 23, 9, minute)).toISOString()
  return {
    request: {
      id,
      state,
      summary: '',
      requester: alice,
      role: 'emergency-shell',
      target: 'web-1',
      login: 'root',
      duration_seconds: 3600,
      reason: '',
      asked: at,
      expires: at,
      break_glass: kind === 'break-glass' || kind === 'review',
      may: [],
    },
    told: { at, kind, people: [], text: '' },
    locked,
  }
}

const review = (id: string, minute: number, locked = false) => telling(id, 'review', minute, 'ended', locked)

test('emergencies and locked roles come first, then what is newest', () => {
  const items = [telling('req-1', 'reminder', 5), telling('req-2', 'break-glass', 2), telling('req-3', 'escalation', 7)]
  const order = (last: NewsItem) => byHaste([...items, last]).map(({ request }) => request.id)
  assert.deepEqual(order(review('req-4', 1)), ['req-2', 'req-3', 'req-1', 'req-4'])
  assert.deepEqual(order(review('req-4', 1, true)), ['req-2', 'req-4', 'req-3', 'req-1'])
})

test('each telling is one sentence that begins with a name', () => {
  const says = (item: NewsItem) => toldSentence(item).join('')
  assert.equal(says(telling('r', 'reminder', 1)), 'Alice still waits for your answer: root on web-1 for 1 hour.')
  assert.equal(says(telling('r', 'escalation', 1)), 'Alice has waited, and you may approve it too: root on web-1 for 1 hour.')
  assert.equal(says(telling('r', 'break-glass', 1)), 'Alice wants to act alone, in an emergency: root on web-1 for 1 hour.')
  assert.equal(says(telling('r', 'break-glass', 1, 'active')), 'Alice acts alone, in an emergency: root on web-1 for 1 hour.')
  assert.equal(says(telling('r', 'break-glass', 1, 'ended')), 'Alice acted alone, in an emergency: root on web-1 for 1 hour.')
  assert.equal(says(review('r', 1)), 'Alice’s emergency waits for a review: root on web-1 for 1 hour.')
  assert.match(says(review('r', 1, true)), /^Alice’s emergency was not reviewed in time, so that nobody has emergency-shell: /)
})

test('what waits is counted once, whoever told of it how often', () => {
  const told = telling('req-1', 'reminder', 1)
  assert.deepEqual(waitingCount([{ id: 'req-1' }, { id: 'req-3' }], [told, review('req-2', 2)]), { count: 3, loud: false })
  assert.deepEqual(waitingCount([], [told, review('req-2', 2, true)]), { count: 2, loud: true })
  assert.deepEqual(waitingCount([], [telling('req-1', 'break-glass', 1)]), { count: 1, loud: true })
  assert.deepEqual(waitingCount([], []), { count: 0, loud: false })
})

test('a second reminder is another telling', () => {
  assert.notEqual(tellingKey(telling('req-1', 'reminder', 1)), tellingKey(telling('req-1', 'reminder', 2)))
  assert.equal(tellingKey(telling('req-1', 'reminder', 1)), tellingKey(telling('req-1', 'reminder', 1)))
})
