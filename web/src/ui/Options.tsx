import type { ReactNode } from 'react'
import styles from './Options.module.css'

/** Several options, one under the other. */
export function Options({ children }: { children: ReactNode }) {
  return <div className={styles.options}>{children}</div>
}

export interface OptionProps {
  title: ReactNode
  /** A sentence or two about it. */
  children?: ReactNode
  checked: boolean
  onChoose: () => void
  /** The group of options of which only one can be chosen; without it each is on or off by itself. */
  among?: string
  disabled?: boolean
}

/** One thing to choose: its name, and a word about it. */
export function Option({ title, children, checked, onChoose, among, disabled = false }: OptionProps) {
  return (
    <label className={styles.option}>
      <input type={among ? 'radio' : 'checkbox'} name={among} checked={checked} disabled={disabled} onChange={onChoose} />
      <span className={styles.name}>{title}</span>
      {children && <span className={styles.words}>{children}</span>}
    </label>
  )
}
