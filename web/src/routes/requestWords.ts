import type { RequestSummary } from '../api/client'
import { serverNow } from '../clock'

/** How a request looks now: its state, or what that state hides: that it begins later, or was not used yet. */
export function lookOf(request: Pick<RequestSummary, 'state' | 'end_reason' | 'begins' | 'use_by'>): string {
  if (request.state === 'approved' || request.state === 'active') {
    if (request.begins && new Date(request.begins).getTime() > serverNow()) return 'scheduled'
    if (request.use_by && !request.begins) return 'unused'
  }
  return request.end_reason || request.state
}
