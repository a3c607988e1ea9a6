/** Words and badges that the session pages share. */
import type { Session } from '../api/client'
import { clockFace } from '../duration'
import { StateBadge } from '../ui/StateBadge'

export function lengthWords(session: Session): string {
  if (!session.ended) return 'going on'
  return clockFace((Date.parse(session.ended) - Date.parse(session.started)) / 1000)
}

const words: Record<string, readonly [state: string, words: string]> = {
  verified: ['verified', 'Verified'],
  cut: ['cut', 'Cut short'],
  broken: ['unverified', 'Altered'],
  live: ['live', 'Recording'],
  unchecked: ['unchecked', 'Not read yet'],
  removed: ['ended', 'Removed'],
}

/** What the chain of seals says about the recording. */
export function RecordingBadge({ session }: { session: Session }) {
  const [state, said] = words[session.chain_verified] ?? [session.chain_verified, session.chain_verified]
  return (
    <StateBadge state={state} bare>
      {said}
    </StateBadge>
  )
}

const endings: Record<string, string> = {
  device: 'device does not comply',
  idle: 'nothing was sent',
  reauthentication: 'nobody confirmed being there',
  'lease-lost': 'lease lost',
  'recorder-failed': 'recorder failed',
  'proxy-stopped': 'proxy stopped',
  cut: 'cut short',
  failed: 'target not reached',
}

/** Why a session ended, in words. */
export function endWords(session: Session): string {
  const reason = session.end_reason ?? 'ended'
  return endings[reason] ?? reason
}
