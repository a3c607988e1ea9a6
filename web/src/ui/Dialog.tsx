import { AlertDialog } from '@base-ui/react/alert-dialog'
import { Dialog as Base } from '@base-ui/react/dialog'
import { useState, type ReactNode } from 'react'
import { asProblem, type Problem } from '../api/problem'
import { Button } from './Button'
import { classes } from './classes'
import styles from './Dialog.module.css'
import { ErrorNotice } from './ErrorNotice'

export interface DialogProps {
  open: boolean
  onClose: () => void
  title: string
  words?: ReactNode
  wide?: boolean
  children: ReactNode
  actions?: ReactNode
}

/**
 * A dialog that can be left at any time by Escape or a click beside it. It gives the focus to the first thing in it, and
 * back to what had it before; with autoFocus inside, it would learn too late what that was.
 */
export function Dialog({ open, onClose, title, words, wide, children, actions }: DialogProps) {
  return (
    <Base.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Base.Portal>
        <Base.Backdrop className={styles.backdrop} />
        <Base.Popup className={classes(styles.popup, wide && styles.wide)}>
          <div>
            <Base.Title render={<h2 />}>{title}</Base.Title>
            {words && <Base.Description className={styles.words}>{words}</Base.Description>}
          </div>
          {children}
          {actions && <div className={styles.actions}>{actions}</div>}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  )
}

export interface ConfirmProps {
  open: boolean
  onClose: () => void
  /** A question that names the thing: "Revoke postgres on db1.prod?" */
  title: string
  /** What will be lost, and how many: "2 live sessions close at once." */
  words: ReactNode
  /** The button's words; they name the thing as well. */
  confirm: string
  /** What goes on meanwhile: "Revoking…" */
  busy: string
  /** The way out: "Keep it". */
  keep: string
  act: () => Promise<unknown>
  children?: ReactNode
}

/** Asks once before something is taken away. It stays open, with the reason, if that fails. */
export function Confirm({ open, onClose, title, words, confirm, busy, keep, act, children }: ConfirmProps) {
  const [running, setRunning] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const close = () => {
    if (running) return
    setProblem(undefined)
    onClose()
  }
  const run = async () => {
    setRunning(true)
    setProblem(undefined)
    try {
      await act()
      setRunning(false)
      onClose()
    } catch (thrown) {
      setRunning(false)
      setProblem(asProblem(thrown))
    }
  }
  return (
    <AlertDialog.Root open={open} onOpenChange={(next) => !next && close()}>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className={styles.backdrop} />
        <AlertDialog.Popup className={styles.popup}>
          <div>
            <AlertDialog.Title render={<h2 />}>{title}</AlertDialog.Title>
            <AlertDialog.Description className={styles.words}>{words}</AlertDialog.Description>
          </div>
          {children}
          {problem && <ErrorNotice problem={problem} />}
          <div className={styles.actions}>
            <Button onClick={close}>{keep}</Button>
            <Button kind="final" busy={running && busy} onClick={run}>
              {confirm}
            </Button>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  )
}
