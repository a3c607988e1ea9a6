import { memo, useMemo } from 'react'
import styles from './Player.module.css'
import type { Mark, Step } from './recording'

const bars = 160
const height = 34

interface ActivityProps {
  steps: readonly Step[]
  marks: readonly Mark[]
  duration: number
  at: number
}

/** How much appeared on the screen, over time, with marks for what deserves a look. The scrubber below it says the same in words. */
export function Activity({ steps, marks, duration, at }: ActivityProps) {
  return (
    <div className={styles.activity} aria-hidden="true">
      <Strip steps={steps} marks={marks} duration={duration} />
      <svg viewBox="0 0 1000 1" preserveAspectRatio="none" className={styles.here}>
        <rect x="0" width={duration > 0 ? (at / duration) * 1000 : 0} y="0" height="1" />
      </svg>
    </div>
  )
}

const Strip = memo(function Strip({ steps, marks, duration }: Omit<ActivityProps, 'at'>) {
  const amounts = useMemo(() => {
    const sums = new Array<number>(bars).fill(0)
    for (const { at, data } of steps) {
      const bar = Math.min(bars - 1, Math.floor((at / Math.max(1, duration)) * bars))
      sums[bar]! += data?.length ?? 0
    }
    // A logarithm: one typed letter and a screenful must both be seen.
    const top = Math.log1p(Math.max(...sums, 1))
    return sums.map((sum) => Math.log1p(sum) / top)
  }, [steps, duration])
  const width = 1000 / bars
  return (
    <svg viewBox={`0 0 1000 ${height}`} preserveAspectRatio="none" className={styles.strip}>
      {amounts.map((amount, bar) => amount > 0 && <rect key={bar} x={bar * width + 0.6} width={width - 1.2} y={height - amount * (height - 8)} height={amount * (height - 8)} />)}
      {marks
        .filter(({ kind }) => kind !== 'open')
        .slice(0, 500)
        .map(({ at, kind }, index) => (
          <rect key={index} className={kind === 'refused' ? styles.risk : styles.mark} x={Math.min(997, (at / Math.max(1, duration)) * 1000)} width="3" y="0" height="6" />
        ))}
    </svg>
  )
})
