import { useRouterState } from '@tanstack/react-router'
import { Problem } from '../api/problem'
import { buttonClass } from '../ui/Button'
import { ErrorNotice } from '../ui/ErrorNotice'
import { useTab } from '../ui/Page'
import { Wordmark } from '../ui/Wordmark'
import styles from './App.module.css'

const failures: Record<string, string> = {
  'provider-unavailable': 'Your organisation’s sign-in does not answer. Try again in a moment.',
  'sign-in-expired': 'The sign-in took too long, or this page had been used before. Begin again.',
  'sign-in-refused': 'Your organisation’s sign-in said no. Take another account, or ask whoever runs it.',
  'sign-in-failed': 'The sign-in did not work. Try again; if it stays, tell whoever runs Stint here.',
}

/** The way in. It leads back to where the person wanted to go. */
export function SignIn() {
  useTab('Sign in')
  const location = useRouterState({ select: (state) => state.location })
  const failed = location.pathname === '/sign-in'
  const returnTo = failed ? '/' : location.pathname + location.searchStr
  const named = new URLSearchParams(location.searchStr).get('error') ?? ''
  // Anybody can make an address: only codes that are known are shown.
  const code = !failed ? null : named in failures ? named : 'sign-in-failed'
  return (
    <main className={styles.alone}>
      <div className={styles.hello}>
        <Wordmark size={28} />
        <h1>Access for as long as the work takes.</h1>
        {code && <ErrorNotice problem={new Problem({ kind: 'fault', code, title: failures[code]! })} />}
        <p>Ask for a host, have somebody agree, work. When the time is up it is gone. Sessions are recorded.</p>
        <a
          className={buttonClass('primary')}
          href={`/auth/login?return_to=${encodeURIComponent(returnTo)}`}
          autoFocus
        >
          Sign in with your organisation’s account
        </a>
        <p className={styles.foot}>
          At a terminal: <code>stint login</code>
        </p>
      </div>
    </main>
  )
}
