import { useLayoutEffect, useRef, useState, type FocusEvent, type ReactNode } from 'react'
import { held, merge, type Row } from '../steady'
import { Button } from './Button'
import styles from './SteadyList.module.css'

export interface SteadyListProps<T> {
  items: readonly T[]
  keyOf: (item: T) => string
  /** In place of what is no longer in the list, while the list is held still: "It waits no longer." */
  gone: string
  children: (item: T) => ReactNode
}

/** How long after a touch the list still holds, in milliseconds: a finger is on its way. */
const touchHolds = 8000

/**
 * A list that is live and yet holds still under the pointer: while the pointer is over it, or the focus in it, what is in it
 * changes in its place, nothing comes in between and nothing moves up. What is new waits behind a button.
 */
export function SteadyList<T>({ items, keyOf, gone, children }: SteadyListProps<T>) {
  const [holding, setHolding] = useState({ pointer: false, focus: false, touched: false })
  const [shown, setShown] = useState<{ from: readonly T[]; still: boolean; rows: Row<T>[]; waiting: number }>()
  const timer = useRef(0)
  const still = held(holding)
  let now = shown
  if (!now || now.from !== items || now.still !== still) {
    now = { from: items, still, ...merge(still ? (now?.rows ?? []) : [], items, keyOf) }
    setShown(now)
  }
  const hold = (change: Partial<typeof holding>) => setHolding((before) => ({ ...before, ...change }))
  const touch = () => {
    hold({ touched: true })
    clearTimeout(timer.current)
    timer.current = window.setTimeout(() => hold({ touched: false }), touchHolds)
  }
  return (
    <div
      className={styles.list}
      onPointerEnter={({ pointerType }) => pointerType !== 'touch' && hold({ pointer: true })}
      onPointerLeave={() => hold({ pointer: false })}
      onTouchStart={touch}
      onFocus={() => hold({ focus: true })}
      onBlur={({ currentTarget, relatedTarget }: FocusEvent<HTMLDivElement>) => {
        if (!currentTarget.contains(relatedTarget)) hold({ focus: false })
      }}
    >
      {now.rows.map((row) => (
        <Place key={row.key} gone={row.gone ? gone : undefined}>
          {children(row.item)}
        </Place>
      ))}
      <div role="status" className={styles.news}>
        {now.waiting > 0 && (
          <Button onClick={() => setShown({ from: items, still, ...merge([], items, keyOf) })}>
            {now.waiting === 1 ? 'Show 1 new entry' : `Show ${now.waiting} new entries`}
          </Button>
        )}
      </div>
    </div>
  )
}

/** One entry, or the room that it took. */
function Place({ gone, children }: { gone: string | undefined; children: ReactNode }) {
  const place = useRef<HTMLDivElement>(null)
  const height = useRef(0)
  useLayoutEffect(() => {
    if (gone === undefined && place.current) height.current = place.current.offsetHeight
  })
  if (gone === undefined) return <div ref={place}>{children}</div>
  return (
    <p className={styles.gone} style={{ minHeight: height.current }}>
      {gone}
    </p>
  )
}
