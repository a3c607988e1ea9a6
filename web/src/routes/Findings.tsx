import { useState } from 'react'
import type { Finding } from '../api/client'
import { weighed } from '../policy'
import { Button } from '../ui/Button'
import { Icon } from '../ui/Icon'
import styles from './Policies.module.css'
import { Words } from '../ui/Words'

const words: Record<Finding['severity'], string> = { error: 'Error', warning: 'Warning', note: 'Note' }

/** How many findings are shown at once. */
const atOnce = 12

/** What lint says, what weighs most in front, each with what to do about it. A place in a file can be gone to, where somebody can go there. */
export function Findings({ findings, go }: { findings: readonly Finding[]; go?: (file: string, line: number) => void }) {
  const [most, setMost] = useState(atOnce)
  const all = weighed(findings)
  return (
    <>
      <ul className={styles.findings}>
        {all.slice(0, most).map((finding, index) => (
          <li key={index} className={styles.finding} data-severity={finding.severity}>
            <Icon name={finding.severity === 'note' ? 'info' : 'alert'} size={14} />
            <div>
              <p>
                <strong>{words[finding.severity]}:</strong> <Words text={finding.text} />
              </p>
              {finding.remedy && (
                <p className={styles.remedy}>
                  <Words text={finding.remedy} />
                </p>
              )}
              <p className={styles.meta}>
                <code>{finding.rule}</code>
                {finding.file &&
                  (go ? (
                    <Button small kind="quiet" onClick={() => go(finding.file!, finding.line ?? 1)}>
                      {finding.file}:{finding.line ?? 1}
                    </Button>
                  ) : (
                    <code>
                      {finding.file}:{finding.line ?? 1}
                    </code>
                  ))}
              </p>
            </div>
          </li>
        ))}
      </ul>
      {all.length > most && (
        <div className={styles.links}>
          <Button small onClick={() => setMost(most + atOnce * 4)}>
            Show {Math.min(all.length - most, atOnce * 4)} more of {all.length}
          </Button>
        </div>
      )}
    </>
  )
}
