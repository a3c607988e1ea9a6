package policies

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Fault is what is wrong at one place of a policy file. Load and Parse join all that they
// find, in the order of the files and of the places in them.
type Fault struct {
	File         string
	Line, Column int // from 1, in characters
	Text         string
}

// Error is "file:line:column: sentence".
func (f *Fault) Error() string { return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text) }

// loader gathers documents and faults while a bundle is read.
type loader struct {
	bundle    *Bundle
	documents []document
	faults    []*Fault
	// doubted are nodes of which a fault was noted while they were read. What else is
	// wrong with them may follow from it, and is not told.
	doubted map[*yaml.Node]bool
	// unread: there was something that could not be taken for a document. What others
	// name may stand there, so nobody is told that it is missing.
	unread  bool
	defined map[string]document // by kind and name, such as "Role production-shell"
}

// document is one YAML document; exactly one of the pointers is set.
type document struct {
	file string
	node *yaml.Node

	organization *Organization
	role         *Role
	target       *Target
	separation   *Separation
	team         *Team
	calendar     *Calendar
}

// kinds are those of documents, each with the place of what such a document says.
var kinds = []struct {
	name string
	of   func(d *document) any
}{
	{"Organization", func(d *document) any { d.organization = new(Organization); return d.organization }},
	{"Role", func(d *document) any { d.role = new(Role); return d.role }},
	{"Target", func(d *document) any { d.target = new(Target); return d.target }},
	{"Separation", func(d *document) any { d.separation = new(Separation); return d.separation }},
	{"Team", func(d *document) any { d.team = new(Team); return d.team }},
	{"Calendar", func(d *document) any { d.calendar = new(Calendar); return d.calendar }},
}

// kindNames are the names of the kinds.
func kindNames() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// Bounds that keep a hostile file cheap: the library compares every key of a
// mapping with every other, and has a sentence for each pair that is the same.
const (
	mostKeys   = 1000 // of one mapping
	mostItems  = 5000 // of one list
	mostFaults = 100
)

// fault notes what is wrong, as long as somebody may still read it.
func (l *loader) fault(file string, line, column int, format string, values ...any) {
	if len(l.faults) >= mostFaults {
		return
	}
	l.faults = append(l.faults, &Fault{file, line, column, fmt.Sprintf(format, values...)})
}

// misfit notes what is wrong with a node while it is read.
func (l *loader) misfit(file string, n *yaml.Node, format string, values ...any) {
	l.fault(file, n.Line, n.Column, format, values...)
	if l.doubted == nil {
		l.doubted = map[*yaml.Node]bool{}
	}
	l.doubted[n] = true
}

// read takes one file apart.
func (l *loader) read(file string, text []byte) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for len(l.faults) < mostFaults {
		var top yaml.Node
		if err := decoder.Decode(&top); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			// What follows a syntax error cannot be told apart from it.
			l.syntax(file, err)
			return
		}
		l.readDocument(file, &top)
	}
}

// readDocument holds one document against the type of its kind, and fills that.
func (l *loader) readDocument(file string, top *yaml.Node) {
	// Before the types see it: what is not plain may cost them any time.
	if !l.plain(file, top) {
		l.unread = true
		return
	}
	d := document{file: file, node: top}
	if len(top.Content) == 1 {
		d.node = top.Content[0]
	}
	kind := first(d.node)
	if kind == nil {
		l.unread = true
		l.misfit(file, d.node, "A document begins with `kind:` and one of %s.", list(kindNames(), "or"))
		return
	}
	var into any
	for _, k := range kinds {
		if k.name == kind.Value {
			into = k.of(&d)
		}
	}
	l.unread = l.unread || into == nil
	switch {
	case into == nil && (kind.Value == "Case" || kind.Value == "Person"):
		l.misfit(file, kind, "A %s stands in the folder tests beside the policies, not among them.", kind.Value)
		return
	case into == nil:
		l.misfit(file, kind, "There is no kind %q; use %s.%s", kind.Value, list(kindNames(), "or"), didYouMean(kind.Value, kindNames()))
		return
	}
	before := len(l.faults)
	l.fits(file, d.node, reflect.TypeOf(into).Elem(), "kind")
	if err := d.node.Decode(into); err != nil && len(l.faults) == before {
		// Whatever the library refuses was refused above; if not, it is refused here.
		l.misfit(file, d.node, "This cannot be read: %v.", err)
	}
	l.documents = append(l.documents, d)
}

