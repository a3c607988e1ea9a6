package policies

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

// Schema is a JSON Schema (draft 2020-12) of one document of a policy file, for editors:
// they complete and explain as somebody writes. It refuses nothing that Load takes but
// what Load reads leniently, such as a duration in an unusual spelling or a label that
// looks like a number; Load checks much more.
func Schema() []byte {
	all := &schemaNode{
		Schema: "https://json-schema.org/draft/2020-12/schema", Title: "Stint policy",
		Description: "One document of a policy file. A file holds any number of them, with a line of three hyphens between each two.",
		Type:        "object", Required: []string{"kind"},
		Properties:  map[string]*schemaNode{"kind": {Description: "What the document describes. It stands first.", Enum: kindNames()}},
		Definitions: map[string]*schemaNode{},
	}
	for _, kind := range kinds {
		node := schemaOfStruct(reflect.TypeOf(kind.of(&document{})).Elem(), all.Definitions)
		node.Description = kindWords[kind.name]
		node.Properties["kind"] = &schemaNode{Const: kind.name}
		node.Required = append([]string{"kind"}, node.Required...)
		all.Definitions[kind.name] = node
		all.AllOf = append(all.AllOf, &schemaNode{
			If:   &schemaNode{Properties: map[string]*schemaNode{"kind": {Const: kind.name}}, Required: []string{"kind"}},
			Then: &schemaNode{Ref: "#/$defs/" + kind.name},
		})
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

// schemaOfStruct describes a type's fields, and puts the types that they lead to among
// the definitions.
func schemaOfStruct(t reflect.Type, definitions map[string]*schemaNode) *schemaNode {
	node := &schemaNode{Type: "object", Properties: map[string]*schemaNode{}, AdditionalProperties: false}
	for _, m := range membersOf(t) {
		about := fieldWords[t.Name()+"."+m.name]
		one := schemaOf(m.of, about, definitions)
		one.Description = about.says
		if about.without != "" {
			one.Default = json.RawMessage(about.without)
			if one.Type != "integer" {
				one.Default = about.without
			}
		}
		node.Properties[m.name] = one
		if about.always {
			node.Required = append(node.Required, m.name)
		}
	}
	if more := shapes[t]; more != nil {
		more(node)
	}
	return node
}

func schemaOf(t reflect.Type, about fieldWord, definitions map[string]*schemaNode) *schemaNode {
	switch {
	case t == durationType:
		return &schemaNode{Type: "string", Pattern: durationPattern}
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem(), about, definitions)
	case t.Kind() == reflect.Struct:
		if definitions[t.Name()] == nil {
			definitions[t.Name()] = &schemaNode{} // for a type that leads to itself
			*definitions[t.Name()] = *schemaOfStruct(t, definitions)
		}
		return &schemaNode{Ref: "#/$defs/" + t.Name()}
	case t.Kind() == reflect.Slice:
		items := about
		items.least, items.most = 0, 0
		node := &schemaNode{Type: "array", Items: schemaOf(t.Elem(), items, definitions), MinItems: about.least, MaxItems: about.most}
		node.UniqueItems = t.Elem().Kind() == reflect.String && !about.repeats
		return node
	case t.Kind() == reflect.Map:
		return &schemaNode{
			Type: "object", PropertyNames: &schemaNode{Pattern: labelKey.String()}, MinProperties: about.least, MaxProperties: about.most,
			AdditionalProperties: schemaOf(t.Elem(), fieldWord{pattern: about.pattern, least: about.least, most: mostAllowed}, definitions),
		}
	case t.Kind() == reflect.Bool:
		return &schemaNode{Type: "boolean"}
	case t.Kind() == reflect.Int:
		return &schemaNode{Type: "integer", Minimum: &about.least, Maximum: &about.most}
	}
	return &schemaNode{Type: "string", Enum: about.words, Pattern: about.pattern, MinLength: about.shortest, MaxLength: about.longest}
}

// shapes are what the fields of a type have to do with each other.
var shapes = map[reflect.Type]func(*schemaNode){
	reflect.TypeFor[Selector]():    func(n *schemaNode) { n.MinProperties = 1 },
	reflect.TypeFor[Stage]():       func(n *schemaNode) { n.AnyOf = requiring("groups", "relations") },
	reflect.TypeFor[Restriction](): func(n *schemaNode) { n.OneOf = requiring("refuse", "add") },
	reflect.TypeFor[Separation](): func(n *schemaNode) {
		n.AllOf = []*schemaNode{
			when("forbid", ForbidHistory, &schemaNode{Required: []string{"days"}}),
			when("forbid", ForbidObject, &schemaNode{Required: []string{"labels"}}),
		}
	},
}

// requiring are schemas of which each wants one of the fields.
func requiring(names ...string) []*schemaNode {
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
