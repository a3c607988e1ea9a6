import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileWords, type FileOperation } from './files'
import { decode } from './recording'

const none: FileOperation = { operation: 'open', path: '/a', other: '', flags: '', mode: '', attributes: '', offset: 0, size: 0, sha256: '', whole: false, outcome: 'ok', message: '' }

test('an operation is said in words, whatever its names are', () => {
  const words: [Partial<FileOperation>, string][] = [
    [{ flags: 'write, create', mode: '0644' }, 'open /a, write, create, mode 0644'],
    [{ operation: 'write', size: 12345, sha256: 'ab', whole: true }, 'write /a, 12,345 bytes'],
    [{ operation: 'read', size: 5, offset: 1000, other: '/tmp' }, 'read /a (scp /tmp), 5 bytes from byte 1,000, perhaps not the whole file, out of order'],
    [{ operation: 'rename', other: '/b\u202Etxt\n' }, 'rename /a to /b\uFFFDtxt\uFFFD'],
    [{ operation: 'remove', outcome: 'failure', message: 'No\u0007' }, 'remove /a: failed: No\uFFFD'],
    [{ operation: 'remove', outcome: 'no-such-file' }, 'remove /a: failed: no-such-file'],
    [{ operation: 'setstat', attributes: 'size 0', outcome: 'unanswered' }, 'setstat /a, size 0: not answered'],
    [{ operation: 'read', path: '', outcome: 'failure' }, 'read (no name), 0 bytes, perhaps not the whole file, out of order: failed: failure'],
  ]
  for (const [file, want] of words) assert.equal(fileWords({ ...none, ...file }), want)
})

test('a recording shows what was done with files and what was not kept, and no packets on the screen', () => {
  const recording = decode(
    frames(
      [1, 1, { type: 'subsystem', command: 'sftp' }],
      [2, 1, 'packets'],
      [20, 1, { ...none, operation: 'write', size: 3, sha256: 'ab', whole: true }],
      [21, 1, { stream: 4, offset: 5, spans: [3], file: 1, from: 0, to: 3, sha256: 'ab' }],
      [1, 2, { type: 'exec', command: 'pg_dump' }],
      [21, 2, { stream: 2, offset: 5, spans: [3000, 2, 1000], file: 0, from: 0, to: 0, sha256: 'cd' }],
    ),
  )
  assert.deepEqual(
    recording.marks.map(({ kind, words, digest }) => [kind, words, digest]),
    [
      ['open', 'sftp', undefined],
      ['file', 'write /a, 3 bytes', 'ab'],
      ['open', 'pg_dump', undefined],
      ['bulk', '4,000 bytes of output are not kept', 'cd'],
    ],
  )
  assert.equal(recording.steps.size, 0)
})

/** Frames as api.EventsFormat has them. */
function frames(...all: [kind: number, channel: number, payload: unknown][]): Uint8Array<ArrayBuffer> {
  const bytes = all.flatMap(([kind, channel, payload]) => {
    const body = new TextEncoder().encode(typeof payload === 'string' ? payload : JSON.stringify(payload))
    return [kind, 0, channel, 0, body.length & 255, body.length >> 8, 0, 0, ...new Uint8Array(8), ...body]
  })
  return new Uint8Array(bytes)
}
