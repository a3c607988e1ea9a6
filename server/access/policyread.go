package access

import (
	"context"
	"errors"
	"slices"
	"time"

	"stint/policies"
	"stint/policies/analysis"
)

// RoleSummary is a role as a list shows it.
type RoleSummary struct {
	policies.Role
	Mine     bool      // the person may ask for it
	Locked   string    // why nobody has it, in a sentence; empty where it is not locked
	LastUsed time.Time // zero: never
	// Counts are nil for those who may not see what the policy makes of others.
	Counts *RoleCounts
}

// RoleCounts says of how many people a role is.
type RoleCounts struct {
	MayAsk, MayApprove int
	Collusion          int
}

// PolicyRoles lists the roles of the policy in force, by name: all for reviewers and
// administrators, those that they may ask for for others.
func (s *Service) PolicyRoles(ctx context.Context, by policies.Person) (roles []RoleSummary, all bool, err error) {
	err = s.read(ctx, func(r Reader, m moment) error {
		all = m.mayReadPolicy(by) == nil
		locked, err := m.locked(r)
		if err != nil {
			return err
		}
		roles = []RoleSummary{}
		for _, role := range m.policy.Roles() {
			mine := m.policy.MayAsk(by, role.Name)
			if !all && !mine {
				continue
			}
			used, err := r.LastUsed(role.Name)
			if err != nil && !errors.Is(err, ErrNoRow) {
				return err
			}
			roles = append(roles, RoleSummary{Role: role, Mine: mine, Locked: locked[role.Name], LastUsed: used})
		}
		return nil
	})
	if err != nil || !all {
		return roles, all, err
	}
	known, err := s.analysed(ctx)
	if err != nil {
		return nil, all, err
	}
	for i := range roles {
		roles[i].Counts = known.counts(roles[i].Name)
	}
	return roles, all, nil
}

func (a *analysed) counts(role string) *RoleCounts {
	who := a.analysis.WhoCan(role)
	approvers := map[policies.Subject]bool{}
	for _, stage := range who.Stages {
		for _, p := range stage.Approvers {
			approvers[p.Subject] = true
		}
	}
	return &RoleCounts{MayAsk: len(who.Ask), MayApprove: len(approvers), Collusion: a.collusions()[role].People}
}

// locked says of each role that is locked because an emergency was not reviewed, why.
func (m moment) locked(r Reader) (map[string]string, error) {
	open, err := r.OpenReviews("", MaxPage)
	locked := map[string]string{}
	for _, q := range open {
		if m.locks(q) {
			locked[q.Revision.Ask.Role] = "It is locked: the emergency " + q.ID + " should have been reviewed by " + date(m.reviewDue(q)) + "."
		}
	}
	return locked, err
}

// RoleView is everything about a role. Who, Collusion and Findings are for reviewers and
// administrators.
type RoleView struct {
	RoleSummary
	Sections  []Section
	Who       *analysis.RoleAnswer
	Collusion *analysis.Result
	Findings  []analysis.Finding
	Uses      []RequestItem // the latest that the person may see
}

// mostUses is how many requests a role's page shows.
const mostUses = 10

// PolicyRole is everything about a role of the policy in force.
func (s *Service) PolicyRole(ctx context.Context, by policies.Person, name string) (RoleView, error) {
	var v RoleView
	roles, all, err := s.PolicyRoles(ctx, by)
	if err != nil {
		return v, err
	}
	i := slices.IndexFunc(roles, func(r RoleSummary) bool { return r.Name == name })
	if i < 0 {
		return v, fail(NotFound, CodeRoleNotFound, "There is no role %q that you may see.", clip(name))
	}
	v.RoleSummary = roles[i]
	err = s.read(ctx, func(r Reader, m moment) error {
		v.Sections = RoleSections(m.policy, v.Role)
		v.Uses = []RequestItem{}
		q := RequestQuery{Role: name, Limit: mostUses}
		if !all {
			q.Requester = by.Subject
		}
		rows, err := r.Requests(q)
		for _, row := range rows {
			item, err := m.glance(r, row).item(by)
			if err != nil {
				return err
			}
			v.Uses = append(v.Uses, item)
		}
		return err
	})
	if err != nil || !all {
		return v, err
	}
	known, err := s.analysed(ctx)
	if err != nil {
		return v, err
	}
	who, collusion := known.analysis.WhoCan(name), known.collusions()[name]
	v.Who, v.Collusion = &who, &collusion
	for _, finding := range known.findings() {
		if finding.Role == name {
			v.Findings = append(v.Findings, finding)
		}
	}
	return v, nil
}

// WhatIf is somebody's ask that is only imagined.
type WhatIf struct {
	Person policies.Subject
	Ask    policies.Ask
	At     time.Time         // zero: now
	Files  map[string]string // another policy to decide by; nil: the one in force
}

// Simulate says what policy would say to somebody, for reviewers and administrators.
// Nothing is stored.
func (s *Service) Simulate(ctx context.Context, by policies.Person, imagined WhatIf) (Preview, error) {
	// 1. Nobody else makes the broker read files: it is work.
	var person policies.Person
	err := s.read(ctx, func(r Reader, m moment) (err error) {
		if err := m.mayReadPolicy(by); err != nil {
			return err
		}
		person, err = m.knownPerson(r, imagined.Person)
		return err
	})
	if err != nil {
		return Preview{}, err
	}
	var other *policies.Bundle
	if imagined.Files != nil {
		if other, err = policies.Parse(imagined.Files); err != nil {
			return Preview{}, invalid("files", "The policy has faults: %v", err).because(err)
		}
	}
	asserted := s.askFacts(ctx, person, imagined.Ask)
	// 2. The same as Preview, at another moment and by another policy.
	var p Preview
	err = s.read(ctx, func(r Reader, m moment) error {
		policy, at := m.policy, m.now
		if other != nil {
			policy = other
		}
		if !imagined.At.IsZero() {
			at = imagined.At.UTC()
		}
		m = m.imagined(policy, at)
		if p.Ask, err = complete(m.policy, imagined.Ask); err != nil {
			return err
		}
		draft := Request{Requester: person, Revision: Revision{Ask: p.Ask, Asked: seconds(m.now)}, Asserted: asserted}
		if p.Decision, _, err = m.evaluate(r, draft); err != nil {
			return err
		}
		panel, err := m.panel(r, draft, p.Decision)
		if err != nil {
			return err
		}
		p.Approvers = panel.approvers()
		p.Summary = Summarise(p.Decision, p.Approvers)
		return nil
	})
	return p, err
}

// PolicyCheck is what is to be said of a policy before anybody proposes it.
type PolicyCheck struct {
	Faults   []policies.Fault // with any of them, nothing else is said
	Digest   string
	Changes  []string
	Findings []analysis.Finding
	Backtest *Backtest
}

// CheckPolicy looks at a policy, given as its files by name, for those who may propose
// one. Nothing is stored.
func (s *Service) CheckPolicy(ctx context.Context, by policies.Person, files map[string]string) (check PolicyCheck, err error) {
	var population *analysis.Population
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		if err := m.mayProposePolicy(by); err != nil {
			return err
		}
		population, err = m.population(r)
		return err
	})
	if err != nil {
		return check, err
	}
	after, faults := policies.Parse(files)
	if faults != nil {
		check.Faults = FaultsOf(faults)
		return check, nil
	}
	check.Digest = after.Digest()
	check.Findings = analysis.New(after, population).Lint(analysis.Options{})
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		check.Changes = policies.Difference(m.policy, after)
		check.Backtest, err = m.backtest(r, after)
		return err
	})
	return check, err
}
