import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { api, body, type Request } from '../api/client'
import { refresh } from '../api/queries'
import { Button, buttonClass } from '../ui/Button'
import { Confirm } from '../ui/Dialog'
import { Area, Field } from '../ui/Field'
import { notify } from '../ui/Toasts'
import { called, counted } from '../words'
import { AskForMoreTime } from './Extend'
import styles from './Request.module.css'

type Taking = 'withdraw' | 'drop' | 'revoke'

interface Words {
  button: string
  title: string
  words: string
  busy: string
  keep: string
  done: string
  /** Whether it takes from somebody else, who is told why. */
  asksWhy: boolean
}

/** What the caller may do with the request now. Taking away asks once and needs no proof. */
export function RequestActions({ request }: { request: Request }) {
  const [taking, setTaking] = useState<Taking>()
  const [reason, setReason] = useState('')
  const offered = (['withdraw', 'drop', 'revoke'] as const).filter((act) => request.may.includes(act))
  const decides = request.may.includes('approve') || request.may.includes('deny')
  const extendable = request.may.includes('extend')
  if (offered.length === 0 && !decides && !extendable) return null
  const words = taking && wordsOf(taking, request)

  const act = async () => {
    const call = { params: { path: { id: request.id } }, body: reason.trim() ? { reason: reason.trim() } : {} }
    if (taking === 'withdraw') await body(api.POST('/api/requests/{id}/withdraw', call))
    if (taking === 'drop') await body(api.POST('/api/requests/{id}/drop', call))
    if (taking === 'revoke') await body(api.POST('/api/requests/{id}/revoke', call))
    notify.done(words!.done)
    await refresh()
  }

  return (
    <div className={styles.actions}>
      {decides && (
        <Link to="/approvals/$id" params={{ id: request.id }} className={buttonClass('primary')}>
          Decide
        </Link>
      )}
      {extendable && <AskForMoreTime of={request} />}
      {offered.map((offer) => (
        <Button key={offer} kind={offer === 'revoke' ? 'destructive' : 'plain'} onClick={() => setTaking(offer)}>
          {wordsOf(offer, request).button}
        </Button>
      ))}
      {words && (
        <Confirm
          open
          onClose={() => setTaking(undefined)}
          title={words.title}
          words={words.words}
          confirm={words.button}
          busy={words.busy}
          keep={words.keep}
          act={act}
        >
          {words.asksWhy && (
            <Field label="Reason" optional>
              <Area value={reason} onChange={setReason} most={500} placeholder="They read it, and it stays in the record" />
            </Field>
          )}
        </Confirm>
      )}
    </div>
  )
}

function wordsOf(taking: Taking, request: Request): Words {
  const what = `${request.login} on ${request.target}`
  const live = request.sessions.filter((session) => session.live).length
  const closing = live > 0 ? ` ${counted(live, 'live session')} ${live === 1 ? 'closes' : 'close'} with it.` : ''
  switch (taking) {
    case 'withdraw':
      return {
        button: 'Take back the request',
        title: `Take back the request for ${what}?`,
        words: 'Nobody can approve it any more, and approvals it already has are void.',
        busy: 'Taking it back…',
        keep: 'Keep waiting',
        done: `Took back the request for ${what}`,
        asksWhy: false,
      }
    case 'drop':
      return {
        button: `Give back ${what}`,
        title: `Give back ${what}?`,
        words: `Your access ends at once.${closing} You can ask again whenever you need it.`,
        busy: 'Giving it back…',
        keep: 'Keep it',
        done: `Gave back ${what}`,
        asksWhy: false,
      }
    case 'revoke':
      return {
        button: live > 0 ? `Revoke ${what} and close ${counted(live, 'session')}` : `Revoke ${what}`,
        title: `Revoke ${what} from ${called(request.requester)}?`,
        words: `The access ends at once.${closing} It cannot be given back; it would have to be asked for again.`,
        busy: 'Revoking…',
        keep: 'Leave it',
        done: `Revoked ${what}`,
        asksWhy: true,
      }
  }
}
