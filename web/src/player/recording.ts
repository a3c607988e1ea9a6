/**
 * A decoded recording, as GET /api/sessions/{session}/events sends it: frames of 16 bytes and a payload, little-endian
 * (api.EventsFormat). Whatever the target wrote stays bytes until the terminal reads it, so nothing is lost on the way.
 */
import { problemFrom } from '../api/problem'
import type { Bytes } from '../bytes'
import { fileWords, type FileOperation } from './files'

export interface Size {
  columns: number
  rows: number
}

/** What a channel runs, with how it ended. */
export interface Channel {
  number: number
  type: string
  /** The command of an exec, or the name of a subsystem. */
  command: string
  opened: number
  /** The terminal's first size; null where the channel has no terminal. */
  size: Size | null
  exit: string | null
}

/** One thing to show: bytes for the screen, or a new size. */
export interface Step {
  /** Milliseconds since the recording began. */
  at: number
  data?: Bytes
  size?: Size
}

/** Something worth a mark beside the activity: a refusal, a remark, an operation on a file, bytes that were not kept, an end. */
export interface Mark {
  at: number
  kind: 'resize' | 'refused' | 'note' | 'end' | 'open' | 'connection' | 'file' | 'bulk'
  words: string
  channel: number
  /** The SHA-256 of what went through, in hexadecimal digits. */
  digest?: string
}

export interface Recording {
  channels: Channel[]
  steps: Map<number, Step[]>
  marks: Mark[]
  /** Milliseconds from the beginning to the last event. */
  duration: number
  /** Why the session ended; null while it lives, or where the recording was cut. */
  end: string | null
}

const kinds = { open: 1, output: 2, errorOutput: 3, size: 5, exitStatus: 7, exitSignal: 8, refused: 11, note: 13, end: 14, connection: 15, connectionEnd: 16, agentSignature: 17, listen: 18, file: 20, bulk: 21 } as const

const head = 16

/** Decodes what has arrived. A last frame that is not whole yet is left for later. */
export function decode(bytes: Bytes): Recording {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const recording: Recording = { channels: [], steps: new Map(), marks: [], duration: 0, end: null }
  const channels = new Map<number, Channel>()
  const connections = new Map<number, Mark>()
  for (let from = 0; from + head <= bytes.length; ) {
    const kind = view.getUint8(from)
    const channel = view.getUint16(from + 2, true)
    const length = view.getUint32(from + 4, true)
    const at = Number(view.getBigUint64(from + 8, true)) / 1000
    const start = from + head
    if (start + length > bytes.length) break
    take(recording, { channels, connections }, kind, channel, at, bytes.subarray(start, start + length))
    recording.duration = Math.max(recording.duration, at)
    from = start + length
  }
  recording.channels = [...channels.values()]
  return recording
}

interface Known {
  channels: Map<number, Channel>
  /** Connections that are open, by the mark that says where they lead. */
  connections: Map<number, Mark>
}

