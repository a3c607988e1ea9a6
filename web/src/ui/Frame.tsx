import { CSPProvider } from '@base-ui/react/csp-provider'
import type { ReactNode } from 'react'
import { ExactTime } from './Moment'
import { PersonDetail } from './Person'
import { Toasts } from './Toasts'

/** What every page of the kit needs around it, once. */
export function Frame({ children }: { children: ReactNode }) {
  return (
    <CSPProvider disableStyleElements>
      <Toasts>
        {children}
        <ExactTime />
        <PersonDetail />
      </Toasts>
    </CSPProvider>
  )
}
