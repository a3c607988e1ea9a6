import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Device } from './api/client'
import { machinesFor } from './machine'

const role = { name: 'production-shell', device: ['It is used from an enrolled device only.'] }

function device(name: string, unmet: string[], more: Partial<Device> = {}): Device {
  const reasons = ['device', 'posture', 'firewall', 'fleet'].map((rule) => ({ rule, met: !unmet.includes(rule), text: `${rule}.` }))
  return {
    id: name,
    name,
    owner: { issuer: 'i', subject: 's', name: 'Alice' },
    key: '',
    held: 'file',
    enrolled: '2026-11-22T10:00:00Z',
    rules: [{ role: role.name, complies: unmet.length === 0, reasons }],
    may: [],
    ...more,
  } as Device
}

test('any machine will do where the role asks nothing', () => {
  assert.deepEqual(machinesFor({ ...role, device: [] }, [device('a', ['firewall'])]), { state: 'any' })
})

test('a blocked device is none', () => {
  const blocked = device('a', [], { blocked: { at: '2026-11-22T10:00:00Z' } } as Partial<Device>)
  assert.deepEqual(machinesFor(role, [blocked]), { state: 'none' })
  assert.deepEqual(machinesFor(role, []), { state: 'none' })
})

test('one that complies is enough', () => {
  const found = machinesFor(role, [device('a', ['firewall']), device('b', [])])
  assert.equal(found.state, 'comply')
  assert.deepEqual(found.state === 'comply' && found.devices.map(({ name }) => name), ['b'])
})

test('one that only did not say lately how it is will do once it connects', () => {
  assert.equal(machinesFor(role, [device('a', ['posture', 'firewall']), device('b', ['posture'])]).state, 'silent')
})

test('so will one of which only Fleet’s last word is old; not one that is no host of Fleet’s', () => {
  const known = { fleet: { word: { name: 'a' } } } as Partial<Device>
  assert.equal(machinesFor(role, [device('a', ['posture', 'fleet'], known)]).state, 'silent')
  const found = machinesFor(role, [device('a', ['posture', 'fleet'])])
  assert.deepEqual(found.state === 'fail' && found.devices.map(({ against }) => against), [['fleet.']])
})

test('else each device with what speaks against it, and nothing that mends itself', () => {
  const found = machinesFor(role, [device('a', ['posture', 'firewall']), device('b', ['firewall'])])
  assert.deepEqual(found.state === 'fail' && found.devices.map(({ device, against }) => [device.name, against]), [
    ['a', ['firewall.']],
    ['b', ['firewall.']],
  ])
})

test('another role’s rule says nothing of this one', () => {
  assert.equal(machinesFor({ ...role, name: 'another' }, [device('a', ['firewall'])]).state, 'silent')
})
