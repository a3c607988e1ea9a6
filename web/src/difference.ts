/** How two texts differ, line by line, with a little of what stays around each difference. */

export interface DifferenceLine {
  /** Stays, goes, comes, or stands for lines left out. */
  mark: ' ' | '-' | '+' | '…'
  text: string
}

/** How many unchanged lines stand around a change. */
const around = 3
/** Above this the two are shown one after the other: the table of the search would be too large. */
const mostCells = 4_000_000

export function differences(before: string, after: string): DifferenceLine[] {
  return fold(compare(lines(before), lines(after)))
}

function lines(text: string): string[] {
  const all = text.split('\n')
  if (all.at(-1) === '') all.pop()
  return all
}

function compare(a: string[], b: string[]): DifferenceLine[] {
  let front = 0
  while (front < a.length && front < b.length && a[front] === b[front]) front++
  let back = 0
  while (back < a.length - front && back < b.length - front && a.at(-1 - back) === b.at(-1 - back)) back++
  return [
    ...marked(' ', a.slice(0, front)),
    ...between(a.slice(front, a.length - back), b.slice(front, b.length - back)),
    ...marked(' ', a.slice(a.length - back)),
  ]
}

/** The longest common run of lines, by the table of its lengths. */
function between(a: string[], b: string[]): DifferenceLine[] {
  if (a.length * b.length > mostCells) return [...marked('-', a), ...marked('+', b)]
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
  const found: DifferenceLine[] = []
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
  return [...found, ...marked('-', a.slice(i)), ...marked('+', b.slice(j))]
}

function marked(mark: DifferenceLine['mark'], all: string[]): DifferenceLine[] {
  return all.map((text) => ({ mark, text }))
}

/** Leaves out long runs of what stays. */
function fold(all: DifferenceLine[]): DifferenceLine[] {
  const near = all.map((_, place) => all.slice(Math.max(0, place - around), place + around + 1).some(({ mark }) => mark !== ' '))
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
