package policies

import (
	"regexp"
	"slices"

	"stint/policies/internal/document"
)

// Bounds of what is said of people and of what is known of them.
const (
	mostApart      = 100 // roles of one separation
	mostTeamGroups = 100 // of members, and of managers
	mostAsserted   = 50
)

// checkSeparation checks one separation of duty by itself.
func (l *loader) checkSeparation(d definition) {
	s := d.separation
	l.is(d, field("name"), CheckName(s.Name))
	l.is(d, field("description"), CheckText(s.Description, MostReason))
	l.word(d, field("forbid"), s.Forbid, ForbidEligible, ForbidHeld, ForbidHistory, ForbidObject)
	fewest := 2
	if s.Forbid == ForbidObject {
		fewest = 1
	}
	if len(s.Roles) < fewest || len(s.Roles) > mostApart {
		l.at(d, field("roles"), "A separation that forbids %s names %d to %d roles.", shown(s.Forbid), fewest, mostApart)
	}
	l.distinct(d, field("roles"), s.Roles)
	switch {
	case s.Forbid == ForbidHistory && (s.Days < 1 || s.Days > mostDays):
		l.at(d, field("days"), "`days` is how long after one role nobody has another, from 1 to %d.", mostDays)
	case s.Forbid != ForbidHistory && l.written(d, field("days")):
		l.at(d, field("days"), "`days` goes with `forbid: history`.")
	}
	switch {
	case s.Forbid == ForbidObject && (len(s.Labels) == 0 || len(s.Labels) > mostLabels):
		l.at(d, field("labels"), "`labels` are 1 to %d labels of targets that name a group, such as owner.", mostLabels)
	case s.Forbid != ForbidObject && l.written(d, field("labels")):
		l.at(d, field("labels"), "`labels` goes with `forbid: object`.")
	}
	for i, key := range s.Labels {
		if !labelKey.MatchString(key) {
			l.at(d, field("labels", i), "%q is not the key of a label.", shown(key))
		}
	}
	l.distinct(d, field("labels"), s.Labels)
}

// checkSeparationAmong checks that there are the roles that a separation names.
func (l *loader) checkSeparationAmong(d definition) {
	for i, role := range d.separation.Roles {
		if !l.defines("Role " + role) {
			l.at(d, field("roles", i), "There is no role %q.%s", shown(role), document.DidYouMean(role, l.names("Role")))
		}
	}
}

// checkTeam checks one team.
func (l *loader) checkTeam(d definition) {
	t := d.team
	l.is(d, field("name"), CheckName(t.Name))
	l.groups(d, field("members"), t.Members, "A team names the groups of its members.")
	l.groups(d, field("managers"), t.Managers, "A team names the groups of its managers.")
	bound(l, d, field("members"), t.Members, mostTeamGroups)
	bound(l, d, field("managers"), t.Managers, mostTeamGroups)
	for i, g := range t.Managers {
		if slices.Contains(t.Members, g) {
			l.at(d, field("managers", i), "%q is among the members too, so that all of them would be managers of each other.", shown(g))
		}
	}
}

// checkIndependence checks who is too close to a requester to approve.
func (l *loader) checkIndependence(d definition) {
	i := d.organization.Independence
	l.counts(d, field("independence", "reciprocalDays"), i.ReciprocalDays, 0, mostDays)
	l.counts(d, field("independence", "policyChangeDays"), i.PolicyChangeDays, 0, mostDays)
}

// checkOrganizationAmong refuses a rule that would mean nothing.
func (l *loader) checkOrganizationAmong(d definition) {
	if d.organization.Independence.DirectReports && len(l.bundle.teams) == 0 {
		l.at(d, field("independence", "directReports"), "There is no document of kind Team, so nobody is anybody's manager.")
	}
}

var factName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// taken are words that conditions use otherwise (the Common Expression Language's
// grammar, its reserved words).
var taken = []string{
	"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop", "namespace", "null",
	"package", "return", "true", "var", "void", "while",
}

// checkFacts checks the facts that the broker may assert.
func (l *loader) checkFacts(d definition) {
	facts := d.organization.Facts
	bound(l, d, field("facts"), facts, mostAsserted)
	var names []string
	for i, f := range facts {
		names = append(names, f.Name)
		if !factName.MatchString(f.Name) || slices.Contains(taken, f.Name) {
			l.at(d, field("facts", i, "name"), "%q is not the name of a fact: use 1 to 63 small letters, digits and hyphens, begin with a letter, and use no word of conditions' own.", shown(f.Name))
		}
		l.word(d, field("facts", i, "type"), f.Type, FactBool, FactNumber, FactText)
		l.is(d, field("facts", i, "description"), CheckText(f.Description, MostReason))
	}
	l.distinct(d, field("facts"), names)
}
