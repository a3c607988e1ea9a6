/** When to paint: a clock over the steps of one channel, that plays, seeks and skips what nobody needs to sit through. */
import { Keyframes, firstSize } from './keyframes'
import type { Channel, Step } from './recording'
import type { Screen } from './screen'

export const speeds = [0.5, 1, 2, 4, 8, 16] as const
export type Speed = (typeof speeds)[number]

export interface PlaybackState {
  /** Milliseconds since the recording began. */
  at: number
  playing: boolean
  speed: Speed
  skipIdle: boolean
}

/** A pause longer than this is skipped, up to just before what ends it. */
const idle = 1500
const lead = 300

/** Bytes on their way to the screen above which the clock waits for it. */
const most = 1 << 20

export class Playback {
  readonly duration: number
  readonly #steps: readonly Step[]
  readonly #screen: Screen
  readonly #keyframes: Keyframes
  readonly #abort = new AbortController()
  readonly #listeners = new Set<() => void>()
  #state: PlaybackState = { at: 0, playing: false, speed: 1, skipIdle: true }
  /** How many steps the screen has been given. */
  #shown = 0
  #pending = 0
  #last = 0
  #frame = 0
  /** Where a seek is to end; the newest wins. */
  #goal: number | null = null
  #seeking: Promise<void> | null = null

  constructor(channel: Channel, steps: readonly Step[], duration: number, screen: Screen) {
    this.duration = duration
    this.#steps = steps
    this.#screen = screen
    this.#keyframes = new Keyframes(firstSize(channel.size))
    void this.#keyframes.build(steps, channel.size, this.#abort.signal)
  }

  close(): void {
    this.#abort.abort()
    cancelAnimationFrame(this.#frame)
  }

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  state = () => this.#state

  #set(change: Partial<PlaybackState>): void {
    this.#state = { ...this.#state, ...change }
    for (const listener of this.#listeners) listener()
  }

  toggle(): void {
    if (this.#state.playing) this.pause()
    else this.play()
  }

  play(): void {
    if (this.#state.playing) return
    if (this.#state.at >= this.duration) void this.seek(0)
    this.#set({ playing: true })
    this.#last = performance.now()
    this.#frame = requestAnimationFrame(this.#tick)
  }

  pause(): void {
    cancelAnimationFrame(this.#frame)
    this.#set({ playing: false })
  }

  setSpeed(speed: Speed): void {
    this.#set({ speed })
  }

  setSkipIdle(skipIdle: boolean): void {
    this.#set({ skipIdle })
  }

  #tick = (now: number) => {
    if (!this.#state.playing || this.#abort.signal.aborted) return
    const passed = Math.min(now - this.#last, 250) * this.#state.speed
    this.#last = now
    if (this.#goal === null && this.#pending < most) {
      let at = this.#state.at + passed
      const next = this.#steps[this.#shown]
      if (this.#state.skipIdle && (next?.at ?? this.duration) - at > idle) at = (next?.at ?? this.duration) - (next ? lead : 0)
      at = Math.min(at, this.duration)
      this.#show(at)
      this.#set({ at })
      if (at >= this.duration) {
        this.pause()
        return
      }
    }
    this.#frame = requestAnimationFrame(this.#tick)
  }

  /** Gives the screen every step up to a moment. */
  #show(at: number): void {
    for (let step = this.#steps[this.#shown]; step && step.at <= at; step = this.#steps[this.#shown]) {
      this.#give(step)
      this.#shown++
    }
  }

  #give(step: Step): void {
    if (step.size) this.#screen.resize(step.size)
    if (step.data) {
      const { length } = step.data
      this.#pending += length
      void this.#screen.write(step.data).then(() => (this.#pending -= length))
    }
  }

  /** Goes to a moment. While one seek is under way, later ones only move its goal. */
  seek(at: number): Promise<void> {
    this.#goal = Math.max(0, Math.min(at, this.duration))
    this.#set({ at: this.#goal })
    this.#seeking ??= this.#reach().finally(() => (this.#seeking = null))
    return this.#seeking
  }

  async #reach(): Promise<void> {
    while (this.#goal !== null && !this.#abort.signal.aborted) {
      const goal = this.#goal
      const index = this.#stepsUntil(goal)
      const frame = this.#keyframes.before(index)
      if (index < this.#shown || frame.index > this.#shown) {
        this.#screen.reset(frame.size)
        this.#shown = frame.index
        await this.#screen.write(frame.screen)
      }
      for (; this.#shown < index && this.#goal === goal; this.#shown++) {
        this.#give(this.#steps[this.#shown]!)
        if (this.#pending >= most) await this.#screen.write('')
      }
      await this.#screen.write('')
      if (this.#goal === goal) this.#goal = null
    }
    this.#set({})
  }

  /** How many steps come at or before a moment. */
  #stepsUntil(at: number): number {
    let low = 0
    for (let high = this.#steps.length; low < high; ) {
      const middle = (low + high) >> 1
      if (this.#steps[middle]!.at <= at) low = middle + 1
      else high = middle
    }
    return low
  }

  /** To the next or the last change of the screen. */
  step(direction: 1 | -1): void {
    this.pause()
    const index = this.#stepsUntil(this.#state.at)
    const to = direction > 0 ? this.#steps[index] : this.#steps.slice(0, index).findLast((step) => step.at < this.#state.at)
    if (to) void this.seek(to.at)
  }
}
