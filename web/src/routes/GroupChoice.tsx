import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { roles as rolesQuery } from '../api/queries'
import { useMe } from '../me'
import { Field, FieldGroup, Input } from '../ui/Field'
import styles from './Passkeys.module.css'

/** The roster group whose members sign enrolments; its name is fixed (package policies). */
export const administrators = 'administrators'

/** Which groups a new passkey shall count for. Those the person can know of are offered; another one can be typed. */
export function GroupChoice({ chosen, onChange }: { chosen: readonly string[]; onChange: (groups: string[]) => void }) {
  const me = useMe()
  const roles = useQuery(rolesQuery)
  const [other, setOther] = useState('')
  const approving = new Set((roles.data?.items ?? []).flatMap((role) => role.stages.flatMap((stage) => stage.groups)))
  const offered = [
    ...new Set([
      administrators,
      ...me.roster_groups,
      ...me.groups.filter((group) => approving.has(group)),
      ...approving,
      ...me.groups,
    ]),
  ]
  const toggle = (group: string) => onChange(chosen.includes(group) ? chosen.filter((one) => one !== group) : [...chosen, group])
  const custom = chosen.find((group) => !offered.includes(group))
  return (
    <>
      <FieldGroup label="It shall count for" hint="With none of them it confirms your own sign-ins and nothing else.">
        <div className={styles.groups}>
          {offered.map((group) => (
            <label key={group} className={styles.group}>
              <input type="checkbox" checked={chosen.includes(group)} onChange={() => toggle(group)} />
              <span>{group}</span>
              <span className={styles.groupWords}>{meaning(group, approving)}</span>
            </label>
          ))}
        </div>
      </FieldGroup>
      <Field label="Another group" optional>
        <Input
          value={other}
          maxLength={200}
          onValueChange={(value) => {
            setOther(value)
            const without = chosen.filter((group) => group !== custom)
            onChange(value.trim() ? [...without, value.trim()] : without)
          }}
        />
      </Field>
    </>
  )
}

function meaning(group: string, approving: ReadonlySet<string>): string {
  if (group === administrators) return 'Signs other people’s passkeys into the roster.'
  return approving.has(group) ? 'Approves requests.' : 'A group of yours, by your organisation’s account.'
}
