package condition

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Variable is something that conditions see.
type Variable struct {
	Name  string // as it is written, such as requester.groups
	Type  string
	Means string
}

// Variables lists what conditions see, beside the asserted facts of an organization
// (asserted.NAME):
//
//	requester.subject, .issuer, .name, .email   who asks; a name and an address only if they have one
//	requester.groups                            list of the groups that they are in
//	ask.role, .target, .login                   names of what is asked for
//	ask.duration                                for how long
//	ask.reason, .ticket                         empty where none is given
//	ask.at                                      when it was asked for
//	ask.start                                   when it shall begin; now, where no time was set; has(ask.start) tells
//	ask.breakGlass                              whether it is an emergency
//	target.name                                 as ask.target
//	target.labels                               map of its labels; one that it does not bear is no value: the condition fails
//	now                                         the time of the decision
//	held                                        list of the roles that the requester holds
func Variables() []Variable {
	listed := make([]Variable, 0, len(fields)+2)
	for _, f := range fields {
		listed = append(listed, Variable{f.object + "." + f.name, f.kind.String(), f.means})
	}
	return append(listed,
		Variable{nowName, types.TimestampType.String(), "the time of the decision"},
		Variable{heldName, texts.String(), "the roles that the requester holds"})
}

// Names of the variables. An object's type is called as the variable is.
const (
	requesterName = "requester"
	askName       = "ask"
	targetName    = "target"
	assertedName  = "asserted"
	nowName       = "now"
	heldName      = "held"
)

var (
	objectNames = []string{requesterName, askName, targetName, assertedName}
	texts       = types.NewListType(types.StringType)
	labels      = types.NewMapType(types.StringType, types.StringType)
)

// field is one field of an object.
type field struct {
	object, name string
	kind         *types.Type
	means        string
	get          func(*values) any
	set          func(*values) bool // what has() says; nil: always
	known        bool               // without a request; see Condition.Could
}

var fields = []field{
	text(requesterName, "subject", "the identity's name at its issuer", true, func(v *values) string { return v.Requester.Subject }),
	text(requesterName, "issuer", "who vouches for the identity", true, func(v *values) string { return v.Requester.Issuer }),
	text(requesterName, "name", "what they are called; empty where that is not known", true, func(v *values) string { return v.Requester.Name }),
	text(requesterName, "email", "their address; empty where that is not known", true, func(v *values) string { return v.Requester.Email }),
	{requesterName, "groups", texts, "the groups that they are in",
		func(v *values) any { return types.NewStringList(types.DefaultTypeAdapter, v.Requester.Groups) },
		func(v *values) bool { return len(v.Requester.Groups) > 0 }, true},

	text(askName, "role", "the name of the role", true, func(v *values) string { return v.Ask.Role }),
	text(askName, "target", "the name of the target", true, func(v *values) string { return v.Ask.Target }),
	text(askName, "login", "the login on it", true, func(v *values) string { return v.Ask.Login }),
	{askName, "duration", types.DurationType, "for how long",
		func(v *values) any { return types.Duration{Duration: v.Ask.Duration} }, nil, false},
	text(askName, "reason", "why; empty where that is not said", false, func(v *values) string { return v.Ask.Reason }),
	text(askName, "ticket", "its ticket; empty where there is none", false, func(v *values) string { return v.Ask.Ticket }),
	{askName, "at", types.TimestampType, "when it was asked for",
		func(v *values) any { return types.Timestamp{Time: v.Asked} }, nil, false},
	{askName, "start", types.TimestampType, "when it shall begin: now, where no time was set",
		func(v *values) any { return types.Timestamp{Time: v.start()} },
		func(v *values) bool { return !v.Ask.Start.IsZero() }, false},
	{askName, "breakGlass", types.BoolType, "whether it is an emergency",
		func(v *values) any { return types.Bool(v.Ask.BreakGlass) }, nil, true},

	text(targetName, "name", "the name of the target", true, func(v *values) string { return v.Target.Name }),
	{targetName, "labels", labels, "its labels",
		func(v *values) any { return v.Target.Labels },
		func(v *values) bool { return len(v.Target.Labels) > 0 }, true},
}

