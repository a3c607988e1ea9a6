import { useQuery } from '@tanstack/react-query'
import { api, body, type Ask, type Decision } from '../api/client'
import { asProblem } from '../api/problem'
import { exactWords } from '../clock'
import { classes } from '../ui/classes'
import { Icon } from '../ui/Icon'
import { Mark } from '../ui/StateBadge'
import { neededWords, obstacles, unreachable } from '../words'
import styles from './Ask.module.css'

export type Draft = Required<Omit<Ask, 'start'>> & Pick<Ask, 'start'>

/** One live sentence: who must agree, or why it will not do. */
export function Verdict({ draft }: { draft: Draft | undefined }) {
  const preview = usePreview(draft)
  if (!draft) {
    return <Sentence shape="half">Choose a target, and you read here who must agree.</Sentence>
  }
  if (preview.error) {
    const problem = asProblem(preview.error)
    return (
      <Sentence shape="half" why={[problem.fields[0]?.message ?? problem.title]}>
        What policy says cannot be read now. You can ask all the same.
      </Sentence>
    )
  }
  if (!preview.data) return <Sentence shape="half">Asking policy…</Sentence>

  const { outcome, reasons, stages, confirm, begins } = preview.data
  // A reason or a ticket that is not written yet is no refusal; the button says that it is missing.
  const against = obstacles(reasons).filter(
    ({ rule }) => !(rule === 'reason' && draft.reason === '') && !(rule === 'ticket' && draft.ticket === ''),
  )
  if (against.length > 0) {
    return (
      <Sentence look={styles.refused} shape="cross" why={against.map(({ text, remedy }) => (remedy ? `${text} ${remedy}` : text))}>
        This would be refused.
      </Sentence>
    )
  }
  const own = ownPart(confirm, draft.break_glass)
  if (outcome === 'scheduled' && begins) {
    return (
      <Sentence look={styles.allowed} shape="tick">
        {`Granted, to begin ${exactWords(new Date(begins).getTime())}.`}
      </Sentence>
    )
  }
  if (draft.break_glass || (own !== '' && stages.length === 0)) {
    return (
      <Sentence look={styles.waits} shape="half">
        {draft.break_glass ? `Nobody is asked. ${own || 'It begins at once.'}` : own}
      </Sentence>
    )
  }
  if (outcome === 'allowed' || stages.length === 0) {
    return (
      <Sentence look={styles.allowed} shape="tick">
        Granted at once.
      </Sentence>
    )
  }
  const nobody = unreachable(stages)
  return (
    <Sentence
      look={styles.waits}
      shape="half"
      why={nobody.map(
        ({ groups }) => `Too few people have a passkey enrolled for ${groups.join(' or ')}: it would wait until more do.`,
      )}
    >
      {[neededWords(stages), own].filter(Boolean).join(' ')}
    </Sentence>
  )
}

/** What is left for the person who asks, beside asking. */
function ownPart(confirm: Decision['confirm'], alone: boolean): string {
  if (!confirm) return ''
  const passkey = confirm === 'attested' ? 'a passkey of a listed make' : 'your passkey'
  return alone ? `It begins once you have confirmed it with ${passkey}.` : `You confirm it with ${passkey}.`
}

function Sentence({
  look,
  shape,
  why = [],
  children,
}: {
  look?: string | undefined
  shape: 'half' | 'tick' | 'cross'
  why?: string[]
  children: string
}) {
  return (
    <div className={classes(styles.verdict, look)} aria-live="polite">
      {why.length > 0 && shape === 'half' ? <Icon name="alert" /> : <Mark shape={shape} size={14} />}
      <p className={styles.sentence}>{children}</p>
      {why.length > 0 && (
        <ul className={styles.why}>
          {why.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
    </div>
  )
}

/** Asked again when the draft changes. While only words or hours change, the answer before stays until the next is there. */
function usePreview(draft: Draft | undefined) {
  return useQuery({
    queryKey: ['decision', draft],
    queryFn: async ({ signal }) => {
      // Typing a reason must not send a question for every letter.
      await new Promise((resolve) => setTimeout(resolve, 250))
      signal.throwIfAborted()
      return body(api.POST('/api/decisions', { body: draft!, signal }))
    },
    enabled: draft !== undefined,
    placeholderData: (before, query) => (sameAsk(query?.queryKey[1] as Draft | undefined, draft) ? before : undefined),
    staleTime: 10_000,
    refetchInterval: 15_000,
  })
}

function sameAsk(before: Draft | undefined, now: Draft | undefined): boolean {
  return before !== undefined && before.role === now?.role && before.target === now.target && before.login === now.login
}
