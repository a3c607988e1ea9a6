package document

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Note notes what is wrong at a place of a file, as long as somebody may still read it.
func (r *Reader) Note(file string, line, column int, format string, values ...any) {
	if len(r.faults) >= mostFaults {
		return
	}
	r.faults = append(r.faults, &Fault{file, line, column, fmt.Sprintf(format, values...)})
}

// misfit notes what is wrong with a node while it is read.
func (r *Reader) misfit(file string, n *yaml.Node, format string, values ...any) {
	r.Note(file, n.Line, n.Column, format, values...)
	r.doubted[n] = true
}

// At notes what is wrong at a place in a document, or at the nearest place above it that
// exists; nothing where its form was refused while it was read.
func (r *Reader) At(d Document, at []any, format string, values ...any) {
	if node := d.nearest(at); !r.doubted[node] {
		r.Note(d.File, node.Line, node.Column, format, values...)
	}
}

// AtCharacter notes what is wrong at a character of the text at a place, by its line and
// column in that text; nothing where something was said of the text as a whole.
func (r *Reader) AtCharacter(d Document, at []any, line, column int, format string, values ...any) {
	node := find(d.node, at)
	if node == nil {
		r.At(d, at, format, values...)
		return
	}
	if slices.ContainsFunc(r.faults, func(f *Fault) bool { return f.File == d.File && f.Line == node.Line && f.Column == node.Column }) {
		return
	}
	line, column = placeIn(r.texts[d.File], node, line, column)
	r.Note(d.File, line, column, format, values...)
}

// Doubts tells whether something is wrong on the lines of what stands at a place.
func (r *Reader) Doubts(d Document, at ...any) bool {
	node := find(d.node, at)
	if node == nil {
		return false
	}
	last := lastLine(node)
	return slices.ContainsFunc(r.faults, func(f *Fault) bool { return f.File == d.File && node.Line <= f.Line && f.Line <= last })
}

// Err joins every fault in the order of their places; nil where there is none.
func (r *Reader) Err() error {
	slices.SortStableFunc(r.faults, func(a, b *Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	var all []error
	for _, f := range r.faults {
		all = append(all, f)
	}
	return errors.Join(all...)
}
