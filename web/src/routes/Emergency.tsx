import type { Role } from '../api/client'
import { durationWords } from '../duration'
import { Notice } from '../ui/ErrorNotice'
import { FieldGroup } from '../ui/Field'
import { Option, Options } from '../ui/Options'
import { anyOf } from '../words'
import styles from './Ask.module.css'

/** The two ways to a role that somebody may have alone: with approvals, and alone. What the second brings with it is said before it is gone. */
export function Emergency({ role, alone, onChange }: { role: Role; alone: boolean; onChange: (alone: boolean) => void }) {
  const rule = role.break_glass
  if (!rule) return null
  return (
    <>
      <FieldGroup label="How">
        <Options>
          <Option among="emergency" title="Ask those who approve it" checked={!alone} onChoose={() => onChange(false)}>
            It begins when everybody who must agree has agreed.
          </Option>
          <Option among="emergency" title="I act alone in an emergency" checked={alone} onChoose={() => onChange(true)}>
            Nobody approves. For at most {durationWords(rule.longest_seconds)}, and everybody learns of it.
          </Option>
        </Options>
      </FieldGroup>
      {alone && (
        <Notice tone="bad" title="You act alone, and answer for it">
          <ul className={styles.rules}>
            <li>You confirm it with a passkey of a make that is listed here, on the next page. Then it begins at once.</li>
            <li>Everybody who approves {role.name} is told at once, with your reason.</li>
            <li>
              Somebody of {anyOf(rule.review_groups)} must review it within {durationWords(rule.review_within_seconds)} of its beginning.
              Until they have, from then on nobody has {role.name}.
            </li>
          </ul>
        </Notice>
      )}
    </>
  )
}
