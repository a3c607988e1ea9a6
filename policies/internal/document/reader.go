package document

import (
	"errors"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Kind is what a document can be.
type Kind struct {
	Name string
	// New gives a pointer to the struct for a document of the kind; nil: such documents are
	// left alone.
	New func() any
	// Refuse is a sentence for whoever writes such a document where it does not belong; it
	// is then none of the kinds that there are.
	Refuse string
}

// Bounds that keep a hostile file cheap: the library compares every key of a
// mapping with every other, and has a sentence for each pair that is the same.
const (
	mostKeys   = 1000 // of one mapping
	mostItems  = 5000 // of one list
	mostFaults = 100
)

// Reader gathers documents and faults while files are read.
type Reader struct {
	kinds     []Kind
	texts     map[string]string // by file
	documents []Document
	faults    []*Fault
	// doubted are nodes of which a fault was noted while they were read. What else is
	// wrong with them may follow from it, and is not told.
	doubted map[*yaml.Node]bool
	partial bool
}

// NewReader makes a reader of documents of these kinds.
func NewReader(kinds []Kind) *Reader {
	return &Reader{kinds: kinds, texts: map[string]string{}, doubted: map[*yaml.Node]bool{}}
}

// Read takes one file apart.
func (r *Reader) Read(file, text string) {
	r.texts[file] = text
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var empty *yaml.Node
	for len(r.faults) < mostFaults {
		var top yaml.Node
		if err := decoder.Decode(&top); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			// What follows a syntax error cannot be told apart from it.
			r.syntax(file, err)
			return
		}
		if empty != nil {
			r.readDocument(file, empty)
		}
		// Nothing after the last separator is no document; between two it is a slip.
		if empty = nil; nothing(&top) {
			empty = &top
			continue
		}
		r.readDocument(file, &top)
	}
}

// nothing tells whether a document is empty, and does not even say so.
func nothing(top *yaml.Node) bool {
	if len(top.Content) != 1 {
		return false
	}
	n := top.Content[0]
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Value == "" && n.Anchor == "" && n.Style == 0
}

// Documents lists what was read, in the order of the files and of the lines in them.
func (r *Reader) Documents() []Document { return r.documents }

// Partial tells whether there was something that could not be taken for a document. What
// others name may stand there, so nobody should be told that it is missing.
func (r *Reader) Partial() bool { return r.partial }

// readDocument holds one document against the type of its kind, and fills that.
func (r *Reader) readDocument(file string, top *yaml.Node) {
	// Before the types see it: what is not plain may cost them any time.
	if !r.plain(file, top) {
		r.partial = true
		return
	}
	d := Document{File: file, node: top}
	if len(top.Content) == 1 {
		d.node = top.Content[0]
	}
	kind, ok := r.kindOf(d)
	if !ok {
		r.partial = true
		return
	}
	if kind.New == nil {
		return
	}
	d.Kind, d.Value = kind.Name, kind.New()
	before := len(r.faults)
	r.fits(file, d.node, reflect.TypeOf(d.Value).Elem(), "kind")
	if err := d.node.Decode(d.Value); err != nil && len(r.faults) == before {
		// Whatever the library refuses was refused above; if not, it is refused here.
		r.misfit(file, d.node, "This cannot be read: %v.", err)
	}
	r.documents = append(r.documents, d)
}

// kindOf finds the kind of a document, which its first key must say.
func (r *Reader) kindOf(d Document) (Kind, bool) {
	var names []string
	for _, k := range r.kinds {
		if k.Refuse == "" {
			names = append(names, k.Name)
		}
	}
	if d.node.Kind != yaml.MappingNode || len(d.node.Content) < 2 || d.node.Content[0].Value != "kind" || d.node.Content[1].Kind != yaml.ScalarNode {
		r.misfit(d.File, d.node, "A document begins with `kind:` and one of %s.", list(names, "or"))
		return Kind{}, false
	}
	written := d.node.Content[1]
	for _, k := range r.kinds {
		switch {
		case k.Name != written.Value:
		case k.Refuse != "":
			r.misfit(d.File, written, "%s", k.Refuse)
			return Kind{}, false
		default:
			return k, true
		}
	}
	r.misfit(d.File, written, "There is no kind %s here; use %s.%s", quoted(written.Value), list(names, "or"), DidYouMean(written.Value, names))
	return Kind{}, false
}

// plain refuses YAML whose meaning lies elsewhere than where it stands (anchors,
// aliases, merges and tags; a reviewer of a change reads what counts), and mappings
// with a key twice or with very many. It says whether all is plain.
func (r *Reader) plain(file string, n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.misfit(file, n, "Anchors and aliases are not used in policies; write it out.")
		return false
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!!merge":
		r.misfit(file, n, "Tags and merges are not used in policies; write it out.")
		return false
	case n.Kind == yaml.MappingNode && !r.keys(file, n):
		return false
	case n.Kind == yaml.SequenceNode && len(n.Content) > mostItems:
		r.misfit(file, n, "A list has at most %d items.", mostItems)
		return false
	}
	plain := true
	for _, child := range n.Content {
		plain = r.plain(file, child) && plain
	}
	return plain
}

// keys says whether a mapping has each key once, all plain words, and not too many.
func (r *Reader) keys(file string, mapping *yaml.Node) bool {
	if len(mapping.Content) > 2*mostKeys {
		r.misfit(file, mapping, "A mapping has at most %d keys.", mostKeys)
		return false
	}
	lines := map[string]int{}
	for i := 0; i < len(mapping.Content); i += 2 {
		key := mapping.Content[i]
		if key.Kind != yaml.ScalarNode {
			r.misfit(file, key, "A key is a word.")
			return false
		}
		if before, twice := lines[key.Value]; twice {
			r.misfit(file, key, "%q already stands at line %d.", key.Value, before)
			return false
		}
		lines[key.Value] = key.Line
	}
	return true
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntax turns the library's words about what is no YAML into a fault. It tells the
// line and no column.
func (r *Reader) syntax(file string, err error) {
	line, text := 1, err.Error()
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		text = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
	}
	r.partial = true
	r.Note(file, line, 1, "This is not YAML: %s.", text)
}
