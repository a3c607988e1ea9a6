/** Durations as the policies, the statements and the command line write them: "1h30m", "45m", "20s". */

const canonical = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/

/** Seconds, or null where the text is no duration. Spaces and capitals are forgiven; a bare number is not. */
export function parseDuration(text: string): number | null {
  const found = canonical.exec(text.toLowerCase().replace(/\s+/g, ''))
  if (!found || !(found[1] ?? found[2] ?? found[3])) return null
  const seconds = Number(found[1] ?? 0) * 3600 + Number(found[2] ?? 0) * 60 + Number(found[3] ?? 0)
  return Number.isSafeInteger(seconds) && seconds > 0 ? seconds : null
}

/** The canonical form, which the server accepts: "1h30m". */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const parts = [
    [Math.floor(whole / 3600), 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [whole % 60, 's'],
  ] as const
  return parts.map(([count, unit]) => (count > 0 ? `${count}${unit}` : '')).join('') || '0s'
}

/** The same for people: "1 hour 30 minutes". */
export function durationWords(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const parts = [
    [Math.floor(whole / 3600), 'hour'],
    [Math.floor(whole / 60) % 60, 'minute'],
    [whole % 60, 'second'],
  ] as const
  const words = parts.filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}${count === 1 ? '' : 's'}`)
  return words.join(' ') || 'no time'
}

/** What a countdown shows: "1:04:09", "59:30", "0:07". */
export function clockFace(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const two = (count: number) => String(count).padStart(2, '0')
  const hours = Math.floor(whole / 3600)
  const minutes = Math.floor(whole / 60) % 60
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}