func text(object, name, means string, known bool, get func(*values) string) field {
	return field{object, name, types.StringType, means,
		func(v *values) any { return types.String(get(v)) },
		func(v *values) bool { return get(v) != "" }, known}
}

// values are the facts of one evaluation, as the variables of it.
type values struct{ Facts }

// ResolveName finds a variable; an object stands for all facts, of which its fields take theirs.
func (v *values) ResolveName(name string) (any, bool) {
	switch name {
	case requesterName, askName, targetName, assertedName:
		return v, true
	case nowName:
		return types.Timestamp{Time: v.Now}, true
	case heldName:
		return types.NewStringList(types.DefaultTypeAdapter, v.Held), true
	}
	return nil, false
}

// Parent is nil: there are no other variables.
func (v *values) Parent() cel.Activation { return nil }

func (v *values) start() time.Time {
	if v.Ask.Start.IsZero() {
		return v.Now
	}
	return v.Ask.Start
}

// provider knows the fields of the objects. Nothing can be made of its types.
type provider struct {
	*types.Registry
	objects map[string]map[string]*types.FieldType
}

// standardObjects are the fields of all objects but the asserted facts.
var standardObjects = func() map[string]map[string]*types.FieldType {
	objects := map[string]map[string]*types.FieldType{}
	for _, f := range fields {
		if objects[f.object] == nil {
			objects[f.object] = map[string]*types.FieldType{}
		}
		objects[f.object][f.name] = &types.FieldType{
			Type:  f.kind,
			IsSet: func(from any) bool { v, ok := from.(*values); return ok && (f.set == nil || f.set(v)) },
			GetFrom: func(from any) (any, error) {
				v, ok := from.(*values)
				if !ok {
					return nil, fmt.Errorf("%T has no field %s", from, f.name)
				}
				return f.get(v), nil
			},
		}
	}
	return objects
}()

func newProvider(registry *types.Registry, asserted []Declared) *provider {
	p := &provider{Registry: registry, objects: maps.Clone(standardObjects)}
	facts := map[string]*types.FieldType{}
	for _, fact := range asserted {
		if !fact.Untrusted {
			facts[written(fact.Name)] = fact.field()
		}
	}
	p.objects[assertedName] = facts
	return p
}

// written is how a condition writes the name of an asserted fact.
func written(name string) string { return strings.ReplaceAll(name, "-", "_") }

// field takes the fact's value out of those of an evaluation, if it is there and of the
// type that it was declared to be.
func (d Declared) field() *types.FieldType {
	kind := map[Type]*types.Type{Bool: types.BoolType, Number: types.IntType, Text: types.StringType}[d.Type]
	find := func(from any) any {
		v, ok := from.(*values)
		if !ok {
			return nil
		}
		switch value := v.Asserted[d.Name].(type) {
		case bool:
			if d.Type == Bool {
				return types.Bool(value)
			}
		case int64:
			if d.Type == Number {
				return types.Int(value)
			}
		case string:
			if d.Type == Text {
				return types.String(value)
			}
		}
		return nil
	}
	return &types.FieldType{
		Type:  kind,
		IsSet: func(from any) bool { return find(from) != nil },
		GetFrom: func(from any) (any, error) {
			if value := find(from); value != nil {
				return value, nil
			}
			return nil, fmt.Errorf("nobody says what the asserted fact %s is", d.Name)
		},
	}
}

// FindStructType finds the type of an object.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := p.objects[name]; !ok {
		return nil, false
	}
	return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
}

// FindStructFieldNames lists the fields of an object.
func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	found, ok := p.objects[name]
	return slices.Sorted(maps.Keys(found)), ok
}

// FindStructFieldType finds a field of an object.
func (p *provider) FindStructFieldType(name, of string) (*types.FieldType, bool) {
	found, ok := p.objects[name][of]
	return found, ok
}

// NewValue makes nothing.
func (p *provider) NewValue(name string, _ map[string]ref.Val) ref.Val {
	return types.NewErr("no %s can be made", name)
}
