import { Fragment, useEffect, useState } from 'react'
import { classes } from './classes'
import styles from './CopyLine.module.css'
import { Icon } from './Icon'

/** One line to type elsewhere, with a button that copies it. A click into the line selects all of it. */
export function CopyLine({
  text,
  what,
  prompt = true,
}: {
  text: string
  /** What is copied, for the button's name. */ what: string
  prompt?: boolean
}) {
  const [state, setState] = useState<'ready' | 'copied' | 'failed'>('ready')
  useEffect(() => {
    if (state === 'ready') return
    const timer = setTimeout(() => setState('ready'), 2500)
    return () => clearTimeout(timer)
  }, [state])
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setState('copied'),
      () => setState('failed'),
    )
  }
  return (
    <div className={styles.line}>
      {prompt && (
        <span className={styles.prompt} aria-hidden="true">
          $
        </span>
      )}
      <code className={styles.text} tabIndex={0} dir="ltr">
        {text.split(' ').map((word, place) => (
          <Fragment key={place}>
            {place > 0 && ' '}
            <span className={styles.word}>{word}</span>
          </Fragment>
        ))}
      </code>
      <button
        type="button"
        className={classes(styles.copy, state === 'copied' && styles.copied)}
        onClick={copy}
        aria-label={`Copy ${what}`}
      >
        <Icon name={state === 'copied' ? 'check' : 'copy'} size={14} />
        <span aria-live="polite">{state === 'copied' ? 'Copied' : state === 'failed' ? 'Select it' : 'Copy'}</span>
      </button>
    </div>
  )
}
