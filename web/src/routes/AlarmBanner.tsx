import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useRouterState } from '@tanstack/react-router'
import { alarms } from '../api/queries'
import { useMe } from '../me'
import { Notice } from '../ui/ErrorNotice'

/** For reviewers and administrators, on every page but that of the alarms, while one is open. */
export function AlarmBanner() {
  const me = useMe()
  const open = useInfiniteQuery({ ...alarms('open'), enabled: me.reviewer || me.administrator }).data?.pages[0]
  const there = useRouterState({ select: (state) => state.location.pathname === '/alarms' })
  if (there || !open || open.open === 0) return null
  return (
    <Notice tone="bad" title={open.open === 1 ? 'An alarm is open' : `${open.open} alarms are open`}>
      <bdi>{open.items[0]?.title}</bdi> <Link to="/alarms">See what it means and what to do</Link>
    </Notice>
  )
}
