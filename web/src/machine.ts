/** Which of somebody's machines a role may be used from, in words. */
import type { Device, Role } from './api/client'

export type Machines =
  /** Any machine will do. */
  | { state: 'any' }
  /** They have enrolled none that counts. */
  | { state: 'none' }
  /** These do all that the role asks. */
  | { state: 'comply'; devices: Device[] }
  /** Of these it is only not known lately how they are, which connecting mends. */
  | { state: 'silent'; devices: Device[] }
  /** None will do now; each with what speaks against it. */
  | { state: 'fail'; devices: { device: Device; against: string[] }[] }

/** What a role makes of somebody's own devices now. Blocked ones count for nothing. */
export function machinesFor(role: Pick<Role, 'name' | 'device'>, devices: readonly Device[]): Machines {
  if (role.device.length === 0) return { state: 'any' }
  const judged = devices
    .filter((device) => !device.blocked)
    .map((device) => ({ device, rule: device.rules.find((rule) => rule.role === role.name) }))
  if (judged.length === 0) return { state: 'none' }
  const comply = judged.filter(({ rule }) => rule?.complies)
  if (comply.length > 0) return { state: 'comply', devices: comply.map(({ device }) => device) }
  const against = judged.map(({ device, rule }) => ({ device, reasons: (rule?.reasons ?? []).filter(({ met }) => !met) }))
  const silent = against.filter(({ device, reasons }) => reasons.every((reason) => mendsItself(device, reason)))
  if (silent.length > 0) return { state: 'silent', devices: silent.map(({ device }) => device) }
  return {
    state: 'fail',
    devices: against.map(({ device, reasons }) => ({
      device,
      against: reasons.filter((reason) => !mendsItself(device, reason)).map(({ text }) => text),
    })),
  }
}

/** The machine is asked for its state at each connection, and Fleet for a machine that it knows: their words are old only until then. */
function mendsItself(device: Device, { rule }: { rule: string }): boolean {
  return rule === 'posture' || (rule === 'fleet' && Boolean(device.fleet?.word))
}
