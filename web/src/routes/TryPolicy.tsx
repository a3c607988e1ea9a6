import type { UseQueryResult } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import type { Policy, PolicyCheck } from '../api/client'
import { dropPolicyTry, tryPolicy, usePolicyTry } from '../draft'
import { changedFiles, faultsByFile } from '../policy'
import { Button } from '../ui/Button'
import { classes } from '../ui/classes'
import { Confirm } from '../ui/Dialog'
import { Editor, type EditorHandle } from '../ui/Editor'
import { Notice } from '../ui/ErrorNotice'
import { Field, Input } from '../ui/Field'
import { Select } from '../ui/Select'
import { counted } from '../words'
import { Propose } from './ProposePolicy'
import { PolicySaid, usePolicyCheck } from './PolicySaid'
import styles from './WhatIf.module.css'

/** The policy's files, to be edited; beside them what is to be said of them as they stand. */
export function TryPolicy({ inForce }: { inForce: Policy }) {
  const tried = usePolicyTry()
  const files = tried?.files ?? inForce.files
  const names = Object.keys(files).sort()
  const [chosen, choose] = useState<string>()
  const name = chosen !== undefined && files[chosen] !== undefined ? chosen : (names[0] ?? '')
  const editor = useRef<EditorHandle>(null)
  const [dropping, setDropping] = useState(false)
  const check = usePolicyCheck(tried)
  const changed = changedFiles(inForce.files, files)
  const faulty = faultsByFile(tried ? (check.data?.faults ?? []) : [])
  const put = (after: Record<string, string>) => tryPolicy(after, tried?.from ?? inForce.digest)

  const go = (file: string, line: number, column = 1) => {
    choose(file)
    // The other file is on the page only after this.
    setTimeout(() => editor.current?.go(line, column))
  }

  return (
    <div className={styles.split}>
      <div className={classes(styles.side, styles.edited)}>
        {tried && tried.from !== inForce.digest && (
          <Notice tone="wait" title="Another policy came into force since you began">
            Your files are as you left them. What is said beside them is against the policy in force now.
          </Notice>
        )}
        <div className={styles.bar}>
          <Field label={`File, ${counted(names.length, 'file')} in the policy`}>
            <Select
              options={names.map((file) => ({ value: file, label: file, hint: hintOf(changed.includes(file), faulty.get(file)) }))}
              value={name}
              onChange={(file) => choose(file ?? undefined)}
              placeholder="Choose"
            />
          </Field>
          <Button
            kind="quiet"
            unavailable={names.length < 2 && 'A policy has one file at least'}
            onClick={() => put(Object.fromEntries(Object.entries(files).filter(([file]) => file !== name)))}
          >
            Remove {name}
          </Button>
        </div>
        <Editor
          key={name}
          ref={editor}
          label={`Text of ${name}`}
          value={files[name] ?? ''}
          onChange={(text) => put({ ...files, [name]: text })}
          describedBy="policy-said"
        />
        <NewFile
          taken={names}
          add={(file) => {
            put({ ...files, [file]: '' })
            choose(file)
          }}
        />
        {tried && (
          <div className={styles.acts}>
            <Propose tried={tried} unavailable={unproposable(check, changed.length)} />
            <Button kind="destructive" onClick={() => setDropping(true)}>
              Drop {counted(changed.length, 'edited file')}
            </Button>
          </div>
        )}
      </div>
      <PolicySaid tried={tried} check={check} changed={changed.length} go={go} />
      <Confirm
        open={dropping}
        onClose={() => setDropping(false)}
        title="Go back to the policy in force?"
        words={`What you edited in ${changed.join(', ') || 'no file'} is gone then.`}
        confirm={`Drop ${counted(changed.length, 'edited file')}`}
        busy="Dropping…"
        keep="Keep editing"
        act={async () => dropPolicyTry()}
      />
    </div>
  )
}

/** Why it cannot be proposed as it stands; it must have been checked as it stands. */
function unproposable(check: UseQueryResult<PolicyCheck>, changed: number): string | undefined {
  if (changed === 0) return 'Nothing was edited'
  if (!check.data || check.isFetching || check.isPlaceholderData) return 'It is being checked'
  return check.data.faults.length > 0 ? 'It has faults' : undefined
}

function hintOf(changed: boolean, faults: number | undefined): string | undefined {
  const hints = [changed && 'edited', faults && counted(faults, 'fault')].filter(Boolean)
  return hints.length > 0 ? hints.join(', ') : undefined
}

function NewFile({ taken, add }: { taken: readonly string[]; add: (name: string) => void }) {
  const [name, setName] = useState('')
  const wrong = name === '' ? undefined : taken.includes(name) ? 'There is such a file already.' : /^[\w][\w.-]*\.yaml$/.test(name) ? undefined : 'A name like roles.yaml.'
  return (
    <form
      className={styles.bar}
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        if (name === '' || wrong) return
        add(name)
        setName('')
      }}
    >
      <Field label="A new file" optional error={wrong}>
        <Input value={name} onValueChange={setName} placeholder="databases.yaml" />
      </Field>
      <Button type="submit" unavailable={name === '' ? 'Name it first' : wrong}>
        Add
      </Button>
    </form>
  )
}
