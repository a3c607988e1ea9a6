package policies

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Document is one that stands beside policies and is read as they are.
type Document struct {
	File  string
	Kind  string
	Value any // what the kind's function gave, filled
	node  *yaml.Node
}

// Fault is what is wrong at a place in the document, which keys and indices lead to, or
// at the nearest place above it that exists.
func (d Document) Fault(text string, at ...any) *Fault {
	node := d.node
	for n := len(at); n > 0; n-- {
		if found := find(d.node, at[:n]); found != nil {
			node = found
			break
		}
	}
	return &Fault{d.File, node.Line, node.Column, text}
}

// ParseDocuments reads documents that stand beside policies, such as those of people, by
// their files, as strictly as policies. Each kind has a function that gives a pointer to
// the struct for a document of it; those whose function is nil are left alone. It returns
// either documents without fault, in the order of files and lines, or an error that joins
// the *Fault of each.
func ParseDocuments(files map[string]string, kinds map[string]func() any) ([]Document, error) {
	l := &loader{bundle: &Bundle{files: files}}
	var documents []Document
	total := 0
	for _, file := range slices.Sorted(maps.Keys(files)) {
		text := files[file]
		if total += len(text); len(text) > mostFile || total > mostBundle {
			return nil, fmt.Errorf("%s: a file holds at most %d bytes, and all of them %d", file, mostFile, mostBundle)
		}
		if !l.legible(file, text) {
			continue
		}
		decoder := yaml.NewDecoder(bytes.NewReader([]byte(text)))
		for len(l.faults) < mostFaults {
			var top yaml.Node
			if err := decoder.Decode(&top); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				l.syntax(file, err)
				break
			}
			if d, ok := l.beside(file, &top, kinds); ok {
				documents = append(documents, d)
			}
		}
	}
	if len(l.faults) > 0 {
		return nil, l.told()
	}
	return documents, nil
}

// beside reads one document, and says whether it is one to keep.
func (l *loader) beside(file string, top *yaml.Node, kinds map[string]func() any) (Document, bool) {
	if !l.plain(file, top) {
		return Document{}, false
	}
	node := top
	if len(top.Content) == 1 {
		node = top.Content[0]
	}
	names := slices.Sorted(maps.Keys(kinds))
	kind := first(node)
	if kind == nil {
		l.misfit(file, node, "A document begins with `kind:` and one of %s.", list(names, "or"))
		return Document{}, false
	}
	make, known := kinds[kind.Value]
	switch {
	case !known:
		l.misfit(file, kind, "There is no kind %q here; use %s.%s", shown(kind.Value), list(names, "or"), didYouMean(kind.Value, names))
		return Document{}, false
	case make == nil:
		return Document{}, false
	}
	d := Document{File: file, Kind: kind.Value, Value: make(), node: node}
	before := len(l.faults)
	l.fits(file, node, reflect.TypeOf(d.Value).Elem(), "kind")
	if err := node.Decode(d.Value); err != nil && len(l.faults) == before {
		l.misfit(file, node, "This cannot be read: %v.", err)
	}
	return d, true
}
