import { useState } from 'react'
import type { FileChange } from '../api/client'
import { counts, differences, type DifferenceLine } from '../difference'
import { counted } from '../words'
import { Button } from './Button'
import styles from './Difference.module.css'
import { Icon } from './Icon'

/** How many lines are put on the page at once. */
const linesAtOnce = 400
/** How much of one line, in characters. */
const mostOfLine = 500
/** Files longer than this, before and after together, are compared when somebody opens them. */
const longFile = 200_000
/** What is short stands open from the first, up to so many lines on a page. */
const linesOpen = 120

/** The files of a change. What is short stands open; what is long is opened by whoever wants to read it. */
export function Differences({ files }: { files: readonly FileChange[] }) {
  const [shown] = useState(() => {
    let left = linesOpen
    return files.map((file) => {
      if (file.before.length + file.after.length > longFile) return { file }
      const lines = differences(file.before, file.after)
      const open = lines.length <= left
      if (open) left -= lines.length
      return { file, lines, open }
    })
  })
  return (
    <div className={styles.files}>
      {shown.map(({ file, lines, open }) => (
        <Difference key={file.name} file={file} compared={lines} opened={open} />
      ))}
    </div>
  )
}

interface DifferenceProps {
  file: FileChange
  /** The lines, where they are known already. */
  compared?: DifferenceLine[] | undefined
  opened?: boolean | undefined
}

/** A file before and after, the lines that differ marked by a sign and a colour. */
function Difference({ file, compared, opened = false }: DifferenceProps) {
  const [lines, setLines] = useState(compared)
  const [most, setMost] = useState(linesAtOnce)
  const what = file.before === '' ? 'new' : file.after === '' ? 'gone' : 'changed'
  return (
    <details
      className={styles.file}
      open={opened}
      onToggle={({ currentTarget }) => {
        if (currentTarget.open) setLines((known) => known ?? differences(file.before, file.after))
      }}
    >
      <summary className={styles.name}>
        <Icon name="right" size={13} />
        <span>
          <code>{file.name}</code> {what}: {lines ? countWords(lines) : sizeWords(file)}
        </span>
      </summary>
      {lines && (
        <pre className={styles.text} tabIndex={0} aria-label={`${file.name}, ${what}`} dir="ltr">
          {lines.slice(0, most).map((line, index) => (
            <span key={index} className={styles.line} data-mark={line.mark}>
              <span className={styles.mark}>{line.mark}</span>
              <bdi>{line.text.slice(0, mostOfLine)}</bdi>
              {line.text.length > mostOfLine && <i className={styles.cut}> … {number(line.text.length - mostOfLine)} more characters</i>}
              {'\n'}
            </span>
          ))}
        </pre>
      )}
      {lines && lines.length > most && (
        <div className={styles.more}>
          <span>{number(lines.length - most)} more lines differ or stand beside one that does.</span>
          <Button small onClick={() => setMost(most + linesAtOnce)}>
            Show {number(Math.min(linesAtOnce, lines.length - most))} more of {file.name}
          </Button>
        </div>
      )}
    </details>
  )
}

const number = (count: number) => count.toLocaleString('en')

function countWords(lines: DifferenceLine[]): string {
  const { come, go } = counts(lines)
  return [come > 0 && `${number(come)} ${come === 1 ? 'line comes' : 'lines come'}`, go > 0 && `${number(go)} ${go === 1 ? 'line goes' : 'lines go'}`]
    .filter(Boolean)
    .join(', ')
}

function sizeWords(file: FileChange): string {
  return `${counted(Math.ceil(Math.max(file.before.length, file.after.length) / 1000), 'thousand character')}`
}
