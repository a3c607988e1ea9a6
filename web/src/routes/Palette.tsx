import { Autocomplete } from '@base-ui/react/autocomplete'
import { Dialog } from '@base-ui/react/dialog'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { requests, roles as rolesQuery } from '../api/queries'
import { useMe } from '../me'
import { Icon, type IconName } from '../ui/Icon'
import styles from './Palette.module.css'

interface Entry {
  value: string
  label: string
  hint: string
  icon: IconName
  go: () => void
}

/** Ctrl-K: any page, any request one may see in the lists, any target one may ask for. */
export function Palette({ onClose }: { onClose: () => void }) {
  return (
    <Dialog.Root open onOpenChange={(next) => !next && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className={styles.backdrop} />
        <Dialog.Popup className={styles.popup} aria-label="Go to">
          <Search onClose={onClose} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

function Search({ onClose }: { onClose: () => void }) {
  const [query, setQuery] = useState('')
  const entries = useEntries(query)
  return (
    <Autocomplete.Root
      items={entries}
      value={query}
      onValueChange={setQuery}
      itemToStringValue={(entry: Entry) => entry.label}
      filter={matches}
      autoHighlight="always"
      open
      inline
    >
      <div className={styles.field}>
        <Icon name="search" />
        <Autocomplete.Input placeholder="A page, a target, a request" aria-label="Go to" spellCheck={false} />
      </div>
      <Autocomplete.Empty className={styles.empty}>Nothing is called that.</Autocomplete.Empty>
      <Autocomplete.List className={styles.list}>
        {(entry: Entry) => (
          <Autocomplete.Item
            key={entry.value}
            value={entry}
            className={styles.item}
            onClick={() => {
              onClose()
              entry.go()
            }}
          >
            <Icon name={entry.icon} />
            <span>{entry.label}</span>
            <span className={styles.hint}>{entry.hint}</span>
          </Autocomplete.Item>
        )}
      </Autocomplete.List>
    </Autocomplete.Root>
  )
}

function matches(entry: Entry, query: string): boolean {
  const text = `${entry.label} ${entry.hint} ${entry.value}`.toLowerCase()
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
}

function useEntries(query: string): Entry[] {
  const me = useMe()
  const navigate = useNavigate()
  const roles = useQuery(rolesQuery)
  const mine = useInfiniteQuery(requests('mine'))
  const toApprove = useInfiniteQuery(requests('to-approve', ['pending']))

  const page = (to: string, label: string, icon: IconName): Entry => ({
    value: to,
    label,
    hint: 'page',
    icon,
    go: () => void navigate({ to }),
  })
  const pages = [
    page('/', 'My access', 'home'),
    page('/ask', 'Ask for access', 'ask'),
    page('/approvals', 'Approvals', 'approve'),
    page('/requests', 'Requests', 'clock'),
    page('/sessions', 'Sessions', 'sessions'),
    page('/sessions/proxies', 'Proxies', 'sessions'),
    page('/passkeys', 'Passkeys', 'passkey'),
    page('/devices', 'Devices', 'device'),
    page('/policies', 'Policies', 'policy'),
    page('/approvals/delegations', 'Delegations', 'approve'),
    ...(me.reviewer || me.administrator ? [page('/policies/what-if', 'What if the policy were another', 'policy'), page('/policies/separation', 'Separation of duty', 'policy'), page('/approvals/reviews', 'Reviews of emergencies', 'alert')] : []),
    ...(me.reviewer || me.administrator ? [page('/audit', 'Audit', 'audit'), page('/alarms', 'Alarms', 'alert'), page('/people', 'People', 'person'), page('/changes', 'Changes', 'change')] : []),
  ]
  const approvals = (toApprove.data?.pages ?? []).flatMap(({ items }) =>
    items.map((item): Entry => ({
      value: `approve ${item.id}`,
      label: item.summary,
      hint: 'approve',
      icon: 'approve',
      go: () => void navigate({ to: '/approvals/$id', params: { id: item.id } }),
    })),
  )
  const asks = (roles.data?.items ?? []).flatMap((role) =>
    role.targets.map((target): Entry => {
      const search = { role: role.name, target: target.name }
      return {
        value: `ask ${role.name} ${target.name}`,
        label: `Ask for ${role.name} on ${target.name}`,
        hint: 'ask',
        icon: 'ask',
        go: () => void navigate({ to: '/ask', search }),
      }
    }),
  )
  const own = (mine.data?.pages ?? []).flatMap(({ items }) =>
    items.map((item): Entry => ({
      value: item.id,
      label: item.summary,
      hint: item.id,
      icon: 'clock',
      go: () => void navigate({ to: '/requests/$id', params: { id: item.id } }),
    })),
  )
  // An id from a chat or a log opens its page even if it is in none of the lists.
  const id = query.trim()
  const byId = /^req-[0-9a-z]{4,}$/.test(id) && !own.some((entry) => entry.value === id)
  return [
    ...(byId
      ? [
          {
            value: id,
            label: `Open request ${id}`,
            hint: 'request',
            icon: 'right',
            go: () => void navigate({ to: '/requests/$id', params: { id } }),
          } satisfies Entry,
        ]
      : []),
    ...pages,
    ...approvals,
    ...asks,
    ...own,
  ]
}
