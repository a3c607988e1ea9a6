import { Menu } from '@base-ui/react/menu'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { Me } from '../api/client'
import { applyTheme, useTheme, type Theme } from '../theme'
import { buttonClass } from './Button'
import { classes } from './classes'
import { Icon, type IconName } from './Icon'
import styles from './Shell.module.css'
import { Wordmark } from './Wordmark'

interface Place {
  to: string
  words: string
  /** Where there is room for one word only. */
  short: string
  icon: IconName
  count?: number
  /** One of those must not be overlooked. */
  loud?: boolean
}

export interface ShellProps {
  me: Me
  /** How many requests wait for this person, and whether one of them is an emergency. */
  waiting: { count: number; loud: boolean }
  /** How many changes wait for this person's signature. */
  toSign: number
  onSearch: () => void
  onSignOut: () => void
  banner?: ReactNode
  children: ReactNode
}

/** The frame around every page: places at the side, on phones at the bottom. */
export function Shell({ me, waiting, toSign, onSearch, onSignOut, banner, children }: ShellProps) {
  const work: Place[] = [
    { to: '/', words: 'My access', short: 'Access', icon: 'home' },
    { to: '/ask', words: 'Ask', short: 'Ask', icon: 'ask' },
    { to: '/approvals', words: 'Approvals', short: 'Approve', icon: 'approve', ...waiting },
  ]
  const record: Place[] = [
    { to: '/requests', words: 'Requests', short: 'Requests', icon: 'clock' },
    { to: '/sessions', words: 'Sessions', short: 'Sessions', icon: 'sessions' },
    ...(me.reviewer || me.administrator ? [{ to: '/audit', words: 'Audit', short: 'Audit', icon: 'audit' } as const] : []),
    ...(me.reviewer || me.administrator ? [{ to: '/alarms', words: 'Alarms', short: 'Alarms', icon: 'alert' } as const] : []),
  ]
  const rule: Place[] =
    me.reviewer || me.administrator
      ? [
          { to: '/people', words: 'People', short: 'People', icon: 'person' },
          { to: '/changes', words: 'Changes', short: 'Changes', icon: 'change', count: toSign },
        ]
      : []
  const own: Place[] = [
    { to: '/policies', words: 'Policies', short: 'Policies', icon: 'policy' },
    ...rule,
    { to: '/passkeys', words: 'Passkeys', short: 'Passkeys', icon: 'passkey' },
    { to: '/devices', words: 'Devices', short: 'Devices', icon: 'device' },
  ]
  const bottom = [...work, record[1]!]

  return (
    <div className={styles.shell}>
      <a href="#content" className={classes(buttonClass('primary'), styles.skip)}>
        Skip to the page
      </a>
      <header className={styles.side}>
        <Link to="/" className={styles.brand} aria-label="Stint, my access">
          <Wordmark />
        </Link>
        <button type="button" className={styles.search} onClick={onSearch}>
          <Icon name="search" size={14} />
          Go to…
          <kbd>Ctrl K</kbd>
        </button>
        <nav className={styles.nav} aria-label="Places">
          {work.map(placeLink)}
          <div className={styles.divider} />
          {record.map(placeLink)}
          <div className={styles.divider} />
          {own.map(placeLink)}
        </nav>
        <Account me={me} onSignOut={onSignOut} />
      </header>
      <header className={styles.top}>
        <Link to="/" className={styles.brand} aria-label="Stint, my access">
          <Wordmark size={20} />
        </Link>
        <Account me={me} onSignOut={onSignOut} compact places={[...record, ...own]} onSearch={onSearch} />
      </header>
      <main id="content" className={styles.main} tabIndex={-1}>
        {banner && <div className={styles.banner}>{banner}</div>}
        <div className={styles.inner}>{children}</div>
      </main>
      <nav className={styles.bottom} aria-label="Main places">
        {bottom.map((place) => placeLink({ ...place, words: place.short }))}
      </nav>
    </div>
  )
}

function placeLink({ to, words, icon, count, loud }: Place) {
  return (
    <Link key={to} to={to} activeOptions={{ exact: to === '/', includeSearch: false }}>
      <Icon name={icon} />
      <span>{words}</span>
      {count ? (
        <span className={styles.count} data-loud={loud || undefined}>
          {count > 99 ? '99+' : count}
          {loud && '!'}
          <span className="visually-hidden"> waiting{loud && ', an emergency among them'}</span>
        </span>
      ) : null}
    </Link>
  )
}

interface AccountProps {
  me: Me
  onSignOut: () => void
  compact?: boolean
  places?: Place[]
  onSearch?: () => void
}

function Account({ me, onSignOut, compact, places = [], onSearch }: AccountProps) {
  const theme = useTheme()
  const roles = [me.administrator && 'administrator', me.approver && 'approver', me.reviewer && 'reviewer']
    .filter(Boolean)
    .join(', ')
  const name = me.person.name || me.person.subject
  return (
    <Menu.Root>
      <Menu.Trigger className={styles.account} aria-label={compact ? `Menu of ${name}` : undefined}>
        <Icon name={compact ? 'more' : 'person'} size={compact ? 20 : 16} />
        {!compact && (
          <span>
            <bdi className={styles.accountName}>{name}</bdi>
            {roles && <span className={styles.accountRole}>{roles}</span>}
          </span>
        )}
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner
          className={styles.menu}
          side={compact ? 'bottom' : 'top'}
          align={compact ? 'end' : 'start'}
          sideOffset={6}
        >
          <Menu.Popup className={styles.popup}>
            {compact && (
              <>
                <div className={styles.groupLabel}>
                  <bdi>{name}</bdi>
                </div>
                {places.map((place) => (
                  <Menu.LinkItem key={place.to} className={styles.item} closeOnClick render={<Link to={place.to} />}>
                    <Icon name={place.icon} />
                    {place.words}
                  </Menu.LinkItem>
                ))}
                {onSearch && (
                  <Menu.Item className={styles.item} onClick={onSearch}>
                    <Icon name="search" />
                    Go to…
                  </Menu.Item>
                )}
                <Menu.Separator className={styles.separator} />
              </>
            )}
            <Menu.RadioGroup value={theme} onValueChange={(next: Theme) => applyTheme(next)}>
              <Menu.GroupLabel className={styles.groupLabel}>Look</Menu.GroupLabel>
              {themes.map(([value, words]) => (
                <Menu.RadioItem key={value} value={value} className={styles.item} closeOnClick={false}>
                  <span className={styles.itemMark}>{theme === value && <Icon name="check" size={14} />}</span>
                  {words}
                </Menu.RadioItem>
              ))}
            </Menu.RadioGroup>
            <Menu.Separator className={styles.separator} />
            <Menu.Item className={styles.item} onClick={onSignOut}>
              <Icon name="out" />
              Sign out
            </Menu.Item>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  )
}

const themes: [Theme, string][] = [
  ['system', 'As the system'],
  ['light', 'Light'],
  ['dark', 'Dark'],
]
