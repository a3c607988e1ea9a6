/** How two texts differ, line by line, with a little of what stays around each difference. */

export interface DifferenceLine {
  /** Stays, goes, comes, or stands for lines left out. */
  mark: ' ' | '-' | '+' | '…'
  text: string
}

/** How many unchanged lines stand around a change. */
const around = 3
/**
 * How many cells the tables of one comparison may have in all. What is left then is shown as going and coming whole: an
 * approver's telephone must not stand still over a file that somebody made for that.
 */
const mostCells = 4_000_000

export function differences(before: string, after: string): DifferenceLine[] {
  const all: DifferenceLine[] = []
  compare(lines(before), lines(after), all, { cells: mostCells })
  return fold(all)
}

/** How many lines come and go. */
export function counts(all: readonly DifferenceLine[]): { come: number; go: number } {
  let come = 0
  let go = 0
  for (const { mark } of all) {
    if (mark === '+') come++
    else if (mark === '-') go++
  }
  return { come, go }
}

function lines(text: string): string[] {
  const all = text.split('\n')
  if (all.at(-1) === '') all.pop()
  return all
}

/** Both ends that are the same, then what is between: by a table where that is small enough, else cut at lines that are in both only once. */
function compare(a: string[], b: string[], found: DifferenceLine[], left: { cells: number }) {
  let front = 0
  while (front < a.length && front < b.length && a[front] === b[front]) front++
  let back = 0
  while (back < a.length - front && back < b.length - front && a.at(-1 - back) === b.at(-1 - back)) back++
  add(found, ' ', a.slice(0, front))
  between(a.slice(front, a.length - back), b.slice(front, b.length - back), found, left)
  add(found, ' ', a.slice(a.length - back))
}

function between(a: string[], b: string[], found: DifferenceLine[], left: { cells: number }) {
  const cells = (a.length + 1) * (b.length + 1)
  if (a.length > 0 && b.length > 0 && cells <= mostCells / 4 && cells <= left.cells) {
    left.cells -= cells
    table(a, b, found)
    return
  }
  const cuts = a.length > 0 && b.length > 0 ? anchors(a, b) : []
  if (cuts.length === 0) {
    add(found, '-', a)
    add(found, '+', b)
    return
  }
  let fromA = 0
  let fromB = 0
  for (const [i, j] of cuts) {
    compare(a.slice(fromA, i), b.slice(fromB, j), found, left)
    found.push({ mark: ' ', text: a[i]! })
    fromA = i + 1
    fromB = j + 1
  }
  compare(a.slice(fromA), b.slice(fromB), found, left)
}

/** The lines that stand once in each, as many as keep their order: pairs of places (patience difference). */
function anchors(a: string[], b: string[]): [number, number][] {
  const inA = onceIn(a)
  const pairs: [number, number][] = []
  for (const [text, j] of onceIn(b)) {
    const i = inA.get(text)
    if (i !== undefined) pairs.push([i, j])
  }
  pairs.sort(([i], [j]) => i - j)
  // The longest run of rising places in b: the last pair of the best run of each length, and who comes before each.
  const ends: number[] = []
  const previous: number[] = []
  for (const [place, [, j]] of pairs.entries()) {
    let low = 0
    let high = ends.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (pairs[ends[middle]!]![1] < j) low = middle + 1
      else high = middle
    }
    previous[place] = low > 0 ? ends[low - 1]! : -1
    ends[low] = place
  }
  const run: [number, number][] = []
  for (let place = ends.at(-1) ?? -1; place >= 0; place = previous[place]!) run.push(pairs[place]!)
  return run.reverse()
}

/** The places of the lines that stand only once. */
function onceIn(all: string[]): Map<string, number> {
  const places = new Map<string, number>()
  for (const [place, text] of all.entries()) places.set(text, places.has(text) ? -1 : place)
  for (const [text, place] of places) if (place < 0) places.delete(text)
  return places
}

/** The longest common run of lines, by the table of its lengths. */
function table(a: string[], b: string[], found: DifferenceLine[]) {
  const width = b.length + 1
  const common = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i * width + j] =
        a[i] === b[j]
          ? common[(i + 1) * width + j + 1]! + 1
          : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!)
    }
  }
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      found.push({ mark: ' ', text: a[i]! })
      i++
      j++
    } else if (common[(i + 1) * width + j]! >= common[i * width + j + 1]!) {
      found.push({ mark: '-', text: a[i++]! })
    } else {
      found.push({ mark: '+', text: b[j++]! })
    }
  }
  add(found, '-', a.slice(i))
  add(found, '+', b.slice(j))
}

function add(found: DifferenceLine[], mark: DifferenceLine['mark'], all: string[]) {
  for (const text of all) found.push({ mark, text })
}

/** Leaves out long runs of what stays. */
function fold(all: DifferenceLine[]): DifferenceLine[] {
  const near = new Uint8Array(all.length)
  for (const [place, { mark }] of all.entries()) if (mark !== ' ') near.fill(1, Math.max(0, place - around), place + around + 1)
  const folded: DifferenceLine[] = []
  for (let place = 0; place < all.length; place++) {
    if (near[place]) {
      folded.push(all[place]!)
      continue
    }
    let end = place
    while (end < all.length && !near[end]) end++
    const count = end - place
    folded.push({ mark: '…', text: count === 1 ? '1 line stays' : `${count} lines stay` })
    place = end - 1
  }
  return folded
}
