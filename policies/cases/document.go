package cases

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"stint/policies"
)

// Bounds that keep a hostile file cheap.
const (
	mostFile   = 1 << 20 // bytes
	mostFiles  = 8 << 20 // bytes of all of them
	mostKeys   = 1000    // of one mapping
	mostDepth  = 20
	mostFaults = 100
)

// reader gathers faults while files are read.
type reader struct {
	file   string
	faults []error
}

// fault notes what is wrong with a node, as long as somebody may still read it.
func (r *reader) fault(n *yaml.Node, format string, values ...any) {
	if len(r.faults) < mostFaults {
		r.faults = append(r.faults, fmt.Errorf("%s:%d:%d: %s", r.file, max(n.Line, 1), max(n.Column, 1), fmt.Sprintf(format, values...)))
	}
}

// documents takes one file apart into the roots of its documents, each a mapping
// that is plain.
func (r *reader) documents(text string) []*yaml.Node {
	if !r.visible(text) {
		return nil
	}
	var roots []*yaml.Node
	for decoder := yaml.NewDecoder(bytes.NewReader([]byte(text))); ; {
		var top yaml.Node
		err := decoder.Decode(&top)
		if errors.Is(err, io.EOF) {
			return roots
		}
		if err != nil {
			// What follows a syntax error cannot be told apart from it.
			line := 1
			said := strings.TrimPrefix(err.Error(), "yaml: ")
			if _, scanErr := fmt.Sscanf(said, "line %d:", &line); scanErr == nil {
				_, said, _ = strings.Cut(said, ": ")
			}
			r.fault(&yaml.Node{Line: line}, "This is not YAML: %s.", said)
			return roots
		}
		if len(top.Content) == 1 && r.plain(top.Content[0], 0) {
			roots = append(roots, top.Content[0])
		}
	}
}

// visible refuses what would read otherwise than it counts, as policies do.
func (r *reader) visible(text string) bool {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", " ")
		if err := policies.CheckText(line, len(line)); err != nil {
			r.fault(&yaml.Node{Line: number}, "This cannot stand in a case: %v.", err)
			return false
		}
	}
	return true
}

// plain refuses YAML whose meaning lies elsewhere than where it stands, mappings with a
// key twice or with very many, and what is nested very deep.
func (r *reader) plain(n *yaml.Node, depth int) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || n.Tag == "!!merge":
		r.fault(n, "Anchors, aliases, tags and merges are not used here; write it out, or use `cases:`.")
		return false
	case depth > mostDepth || n.Kind == yaml.MappingNode && len(n.Content) > 2*mostKeys:
		r.fault(n, "This is too deep, or has more than %d keys.", mostKeys)
		return false
	case n.Kind == yaml.MappingNode:
		lines := map[string]int{}
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i]
			if before, twice := lines[key.Value]; twice {
				r.fault(key, "`%s` stands here a second time; the first is in line %d.", key.Value, before)
				return false
			}
			lines[key.Value] = key.Line
		}
	}
	plain := true
	for _, child := range n.Content {
		plain = r.plain(child, depth+1) && plain
	}
	return plain
}

// decode reads a node strictly into a value: no field that the type has not, and each
// scalar of its type. It says whether nothing was wrong.
func (r *reader) decode(n *yaml.Node, into any) bool {
	before := len(r.faults)
	r.fits(n, reflect.TypeOf(into).Elem())
	if len(r.faults) > before {
		return false
	}
	if err := n.Decode(into); err != nil {
		r.fault(n, "This cannot be read: %v.", err)
		return false
	}
	return true
}

var unmarshaler = reflect.TypeFor[yaml.Unmarshaler]()

