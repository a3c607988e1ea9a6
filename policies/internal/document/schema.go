package document

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// schemaNode is a JSON Schema (draft 2020-12) of the keywords that are used here.
type schemaNode struct {
	Schema      string                 `json:"$schema,omitempty"`
	Title       string                 `json:"title,omitempty"`
	Description string                 `json:"description,omitempty"`
	Ref         string                 `json:"$ref,omitempty"`
	Type        string                 `json:"type,omitempty"`
	Const       string                 `json:"const,omitempty"`
	Enum        []string               `json:"enum,omitempty"`
	Default     any                    `json:"default,omitempty"`
	Pattern     string                 `json:"pattern,omitempty"`
	MinLength   int                    `json:"minLength,omitempty"`
	MaxLength   int                    `json:"maxLength,omitempty"`
	Minimum     *int                   `json:"minimum,omitempty"`
	Maximum     *int                   `json:"maximum,omitempty"`
	Items       *schemaNode            `json:"items,omitempty"`
	MinItems    int                    `json:"minItems,omitempty"`
	MaxItems    int                    `json:"maxItems,omitempty"`
	UniqueItems bool                   `json:"uniqueItems,omitempty"`
	Properties  map[string]*schemaNode `json:"properties,omitempty"`
	Required    []string               `json:"required,omitempty"`
	// False, or what the values of all other properties are.
	AdditionalProperties any           `json:"additionalProperties,omitempty"`
	PropertyNames        *schemaNode   `json:"propertyNames,omitempty"`
	MinProperties        int           `json:"minProperties,omitempty"`
	MaxProperties        int           `json:"maxProperties,omitempty"`
	AnyOf                []*schemaNode `json:"anyOf,omitempty"`
	OneOf                []*schemaNode `json:"oneOf,omitempty"`
	AllOf                []*schemaNode `json:"allOf,omitempty"`
	If                   *schemaNode   `json:"if,omitempty"`
	Then                 *schemaNode   `json:"then,omitempty"`

	Definitions map[string]*schemaNode `json:"$defs,omitempty"`
}

// About is what a schema says that the types do not.
type About struct {
	Title, Says string
	Kinds       map[string]string // what documents of a kind are for
	Fields      map[string]Field  // by the name of the type and that of the field, as "Role.name"
	Shapes      map[string]Shape  // by the name of the type
}

// Field says of a field what its type does not.
type Field struct {
	Says     string // what it is for, to somebody who writes a policy
	Always   bool   // it must be there
	Without  string // what holds where it is absent, if that is a word
	Words    []string
	Pattern  string
	Keys     string // the pattern of a mapping's keys
	Shortest int    // characters
	Longest  int
	Least    int // of a number, or of the items of a list or a mapping
	Most     int
	Each     int  // items of each list in a mapping, at most
	Repeats  bool // items of a list may be equal
}

// Shape says what the fields of a type have to do with each other.
type Shape struct {
	Least int      // how many there are
	AnyOf []string // of these there is one or more
	OneOf []string // of these there is one
	Needs []Need
}

// Need is a field that must be there where another is one word.
type Need struct{ Field, Word, Needed string }

