import { createContext, use } from 'react'
import type { Me, Person } from './api/client'

export const MeContext = createContext<Me | null>(null)

/** Who is signed in. Pages are shown only to somebody who is. */
export function useMe(): Me {
  const me = use(MeContext)
  if (!me) throw new Error('useMe outside of the signed-in part')
  return me
}

/** Whether somebody is who is signed in: an identity is an issuer with its subject, and no name. */
export function useIsMe(): (person: Pick<Person, 'issuer' | 'subject'>) => boolean {
  const { person: me } = useMe()
  return (person) => person.issuer === me.issuer && person.subject === me.subject
}
