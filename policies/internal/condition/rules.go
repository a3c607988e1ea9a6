package condition

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// Bounds of a condition.
const (
	mostSource  = 1000    // characters
	mostDepth   = 100     // of what stands within each other
	mostNesting = 2       // of exists, all and their like
	mostPattern = 1000    // instructions of a compiled regular expression
	mostCost    = 200_000 // in the library's units: roughly one for each operation and each ten characters that are looked at

	// The facts for which mostCost is held against a condition when it is loaded. Facts
	// may be greater: then the same bound ends the evaluation.
	mostGroups = 256
	mostLabels = 64
	mostText   = 500 // bytes
)

// allowed are the functions of conditions; those without a letter are operators. Nothing
// here makes a text longer than its parts together, and nothing reads the outside.
var allowed = []string{
	operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.NotStrictlyFalse, operators.Conditional,
	operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
	operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo, operators.Negate,
	operators.In, operators.Index,
	overloads.Size, overloads.Contains, overloads.StartsWith, overloads.EndsWith, overloads.Matches,
	overloads.TypeConvertDuration, overloads.TypeConvertTimestamp, overloads.TypeConvertInt, overloads.TypeConvertString,
	"lowerAscii", "upperAscii", "trim", "split", "substring", "indexOf", "lastIndexOf",
	"getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours", "getMinutes",
}

// macros are the forms that look like functions.
var macros = []string{operators.Has, operators.All, operators.Exists, operators.ExistsOne, operators.Filter}

// withoutZoned leaves out of the standard library what zones.go replaces, and one macro
// that would only make lists longer.
func withoutZoned() *env.LibrarySubset {
	subset := env.NewLibrarySubset().AddExcludedMacros(operators.Map)
	for name := range zoned {
		subset.AddExcludedFunctions(env.NewFunction(name))
	}
	return subset
}

func checkLength(source string) *Fault {
	switch {
	case !utf8.ValidString(source):
		return &Fault{Line: 1, Column: 1, Text: "This is not text"}
	case utf8.RuneCountInString(source) > mostSource:
		return &Fault{Line: 1, Column: 1, Text: fmt.Sprintf("A condition has at most %d characters", mostSource)}
	}
	return nil
}

// rules are what a condition must keep to beside its types.
type rules struct {
	source source
	ast    *ast.AST

	reads  []string // asserted facts, as they are written
	labels []Label
	fault  *Fault // the first
}

func (r *rules) check() *Fault {
	r.visit(r.ast.Expr(), 0)
	slices.SortStableFunc(r.labels, func(a, b Label) int { return (a.Line-b.Line)*(mostSource+1) + a.Column - b.Column })
	return r.fault
}

// refuse notes a fault at an expression, if it stands before the one that is known.
func (r *rules) refuse(e ast.Expr, format string, values ...any) {
	line, column := r.at(e)
	if r.fault == nil || line < r.fault.Line || line == r.fault.Line && column < r.fault.Column {
		r.fault = &Fault{Line: line, Column: column, Text: fmt.Sprintf(format, values...)}
	}
}

func (r *rules) at(e ast.Expr) (line, column int) {
	found, ok := r.ast.SourceInfo().GetOffsetRange(e.ID())
	if !ok {
		return 1, 1
	}
	return r.source.place(r.source.word(int(found.Start)))
}

// visit looks at an expression that stands within so many comprehensions, which is what
// exists, all and their like become.
func (r *rules) visit(e ast.Expr, nesting int) {
	switch e.Kind() {
	case ast.IdentKind:
		if slices.Contains(objectNames, r.ast.GetType(e.ID()).TypeName()) {
			r.refuse(e, "`%s` is no value by itself; name a field of it", e.AsIdent())
		}
	case ast.SelectKind:
		r.selected(e, nesting)
	case ast.CallKind:
		r.called(e, nesting)
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			r.visit(element, nesting)
		}
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		r.visit(c.IterRange(), nesting)
		if nesting++; nesting > mostNesting {
			r.refuse(e, "exists, all and their like stand within each other at most %d deep", mostNesting)
			return
		}
		for _, part := range []ast.Expr{c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()} {
			r.visit(part, nesting)
		}
	case ast.MapKind, ast.StructKind:
		r.refuse(e, "A condition makes no maps or objects")
	}
}

func (r *rules) selected(e ast.Expr, nesting int) {
	s := e.AsSelect()
	object := s.Operand()
	switch name := r.ast.GetType(object.ID()).TypeName(); {
	case name == assertedName && s.IsTestOnly():
		// Whoever can withhold a fact could otherwise choose what its absence means.
		r.refuse(e, "It cannot be asked whether an asserted fact is there; where one is missing, the condition fails")
	case name == assertedName:
		r.reads = append(r.reads, s.FieldName())
	case r.isLabels(object):
		r.label(e, s.FieldName())
	}
	if object.Kind() != ast.IdentKind {
		r.visit(object, nesting)
	}
}

