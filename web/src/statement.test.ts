import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readApproval, readConfirmation, readDelegation, readGroups, readReview, readStatement, sha256Hex, subjectOf } from './statement'
import { fromBase64url, toBase64url, toHex, utf8 } from './bytes'
import { clockFace, durationWords, formatDuration, parseDuration } from './duration'
import { about, readChange, wordless } from './change'
import { quoted } from './words'

const request = `stint request 1
instance: k3f9x2mq
request: req-7h2kq9wz4t
revision: 1
requester: CgVhbGljZQ @ http://localhost:5556/dex
requester-name: "Alice \\"Al\\" Ahrens"
role: database-admin
target: db1-prod
login: postgres
duration: 1h
reason: "a: b \\\\ c"
ticket: "OPS-12"
start: none
break-glass: no
policy: sha256:${'a'.repeat(64)}
issued: 2026-11-22T21:45:38Z
expires: 2026-11-22T22:45:38Z
nonce: 0f9a3c5577d1e2b84a6c90d1f2e3a4b5
`

async function approval(change: (text: string) => string = (text) => text): Promise<string> {
  return change(`stint approval 1
instance: k3f9x2mq
request: req-7h2kq9wz4t
revision: 1
request-digest: sha256:${await sha256Hex(request)}
requester: CgVhbGljZQ @ http://localhost:5556/dex
requester-name: "Alice \\"Al\\" Ahrens"
role: database-admin
target: db1-prod
login: postgres
duration: 30m
reason: "a: b \\\\ c"
ticket: "OPS-12"
start: none
break-glass: no
approver: CgNib2I @ http://localhost:5556/dex
approver-name: "Bob"
for: none
for-name: ""
policy: sha256:${'a'.repeat(64)}
issued: 2026-11-22T21:50:00Z
nonce: 00112233445566778899aabbccddeeff
`)
}

const bob = { issuer: 'http://localhost:5556/dex', subject: 'CgNib2I' }

test('free text is unquoted, and only what is quoted exactly', () => {
  const read = readStatement(request, 'request')
  assert.equal(read['requester-name'], 'Alice "Al" Ahrens')
  assert.equal(read.reason, 'a: b \\ c')
  for (const bad of ['"open', 'bare', '"a"b"', '"a\\n"', '"a\\"']) {
    assert.throws(() => readStatement(request.replace('"a: b \\\\ c"', bad), 'request'), bad)
  }
})

test('a statement of another kind, order or number of fields is refused', () => {
  const lines = request.split('\n')
  const swapped = [...lines]
  ;[swapped[6], swapped[7]] = [lines[7]!, lines[6]!]
  for (const bad of [
    request.replace('stint request 1', 'stint request 2'),
    request.replace('stint request 1', 'stint approval 1'),
    request.replace('role: database-admin\n', ''),
    request + 'extra: 1\n',
    request.slice(0, -1),
    swapped.join('\n'),
    request.replace('role: ', 'role:'),
  ]) {
    assert.throws(() => readStatement(bad, 'request'), JSON.stringify(bad.slice(0, 60)))
  }
})

test('an approval must repeat the request, for this approver and this long', async () => {
  const good = await readApproval(await approval(), { request, approver: bob, seconds: 1800 })
  assert.equal(good.target, 'db1-prod')
  const wrong: [string, (text: string) => string][] = [
    ['target', (text) => text.replace('db1-prod', 'db2-prod')],
    ['login', (text) => text.replace('login: postgres', 'login: root')],
    ['reason', (text) => text.replace('a: b', 'a: x')],
    ['ticket', (text) => text.replace('OPS-12', 'OPS-13')],
    ['start', (text) => text.replace('start: none', 'start: 2026-11-22T22:00:00Z')],
    ['emergency', (text) => text.replace('break-glass: no', 'break-glass: yes')],
    ['behalf', (text) => text.replace('for: none', 'for: CgVjYXJvbA @ http://localhost:5556/dex')],
    ['name of nobody', (text) => text.replace('for-name: ""', 'for-name: "Carol"')],
    ['digest', (text) => text.replace(/request-digest: sha256:../, 'request-digest: sha256:00')],
    ['approver', (text) => text.replace('CgNib2I @', 'CgREYW5h @')],
    ['duration', (text) => text.replace('duration: 30m', 'duration: 1h')],
    ['spelling of the duration', (text) => text.replace('duration: 30m', 'duration: 1800s')],
  ]
  for (const [what, change] of wrong) {
    await assert.rejects(async () => readApproval(await approval(change), { request, approver: bob, seconds: 1800 }), what)
  }
})

