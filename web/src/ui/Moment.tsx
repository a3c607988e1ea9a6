import { Popover } from '@base-ui/react/popover'
import { exactWords, relativeWords, shortWords, universalWords, useMinute } from '../clock'
import styles from './Moment.module.css'

const exactTime = Popover.createHandle<number>()

/** A time: relative in the text, and exact with its zone on hover, tap or Enter. */
export function Moment({
  at,
  clock,
}: {
  at: string | number | Date
  /** Show the clock time instead of the distance. */ clock?: boolean
}) {
  const now = useMinute()
  const moment = new Date(at).getTime()
  if (Number.isNaN(moment)) return <span>at an unknown time</span>
  return (
    <Popover.Trigger
      handle={exactTime}
      payload={moment}
      openOnHover
      delay={120}
      className={styles.moment}
      nativeButton={false}
      render={<time dateTime={new Date(moment).toISOString()} />}
    >
      {clock ? shortWords(moment, now) : relativeWords(moment, now)}
    </Popover.Trigger>
  )
}

/** The one pop-up that all moments share. It is mounted once, beside the pages. */
export function ExactTime() {
  return (
    <Popover.Root handle={exactTime}>
      {({ payload }) => (
        <Popover.Portal>
          <Popover.Positioner className={styles.positioner} side="top" sideOffset={6}>
            <Popover.Popup className={styles.popup} initialFocus={false} aria-label="Exact time">
              {payload !== undefined && (
                <>
                  <div>{exactWords(payload)}</div>
                  <div className={styles.universal}>{universalWords(payload)}</div>
                </>
              )}
            </Popover.Popup>
          </Popover.Positioner>
        </Popover.Portal>
      )}
    </Popover.Root>
  )
}