// isLabels tells whether an expression is target.labels.
func (r *rules) isLabels(e ast.Expr) bool {
	return e.Kind() == ast.SelectKind && e.AsSelect().FieldName() == "labels" &&
		r.ast.GetType(e.AsSelect().Operand().ID()).TypeName() == targetName
}

func (r *rules) label(at ast.Expr, key string) {
	line, column := r.at(at)
	r.labels = append(r.labels, Label{Key: key, Line: line, Column: column})
}

func (r *rules) called(e ast.Expr, nesting int) {
	call := e.AsCall()
	name, args := call.FunctionName(), call.Args()
	if !slices.Contains(allowed, name) {
		r.refuse(e, "There is no function `%s`", name)
	}
	switch {
	case name == overloads.Matches:
		r.pattern(args[len(args)-1])
	case zoned[name] != nil:
		r.zone(args[0])
	case name == operators.Index && r.isLabels(args[0]):
		r.labelText(args[1])
	case name == operators.In && r.isLabels(args[1]):
		r.labelText(args[0])
	}
	r.order(e, name, args)
	if call.IsMemberFunction() {
		r.visit(call.Target(), nesting)
	}
	for _, arg := range args {
		r.visit(arg, nesting)
	}
}

// order refuses what depends on the order of a list: groups and roles come in any.
func (r *rules) order(e ast.Expr, name string, args []ast.Expr) {
	isList := func(e ast.Expr) bool { return r.ast.GetType(e.ID()).Kind() == types.ListKind }
	switch {
	case name == operators.Index && isList(args[0]) && !(args[0].Kind() == ast.CallKind && args[0].AsCall().FunctionName() == "split"):
		r.refuse(e, "A list has no order; ask with exists for what is in it")
	case (name == operators.Equals || name == operators.NotEquals || name == operators.In) && isList(args[0]):
		r.refuse(e, "Lists are not compared; ask with size, exists or all for what is in them")
	}
}

func (r *rules) labelText(e ast.Expr) {
	if key, ok := literal(e); ok {
		r.label(e, key)
	}
}

// pattern checks a regular expression. One that came from a fact would be compiled at
// each evaluation, and be whatever its author likes.
func (r *rules) pattern(e ast.Expr) {
	text, ok := literal(e)
	if !ok {
		r.refuse(e, "A regular expression stands in the condition itself, as a text in quotes")
		return
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		r.refuse(e, "This is not a regular expression: %v", err)
		return
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(program.Inst) > mostPattern {
		r.refuse(e, "This regular expression is too large")
	}
}

func (r *rules) zone(e ast.Expr) {
	name, ok := literal(e)
	switch {
	case !ok:
		r.refuse(e, "A time zone stands in the condition itself, as a text in quotes")
	case !knownZone(name):
		r.refuse(e, "There is no time zone %q; use a name such as Europe/Berlin, or UTC", name)
	}
}

// literal is a text that stands in the source.
func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().(types.String)
	return string(text), ok
}

// asEstimated tells whether the facts are of the sizes that the estimate is made for.
func (f *Facts) asEstimated() bool {
	if len(f.Requester.Groups) > mostGroups || len(f.Held) > mostGroups || len(f.Target.Labels) > mostLabels {
		return false
	}
	for _, list := range [...][]string{f.Requester.Groups, f.Held, {
		f.Requester.Subject, f.Requester.Issuer, f.Requester.Name, f.Requester.Email,
		f.Ask.Role, f.Ask.Target, f.Ask.Login, f.Ask.Reason, f.Ask.Ticket, f.Target.Name,
	}} {
		for _, text := range list {
			if len(text) > mostText {
				return false
			}
		}
	}
	for key, value := range f.Target.Labels {
		if len(key) > mostText || len(value) > mostText {
			return false
		}
	}
	for _, value := range f.Asserted {
		if text, ok := value.(string); ok && len(text) > mostText {
			return false
		}
	}
	return true
}

// sizes says how large facts are at most, for the estimate of what a condition costs.
type sizes struct{}

// EstimateSize bounds a value that is not a literal by its type.
func (sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	most := cost.RangedSizeEstimate(0, mostText)
	switch node.Type().Kind() {
	case types.ListKind:
		most.Max = mostGroups
		if path := node.Path(); len(path) == 0 {
			return nil
		}
	case types.MapKind:
		most.Max = mostLabels
	case types.StringKind:
		if len(node.Path()) == 0 {
			return nil
		}
	default:
		return nil
	}
	return &most
}

// EstimateCallCost leaves the cost of functions to the library.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