test('an approval is on behalf of whom it is said to be', async () => {
  const carol = { issuer: 'http://localhost:5556/dex', subject: 'CgVjYXJvbA', name: 'Carol' }
  const behalf = (text: string) => text.replace('for: none\nfor-name: ""', 'for: CgVjYXJvbA @ http://localhost:5556/dex\nfor-name: "Carol"')
  const good = await readApproval(await approval(behalf), { request, approver: bob, for: carol, seconds: 1800 })
  assert.equal(good['for-name'], 'Carol')
  await assert.rejects(async () => readApproval(await approval(), { request, approver: bob, for: carol, seconds: 1800 }))
  await assert.rejects(async () => readApproval(await approval(behalf), { request, approver: bob, for: { ...carol, name: 'Dora' }, seconds: 1800 }))
})

test('a confirmation must repeat the request', async () => {
  const text = `stint confirmation 1
instance: k3f9x2mq
request: req-7h2kq9wz4t
revision: 1
request-digest: sha256:${await sha256Hex(request)}
${request.slice(request.indexOf('requester: '), request.indexOf('policy: '))}issued: 2026-11-22T21:50:00Z
nonce: 00112233445566778899aabbccddeeff
`
  assert.equal((await readConfirmation(text, { request })).ticket, 'OPS-12')
  for (const bad of [text.replace('1h', '2h'), text.replace('db1-prod', 'db2-prod'), text.replace('break-glass: no', 'break-glass: yes'), text.replace(/sha256:../, 'sha256:00')]) {
    await assert.rejects(readConfirmation(bad, { request }))
  }
})

test('a review is of this emergency, by this reviewer, with this finding', async () => {
  const text = `stint review 1
instance: k3f9x2mq
request: req-7h2kq9wz4t
request-digest: sha256:${await sha256Hex(request)}
${request.slice(request.indexOf('role: '), request.indexOf('target: '))}${request.slice(request.indexOf('requester: '), request.indexOf('role: '))}reviewer: ${subjectOf(bob)}
reviewer-name: "Bob"
finding: "It was \\"needed\\"."
issued: 2026-11-22T21:50:00Z
nonce: 00112233445566778899aabbccddeeff
`
  const of = { request, reviewer: bob, finding: 'It was "needed".' }
  assert.equal((await readReview(text, of))['reviewer-name'], 'Bob')
  await assert.rejects(readReview(text, { ...of, finding: 'It was needed.' }))
  await assert.rejects(readReview(text, { ...of, reviewer: { ...bob, subject: 'x' } }))
  await assert.rejects(readReview(text.replace('req-7h2kq9wz4t', 'req-0000000000'), of))
  await assert.rejects(readReview(text.replace(/sha256:../, 'sha256:00'), of))
})

test('a delegation gives these groups to this person until then', () => {
  const carol = { issuer: 'http://localhost:5556/dex', subject: 'CgVjYXJvbA' }
  const text = `stint delegation 1
instance: k3f9x2mq
delegator: ${subjectOf(bob)}
delegator-name: "Bob"
delegate: ${subjectOf(carol)}
delegate-name: "Carol"
groups: "security", "sre-leads"
issued: 2026-11-22T21:50:00Z
begins: 2026-11-22T21:50:00Z
ends: 2026-11-29T21:50:00Z
nonce: 00112233445566778899aabbccddeeff
`
  const of = { delegator: bob, delegate: carol, groups: ['sre-leads', 'security'], ends: '2026-11-29T21:50:00.000Z' }
  assert.equal(readDelegation(text, of)['delegate-name'], 'Carol')
  for (const other of [{ delegate: bob }, { delegator: carol }, { groups: ['security'] }, { ends: '2026-11-30T21:50:00Z' }]) {
    assert.throws(() => readDelegation(text, { ...of, ...other }), JSON.stringify(other))
  }
})

