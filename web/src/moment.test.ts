import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readLocal, writeLocal, writeUniversal, zoneWords } from './moment'

test('a moment comes back as it was written', () => {
  for (const text of ['2026-11-23T09:00', '2027-01-01T00:00']) assert.equal(writeLocal(readLocal(text)!), text)
  for (const bad of ['', '2026-11-23', '2026-13-40T09:00', '23.11.2026 09:00', '2026-11-23T09:00Z']) assert.equal(readLocal(bad), null, bad)
})

test('the server gets whole seconds in UTC', () => {
  assert.equal(writeUniversal(new Date(Date.UTC(2026, 10, 23, 9, 0, 5, 250))), '2026-11-23T09:00:05Z')
})

test('the zone is named', () => {
  assert.match(zoneWords(new Date()), /\S/)
})
