import { useId } from 'react'
import styles from './Tabs.module.css'

/** One of a few views of the same list. Radio buttons underneath: arrow keys move between them. */
export function Tabs<V extends string>({
  label,
  value,
  onChange,
  options,
}: {
  label: string
  value: V
  onChange: (value: V) => void
  options: readonly (readonly [V, string])[]
}) {
  const name = useId()
  return (
    <div role="radiogroup" aria-label={label} className={styles.tabs}>
      {options.map(([option, words]) => (
        <label key={option} className={styles.tab}>
          <input type="radio" name={name} checked={option === value} onChange={() => onChange(option)} />
          <span>{words}</span>
        </label>
      ))}
    </div>
  )
}
