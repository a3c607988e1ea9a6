import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { Role } from '../api/client'
import { devices } from '../api/queries'
import { machinesFor, type Machines } from '../machine'
import { CopyLine } from '../ui/CopyLine'
import { Moment } from '../ui/Moment'
import { Mark } from '../ui/StateBadge'
import { anyOf } from '../words'
import styles from './RoleMachine.module.css'

/** What a role asks of the machine that it is used from, and whether the reader has one that will do: told before they ask. */
export function RoleMachine({ role }: { role: Role }) {
  const own = useInfiniteQuery({ ...devices(false), enabled: role.device.length > 0 })
  if (role.device.length === 0) return null
  const machines = own.data && machinesFor(role, own.data.pages.flatMap((page) => page.items))
  return (
    <section className={styles.machine} aria-label={`The machine for ${role.name}`} data-state={machines?.state}>
      <p className={styles.title}>The machine that you work from</p>
      <ul className={styles.asks}>
        {role.device.map((text) => (
          <li key={text}>{text.replaceAll('`', '')}</li>
        ))}
      </ul>
      {own.error && !own.data ? <p>Which of your devices will do cannot be read now.</p> : machines && <Standing machines={machines} />}
    </section>
  )
}

function Standing({ machines }: { machines: Machines }) {
  switch (machines.state) {
    case 'any':
      return null
    case 'none':
      return (
        <>
          <p className={styles.bad}>
            <Mark shape="cross" />
            You have enrolled no device that counts. On the machine that you will work from:
          </p>
          <CopyLine text="stint device enroll" what="the command that enrols a device" />
        </>
      )
    case 'comply': {
      const said = machines.devices[0]!.posture
      return (
        <p className={styles.good}>
          <Mark shape="tick" />
          <span>
            <bdi>{anyOf(machines.devices.map(({ name }) => name))}</bdi> will do now
            {said && (
              <>
                , by what it said <Moment at={said.at} />
              </>
            )}
            .
          </span>
        </p>
      )
    }
    case 'silent':
      return (
        <p className={styles.wait}>
          <Mark shape="half" />
          <span>
            <bdi>{anyOf(machines.devices.map(({ name }) => name))}</bdi> is enrolled, and in what state it is was not heard lately: it
            is asked, and judged, when you connect with <code>stint ssh</code>.
          </span>
        </p>
      )
    case 'fail':
      return (
        <>
          <p className={styles.bad}>
            <Mark shape="cross" />
            {machines.devices.length === 1 ? 'Your device will not do as it is now:' : 'None of your devices will do as they are now:'}
          </p>
          <ul className={styles.asks}>
            {machines.devices.map(({ device, against }) => (
              <li key={device.id}>
                <bdi>{device.name}</bdi>
                <ul className={styles.asks}>
                  {against.map((text) => (
                    <li key={text}>
                      <bdi>{text.replaceAll('`', '')}</bdi>
                    </li>
                  ))}
                </ul>
              </li>
            ))}
          </ul>
          <p>
            You may ask all the same: what counts is how the machine is when you connect. <Link to="/devices">Your devices</Link>
          </p>
        </>
      )
  }
}
