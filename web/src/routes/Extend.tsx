import { Link } from '@tanstack/react-router'
import { formatDuration } from '../duration'
import { buttonClass } from '../ui/Button'
import { CopyLine } from '../ui/CopyLine'

/** What an extension is asked for: the same again. */
interface Extended {
  role: string
  target: string
  login: string
  duration_seconds?: number
  reason?: string
}

/** Leads to asking for the same once more, so that live sessions go on. It only fills in the page. */
export function AskForMoreTime({ of, small = false }: { of: Extended; small?: boolean }) {
  const search = {
    role: of.role,
    target: of.target,
    login: of.login,
    ...(of.duration_seconds !== undefined && { duration: formatDuration(of.duration_seconds) }),
    ...(of.reason !== undefined && { reason: of.reason }),
  }
  return (
    <Link to="/ask" search={search} className={buttonClass('plain', { small })}>
      Ask for more time
    </Link>
  )
}

/** How live sessions come to go on under a grant that was just given: on the machine they come from. */
export function TakeUpExtension({ request }: { request: string }) {
  return (
    <>
      <p>Sessions that you have open there already go on under it once you run this where they come from:</p>
      <CopyLine text={`stint extend ${request}`} what="the line that extends live sessions" />
    </>
  )
}
