/** Snapshots of the screen along a recording, so that a seek replays seconds and not hours. */
import type { Size, Step } from './recording'
import { plainTerminal, Screen } from './screen'

interface Keyframe {
  /** How many steps the snapshot has seen. */
  index: number
  size: Size
  screen: string
}

/** A snapshot is taken after this many bytes; replaying as many takes a few milliseconds. */
const every = 128 * 1024

/** Work for this long, then let the page breathe. */
const slice = 8

export class Keyframes {
  readonly #frames: Keyframe[]

  constructor(first: Size) {
    this.#frames = [{ index: 0, size: first, screen: '' }]
  }

  /** The last snapshot that has seen no more than `index` steps. */
  before(index: number): Keyframe {
    let low = 0
    for (let high = this.#frames.length - 1; low < high; ) {
      const middle = Math.ceil((low + high) / 2)
      if (this.#frames[middle]!.index <= index) low = middle
      else high = middle - 1
    }
    return this.#frames[low]!
  }

  /** Plays all steps on a terminal that nobody sees, in small slices of time, until done or aborted. */
  async build(steps: readonly Step[], size: Size | null, signal: AbortSignal): Promise<void> {
    const screen = new Screen(size)
    try {
      let bytes = 0
      let began = performance.now()
      for (const [index, step] of steps.entries()) {
        if (signal.aborted) return
        if (step.size) screen.resize(step.size)
        if (step.data) {
          bytes += step.data.length
          await screen.write(step.data)
        }
        if (bytes >= every) {
          this.#frames.push({ index: index + 1, size: screen.size, screen: screen.snapshot() })
          bytes = 0
        }
        if (performance.now() - began > slice) {
          await new Promise((next) => setTimeout(next))
          began = performance.now()
        }
      }
    } finally {
      screen.close()
    }
  }
}

export function firstSize(size: Size | null): Size {
  return size ?? plainTerminal
}