// fits compares a node with a type, and notes each difference where it stands.
func (r *reader) fits(n *yaml.Node, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case n.Tag == "!!null":
		r.fault(n, "Nothing stands here; leave the field out, or give it %s.", wanted(t))
	case t == reflect.TypeFor[yaml.Node]():
	case reflect.PointerTo(t).Implements(unmarshaler), t.Kind() != reflect.Struct && t.Kind() != reflect.Slice && t.Kind() != reflect.Map:
		r.fitsScalar(n, t)
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for _, child := range n.Content {
			r.fits(child, t.Elem())
		}
	case t.Kind() == reflect.Map && n.Kind == yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			r.fits(n.Content[i], t.Elem())
		}
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		fields := fieldsOf(t)
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i]
			if field, known := fields[key.Value]; known {
				r.fits(n.Content[i+1], field)
				continue
			}
			names := slices.Sorted(maps.Keys(fields))
			if near := nearest(key.Value, names); near != "" {
				r.fault(key, "There is no field `%s` here; did you mean `%s`?", key.Value, near)
			} else {
				r.fault(key, "There is no field `%s` here; there are %s.", key.Value, listed(names, "and"))
			}
		}
	default:
		r.fault(n, "This does not fit here: %s is wanted.", wanted(t))
	}
}

func (r *reader) fitsScalar(n *yaml.Node, t reflect.Type) {
	if n.Kind != yaml.ScalarNode {
		r.fault(n, "This does not fit here: %s is wanted.", wanted(t))
		return
	}
	if err := n.Decode(reflect.New(t).Interface()); err != nil {
		r.fault(n, "%q does not fit here: %s is wanted.", n.Value, wanted(t))
	}
}

// fieldsOf lists the fields of a struct by their names in YAML.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !field.IsExported():
		case options == "inline":
			maps.Copy(fields, fieldsOf(field.Type))
		case name != "":
			fields[name] = field.Type
		}
	}
	return fields
}

// wanted names a type in the words of somebody who writes YAML.
func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Span]():
		return "a duration such as 30m, 4h or 3d"
	case t == reflect.TypeFor[Moment]():
		return "a duration after the asking, such as 30m, or a time such as 2026-03-02T10:00:00Z"
	case t == reflect.TypeFor[Time]():
		return "a time such as 2026-03-02T10:00:00Z"
	case t == reflect.TypeFor[Value]():
		return "true, false, a whole number or text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.String:
		return "text"
	case reflect.Slice:
		return "a list"
	}
	return "a mapping"
}

// nearest is the name that somebody who wrote this may have meant; empty where none
// is near.
func nearest(written string, names []string) string {
	best, least := "", max(1, len(written)/3)+1
	for _, name := range names {
		if strings.EqualFold(name, written) {
			return name
		}
		if d := distance(written, name, least); d < least {
			best, least = name, d
		}
	}
	return best
}

// Unknown says that there is no thing of a kind with that name, and which may be meant.
func Unknown(what, name string, names []string) string {
	switch near := nearest(name, names); {
	case near != "":
		return fmt.Sprintf("there is no %s %q; did you mean %s?", what, name, near)
	case len(names) == 0:
		return fmt.Sprintf("there is no %s %q, nor any other", what, name)
	}
	return fmt.Sprintf("there is no %s %q; there are %s", what, name, listed(names[:min(len(names), 20)], "and"))
}

// distance is how many characters must be put in, taken away, replaced or swapped with
// their neighbour to make one text of the other; at least most where it is no less.
func distance(a, b string, most int) int {
	if most <= 0 || len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	before, last, row := []int(nil), make([]int, len(b)+1), make([]int, len(b)+1)
	for k := range last {
		last[k] = k
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for k := 1; k <= len(b); k++ {
			cost := 1
			if a[i-1] == b[k-1] {
				cost = 0
			}
			row[k] = min(last[k]+1, row[k-1]+1, last[k-1]+cost)
			if i > 1 && k > 1 && a[i-1] == b[k-2] && a[i-2] == b[k-1] {
				row[k] = min(row[k], before[k-2]+1)
			}
		}
		before, last, row = last, row, make([]int, len(b)+1)
	}
	return last[len(b)]
}

// listed joins names for a sentence: "a", "a and b", "a, b and c".
func listed(names []string, last string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + last + " " + names[len(names)-1]
}
