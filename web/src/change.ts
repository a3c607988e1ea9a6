/**
 * What a change says, in words: read from the text that administrators sign, and from nothing beside it.
 */
import { readGroups, readStatement, type Fields } from './statement'

export interface ToldChange {
  /** One sentence without its full stop. */
  headline: string
  /** What it changes, a sentence each. */
  words: string[]
  /** Whom it is about, as statements write identities; empty for a policy. */
  person: string
}

/** Sentences about one thing, which stand one after another: "NAME: it is …". */
export interface About {
  /** The role or target that they are about; empty for a sentence by itself. */
  name: string
  sentences: string[]
}

/** The same sentences in the same order, those about one thing under its name, so that the name is read once. */
export function about(words: readonly string[]): About[] {
  const found: About[] = []
  for (const text of words) {
    const [, name = '', sentence = text] = /^([a-z0-9][a-z0-9.-]*): (.+)$/s.exec(text) ?? []
    const last = found.at(-1)
    if (name && last?.name === name) last.sentences.push(sentence)
    else found.push({ name, sentences: [sentence] })
  }
  return found
}

/** How many changes the words have no room for: package policies says so in the last of them. */
export function wordless(words: readonly string[]): number {
  return Number(/^And (\d+) more changes, which do not fit here/.exec(words.at(-1) ?? '')?.[1] ?? 0)
}

/** Reads a roster or policy change. Throws where the text is none. */
export function readChange(text: string, kind: 'roster' | 'policy'): ToldChange {
  if (kind === 'policy') {
    const policy = readStatement(text, 'policy')
    return { headline: `Change the policy: ${policy.reason}`, words: readGroups(policy.changes), person: '' }
  }
  return tellRoster(readStatement(text, 'roster'))
}

function tellRoster(text: Fields<'roster'>): ToldChange {
  const name = text.name
  const who = text.email ? `${name} (${text.email})` : name
  const list = readGroups(text.groups)
  const groups = list.length > 0 ? list.join(', ') : 'no group'
  const passkeys = readGroups(text.passkeys).length
  const told = (headline: string, ...words: string[]): ToldChange => ({ headline, words, person: text.person })
  switch (text.change) {
    case 'groups':
      if (list.length === 0) return told(`${name} is to be in no group`, `${who} approves nothing any more.`)
      return told(
        `${name} is to be in ${groups}`,
        `${who} is in ${groups} from then on, and in no other group.`,
        passkeys === 0
          ? 'None of their passkeys speaks for these groups.'
          : passkeys === 1
            ? 'One of their passkeys speaks for these groups, the one that the text names.'
            : `${passkeys} passkeys of theirs speak for these groups, those that the text names.`,
      )
    case 'unsuspend':
      return told(
        `Lift the suspension of ${name}`,
        `The passkeys of ${who} count again, for ${groups}.`,
        'What the suspension ended stays ended.',
      )
    case 'suspend':
      return told(`Suspend ${name}`, `No passkey of ${who} counts, and all their access ends.`)
    case 'delete':
      return told(`Delete ${name} from the roster`, `None of the passkeys of ${who} counts any more; they are in no group.`)
    case 'remove-passkey':
      return told(
        `Take a passkey of ${name} away`,
        `The passkey that the text names counts for nothing any more. ${who} stays in ${groups}.`,
      )
  }
  throw new TypeError('not a change that this version knows')
}
