/** An operation on a file by sftp or scp, as recorder/cast has it (FileOperation). */
export interface FileOperation {
  operation: string
  path: string
  other: string
  flags: string
  mode: string
  attributes: string
  offset: number
  size: number
  sha256: string
  whole: boolean
  outcome: string
  message: string
}

/** Names come from the client and from the target: what would not show as itself shows as a replacement. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD')
}

const copies = ['read', 'write']
const twoPaths = ['rename', 'symlink', 'link', 'copy']

/** Says what was done with a file, without its digest, as the text export does. */
export function fileWords(file: FileOperation): string {
  const parts = [`${file.operation} ${file.path || '(no name)'}`]
  if (file.other) parts[0] += twoPaths.includes(file.operation) ? ` to ${file.other}` : ` (scp ${file.other})`
  if (file.flags) parts.push(file.flags)
  if (file.attributes) parts.push(file.attributes)
  if (file.mode) parts.push(`mode ${file.mode}`)
  if (copies.includes(file.operation)) {
    parts.push(`${file.size.toLocaleString('en')} bytes${file.offset > 0 ? ` from byte ${file.offset.toLocaleString('en')}` : ''}`)
    if (!file.whole) parts.push('perhaps not the whole file')
    if (!file.sha256) parts.push('out of order')
  }
  const words = parts.join(', ')
  if (file.outcome === 'ok') return visible(words)
  return visible(file.outcome === 'unanswered' ? `${words}: not answered` : `${words}: failed: ${file.message || file.outcome}`)
}
