package condition

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// source is the text of a condition, by characters.
type source []rune

func newSource(text string) source { return source(text) }

// place is the line and the column of a character, from 1.
func (s source) place(offset int) (line, column int) {
	line, column = 1, 1
	for _, r := range s[:min(offset, len(s))] {
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return line, column
}

// offset is the inverse of place, for a column from 0 as the library counts them.
func (s source) offset(line, column int) int {
	at := 0
	for ; line > 1 && at < len(s); at++ {
		if s[at] == '\n' {
			line--
		}
	}
	return min(at+max(column, 0), len(s))
}

// word moves from the dot or the bracket at which the library places a field or a call to
// the first character of its name.
func (s source) word(at int) int {
	isName := func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
	switch {
	case at < len(s) && s[at] == '.':
		next := at + 1
		for next < len(s) && unicode.IsSpace(s[next]) {
			next++
		}
		if next < len(s) && isName(s[next]) {
			return next
		}
	case at < len(s) && s[at] == '(':
		end := at
		for end > 0 && unicode.IsSpace(s[end-1]) {
			end--
		}
		start := end
		for start > 0 && isName(s[start-1]) {
			start--
		}
		if start < end {
			return start
		}
	}
	return at
}

var (
	undeclared  = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	noField     = regexp.MustCompile(`^undefined field '([^']*)'`)
	noFields    = regexp.MustCompile(`^type '(.*)' does not support field selection`)
	noOverload  = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	noRange     = regexp.MustCompile(`^expression of type '(.*)' cannot be (?:the )?range of a comprehension`)
	noTime      = regexp.MustCompile(`^invalid (duration|timestamp) argument`)
	notExpected = regexp.MustCompile(`^Syntax error: (?:mismatched|extraneous) input '(.*?)' expecting `)
	notRead     = regexp.MustCompile(`^Syntax error: token recognition error at: '(.*)'$`)
)

// meant is what people write who come from other languages.
var meant = map[string]string{"and": "&&", "or": "||", "not": "!", "=": "==", "&": "&&", "|": "||", "===": "==", "<>": "!=", "is": "=="}

// fault makes of the library's errors one of ours: the first in the source.
func (e *Environment) fault(s source, parsed *cel.Ast, issues *cel.Issues) *Fault {
	errors := issues.Errors()
	if len(errors) == 0 {
		return &Fault{Line: 1, Column: 1, Text: "This cannot be read: " + issues.Err().Error()}
	}
	first := errors[0]
	at := s.offset(first.Location.Line(), first.Location.Column())
	said, _, _ := strings.Cut(first.Message, "\n")
	f := &Fault{}
	switch {
	case undeclared.MatchString(said):
		at = s.word(at)
		e.unknown(f, undeclared.FindStringSubmatch(said)[1], at < len(s) && isCall(parsed, first.ExprID))
	case noField.MatchString(said):
		at = s.word(at)
		e.unknownField(f, objectOf(parsed, first.ExprID), noField.FindStringSubmatch(said)[1])
	case noFields.MatchString(said):
		at = s.word(at)
		f.Text = fmt.Sprintf("%s has no fields", capital(plain(noFields.FindStringSubmatch(said)[1])))
	case noOverload.MatchString(said):
		found := noOverload.FindStringSubmatch(said)
		at = s.word(at)
		f.Text = misapplied(found[1], found[2])
	case noRange.MatchString(said):
		f.Text = fmt.Sprintf("exists, all and their like go over a list, and this is %s", plain(noRange.FindStringSubmatch(said)[1]))
	case noTime.MatchString(said):
		if f.Text = "This is no duration; write one as 90m or 8h"; noTime.FindStringSubmatch(said)[1] == "timestamp" {
			f.Text = "This is no time; write one as 2026-11-23T09:00:00Z"
		}
	case notExpected.MatchString(said):
		token := notExpected.FindStringSubmatch(said)[1]
		if f.Text = fmt.Sprintf("`%s` does not fit here", token); token == "<EOF>" {
			f.Text = "Something is missing at the end"
		}
		f.Suggestion = meant[token]
	case notRead.MatchString(said):
		token := strings.TrimSpace(notRead.FindStringSubmatch(said)[1])
		if f.Text = fmt.Sprintf("`%s` cannot be read", token); strings.HasPrefix(token, "'") || strings.HasPrefix(token, `"`) {
			f.Text = "This text has no end"
		}
		f.Suggestion = meant[token]
	default:
		f.Text = capital(strings.TrimPrefix(said, "Syntax error: "))
	}
	f.Line, f.Column = s.place(at)
	return f
}

// unknown is for a name that is none, of a variable or of a function.
func (e *Environment) unknown(f *Fault, name string, called bool) {
	switch {
	case called && slices.Contains(macros, name):
		f.Text = fmt.Sprintf("`%s` is written list.%s(one, condition on one), and `has` has(object.field)", name, name)
	case called && zoned[name] != nil:
		f.Text = fmt.Sprintf("`%s` is asked of a time, as in now.%s(\"Europe/Berlin\")", name, name)
	case called:
		f.Text = fmt.Sprintf("There is no function `%s`", name)
		f.Written, f.Known = name, slices.Concat(functionNames(), macros)
	default:
		f.Text = fmt.Sprintf("There is nothing called `%s` here", name)
		if f.Suggestion = meant[name]; f.Suggestion != "" {
			return
		}
		for _, field := range fields {
			if field.name == name {
				f.Suggestion = field.object + "." + name
				return
			}
		}
		f.Written, f.Known = name, slices.Concat(objectNames, []string{nowName, heldName})
	}
}

// unknownField is for a field that an object does not have.
func (e *Environment) unknownField(f *Fault, object, name string) {
	if object != assertedName {
		f.Text = fmt.Sprintf("`%s` has no field `%s`", object, name)
		f.Written, f.Known = object+"."+name, fieldNames(object)
		return
	}
	var trusted []string
	for written, fact := range e.asserted {
		if !fact.Untrusted {
			trusted = append(trusted, assertedName+"."+written)
		}
	}
	slices.Sort(trusted)
	switch fact, known := e.asserted[name]; {
	case known:
		f.Text = fmt.Sprintf("`%s` cannot be read: asserted facts need trust here, see the role's `trust`", fact.Name)
	case len(trusted) == 0 && len(e.asserted) > 0:
		f.Text = fmt.Sprintf("There is no asserted fact `%s`, and asserted facts need trust here", name)
	default:
		f.Text = fmt.Sprintf("The organization declares no asserted fact `%s`", name)
		f.Written, f.Known = assertedName+"."+name, trusted
	}
}

// misapplied is for a function whose arguments do not fit.
func misapplied(name, arguments string) string {
	if zoned[name] != nil {
		return fmt.Sprintf("`%s` is asked of a time and says in which time zone, as in now.%s(\"Europe/Berlin\")", name, name)
	}
	symbol := strings.Trim(strings.TrimPrefix(name, "@"), "_")
	if symbol == "[" || symbol == "[_]" {
		symbol = "[]"
	}
	return fmt.Sprintf("`%s` does not fit %s", symbol, plainTypes(arguments))
}

// isCall tells whether the expression of that number is a call.
func isCall(parsed *cel.Ast, id int64) bool {
	found := expression(parsed, id)
	return found != nil && found.Kind() == ast.CallKind
}

// objectOf names the variable of which the expression of that number is a field.
func objectOf(parsed *cel.Ast, id int64) string {
	if found := expression(parsed, id); found != nil && found.Kind() == ast.SelectKind && found.AsSelect().Operand().Kind() == ast.IdentKind {
		return found.AsSelect().Operand().AsIdent()
	}
	return ""
}

func expression(parsed *cel.Ast, id int64) (found ast.Expr) {
	if parsed == nil {
		return nil
	}
	ast.PreOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.ID() == id && found == nil {
			found = e
		}
	}))
	return found
}