// first is the value of the first key of a document, which must be its kind; nil where it is not.
func first(root *yaml.Node) *yaml.Node {
	if root.Kind != yaml.MappingNode || len(root.Content) < 2 || root.Content[0].Value != "kind" || root.Content[1].Kind != yaml.ScalarNode {
		return nil
	}
	return root.Content[1]
}

// mostName is how long the name of a policy file may be, in characters.
const mostName = 100

// visible refuses what would read otherwise than it counts: administrators sign a
// policy by looking at the difference of its files, comments and all.
func (l *loader) visible(file, text string) bool {
	if err := CheckText(file, mostName); err != nil || strings.ContainsAny(file, `/\`) {
		l.fault(strconv.Quote(file), 1, 1, "A policy file has a plain name of at most %d characters.", mostName)
		return false
	}
	return l.legible(file, text)
}

// legible refuses a text that would read otherwise than it counts.
func (l *loader) legible(file, text string) bool {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), "\t", " ")
		if err := CheckText(line, len(line)); err != nil {
			column := 1
			for range line {
				if column++; CheckText(string([]rune(line)[:column-1]), len(line)) != nil {
					break
				}
			}
			l.fault(file, number, column-1, "This cannot stand in a policy: %v.", err)
			return false
		}
	}
	return true
}

// plain refuses YAML whose meaning lies elsewhere than where it stands (anchors,
// aliases, merges and tags; a reviewer of a change reads what counts), and mappings
// with a key twice or with very many. It says whether all is plain.
func (l *loader) plain(file string, n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		l.misfit(file, n, "Anchors and aliases are not used in policies; write it out.")
		return false
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!!merge":
		l.misfit(file, n, "Tags and merges are not used in policies; write it out.")
		return false
	case n.Kind == yaml.MappingNode && !l.keys(file, n):
		return false
	case n.Kind == yaml.SequenceNode && len(n.Content) > mostItems:
		l.misfit(file, n, "A list has at most %d items.", mostItems)
		return false
	}
	plain := true
	for _, child := range n.Content {
		plain = l.plain(file, child) && plain
	}
	return plain
}

// keys says whether a mapping has each key once, all plain words, and not too many.
func (l *loader) keys(file string, mapping *yaml.Node) bool {
	if len(mapping.Content) > 2*mostKeys {
		l.misfit(file, mapping, "A mapping has at most %d keys.", mostKeys)
		return false
	}
	lines := map[string]int{}
	for i := 0; i < len(mapping.Content); i += 2 {
		key := mapping.Content[i]
		if key.Kind != yaml.ScalarNode {
			l.misfit(file, key, "A key is a word.")
			return false
		}
		if before, twice := lines[key.Value]; twice {
			l.misfit(file, key, "%q already stands at line %d.", key.Value, before)
			return false
		}
		lines[key.Value] = key.Line
	}
	return true
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntax turns the library's words about what is no YAML into a fault. It tells the
// line and no column.
func (l *loader) syntax(file string, err error) {
	line, text := 1, err.Error()
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		text = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
	}
	l.unread = true
	l.fault(file, line, 1, "This is not YAML: %s.", text)
}

// field names a place in a document by keys and indices.
func field(steps ...any) []any { return steps }

// is reports err, if there is one, at a place in the document.
func (l *loader) is(d document, at []any, err error) {
	if err != nil {
		l.at(d, at, "%s.", sentence(err))
	}
}

// sentence is an error's text with a capital.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// at reports a fault at a place in the document, or at the nearest place above it
// that exists.
func (l *loader) at(d document, at []any, format string, values ...any) {
	node := d.node
	for n := len(at); n > 0; n-- {
		if found := find(d.node, at[:n]); found != nil {
			node = found
			break
		}
	}
	if !l.doubted[node] {
		l.fault(d.file, node.Line, node.Column, format, values...)
	}
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
