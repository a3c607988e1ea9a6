import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { roles as rolesQuery } from '../api/queries'
import { useMe } from '../me'
import { Field, FieldGroup, Input } from '../ui/Field'
import { Option, Options } from '../ui/Options'

/** The roster group whose members sign enrolments; its name is fixed (package policies). */
export const administrators = 'administrators'

export interface GroupChoiceProps {
  chosen: readonly string[]
  onChange: (groups: string[]) => void
  /** Whose groups they are, where they are not the reader's: what that person is in now. */
  of?: readonly string[]
}

/** Which groups a new passkey, or somebody else, shall count for. Those the reader can know of are offered; another one can be typed. */
export function GroupChoice({ chosen, onChange, of }: GroupChoiceProps) {
  const me = useMe()
  const roles = useQuery(rolesQuery)
  const [other, setOther] = useState('')
  // A new passkey speaks for all that its owner is in already: the statement names them too.
  const held = of ? [] : me.roster_groups
  const approving = new Set((roles.data?.items ?? []).flatMap((role) => role.stages.flatMap((stage) => stage.groups)))
  const offered = [
    ...new Set([
      administrators,
      ...(of ?? me.roster_groups),
      ...me.groups.filter((group) => approving.has(group)),
      ...approving,
      ...(of ? [] : me.groups),
    ]),
  ]
  const toggle = (group: string) => onChange(chosen.includes(group) ? chosen.filter((one) => one !== group) : [...chosen, group])
  const custom = chosen.find((group) => !offered.includes(group))
  return (
    <>
      <FieldGroup
        label={of ? 'They are in' : 'It shall count for'}
        hint={
          of
            ? 'With none of them they approve nothing.'
            : held.length > 0
              ? 'Groups that you are in already stay.'
              : 'With none of them it confirms your own sign-ins and requests, and approves nothing.'
        }
      >
        <Options>
          {offered.map((group) => (
            <Option
              key={group}
              title={group}
              checked={held.includes(group) || chosen.includes(group)}
              disabled={held.includes(group)}
              onChoose={() => toggle(group)}
            >
              {meaning(group, approving, of !== undefined)}
            </Option>
          ))}
        </Options>
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

function meaning(group: string, approving: ReadonlySet<string>, others: boolean): string {
  if (group === administrators) return 'Signs changes, and other people’s passkeys into the roster.'
  if (others && !approving.has(group)) return 'No role that you may ask for wants its approval.'
  return approving.has(group) ? 'Approves requests.' : 'A group of yours, by your organisation’s account.'
}
