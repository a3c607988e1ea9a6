import { useImperativeHandle, useRef, type Ref } from 'react'
import { placeIn } from '../policy'
import styles from './Editor.module.css'

export interface EditorHandle {
  /** Puts the caret at a line and a column, both from 1, in the middle of what is seen. */
  go: (line: number, column: number) => void
}

export interface EditorProps {
  label: string
  value: string
  onChange: (value: string) => void
  ref?: Ref<EditorHandle>
  /** The id of what says what is wrong with the text. */
  describedBy?: string
}

/** A text with line numbers beside it. The Tab key leaves it, as in every other field. */
export function Editor({ label, value, onChange, ref, describedBy }: EditorProps) {
  const area = useRef<HTMLTextAreaElement>(null)
  const numbers = useRef<HTMLPreElement>(null)
  const lines = value.split('\n').length
  useImperativeHandle(
    ref,
    () => ({
      go(line, column) {
        const text = area.current!
        const place = placeIn(text.value, line, column)
        text.focus()
        text.setSelectionRange(place, place)
        const high = parseFloat(getComputedStyle(text).lineHeight)
        text.scrollTop = Math.max(0, (line - 1) * high - text.clientHeight / 2)
        text.scrollLeft = 0
      },
    }),
    [],
  )
  return (
    <div className={styles.frame}>
      <pre ref={numbers} className={styles.numbers} aria-hidden="true">
        {Array.from({ length: lines }, (_, line) => line + 1).join('\n')}
      </pre>
      <textarea
        ref={area}
        className={styles.text}
        aria-label={label}
        aria-describedby={describedBy}
        value={value}
        wrap="off"
        dir="ltr"
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        onChange={(event) => onChange(event.target.value)}
        onScroll={(event) => {
          if (numbers.current) numbers.current.scrollTop = event.currentTarget.scrollTop
        }}
      />
    </div>
  )
}