test('longer than asked is refused even where text and choice agree', async () => {
  const text = await approval((text) => text.replace('duration: 30m', 'duration: 2h'))
  await assert.rejects(readApproval(text, { request, approver: bob, seconds: 7200 }))
})

test('groups', () => {
  assert.deepEqual(readGroups('none'), [])
  assert.deepEqual(readGroups('"administrators", "a, \\"b\\""'), ['administrators', 'a, "b"'])
  for (const bad of ['', '"a","b"', '"a", ', 'a', '"a" "b"']) assert.throws(() => readGroups(bad), bad)
})

test('SHA-256 gives the published value', async () => {
  assert.equal(await sha256Hex('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})

test('base64url has one spelling', () => {
  for (const bytes of [[], [0], [255, 254], [251, 255, 191, 3]]) {
    const raw = Uint8Array.from(bytes)
    assert.deepEqual(fromBase64url(toBase64url(raw)), raw)
  }
  assert.equal(toBase64url(utf8('??>')), 'Pz8-')
  for (const bad of ['A', 'AB', 'AA==', 'A+A', 'A A']) assert.throws(() => fromBase64url(bad), bad)
})

test('durations', () => {
  assert.equal(parseDuration('1h30m'), 5400)
  assert.equal(parseDuration(' 90 M'), 5400)
  for (const bad of ['', '90', '1d', '0s', 'm', '1m1h', '-1h']) assert.equal(parseDuration(bad), null, bad)
  for (const seconds of [1, 59, 60, 3600, 5400, 86400, 3661]) assert.equal(parseDuration(formatDuration(seconds)), seconds)
  assert.equal(durationWords(5400), '1 hour 30 minutes')
  assert.equal(clockFace(3849), '1:04:09')
  assert.equal(clockFace(7), '0:07')
})

const roster = `stint roster 1
instance: k3f9x2mq
change: groups
person: CgNib2I @ http://localhost:5556/dex
name: "Bob"
email: "bob@example.com"
groups: "security", "sre-leads"
passkeys: "c1", "c2"
issued: 2026-11-22T21:45:38Z
expires: 2026-11-23T21:45:38Z
nonce: 0f9a3c5577d1e2b84a6c90d1f2e3a4b5
`

test('a change says in words what its text says', () => {
  const told = readChange(roster, 'roster')
  assert.equal(told.headline, 'Bob is to be in security, sre-leads')
  assert.match(told.words.join(' '), /2 passkeys/)
  const none = readChange(roster.replace('groups: "security", "sre-leads"', 'groups: none'), 'roster')
  assert.equal(none.headline, 'Bob is to be in no group')
  assert.throws(() => readChange(roster.replace('change: groups', 'change: promote'), 'roster'))
  const policy = `stint policy 1
instance: k3f9x2mq
before: sha256:${'a'.repeat(64)}
after: sha256:${'b'.repeat(64)}
changes: "The role x is new.", "The quorum is 3 and was 2."
reason: "growth"
issued: 2026-11-22T21:45:38Z
expires: 2026-11-23T21:45:38Z
nonce: 0f9a3c5577d1e2b84a6c90d1f2e3a4b5
`
  const changed = readChange(policy, 'policy')
  assert.deepEqual(changed.words, ['The role x is new.', 'The quorum is 3 and was 2.'])
  assert.equal(changed.headline, 'Change the policy: growth')
})

test('a reason is one word for a shell', () => {
  assert.equal(quoted("it's $(reboot)"), `'it'\\''s $(reboot)'`)
  assert.equal(quoted('db1-prod'), 'db1-prod')
})

test('sentences about one thing are read under its name, and none is lost', () => {
  const words = ['The role x is added.', 'x: members of a may ask for it.', 'x: it gives the login "y: z".', 'Web: a word.', 'And 7 more changes, which do not fit here: read the whole text.']
  assert.deepEqual(about(words), [
    { name: '', sentences: ['The role x is added.'] },
    { name: 'x', sentences: ['members of a may ask for it.', 'it gives the login "y: z".'] },
    { name: '', sentences: ['Web: a word.'] },
    { name: '', sentences: ['And 7 more changes, which do not fit here: read the whole text.'] },
  ])
  assert.deepEqual([wordless(words), wordless(words.slice(0, 4)), wordless([])], [7, 0, 0])
})