func fieldNames(object string) (names []string) {
	for _, f := range fields {
		if f.object == object {
			names = append(names, object+"."+f.name)
		}
	}
	return names
}

func functionNames() (names []string) {
	for _, name := range allowed {
		if unicode.IsLetter(rune(name[0])) {
			names = append(names, name)
		}
	}
	return names
}

// kindOf says in words what a type is.
func kindOf(t *types.Type) string { return plain(t.String()) }

var kinds = map[string]string{
	"string": "a text", "int": "a whole number", "uint": "a whole number", "double": "a number", "bool": "true or false",
	"timestamp": "a time", "duration": "a duration", "list(string)": "a list of texts", "map(string, string)": "a map of labels",
	"google.protobuf.Timestamp": "a time", "google.protobuf.Duration": "a duration", "bytes": "bytes", "null_type": "null",
}

func plain(name string) string {
	if word, ok := kinds[name]; ok {
		return word
	}
	if slices.Contains(objectNames, name) {
		return "`" + name + "`"
	}
	return name
}

// plainTypes says in words what "(a, b)" or "a.(b, c)" are.
func plainTypes(arguments string) string {
	arguments = strings.TrimSuffix(arguments, ")")
	target, rest, isMember := strings.Cut(arguments, ".(")
	if !isMember {
		target, rest = "", strings.TrimPrefix(arguments, "(")
	}
	var words []string
	if isMember {
		words = append(words, plain(target))
	}
	depth, start := 0, 0
	for i, r := range rest + "," {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			if part := strings.TrimSpace(rest[start:i]); part != "" {
				words = append(words, plain(part))
			}
			start = i + 1
		}
	}
	return strings.Join(words, " and ")
}

func capital(text string) string {
	for i, r := range text {
		return string(unicode.ToUpper(r)) + text[i+len(string(r)):]
	}
	return text
}
