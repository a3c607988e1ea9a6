/** What a list shows that must not move under the pointer. */

export interface Row<T> {
  key: string
  item: T
  /** It is in the list no longer; its place is kept. */
  gone: boolean
}

/** Whether the list must hold still: somebody points at it, has touched it just now, or is in it by keyboard. */
export function held(by: { pointer: boolean; focus: boolean; touched: boolean }): boolean {
  return by.pointer || by.focus || by.touched
}

/**
 * What is shown next: what was shown stays where it was, as it is now or as one that is gone. What is new comes behind it, where
 * it moves nothing; what would come in between waits. Without anything shown before, it is the list as it is.
 */
export function merge<T>(
  before: readonly Row<T>[],
  items: readonly T[],
  keyOf: (item: T) => string,
): { rows: Row<T>[]; waiting: number } {
  if (before.length === 0) return { rows: items.map((item) => ({ key: keyOf(item), item, gone: false })), waiting: 0 }
  const now = new Map(items.map((item) => [keyOf(item), item]))
  const rows = before.map(({ key, item }) => ({ key, item: now.get(key) ?? item, gone: !now.has(key) }))
  const known = new Set(before.map(({ key }) => key))
  const last = items.findLastIndex((item) => known.has(keyOf(item)))
  let waiting = 0
  for (const [place, item] of items.entries()) {
    const key = keyOf(item)
    if (known.has(key)) continue
    if (place > last) rows.push({ key, item, gone: false })
    else waiting++
  }
  return { rows, waiting }
}
