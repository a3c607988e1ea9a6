import type { FileChange } from '../api/client'
import { differences } from '../difference'
import styles from './Difference.module.css'

/** A file before and after, the lines that differ marked by a sign and a colour. */
export function Difference({ file }: { file: FileChange }) {
  const what = file.before === '' ? 'new' : file.after === '' ? 'gone' : 'changed'
  return (
    <figure className={styles.figure}>
      <figcaption className={styles.name}>
        <code>{file.name}</code> {what}
      </figcaption>
      <pre className={styles.text} tabIndex={0} aria-label={`${file.name}, ${what}`} dir="ltr">
        {differences(file.before, file.after).map((line, index) => (
          <span key={index} className={styles.line} data-mark={line.mark}>
            <span className={styles.mark}>{line.mark}</span>
            <bdi>{line.text}</bdi>
            {'\n'}
          </span>
        ))}
      </pre>
    </figure>
  )
}