function take(recording: Recording, { channels, connections }: Known, kind: number, number: number, at: number, payload: Bytes): void {
  const mark = (kind: Mark['kind'], words: string, digest?: string) => recording.marks.push({ at, kind, words, channel: number, ...(digest && { digest }) })
  const step = (rest: Omit<Step, 'at'>) => {
    let steps = recording.steps.get(number)
    if (!steps) recording.steps.set(number, (steps = []))
    steps.push({ at, ...rest })
  }
  switch (kind) {
    case kinds.open: {
      const body = json(payload) as { type: string; command?: string; terminal?: string; size?: Size }
      const size = body.terminal && body.size ? plainSize(body.size) : null
      channels.set(number, { number, type: body.type, command: body.command ?? '', opened: at, size, exit: null })
      mark('open', body.command || body.type)
      break
    }
    case kinds.output:
    case kinds.errorOutput:
      // A subsystem speaks to a program, not to a screen.
      if (channels.get(number)?.type !== 'subsystem' || kind === kinds.errorOutput) step({ data: payload })
      break
    case kinds.size: {
      const size = plainSize(json(payload) as Size)
      step({ size })
      mark('resize', `resized to ${size.columns}×${size.rows}`)
      break
    }
    case kinds.exitStatus: {
      const channel = channels.get(number)
      if (channel) channel.exit = `exit status ${Number(json(payload))}`
      break
    }
    case kinds.exitSignal: {
      const channel = channels.get(number)
      if (channel) channel.exit = `killed by ${(json(payload) as { signal: string }).signal}`
      break
    }
    case kinds.refused: {
      const body = json(payload) as { what: string; why: string }
      mark('refused', `${body.what} refused: ${body.why}`)
      break
    }
    case kinds.note:
      mark('note', String(json(payload)))
      break
    case kinds.connection: {
      const body = json(payload) as { type: string; from: string; to: string }
      // On no channel of their own: there is no screen to go to.
      const opened: Mark = { at, kind: 'connection', words: connectionWords(body), channel: 0 }
      connections.set(number, opened)
      recording.marks.push(opened)
      break
    }
    case kinds.connectionEnd: {
      const body = json(payload) as { fromClient: number; fromTarget: number; why: string }
      const opened = connections.get(number)
      if (opened) opened.words += `, ${sizeWords(body.fromClient)} up, ${sizeWords(body.fromTarget)} down${body.why && `: ${body.why}`}`
      connections.delete(number)
      break
    }
    case kinds.agentSignature: {
      const body = json(payload) as { state: string; key: string; purpose: string; name: string }
      const purpose = body.purpose === 'authentication' ? `to log in as ${body.name}` : body.purpose === 'message' ? `of a message for ${body.name}` : 'of unknown bytes'
      recording.marks.push({ at, kind: 'connection', words: `signature by ${body.key} ${purpose}: ${body.state}`, channel: 0 })
      break
    }
    case kinds.listen: {
      const body = json(payload) as { type: string; state: string; address: string }
      recording.marks.push({ at, kind: 'connection', words: [body.type, body.address, body.state].filter(Boolean).join(' '), channel: 0 })
      break
    }
    case kinds.file: {
      const file = json(payload) as FileOperation
      mark('file', fileWords(file), file.sha256)
      break
    }
    case kinds.bulk: {
      const bulk = json(payload) as { stream: number; spans: number[]; file: number; sha256: string }
      // Of a file enough is told when it is closed.
      if (bulk.file === 0) mark('bulk', bulkWords(bulk.stream, bulk.spans), bulk.sha256)
      break
    }
    case kinds.end: {
      const body = json(payload) as { reason: string; detail?: string }
      recording.end = body.reason
      mark('end', body.detail ? `${body.reason}: ${body.detail}` : body.reason)
      break
    }
  }
}

function connectionWords({ type, from, to }: { type: string; from: string; to: string }): string {
  if (type === 'agent') return 'connection to the agent'
  if (type === 'x11') return 'connection to the screen'
  return type === 'forward' ? `connection to ${to}` : `connection ${from && `from ${from} `}to ${to} at the target`
}

/** An amount of bytes as people say it. */
function sizeWords(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let unit = 0
  for (; bytes >= 1000 && unit < units.length - 1; unit++) bytes /= 1000
  return `${bytes < 10 && unit > 0 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`
}

/** Spans take turns: left out, kept, left out and so on. */
function bulkWords(stream: number, spans: number[]): string {
  const size = spans.filter((_, index) => index % 2 === 0).reduce((sum, length) => sum + length, 0)
  const name = stream === 4 ? 'input' : stream === kinds.errorOutput ? 'error output' : 'output'
  return `${size.toLocaleString('en')} bytes of ${name} are not kept`
}

/** A hostile size would make the terminal take all memory. */
function plainSize({ columns, rows }: Size): Size {
  const within = (count: number, most: number, otherwise: number) => (count >= 1 ? Math.min(Math.floor(count), most) : otherwise)
  return { columns: within(columns, 500, 80), rows: within(rows, 300, 24) }
}

function json(payload: Bytes): unknown {
  return JSON.parse(new TextDecoder().decode(payload))
}

/** Fetches and decodes a recording, saying how much has come. */
export async function fetchRecording(session: string, progress: (bytes: number) => void, signal: AbortSignal): Promise<Recording> {
  const answer = await fetch(`/api/sessions/${encodeURIComponent(session)}/events`, { signal, credentials: 'same-origin' })
  if (!answer.ok || !answer.body) {
    throw problemFrom(answer.status, await answer.json().catch(() => null))
  }
  const parts: Bytes[] = []
  let size = 0
  const reader = answer.body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    parts.push(value as Bytes)
    size += value.length
    progress(size)
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return decode(whole)
}
