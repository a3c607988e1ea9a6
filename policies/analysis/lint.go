package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"stint/policies"
)

// How bad a finding is.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
	SeverityNote    = "note"
)

// Finding is one thing that lint found.
type Finding struct {
	Severity string `json:"severity"`
	Rule     string `json:"rule"`           // stable, such as "collusion-one"
	File     string `json:"file,omitempty"` // where it can be told
	Line     int    `json:"line,omitempty"`
	Role     string `json:"role,omitempty"`
	Text     string `json:"text"`
	Remedy   string `json:"remedy,omitempty"`
}

// Options of Lint.
type Options struct {
	// MinCollusion makes an error of every role that fewer people get together; zero asks nothing.
	MinCollusion int
	// WithoutBreakGlass leaves emergencies out of that: a role that has break-glass says so
	// itself, and each use is reviewed.
	WithoutBreakGlass bool
	// Tested are the roles that test cases decide on; nil: nothing is said of tests.
	Tested map[string]bool
}

// Lint tells what in a policy is dangerous, cannot work or is of no use: errors first,
// then warnings, then notes. Without a population it says nothing about people.
//
// Rules by their stable names: min-collusion (the only one that Options make an error),
// no-quorum; alone, trusted-fact, cheaper-way, quorum-one, no-reviewers, no-recipients,
// no-targets, no-requesters, out-of-reach, short-stage, never, always, separation-violated, unseen-report,
// no-emergency-review, peers-only, long-duration; empty-group, delegation-chain, unused, untested.
func (a *Analysis) Lint(options Options) []Finding {
	l := &linter{a: a, places: placesOf(a.bundle), questions: map[string]*question{}, results: map[string]Result{}}
	l.organization()
	for _, role := range a.bundle.Roles() {
		q := a.ask(role)
		l.questions[role.Name], l.results[role.Name] = q, q.collusion()
	}
	for _, role := range a.bundle.Roles() {
		l.role(role, options)
	}
	l.cheaper()
	if !a.abstract {
		l.groups()
		l.violations()
		l.unseenReports()
		l.chains()
	}
	l.unused()
	slices.SortStableFunc(l.findings, func(f, g Finding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(severities, f.Severity), slices.Index(severities, g.Severity)),
			cmp.Compare(f.File, g.File), cmp.Compare(f.Line, g.Line), cmp.Compare(f.Rule, g.Rule), cmp.Compare(f.Text, g.Text),
		)
	})
	return l.findings
}

var severities = []string{SeverityError, SeverityWarning, SeverityNote}

// linter gathers findings.
type linter struct {
	a         *Analysis
	places    places
	questions map[string]*question // by role
	results   map[string]Result
	findings  []Finding
}

// find notes a finding at a place of a document.
func (l *linter) find(severity, rule, kind, name string, at []any, text, remedy string) {
	f := Finding{Severity: severity, Rule: rule, Text: text, Remedy: remedy}
	f.File, f.Line = l.places.of(kind, name, at...)
	if kind == kindRole {
		f.Role = name
	}
	l.findings = append(l.findings, f)
}

// Kinds of documents.
const (
	kindOrganization = "Organization"
	kindRole         = "Role"
	kindSeparation   = "Separation"
	kindTeam         = "Team"
	kindCalendar     = "Calendar"
)

func at(steps ...any) []any { return steps }

func (l *linter) organization() {
	o := l.a.bundle.Organization()
	if o.Quorum < 2 {
		l.find(SeverityWarning, "quorum-one", kindOrganization, "", at("quorum"), "One administrator alone can change the policy and enrol approvers, and so get any role.", "Set `quorum` to 2 or more.")
	}
	if len(o.Reviewers) == 0 {
		l.find(SeverityWarning, "no-reviewers", kindOrganization, "", at("reviewers"), "Nobody may replay recordings, unless a role names reviewers of its own.", "Name groups under `reviewers`.")
	} else if !l.a.abstract && len(l.a.inDirectory(o.Reviewers)) == 0 {
		l.find(SeverityWarning, "no-reviewers", kindOrganization, "", at("reviewers"), "Nobody is in "+or(o.Reviewers)+", so nobody may replay recordings.", "Put people into one of these groups, in the directory.")
	}
	if !o.Recordings.Given() {
		l.find(SeverityWarning, "no-recipients", kindOrganization, "", nil, "Sessions could be replayed by nobody, so none is opened: no key of recordings is named.",
			"Make keys with `age-keygen`, and name them under `recordings`.")
	}
	if administrators := len(l.a.voters[policies.AdministratorsGroup]); !l.a.abstract && administrators < o.Quorum {
		l.find(SeverityError, "no-quorum", kindOrganization, "", at("quorum"),
			fmt.Sprintf("%d people have a passkey that speaks for %s, and %d must sign a change: nothing can ever be changed.", administrators, policies.AdministratorsGroup, o.Quorum),
			"Enrol passkeys of more administrators before this policy is in force.")
	}
}

// or lists names as alternatives.
func or(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}
