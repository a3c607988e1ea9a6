// Package document is the strict reader of policy files: YAML documents with a kind, each
// held against the Go type of its kind. It knows the form of a document and where each
// part of it stands; what a document means is for whoever asks to have it read.
//
// It is stricter than YAML. What the library would guess, round or leave out is a Fault, and
// so is whatever counts elsewhere than where it stands (anchors, aliases, merges and tags).
// A struct's fields are called as their yaml tags say. The same types make the JSON Schema
// with which editors complete a document.
package document

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Document is one document that was read.
type Document struct {
	File  string
	Kind  string
	Value any // what the kind's function gave, filled

	node *yaml.Node
}

// Fault is what is wrong at one place of a file.
type Fault struct {
	File         string
	Line, Column int // from 1, in characters
	Text         string
}

// Error is "file:line:column: sentence".
func (f *Fault) Error() string { return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text) }

// Fault is what is wrong at a place in the document, which keys and indices lead to, or
// at the nearest place above it that exists.
func (d Document) Fault(text string, at ...any) *Fault {
	node := d.nearest(at)
	return &Fault{d.File, node.Line, node.Column, text}
}

// Has tells whether something stands at a place.
func (d Document) Has(at ...any) bool { return find(d.node, at) != nil }

// nearest is the node at a place, or at the nearest place above it that exists.
func (d Document) nearest(at []any) *yaml.Node {
	for n := len(at); n > 0; n-- {
		if found := find(d.node, at[:n]); found != nil {
			return found
		}
	}
	return d.node
}

// find follows a path down from a node; nil where it does not lead.
func find(n *yaml.Node, at []any) *yaml.Node {
	for _, step := range at {
		var next *yaml.Node
		switch step := step.(type) {
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == step {
					next = n.Content[i+1]
				}
			}
		case int:
			if n.Kind == yaml.SequenceNode && step < len(n.Content) {
				next = n.Content[step]
			}
		}
		if next == nil {
			return nil
		}
		n = next
	}
	return n
}

// lastLine is that of a node and all that it holds.
func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, child := range n.Content {
		last = max(last, lastLine(child))
	}
	return last
}