// Schema is a JSON Schema (draft 2020-12) of one document of these kinds, for editors. Of
// what Read takes it refuses what that reads leniently (durations in an unusual spelling, and
// text that looks like a number), and what About forbids.
func Schema(kinds []Kind, about About) []byte {
	s := schema{about: about, definitions: map[string]*schemaNode{}}
	kind := &schemaNode{Description: "What the document describes. It stands first."}
	all := &schemaNode{
		Schema: "https://json-schema.org/draft/2020-12/schema", Title: about.Title, Description: about.Says,
		Type: "object", Required: []string{"kind"}, Properties: map[string]*schemaNode{"kind": kind}, Definitions: s.definitions,
	}
	for _, k := range kinds {
		if k.New == nil {
			continue
		}
		kind.Enum = append(kind.Enum, k.Name)
		node := s.ofStruct(reflect.TypeOf(k.New()).Elem())
		node.Description = about.Kinds[k.Name]
		node.Properties["kind"] = &schemaNode{Const: k.Name}
		node.Required = append([]string{"kind"}, node.Required...)
		s.definitions[k.Name] = node
		all.AllOf = append(all.AllOf, when("kind", k.Name, &schemaNode{Ref: "#/$defs/" + k.Name}))
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(all); err != nil { // no node makes it
		panic(err)
	}
	return text.Bytes()
}

// schema is the making of one.
type schema struct {
	about       About
	definitions map[string]*schemaNode
}

// ofStruct describes a type's fields, and puts the types that they lead to among the
// definitions.
func (s schema) ofStruct(t reflect.Type) *schemaNode {
	node := &schemaNode{Type: "object", Properties: map[string]*schemaNode{}, AdditionalProperties: false}
	for _, m := range membersOf(t) {
		about := s.about.Fields[t.Name()+"."+m.name]
		one := s.of(m.of, about)
		one.Description = about.Says
		if about.Without != "" {
			one.Default = json.RawMessage(about.Without)
			if one.Type != "integer" {
				one.Default = about.Without
			}
		}
		node.Properties[m.name] = one
		if about.Always {
			node.Required = append(node.Required, m.name)
		}
	}
	shape := s.about.Shapes[t.Name()]
	node.MinProperties, node.AnyOf, node.OneOf = shape.Least, requiring(shape.AnyOf), requiring(shape.OneOf)
	for _, n := range shape.Needs {
		node.AllOf = append(node.AllOf, when(n.Field, n.Word, &schemaNode{Required: []string{n.Needed}}))
	}
	return node
}

func (s schema) of(t reflect.Type, about Field) *schemaNode {
	switch {
	case t == durationType:
		return &schemaNode{Type: "string", Pattern: durationPattern}
	case t.Kind() == reflect.Pointer:
		return s.of(t.Elem(), about)
	case t.Kind() == reflect.Struct:
		if s.definitions[t.Name()] == nil {
			s.definitions[t.Name()] = &schemaNode{} // for a type that leads to itself
			*s.definitions[t.Name()] = *s.ofStruct(t)
		}
		return &schemaNode{Ref: "#/$defs/" + t.Name()}
	case t.Kind() == reflect.Slice:
		items := about
		items.Least, items.Most = 0, 0
		return &schemaNode{
			Type: "array", Items: s.of(t.Elem(), items), MinItems: about.Least, MaxItems: about.Most,
			UniqueItems: t.Elem().Kind() == reflect.String && !about.Repeats,
		}
	case t.Kind() == reflect.Map:
		return &schemaNode{
			Type: "object", PropertyNames: &schemaNode{Pattern: about.Keys}, MinProperties: about.Least, MaxProperties: about.Most,
			AdditionalProperties: s.of(t.Elem(), Field{Pattern: about.Pattern, Least: about.Least, Most: about.Each}),
		}
	case t.Kind() == reflect.Bool:
		return &schemaNode{Type: "boolean"}
	case t.Kind() == reflect.Int:
		return &schemaNode{Type: "integer", Minimum: &about.Least, Maximum: &about.Most}
	}
	return &schemaNode{Type: "string", Enum: about.Words, Pattern: about.Pattern, MinLength: about.Shortest, MaxLength: about.Longest}
}

// requiring are schemas of which each wants one of the fields.
func requiring(names []string) []*schemaNode {
	var all []*schemaNode
	for _, name := range names {
		all = append(all, &schemaNode{Required: []string{name}})
	}
	return all
}

// when holds where a field is one word.
func when(name, word string, then *schemaNode) *schemaNode {
	return &schemaNode{If: &schemaNode{Properties: map[string]*schemaNode{name: {Const: word}}, Required: []string{name}}, Then: then}
}

// durationPattern is how a duration is usually written.
const durationPattern = `^([0-9]+h([0-9]+m)?([0-9]+s)?|[0-9]+m([0-9]+s)?|[0-9]+s)$`
