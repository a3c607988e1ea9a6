package screen

import "slices"

// reflowLarger joins wrapped lines for more columns. The lines with the cursor
// stay as they are: the program that runs will write them again.
func (b *buffer) reflowLarger(columns, rows int) {
	lines := b.lines.all()
	kept := lines[:0:0]
	removed := 0
	for y := 0; y < len(lines); {
		end := y + 1
		for end < len(lines) && lines[end].wrapped {
			end++
		}
		group := lines[y:end]
		keep := len(group)
		if cursor := b.base + b.y; len(group) > 1 && (cursor < y || cursor >= end) {
			keep = joinWrapped(group, b.columns, columns)
		}
		kept = append(kept, group[:keep]...)
		removed += len(group) - keep
		y = end
	}
	if removed == 0 {
		return
	}
	b.lines.replace(kept)
	for range removed {
		switch {
		case b.base > 0:
			b.base--
		default:
			b.y = max(b.y-1, 0)
			if b.lines.count < rows {
				b.lines.push(newLine(columns, cell{}))
			}
		}
	}
	b.saved.y = max(b.saved.y-removed, 0)
}

// joinWrapped moves the text of a wrapped line up into more columns, and returns
// how many of its rows are still needed.
func joinWrapped(group []*line, oldColumns, columns int) int {
	to, column := 0, wrappedLength(group, 0, oldColumns)
	from, source := 1, 0
	for from < len(group) {
		length := wrappedLength(group, from, oldColumns)
		n := min(length-source, columns-column)
		group[to].copyFrom(group[from], source, column, n)
		column += n
		if column == columns {
			to, column = to+1, 0
		}
		source += n
		if source == length {
			from, source = from+1, 0
		}
		// A wide character does not fit into the last column: it goes on.
		if column == 0 && to != 0 && group[to-1].at(columns-1).width() == 2 {
			group[to].copyFrom(group[to-1], columns-1, column, 1)
			column++
			group[to-1].set(columns-1, cell{})
		}
	}
	group[to].replace(column, columns, cell{}, false)
	keep := len(group)
	for keep > 1 && (keep-1 > to || group[keep-1].trimmedLength() == 0) {
		keep--
	}
	return keep
}

// reflowSmaller wraps lines that are longer than the new columns.
func (b *buffer) reflowSmaller(columns, rows int) {
	type insertion struct {
		at   int
		rows []*line
	}
	var insertions []insertion
	inserted := 0
	before := b.lines.all()
	for y := len(before) - 1; y >= 0; y-- {
		last := before[y]
		if !last.wrapped && last.trimmedLength() <= columns {
			continue
		}
		end := y + 1
		for y > 0 && before[y].wrapped {
			y--
		}
		if cursor := b.base + b.y; cursor >= y && cursor < end {
			continue
		}
		group := slices.Clone(before[y:end])
		lengths := splitLengths(group, b.columns, columns)
		add := len(lengths) - len(group)
		bottom := b.lines.count
		if b.base == 0 && b.y != b.lines.count-1 {
			bottom = b.y
		}
		trimmed := max(0, bottom-b.lines.bound()+add)
		for range add {
			row := newLine(columns, cell{})
			row.wrapped = true
			group = append(group, row)
		}
		if add > 0 {
			insertions = append(insertions, insertion{end, group[len(group)-add:]})
			inserted += add
		}
		splitWrapped(group, lengths, add, b.columns, columns)
		for range add - trimmed {
			switch {
			case b.base > 0:
				if b.base < min(b.lines.bound(), b.lines.count+inserted)-rows {
					b.base++
				}
			case b.y < rows-1:
				b.y++
				b.lines.pop()
			default:
				b.base++
			}
		}
		b.saved.y = min(b.saved.y+add, b.base+rows-1)
	}
	if len(insertions) == 0 {
		return
	}
	// Insertions were found from the bottom up. Popped lines make room for them.
	lines := b.lines.all()
	remaining := len(lines)
	for _, more := range insertions {
		lines = slices.Insert(lines, min(more.at, remaining), more.rows...)
	}
	if surplus := len(lines) - b.lines.bound(); surplus > 0 {
		lines = lines[surplus:]
		b.lines.trimmed += int64(surplus)
	}
	b.lines.replace(lines)
}

// splitLengths returns the lengths of the rows that a wrapped line needs in fewer
// columns: one less where a wide character would not fit.
func splitLengths(group []*line, oldColumns, columns int) []int {
	needed := 0
	for i := range group {
		needed += wrappedLength(group, i, oldColumns)
	}
	var lengths []int
	column, row := 0, 0
	for available := 0; available < needed; {
		if needed-available < columns {
			return append(lengths, needed-available)
		}
		column += columns
		if length := wrappedLength(group, row, oldColumns); column > length && row < len(group)-1 {
			column -= length
			row++
		}
		length := columns
		if group[row].at(column-1).width() == 2 {
			column--
			length--
		}
		lengths = append(lengths, length)
		available += length
	}
	return lengths
}

// splitWrapped moves the text of a group, whose last add rows are new, down into
// rows of the given lengths. It goes backwards, in place.
func splitWrapped(group []*line, lengths []int, add, oldColumns, columns int) {
	to := len(lengths) - 1
	column := lengthAt(lengths, to)
	if column == 0 {
		to--
		column = lengthAt(lengths, to)
	}
	from := len(group) - add - 1
	if add < 0 {
		from = len(group) - 1
	}
	source := group[from].trimmedLength()
	for from >= 0 && to >= 0 {
		n := min(source, column)
		group[to].copyFrom(group[from], source-n, column-n, n)
		column -= n
		if column == 0 {
			to--
			column = lengthAt(lengths, to)
		}
		source -= n
		if source == 0 {
			from--
			source = wrappedLength(group, max(from, 0), oldColumns)
		}
	}
	for i, length := range lengths {
		if i < len(group) && length < columns {
			group[i].set(length, cell{})
		}
	}
}

func lengthAt(lengths []int, i int) int {
	if i < 0 || i >= len(lengths) {
		return 0
	}
	return lengths[i]
}

// wrappedLength is the number of columns of a wrapped line's row that hold text:
// all, but in its last row, and but for a column that was left empty because a
// wide character did not fit.
func wrappedLength(group []*line, i, columns int) int {
	if i == len(group)-1 {
		return group[i].trimmedLength()
	}
	last := group[i].at(columns - 1)
	if !last.hasContent() && last.width() == 1 && group[i+1].at(0).width() == 2 {
		return columns - 1
	}
	return columns
}
