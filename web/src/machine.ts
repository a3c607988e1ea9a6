/** Which of somebody's machines a role may be used from, in words. */
import type { Device, Role } from './api/client'

export type Machines =
  /** Any machine will do. */
  | { state: 'any' }
  /** They have enrolled none that counts. */
  | { state: 'none' }
  /** These do all that the role asks. */
  | { state: 'comply'; devices: Device[] }
  /** These have only not said lately how they are, which connecting mends. */
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
  // Its state is asked for anew at each connection; nothing else that is wrong mends itself.
  const silent = against.filter(({ reasons }) => reasons.every((reason) => reason.rule === 'posture'))
  if (silent.length > 0) return { state: 'silent', devices: silent.map(({ device }) => device) }
  return {
    state: 'fail',
    devices: against.map(({ device, reasons }) => ({
      device,
      against: reasons.filter(({ rule }) => rule !== 'posture').map(({ text }) => text),
    })),
  }
}
