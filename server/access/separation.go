package access

import (
	"cmp"
	"context"
	"slices"
	"time"

	"stint/policies"
)

// SeparationCell is a person's standing towards a role that is kept apart from others.
type SeparationCell struct {
	Role       string
	Held       bool
	LastUsed   time.Time // zero: not within a year
	Against    []string  // separations that stand against it now
	OwnTargets []OwnTargets
}

// OwnTargets are targets of a role that a separation by object keeps from somebody,
// because their labels name a group that they are in.
type OwnTargets struct {
	Separation string
	Targets    []string
}

// SeparationRow is a person with those of the roles that they may ask for.
type SeparationRow struct {
	Person policies.Person
	Cells  []SeparationCell
}

// SeparationMatrix says who can have what beside what.
type SeparationMatrix struct {
	Rules []policies.Separation
	Roles []string
	Rows  []SeparationRow // by identity
	Next  policies.Subject
}

// Separation is the matrix of people and roles, for reviewers and administrators: a page
// of those who may ask for a role that a separation names, from behind an identity on.
// Separations by object stand against single targets only.
func (s *Service) Separation(ctx context.Context, by policies.Person, after policies.Subject, limit int) (matrix SeparationMatrix, err error) {
	if err := s.read(ctx, func(_ Reader, m moment) error { return m.mayReadPolicy(by) }); err != nil {
		return matrix, err
	}
	known, err := s.analysed(ctx)
	if err != nil {
		return matrix, err
	}
	err = s.read(ctx, func(r Reader, m moment) error {
		matrix = SeparationMatrix{Rules: m.policy.Separations(), Roles: []string{}, Rows: []SeparationRow{}}
		for _, rule := range matrix.Rules {
			matrix.Roles = append(matrix.Roles, rule.Roles...)
		}
		slices.Sort(matrix.Roles)
		matrix.Roles = slices.Compact(matrix.Roles)
		ownTargets := known.ownTargets(matrix.Rules)
		for _, p := range known.population.People() {
			if after != (policies.Subject{}) && cmp.Compare(p.Subject.String(), after.String()) <= 0 {
				continue
			}
			row, err := m.separationRow(r, p.Person, matrix, ownTargets)
			if err != nil {
				return err
			}
			if len(row.Cells) == 0 {
				continue
			}
			if matrix.Rows = append(matrix.Rows, row); len(matrix.Rows) == page(limit) {
				matrix.Next = p.Subject
				return nil
			}
		}
		return nil
	})
	return matrix, err
}

// ownTargets are those of every person, by role, that separations by object keep from them.
func (a *analysed) ownTargets(rules []policies.Separation) map[string]map[policies.Subject][]OwnTargets {
	found := map[string]map[policies.Subject][]OwnTargets{}
	for _, rule := range rules {
		if rule.Forbid != policies.ForbidObject {
			continue
		}
		for _, role := range rule.Roles {
			if found[role] != nil {
				continue
			}
			found[role] = map[policies.Subject][]OwnTargets{}
			for _, one := range a.analysis.WhoCan(role).Excluded {
				if len(one.Targets) > 0 {
					found[role][one.Subject] = append(found[role][one.Subject], OwnTargets{one.Separation, one.Targets})
				}
			}
		}
	}
	return found
}

// separationRow is of a person, with those targets of theirs that are kept from them.
func (m moment) separationRow(r Reader, p policies.Person, matrix SeparationMatrix, ownTargets map[string]map[policies.Subject][]OwnTargets) (SeparationRow, error) {
	row := SeparationRow{Person: p}
	var mine []string
	for _, role := range matrix.Roles {
		if m.policy.MayAsk(p, role) {
			mine = append(mine, role)
		}
	}
	if len(mine) == 0 {
		return row, nil
	}
	own := m.identities(p)
	held, err := m.held(r, own, "")
	if err != nil {
		return row, err
	}
	used, err := r.GrantsUsed(own, matrix.Roles, m.now.Add(-longestLook))
	if err != nil {
		return row, err
	}
	used = slices.DeleteFunc(used, func(g Request) bool { return !m.isOneOf(own, g.Requester) })
	for _, role := range mine {
		cell := SeparationCell{
			Role: role, Held: slices.ContainsFunc(held, func(h policies.Held) bool { return h.Role == role }),
			Against: []string{}, OwnTargets: ownTargets[role][p.Subject],
		}
		for _, g := range used {
			if g.Revision.Ask.Role == role {
				cell.LastUsed = later(cell.LastUsed, g.Used)
			}
		}
		for _, rule := range matrix.Rules {
			if slices.Contains(rule.Roles, role) && m.standsAgainst(rule, role, mine, held, used) {
				cell.Against = append(cell.Against, rule.Name)
			}
		}
		row.Cells = append(row.Cells, cell)
	}
	return row, nil
}

// standsAgainst says whether a separation keeps somebody from a role now.
func (m moment) standsAgainst(rule policies.Separation, role string, mine []string, held []policies.Held, used []Request) bool {
	other := func(name string) bool { return name != role && slices.Contains(rule.Roles, name) }
	switch rule.Forbid {
	case policies.ForbidEligible:
		return slices.ContainsFunc(mine, other)
	case policies.ForbidHeld:
		return slices.ContainsFunc(held, func(h policies.Held) bool { return other(h.Role) })
	case policies.ForbidHistory:
		since := m.now.Add(-time.Duration(rule.Days) * 24 * time.Hour)
		return slices.ContainsFunc(used, func(g Request) bool { return other(g.Revision.Ask.Role) && g.over().After(since) })
	}
	return false
}
