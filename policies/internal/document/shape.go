package document

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// member is a field of a document's type.
type member struct {
	name string // as a file has it
	of   reflect.Type
}

// membersOf lists the fields of a type in their order. Those without a name in files
// are not among them.
func membersOf(t reflect.Type) []member {
	var members []member
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			members = append(members, member{name, f.Type})
		}
	}
	return members
}

var durationType = reflect.TypeFor[time.Duration]()

// fits notes where a node is not of the form that a type has in files, which is stricter
// than the library: what it would round, guess or leave out is a fault. what names the
// node; a struct may have a first key of the name "kind" where that is what.
func (r *Reader) fits(file string, n *yaml.Node, t reflect.Type, what string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.ShortTag() == "!!null" {
		other := "or leave it out"
		if t.Kind() == reflect.Slice {
			other = "of which one with nothing in it is `[]`"
		}
		r.misfit(file, n, "`%s` is left empty: write %s, %s.", what, wanted(t), other)
		return
	}
	switch form := formOf(t); {
	case form != n.Kind:
		r.misfit(file, n, "%s does not fit here: %s is wanted.", described(n), wanted(t))
	case t.Kind() == reflect.Struct:
		r.fitsStruct(file, n, t, what)
	case t.Kind() == reflect.Slice:
		for _, item := range n.Content {
			r.fits(file, item, t.Elem(), what)
		}
	case t.Kind() == reflect.Map:
		for i := 0; i+1 < len(n.Content); i += 2 {
			r.fits(file, n.Content[i+1], t.Elem(), n.Content[i].Value)
		}
	case t == durationType:
		d, err := time.ParseDuration(n.Value)
		switch {
		case err != nil || d < 0 || n.ShortTag() != "!!str":
			r.misfit(file, n, "%s does not fit here: %s is wanted.", described(n), wanted(t))
		case d%time.Second != 0:
			r.misfit(file, n, "%s does not fit here: durations are whole seconds.", described(n))
		}
	case t.Kind() == reflect.Bool && (n.ShortTag() != "!!bool" || n.Value != "true" && n.Value != "false"),
		// The library would cut 1.5 to 1, and read 010 as 8.
		t.Kind() == reflect.Int && !isWhole(n):
		r.misfit(file, n, "%s does not fit here: %s is wanted.", described(n), wanted(t))
	}
}

func (r *Reader) fitsStruct(file string, n *yaml.Node, t reflect.Type, what string) {
	members := membersOf(t)
	var names []string
	for _, m := range members {
		names = append(names, m.name)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := slices.Index(names, key.Value)
		switch {
		case at >= 0:
			r.fits(file, value, members[at].of, key.Value)
			if r.doubted[value] && what != "kind" {
				r.doubted[n] = true // what is said of several of its fields may follow
			}
		case i == 0 && what == "kind" && key.Value == "kind":
		default:
			r.misfit(file, key, "There is no field %s here.%s", quoted(key.Value), instead(key.Value, members))
			r.doubted[n] = true
		}
	}
}

// fewFields is how many fields are listed to somebody who wrote one that is not there.
const fewFields = 8

// instead says what may stand in the place of a field that is not there.
func instead(name string, members []member) string {
	var names []string
	for _, m := range members {
		names = append(names, m.name)
	}
	if hint := DidYouMean(name, names); hint != "" {
		return hint
	}
	for _, m := range members {
		inner := m.of
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Struct {
			continue
		}
		for _, deeper := range membersOf(inner) {
			if deeper.name == name {
				return " It stands under `" + m.name + "`."
			}
		}
	}
	if len(names) > fewFields {
		return ""
	}
	return " There are " + list(names, "and") + "."
}

// isWhole tells whether a node is a whole number in its plain form.
func isWhole(n *yaml.Node) bool {
	number, err := strconv.Atoi(n.Value)
	return err == nil && n.ShortTag() == "!!int" && strconv.Itoa(number) == n.Value
}

// formOf is the form that values of a type have in a file.
func formOf(t reflect.Type) yaml.Kind {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return yaml.MappingNode
	case reflect.Slice:
		return yaml.SequenceNode
	}
	return yaml.ScalarNode
}

// described names a node that does not fit.
func described(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "A mapping"
	case yaml.SequenceNode:
		return "A list"
	}
	return quoted(n.Value)
}

// wanted names a type in the words of somebody who writes YAML.
func wanted(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration such as 30m or 4h"
	case t.Kind() == reflect.Int:
		return "a whole number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Slice:
		return "a list"
	}
	return "a mapping"
}

// mostQuoted is how many characters of a value stand in a sentence.
const mostQuoted = 90

// quoted is a text as it stands in a sentence.
func quoted(text string) string {
	if letters := []rune(text); len(letters) > mostQuoted {
		text = string(letters[:mostQuoted]) + "…"
	}
	return strconv.Quote(text)
}

// list joins names for a sentence: "a", "a or b", "a, b or c".
func list(names []string, last string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + last + " " + names[len(names)-1]
}
