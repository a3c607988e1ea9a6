import { useEffect, type ReactNode } from 'react'
import styles from './Page.module.css'
import { classes } from './classes'

/** The head of a page; it names the tab as well. */
export function PageHead({
  title,
  tab,
  words,
  children,
}: {
  title: ReactNode
  tab: string
  words?: ReactNode
  children?: ReactNode
}) {
  useTab(tab)
  return (
    <div className={styles.head}>
      <div>
        <h1>{title}</h1>
        {words && <p className={styles.words}>{words}</p>}
      </div>
      {children}
    </div>
  )
}

/** Names the browser's tab. */
export function useTab(words: string): void {
  useEffect(() => {
    document.title = `${words} · Stint`
  }, [words])
}

export function Section({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className={styles.section} aria-label={title}>
      <div className={styles.sectionHead}>
        <h2>{title}</h2>
        {aside && <span className={styles.aside}>{aside}</span>}
      </div>
      {children}
    </section>
  )
}

export function Card({ children, className, label }: { children: ReactNode; className?: string | undefined; label?: string }) {
  return (
    <article className={classes(styles.card, className)} aria-label={label}>
      {children}
    </article>
  )
}
