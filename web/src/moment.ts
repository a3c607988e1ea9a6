/** Moments as people choose them: in the browser's own zone, named beside the field. */

/** What a field of the type datetime-local holds, as a moment in whole seconds; null where it is none. */
export function readLocal(text: string): Date | null {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$/.test(text)) return null
  const moment = new Date(text)
  return Number.isNaN(moment.getTime()) ? null : moment
}

/** A moment as such a field holds it, cut to the minute. */
export function writeLocal(moment: Date): string {
  const two = (count: number) => String(count).padStart(2, '0')
  const day = `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`
  return `${day}T${two(moment.getHours())}:${two(moment.getMinutes())}`
}

/** A moment as the server and the command line take it: RFC 3339 in UTC, in whole seconds. */
export function writeUniversal(moment: Date): string {
  return moment.toISOString().replace(/\.\d+Z$/, 'Z')
}

/** The zone at a moment: "Europe/Berlin, GMT+01:00". */
export function zoneWords(moment: Date): string {
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions()
  const offset = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'longOffset' })
    .formatToParts(moment)
    .find(({ type }) => type === 'timeZoneName')?.value
  return [timeZone, offset].filter((part, place, all) => part && all.indexOf(part) === place).join(', ')
}
