package policies

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"stint/policies/internal/document"
)

// kinds are those of the documents of a policy.
var kinds = []document.Kind{
	{Name: "Organization", New: func() any { return new(Organization) }},
	{Name: "Role", New: func() any { return new(Role) }},
	{Name: "Target", New: func() any { return new(Target) }},
	{Name: "Separation", New: func() any { return new(Separation) }},
	{Name: "Team", New: func() any { return new(Team) }},
	{Name: "Calendar", New: func() any { return new(Calendar) }},
	{Name: "Case", Refuse: "A Case stands in the folder tests beside the policies, not among them."},
	{Name: "Person", Refuse: "A Person stands in the folder tests beside the policies, not among them."},
}

// definition is a document with what it defines; one of the pointers is set.
type definition struct {
	document.Document
	what string // by kind and name, such as "Role production-shell"

	organization *Organization
	role         *Role
	target       *Target
	separation   *Separation
	team         *Team
	calendar     *Calendar
}

// define finds what a document defines.
func define(read document.Document) definition {
	d := definition{Document: read}
	switch value := read.Value.(type) {
	case *Organization:
		d.what, d.organization = "Organization", value
	case *Role:
		d.what, d.role = "Role "+value.Name, value
	case *Target:
		d.what, d.target = "Target "+value.Name, value
	case *Separation:
		d.what, d.separation = "Separation "+value.Name, value
	case *Team:
		d.what, d.team = "Team "+value.Name, value
	case *Calendar:
		d.what, d.calendar = "Calendar "+value.Name, value
	}
	return d
}

// loader checks what was read, and puts it into a bundle.
type loader struct {
	reader *document.Reader
	// unread: some text was not even read. What others name may stand there.
	unread      bool
	bundle      *Bundle
	definitions []definition
	defined     map[string]definition // by what they define
}

func newLoader() *loader {
	return &loader{reader: document.NewReader(kinds), bundle: &Bundle{files: map[string]string{}}, defined: map[string]definition{}}
}

// mostName is how long the name of a policy file may be, in characters.
const mostName = 100

// visible refuses what would read otherwise than it counts: administrators sign a
// policy by looking at the difference of its files, comments and all.
func visible(r *document.Reader, file, text string) bool {
	if err := CheckText(file, mostName); err != nil || strings.ContainsAny(file, `/\`) {
		r.Note(strconv.Quote(file), 1, 1, "A policy file has a plain name of at most %d characters.", mostName)
		return false
	}
	return legible(r, file, text)
}

// legible refuses a text that would read otherwise than it counts.
func legible(r *document.Reader, file, text string) bool {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), "\t", " ")
		if err := CheckText(line, len(line)); err != nil {
			r.Note(file, number, illegible(line), "This cannot stand in a policy: %v.", err)
			return false
		}
	}
	return true
}

// illegible is the column of the first character that cannot stand in a line: 1 where the
// line is not UTF-8, which has no columns.
func illegible(line string) int {
	if !utf8.ValidString(line) {
		return 1
	}
	column := 1
	for _, r := range line {
		if _, refused := refusedRune(r); refused {
			break
		}
		column++
	}
	return column
}

// field names a place in a document by keys and indices.
func field(steps ...any) []any { return steps }

// at notes a fault at a place in the document, or at the nearest place above it that
// exists.
func (l *loader) at(d definition, at []any, format string, values ...any) {
	l.reader.At(d.Document, at, format, values...)
}

// is notes err, if there is one, at a place in the document.
func (l *loader) is(d definition, at []any, err error) {
	if err != nil {
		l.at(d, at, "%s.", sentence(err))
	}
}

// sentence is an error's text with a capital.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// defines tells whether the policy holds something, such as "Role production-shell".
func (l *loader) defines(what string) bool {
	_, ok := l.defined[what]
	return ok
}

// names lists the names of what there is of a kind, in the order of the files.
func (l *loader) names(kind string) []string {
	var names []string
	for _, d := range l.definitions {
		if name, is := strings.CutPrefix(d.what, kind+" "); is {
			names = append(names, name)
		}
	}
	return names
}
