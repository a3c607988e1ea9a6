import { useEffect, useMemo, useRef, useState, useSyncExternalStore, type KeyboardEvent } from 'react'
import { clockFace, durationWords } from '../duration'
import { Button } from '../ui/Button'
import { Tabs } from '../ui/Tabs'
import { Activity } from './Activity'
import { Playback, speeds, type Speed } from './playback'
import styles from './Player.module.css'
import type { Channel, Mark, Recording } from './recording'
import { Screen } from './screen'

export interface PlayerProps {
  recording: Recording
  channel: Channel
  marks: readonly Mark[]
  /** A moment to go to, in milliseconds; a new object goes there again. */
  go: { at: number } | null
  label: string
}

/** The terminal, and below it everything that moves through time. Space plays, arrows seek, comma and full stop step. */
export function Player({ recording, channel, marks, go, label }: PlayerProps) {
  const frame = useRef<HTMLDivElement>(null)
  const [stage, setStage] = useState<{ playback: Playback; screen: Screen } | null>(null)
  const steps = useMemo(() => recording.steps.get(channel.number) ?? [], [recording, channel.number])

  useEffect(() => {
    const parent = frame.current!
    const screen = new Screen(channel.size)
    screen.open(parent)
    const playback = new Playback(channel, steps, recording.duration, screen)
    setStage({ playback, screen })
    const watch = new ResizeObserver(() => screen.fit(parent.clientWidth))
    watch.observe(parent)
    return () => {
      watch.disconnect()
      playback.close()
      screen.close()
      parent.replaceChildren()
    }
  }, [recording, channel, steps])

  useEffect(() => {
    if (go && stage) void stage.playback.seek(go.at)
  }, [go, stage])

  return (
    <section className={styles.player} aria-label={label} onKeyDown={(event) => stage && keys(event, stage.playback)}>
      <div ref={frame} className={styles.screen} role="group" aria-label="Screen" tabIndex={0} />
      {stage && <Controls key={channel.number} {...stage} steps={steps} marks={marks} />}
    </section>
  )
}

function keys(event: KeyboardEvent, playback: Playback): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  // A checkbox, a radio button and a button have keys of their own; the slider's arrows go as far as everywhere else.
  const { target } = event
  if (target instanceof HTMLInputElement && target.type !== 'range') return
  if (target instanceof HTMLButtonElement && event.key === ' ') return
  const { at } = playback.state()
  const acts: Record<string, () => void> = {
    ' ': () => playback.toggle(),
    k: () => playback.toggle(),
    ArrowLeft: () => void playback.seek(at - 5000),
    ArrowRight: () => void playback.seek(at + 5000),
    Home: () => void playback.seek(0),
    End: () => void playback.seek(playback.duration),
    ',': () => playback.step(-1),
    '.': () => playback.step(1),
  }
  const act = acts[event.key]
  if (!act) return
  event.preventDefault()
  act()
}

interface ControlsProps {
  playback: Playback
  screen: Screen
  steps: Parameters<typeof Activity>[0]['steps']
  marks: readonly Mark[]
}

function Controls({ playback, screen, steps, marks }: ControlsProps) {
  const { at, playing, speed, skipIdle } = useSyncExternalStore(playback.subscribe, playback.state)
  const total = playback.duration
  const face = (ms: number) => clockFace(ms / 1000)
  return (
    <>
      <div className={styles.track}>
        <Activity steps={steps} marks={marks} duration={total} at={at} />
        <input
          type="range"
          className={styles.scrubber}
          aria-label="Moment"
          aria-valuetext={`${durationWords(at / 1000)} of ${durationWords(total / 1000)}`}
          min={0}
          max={Math.max(1, Math.round(total))}
          step={Math.max(1, Math.round(total / 500))}
          value={Math.round(at)}
          onChange={(event) => void playback.seek(Number(event.target.value))}
        />
      </div>
      <div className={styles.controls}>
        <Button kind="primary" onClick={() => playback.toggle()} className={styles.play ?? ''}>
          {playing ? 'Pause' : at >= total ? 'Play again' : 'Play'}
        </Button>
        <span className={styles.clock} role="timer" aria-label="Position">
          {face(at)} / {face(total)}
        </span>
        <div className={styles.steps}>
          <Button small kind="quiet" icon="back" onClick={() => playback.step(-1)} title="To the change of the screen before (comma)">
            Back
          </Button>
          <Button small kind="quiet" icon="right" onClick={() => playback.step(1)} title="To the next change of the screen (full stop)">
            Next
          </Button>
        </div>
        <label className={styles.skip}>
          <input type="checkbox" checked={skipIdle} onChange={(event) => playback.setSkipIdle(event.target.checked)} />
          Skip idle
        </label>
        <Tabs label="Speed" value={String(speed)} onChange={(value) => playback.setSpeed(Number(value) as Speed)} options={speeds.map((s) => [String(s), `${s}×`] as const)} />
      </div>
      {!playing && <Words screen={screen} at={at} />}
    </>
  )
}

/** The screen's text for those who do not see it, while it stands still. */
function Words({ screen, at }: { screen: Screen; at: number }) {
  const [text, setText] = useState('')
  useEffect(() => {
    // A seek paints over several frames: the text is read when it has settled.
    const settled = setTimeout(() => setText(screen.text()), 60)
    return () => clearTimeout(settled)
  })
  return (
    <pre className="visually-hidden" aria-label={`Screen at ${durationWords(at / 1000)}`} role="region">
      {text}
    </pre>
  )
}
