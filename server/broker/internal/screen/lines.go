package screen

// lineList is a ring of lines with a bound: what comes in at the bottom of a full
// one pushes out the top.
type lineList struct {
	ring  []*line
	start int
	count int
	// trimmed counts the lines that went out at the top.
	trimmed int64
}

func newLineList(bound int) lineList { return lineList{ring: make([]*line, bound)} }

func (l *lineList) bound() int   { return len(l.ring) }
func (l *lineList) isFull() bool { return l.count == len(l.ring) }
func (l *lineList) slot(i int) int {
	i += l.start
	if i >= len(l.ring) {
		i -= len(l.ring)
	}
	return i
}

// get returns nil where there is no line.
func (l *lineList) get(i int) *line {
	if i < 0 || i >= l.count {
		return nil
	}
	return l.ring[l.slot(i)]
}

func (l *lineList) set(i int, to *line) { l.ring[l.slot(i)] = to }

func (l *lineList) push(added *line) {
	if l.isFull() {
		l.trim(1)
	}
	l.ring[l.slot(l.count)] = added
	l.count++
}

func (l *lineList) pop() {
	if l.count > 0 {
		l.count--
		l.ring[l.slot(l.count)] = nil
	}
}

// recycle moves the top line of a full list to the bottom and returns it.
func (l *lineList) recycle() *line {
	recycled := l.ring[l.start]
	l.start = l.slot(1)
	l.trimmed++
	return recycled
}

// trim drops lines at the top.
func (l *lineList) trim(n int) {
	n = min(n, l.count)
	for range n {
		l.ring[l.start] = nil
		l.start = l.slot(1)
	}
	l.count -= n
	l.trimmed += int64(n)
}

// recycleTo moves the top line of a full list to i, and returns it. Lines below
// i keep their places, the others move up.
func (l *lineList) recycleTo(i int) *line {
	recycled := l.recycle()
	for j := l.count - 1; j > i; j-- {
		l.set(j, l.get(j-1))
	}
	l.set(i, recycled)
	return recycled
}

// insert puts a line at i of a list that is not full, and the lines from there
// on move down.
func (l *lineList) insert(i int, added *line) {
	l.count++
	for j := l.count - 1; j > i; j-- {
		l.set(j, l.get(j-1))
	}
	l.set(i, added)
}

// rotate moves the line at from to to, and those between by one towards from.
func (l *lineList) rotate(from, to int) *line {
	moved := l.get(from)
	for ; from < to; from++ {
		l.set(from, l.get(from+1))
	}
	for ; from > to; from-- {
		l.set(from, l.get(from-1))
	}
	l.set(to, moved)
	return moved
}

// setBound changes the bound; lines beyond it are cut at the bottom.
func (l *lineList) setBound(bound int) {
	if bound == len(l.ring) {
		return
	}
	ring := make([]*line, bound)
	l.count = min(l.count, bound)
	for i := range l.count {
		ring[i] = l.get(i)
	}
	l.ring, l.start = ring, 0
}

// all copies the lines.
func (l *lineList) all() []*line {
	lines := make([]*line, l.count)
	for i := range lines {
		lines[i] = l.get(i)
	}
	return lines
}

// replace makes the list hold other lines, no more than its bound.
func (l *lineList) replace(lines []*line) {
	clear(l.ring)
	l.start, l.count = 0, copy(l.ring, lines)
}
