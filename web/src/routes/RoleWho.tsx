import { useState, type ReactNode } from 'react'
import type { RoleWho as Who, StageWho, Who as One } from '../api/client'
import { Button } from '../ui/Button'
import { Disclosure } from '../ui/Disclosure'
import { Section } from '../ui/Page'
import { Person } from '../ui/Person'
import { counted } from '../words'
import styles from './Policies.module.css'

/** Up to so many people a list stands open; and so many more are shown at a time. */
const open = 8
const atOnce = 50

/** Who can do what with a role, of those known, each with the reason why. */
export function RoleWho({ who }: { who: Who }) {
  return (
    <Section title="Who can do what">
      <div className={styles.sections}>
        <People title="Ask" people={who.ask} none="Nobody can ask for it." />
        {who.excluded.length > 0 && (
          <Folded title="Kept out by a separation of duty" count={who.excluded.length}>
            <ul className={styles.people}>
              {who.excluded.slice(0, 200).map((one) => (
                <li key={one.person.issuer + one.person.subject + one.separation}>
                  <Person person={one.person} /> <span className={styles.why}>{one.text}</span>
                </li>
              ))}
            </ul>
          </Folded>
        )}
        {who.stages.length === 0 ? (
          <div className={styles.sub}>
            <h3 className={styles.heading}>Approve</h3>
            <p>Nobody has to: it is granted at once.</p>
          </div>
        ) : (
          who.stages.map((stage) => <Stage key={stage.name + (stage.added ?? '')} stage={stage} />)
        )}
        {who.break_glass.length > 0 && <People title="Act alone in an emergency" people={who.break_glass} none="" />}
        {(who.break_glass.length > 0 || who.review.length > 0) && (
          <People title="Close the review of an emergency" people={who.review} none="Nobody can: an emergency would lock the role for good." />
        )}
        <People title="Replay its recordings" people={who.replay} none="Nobody can." />
      </div>
    </Section>
  )
}

function Stage({ stage }: { stage: StageWho }) {
  const notes = [
    stage.after.length > 0 && `It comes after ${stage.after.join(' and ')}.`,
    stage.when && `Only where this holds: ${stage.when}`,
    stage.added && `Added by the restriction ${stage.added}.`,
    stage.spared.length > 0 && `Spared by ${stage.spared.join(' or ')}.`,
  ].filter((note) => typeof note === 'string' && note !== '')
  return (
    <div className={styles.sub}>
      <People
        title={`Approve, ${stage.name}: ${stage.approvers.length === 0 ? `${stage.count} needed` : `${stage.count} of ${stage.approvers.length}`}`}
        people={stage.approvers}
        none={`Nobody: a request would wait for ${counted(stage.count, 'approver')} and find none.`}
      />
      {notes.map((note) => (
        <p key={note as string} className={styles.why}>
          {note}
        </p>
      ))}
    </div>
  )
}

function People({ title, people, none }: { title: string; people: readonly One[]; none: string }) {
  if (people.length > open) {
    return (
      <Folded title={title} count={people.length}>
        <List people={people} />
      </Folded>
    )
  }
  return (
    <div className={styles.sub}>
      <h3 className={styles.heading}>{title}</h3>
      {people.length === 0 ? <p>{none}</p> : <List people={people} />}
    </div>
  )
}

function Folded({ title, count, children }: { title: string; count: number; children: ReactNode }) {
  return (
    <div className={styles.sub}>
      <h3 className={styles.heading}>{title}</h3>
      <Disclosure small summary={count === 1 ? '1 person' : `${count} people`}>
        {children}
      </Disclosure>
    </div>
  )
}

function List({ people }: { people: readonly One[] }) {
  const [most, setMost] = useState(atOnce)
  return (
    <>
      <ul className={styles.people}>
        {people.slice(0, most).map(({ person, why }) => (
          <li key={person.issuer + person.subject}>
            <Person person={person} /> <span className={styles.why}>{why.join(', ')}</span>
          </li>
        ))}
      </ul>
      {people.length > most && (
        <Button small onClick={() => setMost(most + atOnce)}>
          Show more of {people.length}
        </Button>
      )}
    </>
  )
}
