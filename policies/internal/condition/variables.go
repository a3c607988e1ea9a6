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
	get          func(*values) any
	set          func(*values) bool // what has() says; nil: always
	known        bool               // without a request; see Condition.Could
}

var fields = []field{
	text(requesterName, "subject", true, func(v *values) string { return v.Requester.Subject }),
	text(requesterName, "issuer", true, func(v *values) string { return v.Requester.Issuer }),
	text(requesterName, "name", true, func(v *values) string { return v.Requester.Name }),
	text(requesterName, "email", true, func(v *values) string { return v.Requester.Email }),
	{requesterName, "groups", texts,
		func(v *values) any { return types.NewStringList(types.DefaultTypeAdapter, v.Requester.Groups) },
		func(v *values) bool { return len(v.Requester.Groups) > 0 }, true},

	text(askName, "role", true, func(v *values) string { return v.Ask.Role }),
	text(askName, "target", true, func(v *values) string { return v.Ask.Target }),
	text(askName, "login", true, func(v *values) string { return v.Ask.Login }),
	{askName, "duration", types.DurationType,
		func(v *values) any { return types.Duration{Duration: v.Ask.Duration} }, nil, false},
	text(askName, "reason", false, func(v *values) string { return v.Ask.Reason }),
	text(askName, "ticket", false, func(v *values) string { return v.Ask.Ticket }),
	{askName, "at", types.TimestampType,
		func(v *values) any { return types.Timestamp{Time: v.Asked} }, nil, false},
	{askName, "start", types.TimestampType,
		func(v *values) any { return types.Timestamp{Time: v.start()} },
		func(v *values) bool { return !v.Ask.Start.IsZero() }, false},
	{askName, "breakGlass", types.BoolType,
		func(v *values) any { return types.Bool(v.Ask.BreakGlass) }, nil, true},

	text(targetName, "name", true, func(v *values) string { return v.Target.Name }),
	{targetName, "labels", labels,
		func(v *values) any { return v.Target.Labels },
		func(v *values) bool { return len(v.Target.Labels) > 0 }, true},
}

func text(object, name string, known bool, get func(*values) string) field {
	return field{object, name, types.StringType,
		func(v *values) any { return types.String(get(v)) },
		func(v *values) bool { return get(v) != "" }, known}
}

// values are the facts of one evaluation, as the variables of it.
type values Facts

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
