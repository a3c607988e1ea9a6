import { queryOptions, useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { api, body, type LoginConfirmation } from '../api/client'
import { asProblem, Problem } from '../api/problem'
import { refresh } from '../api/queries'
import { useMe } from '../me'
import { readStatement, subjectOf } from '../statement'
import { useSubmit } from '../submit'
import { Button, buttonClass } from '../ui/Button'
import { Disclosure } from '../ui/Disclosure'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Facts } from '../ui/Facts'
import { Moment } from '../ui/Moment'
import { Card, PageHead } from '../ui/Page'
import { Statement } from '../ui/Statement'
import { signStatement } from '../webauthn'
import styles from '../ui/Cards.module.css'

const confirmation = (code: string) =>
  queryOptions({
    queryKey: ['confirmation', code],
    queryFn: () => body(api.GET('/api/login/confirmations/{code}', { params: { path: { code } } })),
    refetchInterval: (query) => (query.state.data?.confirmed ? false : 4000),
  })

const challenge = (code: string) =>
  queryOptions({
    queryKey: ['confirmation', code, 'challenge'],
    queryFn: () => body(api.POST('/api/login/confirmations/{code}/challenge', { params: { path: { code } } })),
    // A new text voids the one before: none may be fetched because the passkey prompt gave the focus back.
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  })

/** After `stint login --no-browser`: the person's passkey says that the key on that machine is theirs. */
export function ConfirmLogin() {
  const { code } = useParams({ from: '/confirm/$code' })
  const { data, error, refetch } = useQuery(confirmation(code))
  return (
    <>
      <PageHead
        title="Confirm your sign-in"
        tab="Confirm sign-in"
        words="A command line signed in as you without a browser. Until you confirm it here, it can ask for access but not use any."
      />
      {error && !data ? (
        <ErrorNotice problem={asProblem(error)} retry={() => void refetch()} />
      ) : !data ? (
        <Loading what="the sign-in" />
      ) : data.confirmed ? (
        <Confirmed />
      ) : (
        <ToConfirm waiting={data} />
      )}
    </>
  )
}

function Confirmed() {
  return (
    <EmptyState
      title="Confirmed"
      action={
        <Link to="/" className={buttonClass('primary')}>
          Go to my access
        </Link>
      }
    >
      Go back to the terminal; it goes on by itself.
    </EmptyState>
  )
}

function ToConfirm({ waiting }: { waiting: LoginConfirmation }) {
  const me = useMe()
  const text = useQuery(challenge(waiting.code))
  const submit = useSubmit()
  const confirm = () =>
    submit.run(async () => {
      const toSign = text.data!
      const says = readStatement(toSign.statement, 'login')
      if (says.person !== subjectOf(me.person) || says['login-key'] !== waiting.login_key) {
        throw new Problem({
          kind: 'fault',
          code: 'portal.statement-differs',
          title: 'The text to sign is about another person or key. Nothing was signed; tell whoever runs Stint here.',
        })
      }
      const signed = await signStatement(toSign)
      await body(
        api.POST('/api/login/confirmations/{code}/confirm', { params: { path: { code: waiting.code } }, body: signed }),
      ).catch(async (thrown: unknown) => {
        // A text is good for one attempt: the next one needs a new one.
        await text.refetch()
        throw thrown
      })
      await refresh()
    })
  return (
    <Card label="A sign-in to confirm">
      <p className={styles.sentence}>
        Was it <strong>you</strong> who typed <strong>stint login</strong> <Moment at={waiting.requested} />?
      </p>
      <Facts
        rows={[
          ['Its key', <code key="key">{waiting.login_key}</code>],
          ['Void', <Moment key="void" at={waiting.expires} />],
          ['If it was not', 'close this page: the key stays unable to use anything'],
        ]}
      />
      {text.data && (
        <Disclosure summary="The exact text that you sign">
          <Statement text={text.data.statement} digest={text.data.digest} label="The text that you sign" />
        </Disclosure>
      )}
      {text.error && <ErrorNotice problem={asProblem(text.error)} retry={() => void text.refetch()} />}
      {submit.problem && <ErrorNotice problem={submit.problem} kept="Nothing was confirmed." />}
      <div className={styles.actions}>
        <Button
          kind="primary"
          icon="passkey"
          busy={submit.running && 'Waiting for your passkey…'}
          unavailable={!text.data && 'The text to sign is being fetched'}
          onClick={() => void confirm()}
        >
          It was me: confirm with passkey
        </Button>
      </div>
    </Card>
  )
}
