import { useQuery, type UseQueryResult } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { api, body, type PolicyCheck } from '../api/client'
import { asProblem } from '../api/problem'
import type { PolicyTry } from '../draft'
import { Backtest } from '../ui/Backtest'
import { Button } from '../ui/Button'
import { classes } from '../ui/classes'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Moment } from '../ui/Moment'
import { Section } from '../ui/Page'
import { counted } from '../words'
import { Findings } from './Findings'
import styles from './WhatIf.module.css'
import { Words } from '../ui/Words'

/** How long nobody must have typed before the files are looked at, in milliseconds. */
const pause = 700

/** What is to be said of the files that are tried, once nobody has typed for a moment. */
export function usePolicyCheck(tried: PolicyTry | null): UseQueryResult<PolicyCheck> {
  const edits = useSettled(tried?.edits)
  return useQuery({
    // Files may be megabytes, so that the count of the edits names them here.
    queryKey: ['policy-check', edits],
    queryFn: ({ signal }) => body(api.POST('/api/policy/check', { body: { files: tried!.files }, signal })),
    enabled: tried !== null && edits === tried.edits,
    placeholderData: (before) => before,
    staleTime: Infinity,
    gcTime: 60_000,
    refetchOnWindowFocus: false,
  })
}

function useSettled(value: number | undefined): number | undefined {
  const [settled, settle] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => settle(value), pause)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}

interface PolicySaidProps {
  tried: PolicyTry | null
  check: UseQueryResult<PolicyCheck>
  /** How many files differ from those in force. */
  changed: number
  go: (file: string, line: number, column?: number) => void
}

/** Faults; or what the files would change, what recorded requests would come to, and what lint says. */
export function PolicySaid({ tried, check, changed, go }: PolicySaidProps) {
  if (!tried) {
    return (
      <div className={styles.side} id="policy-said">
        <EmptyState title="Edit a file">
          You read here at once what is wrong with it, what it would change, and which of the requests that were made would be decided
          otherwise. Then you can propose it.
        </EmptyState>
      </div>
    )
  }
  const said = check.data
  const checking = check.isFetching || check.isPlaceholderData || (!said && !check.error)
  return (
    <div className={classes(styles.side, styles.said)} id="policy-said">
      <p className={styles.state} role="status">
        {checking ? (
          'Checking…'
        ) : said ? (
          <>
            Checked <Moment at={check.dataUpdatedAt} clock />.
          </>
        ) : null}
      </p>
      {check.error && <ErrorNotice problem={asProblem(check.error)} kept="Your files are still here." retry={() => void check.refetch()} />}
      {!said ? (
        !check.error && <Loading what="what is to be said of it" lines={4} />
      ) : said.faults.length > 0 ? (
        <Section title={counted(said.faults.length, 'fault')} aside="With a fault it cannot be proposed.">
          <ul className={styles.faults}>
            {said.faults.slice(0, 50).map((fault, index) => (
              <li key={index} className={styles.fault}>
                <Button small kind="quiet" onClick={() => go(fault.file, fault.line, fault.column)}>
                  {fault.file}:{fault.line}:{fault.column}
                </Button>
                <Words text={fault.text} />
              </li>
            ))}
          </ul>
        </Section>
      ) : (
        <>
          {said.backtest && (
            <Section title="Recorded requests, decided by it">
              <Backtest backtest={said.backtest} />
            </Section>
          )}
          <Section title="What it changes">
            {said.changes.length === 0 ? (
              <p>{changed > 0 ? 'The wording of the files, and nothing that they mean.' : 'Nothing.'}</p>
            ) : (
              <ul className={styles.changes}>
                {said.changes.map((text, index) => (
                  <li key={index}>
                    <Words text={text} />
                  </li>
                ))}
              </ul>
            )}
          </Section>
          <Section title="What lint says">
            {said.findings.length > 0 ? <Findings findings={said.findings} go={go} /> : <p>Nothing.</p>}
          </Section>
        </>
      )}
    </div>
  )
}
