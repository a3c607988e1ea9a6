import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import type { Member } from '../api/client'
import { asProblem } from '../api/problem'
import { people } from '../api/queries'
import { useMe } from '../me'
import { subjectOf } from '../statement'
import { Button } from '../ui/Button'
import styles from '../ui/Cards.module.css'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Moment } from '../ui/Moment'
import { PageHead } from '../ui/Page'
import { Person } from '../ui/Person'
import { StateBadge } from '../ui/StateBadge'
import { SteadyList } from '../ui/SteadyList'
import { Tabs } from '../ui/Tabs'
import { Taken } from '../ui/Taken'
import { called } from '../words'
import { ProposeDelete, ProposeGroups, ProposeRemoval, ProposeUnsuspend, Suspend } from './MemberActs'

/** Who is in the signer's roster, or everybody who has signed in; suspending at once, proposing the rest. */
export function People() {
  const { everybody } = useSearch({ from: '/people' })
  const navigate = useNavigate()
  const me = useMe()
  const sees = me.reviewer || me.administrator
  const list = useInfiniteQuery({ ...people(everybody === true), enabled: sees })
  const rows = list.data?.pages.flatMap((page) => page.items) ?? []
  if (!sees) {
    return (
      <>
        <PageHead title="People" tab="People" />
        <EmptyState title="People are for administrators and reviewers">
          They see whose passkeys count, and for what. Your own are on the page <Link to="/passkeys">Passkeys</Link>.
        </EmptyState>
      </>
    )
  }
  return (
    <>
      <PageHead
        title="People"
        tab="People"
        words="Whose passkeys count, and for what. Suspending takes effect at once; everything else is a change that administrators sign."
      >
        <Tabs
          label="Which people"
          value={everybody ? 'everybody' : 'roster'}
          onChange={(value) => void navigate({ to: '/people', search: value === 'everybody' ? { everybody: true } : {} })}
          options={[
            ['roster', 'In the roster'],
            ['everybody', 'Everybody'],
          ]}
        />
      </PageHead>
      {list.error && <ErrorNotice problem={asProblem(list.error)} retry={() => void list.refetch()} />}
      {list.isPending ? (
        <Loading what="the people" lines={6} />
      ) : rows.length === 0 && !list.error ? (
        <EmptyState title={everybody ? 'Nobody has signed in yet' : 'The roster is empty'}>
          {everybody
            ? 'Whoever signs in, in the portal or with stint login, appears here.'
            : 'The first administrators join it at the signer’s own page, by the link that its log names. Then whoever adds a passkey on the page Passkeys waits there for their signatures, and is listed here.'}
        </EmptyState>
      ) : (
        <SteadyList
          key={everybody ? 'everybody' : 'roster'}
          items={rows}
          keyOf={({ person }) => subjectOf(person)}
          gone="They are no longer in this list."
        >
          {(member) => <MemberCard member={member} />}
        </SteadyList>
      )}
      {list.hasNextPage && (
        <div className={styles.actions}>
          <Button onClick={() => void list.fetchNextPage()} busy={list.isFetchingNextPage && 'Loading more…'}>
            Show more
          </Button>
        </div>
      )}
    </>
  )
}

type Act = 'suspend' | 'groups' | 'unsuspend' | 'delete' | 'remove-passkey'

function MemberCard({ member }: { member: Member }) {
  const [act, setAct] = useState<Act>()
  const may = (what: Act) => member.may.includes(what)
  const close = () => setAct(undefined)
  const name = called(member.person)
  return (
    <article className={styles.card} aria-label={name}>
      <div className={styles.head}>
        <div>
          <p className={styles.name}>
            <Person person={member.person} />
          </p>
          {member.person.email && <bdi>{member.person.email}</bdi>}
        </div>
        <span>
          {member.last_seen ? (
            <>
              last signed in <Moment at={member.last_seen} />
            </>
          ) : (
            'never signed in here'
          )}
        </span>
      </div>
      <p className={styles.for}>
        {member.suspension && <StateBadge state="suspended" />}
        <span>
          {member.pinned
            ? member.groups.length > 0
              ? `counts for ${member.groups.join(', ')}`
              : 'in no group: confirms their own sign-ins'
            : 'not in the roster: asks, and approves nothing'}
        </span>
      </p>
      {member.suspension && <Taken what="suspended" taken={member.suspension} />}
      {member.passkeys.length > 0 && <PasskeyList member={member} />}
      <div className={styles.actions}>
        {may('groups') && (
          <Button small onClick={() => setAct('groups')}>
            Change groups…
          </Button>
        )}
        {may('unsuspend') && (
          <Button small onClick={() => setAct('unsuspend')}>
            Lift the suspension…
          </Button>
        )}
        {may('remove-passkey') && (
          <Button small kind="quiet" onClick={() => setAct('remove-passkey')}>
            Take a passkey away…
          </Button>
        )}
        {may('delete') && (
          <Button small kind="quiet" onClick={() => setAct('delete')}>
            Delete…
          </Button>
        )}
        {may('suspend') && (
          <Button small kind="destructive" icon="stop" onClick={() => setAct('suspend')} aria-label={`Suspend ${name}`}>
            Suspend
          </Button>
        )}
      </div>
      <Suspend member={member} open={act === 'suspend'} onClose={close} />
      {act === 'groups' && <ProposeGroups member={member} onClose={close} />}
      {act === 'remove-passkey' && <ProposeRemoval member={member} onClose={close} />}
      {act === 'unsuspend' && <ProposeUnsuspend member={member} onClose={close} />}
      {act === 'delete' && <ProposeDelete member={member} onClose={close} />}
    </article>
  )
}

function PasskeyList({ member }: { member: Member }) {
  return (
    <ul className={styles.words} aria-label={`Passkeys of ${called(member.person)}`}>
      {member.passkeys.map((passkey) => (
        <li key={passkey.credential}>
          “<bdi>{passkey.name}</bdi>”{' '}
          {passkey.groups.length > 0 ? `speaks for ${passkey.groups.join(', ')}` : 'confirms sign-ins'}
          <span className={styles.meta}>
            , enrolled <Moment at={passkey.enrolled} />
            {passkey.last_used && (
              <>
                , last used <Moment at={passkey.last_used} />
              </>
            )}
          </span>
        </li>
      ))}
    </ul>
  )
}
