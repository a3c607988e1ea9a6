package policies

import "slices"

// Bounds of what is said of people.
const (
	mostApart      = 100 // roles of one separation
	mostTeamGroups = 100 // of members, and of managers
	mostHistory    = 366 // days that a rule looks back
)

// forbidden are the things that a separation may forbid.
var forbidden = []string{ForbidEligible, ForbidHeld, ForbidHistory, ForbidObject}

// checkSeparation checks one separation by itself; that its roles exist shows at the end.
func (l *loader) checkSeparation(d document) {
	s := d.separation
	l.is(d, field("name"), CheckName(s.Name))
	l.is(d, field("description"), CheckText(s.Description, MostReason))
	if !slices.Contains(forbidden, s.Forbid) {
		l.at(d, field("forbid"), "`forbid` is one of %s.", list(forbidden, "or"))
	}
	fewest := 2
	if s.Forbid == ForbidObject {
		fewest = 1
	}
	if len(s.Roles) < fewest || len(s.Roles) > mostApart {
		l.at(d, field("roles"), "This separation names %d to %d roles.", fewest, mostApart)
	}
	l.distinct(d, field("roles"), s.Roles)
}

// checkTeam checks one team.
func (l *loader) checkTeam(d document) {
	t := d.team
	l.is(d, field("name"), CheckName(t.Name))
	l.groups(d, field("members"), t.Members, "A team names the groups of its members.")
	l.groups(d, field("managers"), t.Managers, "A team names the groups of its managers.")
}
