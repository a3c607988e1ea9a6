import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { policyInForce } from '../api/policyQueries'
import { asProblem } from '../api/problem'
import { useMe } from '../me'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { PageHead } from '../ui/Page'
import { Tabs } from '../ui/Tabs'
import { Simulate } from './Simulate'
import { TryPolicy } from './TryPolicy'

/** What would be if the policy were another, and what would happen if somebody asked. Nothing here is stored. */
export function WhatIf() {
  const me = useMe()
  const { ask } = useSearch({ from: '/policies/what-if' })
  const navigate = useNavigate()
  const sees = me.reviewer || me.administrator
  const policy = useQuery({ ...policyInForce, enabled: sees })
  if (!sees) {
    return (
      <>
        <PageHead title="What if" tab="What if" />
        <EmptyState title="What if is for administrators and reviewers">
          They try how the policy would decide. What you may ask for yourself is under <Link to="/policies">Policies</Link>.
        </EmptyState>
      </>
    )
  }
  return (
    <>
      <PageHead
        title="What if"
        tab="What if"
        words={
          <>
            Try it here: nothing is stored, and nothing changes until administrators sign a proposal.{' '}
            <Link to="/policies">All roles</Link>
          </>
        }
      >
        <Tabs
          label="What to try"
          value={ask ? 'ask' : 'policy'}
          onChange={(value) => void navigate({ to: '/policies/what-if', search: value === 'ask' ? { ask: true } : {} })}
          options={[
            ['policy', 'Another policy'],
            ['ask', 'What would happen'],
          ]}
        />
      </PageHead>
      {ask ? (
        <Simulate />
      ) : policy.data ? (
        <TryPolicy inForce={policy.data} />
      ) : policy.error ? (
        <ErrorNotice problem={asProblem(policy.error)} retry={() => void policy.refetch()} />
      ) : (
        <Loading what="the policy in force" lines={8} />
      )}
    </>
  )
}
