import { Toast } from '@base-ui/react/toast'
import type { ReactNode } from 'react'
import { asProblem } from '../api/problem'
import { Icon } from './Icon'
import styles from './Toasts.module.css'

const manager = Toast.createToastManager()

/** Short news about what the reader just did, or what changed behind their back. Errors that need an answer belong in the page. */
export const notify = {
  done(title: string, description?: string) {
    manager.add({ type: 'done', title, description, timeout: 6000 })
  },
  news(title: string, description?: string) {
    manager.add({ type: 'news', title, description, timeout: 10_000 })
  },
  /** Stays until the reader dismisses it, or the returned function is called: for what nobody may overlook who was away for a minute. */
  loud(title: string, description?: string): () => void {
    const id = manager.add({ type: 'news', title, description, timeout: 0 })
    return () => manager.close(id)
  },
  failed(thrown: unknown) {
    const problem = asProblem(thrown)
    manager.add({ type: 'failed', title: problem.title, description: problem.code, priority: 'high', timeout: 0 })
  },
}

/** The region where news appears; F6 reaches it. */
export function Toasts({ children }: { children: ReactNode }) {
  return (
    <Toast.Provider toastManager={manager} limit={3}>
      {children}
      <Toast.Portal>
        <Toast.Viewport className={styles.viewport}>
          <ToastList />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  )
}

function ToastList() {
  const { toasts } = Toast.useToastManager()
  return toasts.map((toast) => (
    <Toast.Root key={toast.id} toast={toast} className={styles.toast} swipeDirection={['right', 'down']}>
      <Toast.Content className={styles.content}>
        <span className={styles.mark}>
          <Icon name={toast.type === 'failed' ? 'alert' : toast.type === 'news' ? 'info' : 'check'} />
        </span>
        <div>
          <Toast.Title className={styles.title} render={<p />} />
          <Toast.Description className={styles.description} />
        </div>
        {/* Each stands by itself, also while nobody points at them: none of their buttons is hidden, as the library has it for a stack. */}
        <Toast.Close className={styles.close} aria-label="Dismiss" aria-hidden={false}>
          <Icon name="cross" size={13} />
        </Toast.Close>
      </Toast.Content>
    </Toast.Root>
  ))
}
