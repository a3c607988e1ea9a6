/**
 * The broker's API, typed by its own OpenAPI document (`npm run generate` makes schema.d.ts of openapi.json).
 *
 * The session cookie says who calls. Writes carry no token: the broker compares the browser's Origin header, which no
 * script can forge.
 */
import createClient from 'openapi-fetch'
import { correctClock } from '../clock'
import { asProblem, Problem, problemFrom } from './problem'
import type { components, paths } from './schema'

type Schemas = components['schemas']
export type Person = Schemas['Person']
export type Me = Schemas['Me']
export type Role = Schemas['Role']
export type Stage = Schemas['Stage']
export type Ask = Schemas['Ask']
export type Decision = Schemas['Decision']
export type Reason = Schemas['Reason']
export type Request = Schemas['Request']
export type RequestSummary = Schemas['RequestSummary']
export type Approval = Schemas['Approval']
export type TimelineEntry = Schemas['TimelineEntry']
export type Session = Schemas['Session']
export type ProxyState = Schemas['ProxyState']
export type Passkey = Schemas['Passkey']
export type Enrolment = Schemas['Enrolment']
export type SigningChallenge = Schemas['SigningChallenge']
export type SignedStatement = Schemas['SignedStatement']
export type Assertion = Schemas['Assertion']
export type LoginConfirmation = Schemas['LoginConfirmation']
export type AuditEvent = Schemas['AuditEvent']
export type Alarm = Schemas['Alarm']
export type Member = Schemas['Member']
export type Change = Schemas['Change']
export type Signature = Schemas['Signature']
export type Device = Schemas['Device']
export type Posture = Schemas['Posture']
export type FleetHost = Schemas['FleetHost']
export type Suspension = Schemas['Suspension']
export type FileChange = Schemas['FileChange']
export type RoleSummary = Schemas['RoleSummary']
export type PolicyRole = Schemas['PolicyRole']
export type RoleWho = Schemas['RoleWho']
export type Who = Schemas['Who']
export type StageWho = Schemas['StageWho']
export type CollusionResult = Schemas['CollusionResult']
export type Finding = Schemas['Finding']
export type Fault = Schemas['Fault']
export type Backtest = Schemas['Backtest']
export type BacktestDifference = Schemas['BacktestDifference']
export type SeparationCell = Schemas['SeparationCell']
export type SeparationMatrix = Schemas['SeparationMatrix']
export type Delegation = Schemas['Delegation']
export type Delegations = Schemas['Delegations']
export type OpenReview = Schemas['OpenReview']
export type Confirmation = Schemas['Confirmation']
export type Told = Schemas['Told']
export type NewsItem = Schemas['NewsItem']
export type Policy = Schemas['Policy']
export type PolicyCheck = Schemas['PolicyCheck']
export type Inhabitant = Schemas['Inhabitant']
export type Review = Schemas['Review']
export type BreakGlassRule = Schemas['BreakGlassRule']

/** No answer within this time counts as none. Nothing the portal asks for takes longer on a working broker. */
const patience = 20_000

async function send(request: globalThis.Request): Promise<Response> {
  const started = performance.now()
  const deadline = AbortSignal.timeout(patience)
  try {
    const answer = await fetch(
      new Request(request, { signal: AbortSignal.any([request.signal, deadline]), credentials: 'same-origin' }),
    )
    correctClock(answer.headers.get('date'), performance.now() - started)
    return answer
  } catch (thrown) {
    if (deadline.aborted) {
      throw new Problem({
        kind: 'offline',
        code: 'portal.no-answer',
        title:
          'The broker did not answer in time. What you sent may or may not have arrived: look at the list before you send it again.',
        cause: thrown,
      })
    }
    throw thrown
  }
}

/** Typed calls: `await api.GET('/api/me')`. Pass the result through `body`, which throws what went wrong as a Problem. */
export const api = createClient<paths>({
  fetch: send,
  // The API takes several values with commas between, as one parameter.
  querySerializer: { array: { style: 'form', explode: false } },
})

type Answer<T> = { data?: T; error?: unknown; response: Response }

/** The body of an answer. Everything else, network errors included, is thrown as a Problem. */
export async function body<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>
  try {
    answer = await call
  } catch (thrown) {
    throw asProblem(thrown)
  }
  if (!answer.response.ok) throw problemFrom(answer.response.status, answer.error)
  return answer.data as T
}
