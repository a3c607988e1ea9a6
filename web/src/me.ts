import { createContext, use } from 'react'
import type { Me } from './api/client'

export const MeContext = createContext<Me | null>(null)

/** Who is signed in. Pages are shown only to somebody who is. */
export function useMe(): Me {
  const me = use(MeContext)
  if (!me) throw new Error('useMe outside of the signed-in part')
  return me
}
