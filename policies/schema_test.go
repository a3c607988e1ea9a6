package policies

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"stint/policies/internal/document"
)

var update = flag.Bool("update", false, "write docs/policy.schema.json and the golden decisions")

func TestPublishedSchema(t *testing.T) {
	t.Parallel()
	const path = "../docs/policy.schema.json"
	if *update {
		if err := os.WriteFile(path, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	published, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(published, Schema()) {
		t.Errorf("%s is not what Schema gives (%v); run go test ./policies -run PublishedSchema -update", path, err)
	}
}

// Every field of the types is in the schema, with words, and there are no words about
// what is no field.
func TestSchemaHasEveryField(t *testing.T) {
	t.Parallel()
	fields := map[string]bool{}
	var walk func(of reflect.Type)
	walk = func(of reflect.Type) {
		switch of.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(of.Elem())
		case reflect.Struct:
			for i := range of.NumField() {
				f := of.Field(i)
				if name := f.Tag.Get("yaml"); name != "" {
					fields[of.Name()+"."+name] = true
					walk(f.Type)
				}
			}
		}
	}
	for _, kind := range kinds {
		if kind.New == nil {
			continue
		}
		walk(reflect.TypeOf(kind.New()))
		if kindWords[kind.Name] == "" {
			t.Errorf("nothing is said of the kind %s", kind.Name)
		}
	}
	for name := range fields {
		if fieldWords[name].Says == "" {
			t.Errorf("nothing is said of %s", name)
		}
	}
	for name := range fieldWords {
		if !fields[name] {
			t.Errorf("%s is no field", name)
		}
	}
	all := schema(t)
	for name := range fields {
		of, field, _ := strings.Cut(name, ".")
		property := all.Definitions[of].Properties[field]
		if property == nil || property.Description == "" || property.Type == "" && property.Ref == "" {
			t.Errorf("the schema has %s as %+v", name, property)
		}
	}
}

func TestSchemaTakesWhatLoads(t *testing.T) {
	t.Parallel()
	all := schema(t)
	texts := map[string]string{"the whole": wholeText(t), "good ones": strings.Join([]string{goodOrganization, goodRole + fleetRule, goodOtherRole, goodSeparation, goodTarget}, "---\n")}
	defaults, err := os.ReadDir("bundle")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range defaults {
		if strings.HasSuffix(file.Name(), ".yaml") {
			text, err := os.ReadFile("bundle/" + file.Name())
			if err != nil {
				t.Fatal(err)
			}
			texts[file.Name()] = string(text)
		}
	}
	if len(texts) < 4 {
		t.Error("the default policies were not found")
	}
	for name, text := range texts {
		for i, node := range documentNodes(t, text) {
			if err := all.check(valueOfNode(node)); err != nil {
				t.Errorf("%s, document %d: %v", name, i+1, err)
			}
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	all := schema(t)
	role := goodRole
	for name, text := range map[string]string{
		"no kind":                  "name: a\n",
		"another kind":             "kind: Rule\n",
		"a list":                   "- kind: Role\n",
		"a field that is not one":  role + "conflicts: [a]\n",
		"a field of another kind":  goodTarget + "requesters: [a]\n",
		"a missing field":          strings.Replace(role, "reason: required\n", "", 1),
		"a word":                   strings.Replace(role, "reason: required", "reason: maybe", 1),
		"a name":                   strings.Replace(role, "name: production-shell", "name: Production", 1),
		"a duration as a number":   strings.Replace(role, "longest: 4h", "longest: 4", 1),
		"a duration in days":       strings.Replace(role, "longest: 4h", "longest: 4d", 1),
		"a count as text":          strings.Replace(role, "count: 1}", "count: one}", 1),
		"a count of none":          strings.Replace(role, "count: 1}", "count: 0}", 1),
		"a count that is broken":   strings.Replace(role, "count: 1}", "count: 1.5}", 1),
		"a stage of nobody":        strings.Replace(role, "groups: [sre-leads], ", "", 1),
		"a list as text":           strings.Replace(role, "logins: [app, postgres]", "logins: app", 1),
		"an empty list":            strings.Replace(role, "logins: [app, postgres]", "logins: []", 1),
		"one item twice":           strings.Replace(role, "logins: [app, postgres]", "logins: [app, app]", 1),
		"an empty selector":        strings.Replace(role, "labels: {env: production}", "labels: {}", 1),
		"no selector":              strings.Replace(role, "targets:\n  labels: {env: production}\n", "targets: {}\n", 1),
		"a label":                  strings.Replace(role, "{env: production}", "{Env: production}", 1),
		"a value of a label":       strings.Replace(role, "{env: production}", "{env: \"a b\"}", 1),
		"nothing where some is":    strings.Replace(role, "reason: required", "reason:", 1),
		"true in another way":      role + "singleUse: 1\n",
		"a restriction of both":    role + "restrict: [{name: a, when: \"true\", refuse: No., add: [{name: b, groups: [c], count: 1}]}]\n",
		"a restriction of neither": role + "restrict: [{name: a, when: \"true\"}]\n",
		"a history without days":   "kind: Separation\nname: a\nforbid: history\nroles: [a, b]\n",
		"objects without labels":   "kind: Separation\nname: a\nforbid: object\nroles: [a]\n",
		"an address":               strings.Replace(goodTarget, ":22", "", 1),
		"a time of day":            "kind: Calendar\nname: a\nzone: UTC\nopen: [{days: [monday], from: \"9:00\", to: \"10:00\"}]\n",
		"a quorum":                 "kind: Organization\nquorum: 17\n",
	} {
		nodes := documentNodes(t, text)
		if len(nodes) != 1 {
			t.Fatalf("%s: %d documents", name, len(nodes))
		}
		if err := all.check(valueOfNode(nodes[0])); err == nil {
			t.Errorf("%s: taken", name)
		}
		if _, err := Parse(map[string]string{"f.yaml": text}); err == nil {
			t.Errorf("%s: it loads", name)
		}
	}
}

// Whatever single part of a policy is left out, written otherwise or of another form: the
// schema refuses nothing that loads, and of the forms it misses nothing that Load refuses.
func TestSchemaAgreesWithLoad(t *testing.T) {
	t.Parallel()
	all := schema(t)
	documents := documentNodes(t, wholeText(t))
	texts := make([]string, len(documents))
	written := func(d *yaml.Node) string {
		text, err := yaml.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for i, d := range documents {
		texts[i] = written(d)
	}
	seen, refused := 0, 0
	// compare looks at the document that is altered; where its form is, that alone says enough.
	compare := func(i int, what string, form bool) {
		seen++
		told := all.check(valueOfNode(documents[i]))
		if told == nil && !form {
			return // whatever else is wrong with it
		}
		var loads error
		if form {
			reader := document.NewReader(kinds)
			reader.Read("f.yaml", written(documents[i]))
			loads = reader.Err()
		} else {
			altered := slices.Clone(texts)
			altered[i] = written(documents[i])
			_, loads = Parse(map[string]string{"f.yaml": strings.Join(altered, "---\n")})
		}
		switch {
		case told != nil && loads == nil:
			t.Errorf("%s loads, and the schema says: %v", what, told)
		case told == nil && form:
			t.Errorf("%s: the schema misses what Load says: %v", what, loads)
		case told != nil:
			refused++
		}
	}
	other := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{}}
	nothing := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	var walk func(at int, path string, n *yaml.Node)
	walk = func(at int, path string, n *yaml.Node) {
		for i, child := range n.Content {
			here := path + "[" + strconv.Itoa(i) + "]"
			if n.Kind == yaml.MappingNode {
				if i%2 == 0 {
					continue
				}
				key := n.Content[i-1]
				here = path + "." + key.Value
				whole := n.Content
				n.Content = slices.Concat(whole[:i-1], whole[i+1:])
				compare(at, "without "+here, false)
				n.Content = whole
				if !strings.HasSuffix(path, ".labels") {
					key.Value += "x"
					compare(at, "with another "+here, true)
					key.Value = strings.TrimSuffix(key.Value, "x")
				}
			}
			if child.Kind == yaml.ScalarNode {
				n.Content[i] = other
				compare(at, "with a list as "+here, true)
			}
			n.Content[i] = nothing
			compare(at, "with nothing as "+here, true)
			n.Content[i] = child
			walk(at, here, child)
		}
	}
	for i, d := range documents {
		walk(i, strconv.Itoa(i), d)
	}
	if seen < 500 || refused < 300 {
		t.Errorf("only %d were tried and %d refused", seen, refused)
	}
}

// keywords are those of JSON Schema (draft 2020-12) that the schema uses.
type keywords struct {
	Schema               string               `json:"$schema"`
	Title                string               `json:"title"`
	Description          string               `json:"description"`
	Default              any                  `json:"default"`
	Ref                  string               `json:"$ref"`
	Type                 string               `json:"type"`
	Const                string               `json:"const"`
	Enum                 []string             `json:"enum"`
	Pattern              string               `json:"pattern"`
	MinLength            int                  `json:"minLength"`
	MaxLength            int                  `json:"maxLength"`
	Minimum              *int                 `json:"minimum"`
	Maximum              *int                 `json:"maximum"`
	Items                *keywords            `json:"items"`
	MinItems             int                  `json:"minItems"`
	MaxItems             int                  `json:"maxItems"`
	UniqueItems          bool                 `json:"uniqueItems"`
	Properties           map[string]*keywords `json:"properties"`
	Required             []string             `json:"required"`
	AdditionalProperties any                  `json:"additionalProperties"` // false, or a schema
	PropertyNames        *keywords            `json:"propertyNames"`
	MinProperties        int                  `json:"minProperties"`
	MaxProperties        int                  `json:"maxProperties"`
	AnyOf                []*keywords          `json:"anyOf"`
	OneOf                []*keywords          `json:"oneOf"`
	AllOf                []*keywords          `json:"allOf"`
	If                   *keywords            `json:"if"`
	Then                 *keywords            `json:"then"`
	Definitions          map[string]*keywords `json:"$defs"`
}

func schema(t testing.TB) *checked {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(Schema()))
	decoder.DisallowUnknownFields()
	all := &checked{patterns: map[string]*regexp.Regexp{}}
	if err := decoder.Decode(&all.keywords); err != nil {
		t.Fatal(err)
	}
	return all
}

// checked is a schema that values are held against.
type checked struct {
	keywords
	patterns map[string]*regexp.Regexp // compiled
}

func (all *checked) check(value any) error { return all.holds(&all.keywords, value) }

// holds holds a value against a schema (JSON Schema Validation, draft 2020-12, of the
// keywords that keywords has).
func (all *checked) holds(n *keywords, value any) error {
	if name, ok := strings.CutPrefix(n.Ref, "#/$defs/"); ok {
		definition := all.Definitions[name]
		if definition == nil {
			return fmt.Errorf("there is no definition %s", name)
		}
		if err := all.holds(definition, value); err != nil {
			return err
		}
	}
	if n.If != nil && all.holds(n.If, value) == nil {
		if err := all.holds(n.Then, value); err != nil {
			return err
		}
	}
	for _, one := range n.AllOf {
		if err := all.holds(one, value); err != nil {
			return err
		}
	}
	for _, some := range [][]*keywords{n.AnyOf, n.OneOf} {
		held := 0
		for _, one := range some {
			if all.holds(one, value) == nil {
				held++
			}
		}
		if len(some) > 0 && (held == 0 || held > 1 && len(n.OneOf) > 0) {
			return fmt.Errorf("%v fits %d of the forms", value, held)
		}
	}
	is := map[string]bool{"": true}
	switch value := value.(type) {
	case string:
		is["string"] = true
		length := utf8.RuneCountInString(value)
		if n.Const != "" && n.Const != value || n.Enum != nil && !slices.Contains(n.Enum, value) || length < n.MinLength || n.MaxLength > 0 && length > n.MaxLength ||
			n.Pattern != "" && !all.matches(n.Pattern, value) {
			return fmt.Errorf("%q does not fit %+v", value, n)
		}
	case int:
		is["integer"] = true
		if n.Minimum != nil && value < *n.Minimum || n.Maximum != nil && value > *n.Maximum {
			return fmt.Errorf("%d is out of bounds", value)
		}
	case bool:
		is["boolean"] = true
	case []any:
		is["array"] = true
		if err := all.holdsList(n, value); err != nil {
			return err
		}
	case map[string]any:
		is["object"] = true
		if err := all.holdsObject(n, value); err != nil {
			return err
		}
	}
	if !is[n.Type] || len(is) == 1 || (n.Const != "" || n.Enum != nil) && !is["string"] {
		return fmt.Errorf("%v is no %s", value, n.Type)
	}
	return nil
}

func (all *checked) matches(pattern, text string) bool {
	if all.patterns[pattern] == nil {
		all.patterns[pattern] = regexp.MustCompile(pattern)
	}
	return all.patterns[pattern].MatchString(text)
}

func (all *checked) holdsList(n *keywords, list []any) error {
	if len(list) < n.MinItems || n.MaxItems > 0 && len(list) > n.MaxItems {
		return fmt.Errorf("there are %d items", len(list))
	}
	for i, item := range list {
		if n.Items != nil {
			if err := all.holds(n.Items, item); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
		if n.UniqueItems && slices.ContainsFunc(list[:i], func(other any) bool { return reflect.DeepEqual(other, item) }) {
			return fmt.Errorf("%v stands twice", item)
		}
	}
	return nil
}

func (all *checked) holdsObject(n *keywords, object map[string]any) error {
	for _, name := range n.Required {
		if _, ok := object[name]; !ok {
			return fmt.Errorf("there is no %s", name)
		}
	}
	if len(object) < n.MinProperties || n.MaxProperties > 0 && len(object) > n.MaxProperties {
		return fmt.Errorf("there are %d properties", len(object))
	}
	for name, value := range object {
		property := n.Properties[name]
		if property == nil {
			if n.AdditionalProperties == false {
				return fmt.Errorf("%s is no property", name)
			}
			if n.AdditionalProperties == nil {
				continue
			}
			if n.PropertyNames != nil && all.holds(n.PropertyNames, name) != nil {
				return fmt.Errorf("%s is no name", name)
			}
			text, err := json.Marshal(n.AdditionalProperties)
			if err != nil {
				return err
			}
			property = &keywords{}
			if err := json.Unmarshal(text, property); err != nil {
				return err
			}
		}
		if err := all.holds(property, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func documentNodes(t testing.TB, text string) (nodes []*yaml.Node) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var top yaml.Node
		if err := decoder.Decode(&top); err == io.EOF {
			return nodes
		} else if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, top.Content[0])
	}
}

// valueOfNode is what a reader of YAML 1.2's core schema makes of a node.
func valueOfNode(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			object[n.Content[i].Value] = valueOfNode(n.Content[i+1])
		}
		return object
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, valueOfNode(item))
		}
		return list
	}
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return n.Value == "true"
	case "!!int":
		if i, err := strconv.Atoi(n.Value); err == nil {
			return i
		}
	case "!!float":
		return 0.5
	}
	return n.Value
}
