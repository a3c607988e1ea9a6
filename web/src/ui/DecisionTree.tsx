import type { Decision } from '../api/client'
import { branches, type Branch } from '../policy'
import { anyOf, called } from '../words'
import styles from './DecisionTree.module.css'
import { Disclosure } from './Disclosure'
import { Mark } from './StateBadge'
import { Words } from './Words'

const headings: Record<Branch['name'], string> = {
  against: 'What stands against it',
  stages: 'Who must agree',
  met: 'What is met',
}

/** What is met is folded from so many sentences on, where something else is to be read first. */
const mostMet = 4

/** Why policy says what it says: what stands against it first, each rule's own sentence, and below it what would change it. */
export function DecisionTree({ decision, waiting }: { decision: Pick<Decision, 'reasons' | 'stages'>; waiting: boolean }) {
  const all = branches(decision.reasons, decision.stages)
  return (
    <ul className={styles.tree}>
      {all.map((branch) => {
        const leaves = <Leaves branch={branch} waiting={waiting} />
        const folded = branch.name === 'met' && all.length > 1 && branch.reasons.length > mostMet
        return (
          <li key={branch.name} className={styles.branch}>
            {folded ? (
              <Disclosure small summary={`${headings.met}: ${branch.reasons.length} rules`}>
                {leaves}
              </Disclosure>
            ) : (
              <>
                <p className={styles.heading}>{headings[branch.name]}</p>
                {leaves}
              </>
            )}
          </li>
        )
      })}
    </ul>
  )
}

function Leaves({ branch, waiting }: { branch: Branch; waiting: boolean }) {
  return (
    <ul className={styles.leaves}>
      {branch.reasons.map(({ reason, stage }) => (
        <li key={reason.rule + reason.text} className={styles.why}>
          <Verdict met={reason.met} open={branch.name === 'stages' && waiting} />
          <Words text={reason.text} />
          {stage && stage.given.length > 0 && (
            <span className={styles.below}>
              agreed: <bdi>{stage.given.map(called).join(', ')}</bdi>
            </span>
          )}
          {stage && !reason.met && (
            <span className={styles.below}>
              {stage.approvers.length > 0
                ? `could agree: ${anyOf(stage.approvers.map(called), 8)}`
                : `nobody has a passkey enrolled for ${anyOf(stage.groups)}`}
              {stage.after.length > 0 && `; after ${stage.after.join(' and ')}`}
            </span>
          )}
          {/* A stage's own says who could agree, which stands above. */}
          {!reason.met && reason.remedy && !stage && (
            <span className={styles.remedy}>
              <Words text={reason.remedy} />
            </span>
          )}
        </li>
      ))}
    </ul>
  )
}

function Verdict({ met, open }: { met: boolean; open: boolean }) {
  const [look, words, shape] = met
    ? ([styles.met, 'Met:', 'tick'] as const)
    : open
      ? ([styles.open, 'Open:', 'half'] as const)
      : ([styles.unmet, 'Not met:', 'cross'] as const)
  return (
    <span className={look}>
      <Mark shape={shape} />
      <span className="visually-hidden">{words}</span>
    </span>
  )
}
