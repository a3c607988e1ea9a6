import { useEffect, useState } from 'react'
import { sha256Hex } from '../statement'
import { classes } from './classes'
import { Icon } from './Icon'
import styles from './Statement.module.css'

export interface StatementProps {
  text: string
  /** The digest the server names, hex, with or without "sha256:". What counts is the one computed here. */
  digest?: string | undefined
  /** What it is for: "What you sign". */
  label: string
}

/**
 * The exact text of a statement and its SHA-256, computed in this page. Nothing is added, left out or reordered: what is
 * selected and copied here is what is signed, byte for byte.
 */
export function Statement({ text, digest, label }: StatementProps) {
  const computed = useDigest(text)
  const expected = digest?.replace(/^sha256:/, '')
  const wrong = computed !== undefined && expected !== undefined && expected !== computed
  const lines = text.split('\n')
  return (
    <figure className={styles.figure}>
      <pre className={styles.text} tabIndex={0} aria-label={label} dir="ltr">
        {lines.map((line, index) => (
          <Line key={index} text={line} last={index === lines.length - 1} />
        ))}
      </pre>
      <figcaption className={classes(styles.foot, computed && !wrong && styles.good, wrong && styles.wrong)}>
        <Icon name={wrong ? 'alert' : 'check'} size={13} />
        <span role={wrong ? 'alert' : undefined}>
          {wrong
            ? 'This text does not have the digest that the server named. Do not sign it, and tell whoever runs Stint here.'
            : 'SHA-256 of this text, computed in your browser'}
          <code className={styles.digest}>{computed ?? 'computing…'}</code>
        </span>
      </figcaption>
    </figure>
  )
}

/** A line keeps its own line break, so that selecting the whole gives the whole. */
function Line({ text, last }: { text: string; last: boolean }) {
  if (last && text === '') return null
  const colon = text.indexOf(': ')
  const end = last ? '' : '\n'
  if (colon < 0) {
    return (
      <span className={styles.line}>
        {text}
        {end}
      </span>
    )
  }
  return (
    <span className={styles.line}>
      <span className={styles.key}>{text.slice(0, colon + 2)}</span>
      <bdi>{text.slice(colon + 2)}</bdi>
      {end}
    </span>
  )
}

function useDigest(text: string): string | undefined {
  const [computed, setComputed] = useState<{ text: string; digest: string }>()
  useEffect(() => {
    let current = true
    void sha256Hex(text).then((digest) => current && setComputed({ text, digest }))
    return () => {
      current = false
    }
  }, [text])
  return computed?.text === text ? computed.digest : undefined
}
