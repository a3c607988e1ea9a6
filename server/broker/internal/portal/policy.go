package portal

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"stint/policies"
	"stint/policies/analysis"
	"stint/server/access"
	"stint/server/api"
)

type (
	roleInput struct {
		Name string `path:"name" maxLength:"63" doc:"of a role"`
	}
	pageInput struct {
		Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
		Cursor string `query:"cursor" maxLength:"2048"`
	}
)

func (p *Portal) registerPolicy(r registrar) {
	operation(r, http.MethodGet, api.PathPolicyRoles, "policy-roles", "The roles of the policy in force", p.policyRoles)
	operation(r, http.MethodGet, api.PathPolicyRole, "policy-role", "Everything about a role", p.policyRole)
	operation(r, http.MethodGet, api.PathPolicyPeople, "policy-people", "Everybody who is known, for the command line's analyses", p.policyPeople, heavyWork())
	operation(r, http.MethodPost, api.PathPolicySimulate, "simulate", "What policy would say to somebody; nothing is stored", p.simulate, largeBody(), heavyWork())
	operation(r, http.MethodPost, api.PathPolicyCheck, "check-policy", "What is to be said of a policy before anybody proposes it; nothing is stored", p.checkPolicy, largeBody(), heavyWork())
	operation(r, http.MethodGet, api.PathPolicySeparation, "separation", "Who can have what beside what", p.separation, heavyWork())
	operation(r, http.MethodGet, api.PathPolicyHistory, "policy-history", "Recorded requests as facts that policy decides by", p.policyHistory, heavyWork())
}

func (p *Portal) policyRoles(ctx context.Context, _ *noInput) (*body[api.PolicyRoles], error) {
	roles, all, err := p.config.Flow.PolicyRoles(ctx, personOf(ctx))
	if err != nil {
		return nil, err
	}
	list := api.PolicyRoles{Items: make([]api.RoleSummary, len(roles)), All: all}
	for i, role := range roles {
		list.Items[i] = toRoleSummary(role)
	}
	return &body[api.PolicyRoles]{list}, nil
}

func toRoleSummary(r access.RoleSummary) api.RoleSummary {
	shown := api.RoleSummary{
		Name: r.Name, Description: r.Description, Requesters: list(r.Requesters), Mine: r.Mine, BreakGlass: r.BreakGlass != nil,
		Locked: r.Locked, LastUsed: moment(r.LastUsed),
	}
	if c := r.Counts; c != nil {
		shown.MayAsk, shown.MayApprove, shown.Collusion = &c.MayAsk, &c.MayApprove, &c.Collusion
	}
	return shown
}

func (p *Portal) policyRole(ctx context.Context, in *roleInput) (*body[api.PolicyRole], error) {
	by := personOf(ctx)
	view, err := p.config.Flow.PolicyRole(ctx, by, in.Name)
	if err != nil {
		return nil, err
	}
	trust, err := p.config.Signing.Trust(ctx)
	if err != nil {
		trust = access.Trust{} // what it says is shown all the same
	}
	shown := api.PolicyRole{
		Summary: toRoleSummary(view.RoleSummary), Role: toRole(p.policy(), view.Role, by, trust, p.config.Now()),
		Words: make([]api.WordsSection, len(view.Sections)), Findings: toFindings(view.Findings), Uses: make([]api.RequestSummary, len(view.Uses)),
	}
	for i, section := range view.Sections {
		shown.Words[i] = api.WordsSection{Heading: section.Heading, Sentences: section.Sentences}
	}
	for i, use := range view.Uses {
		shown.Uses[i] = toSummary(use, by)
	}
	if view.Who != nil {
		shown.Who = toRoleWho(*view.Who)
	}
	if view.Collusion != nil {
		shown.Collusion = toCollusion(*view.Collusion)
	}
	return &body[api.PolicyRole]{shown}, nil
}

func toFindings(findings []analysis.Finding) []api.Finding {
	shown := make([]api.Finding, len(findings))
	for i, f := range findings {
		shown[i] = api.Finding{Severity: f.Severity, Rule: f.Rule, Role: f.Role, File: f.File, Line: f.Line, Text: f.Text, Remedy: f.Remedy}
	}
	return shown
}

func (p *Portal) policyPeople(ctx context.Context, _ *noInput) (*body[api.Population], error) {
	population, err := p.config.Flow.Population(ctx, personOf(ctx))
	if err != nil {
		return nil, err
	}
	shown := api.Population{People: []api.Inhabitant{}, Delegations: []api.PopulationProxy{}}
	for _, person := range population.People() {
		one := api.Inhabitant{
			Issuer: person.Issuer, Subject: person.Subject.Subject, Name: person.Name, Email: person.Email,
			Groups: list(person.Groups), Passkeys: make([]api.PopulationKey, len(person.Passkeys)),
		}
		for i, k := range person.Passkeys {
			one.Passkeys[i] = api.PopulationKey{Groups: list(k.Groups), Attested: k.Attested}
		}
		shown.People = append(shown.People, one)
	}
	for _, d := range population.Delegations() {
		shown.Delegations = append(shown.Delegations, api.PopulationProxy{From: api.Identity(d.From), To: api.Identity(d.To), Groups: list(d.Groups)})
	}
	return &body[api.Population]{shown}, nil
}

func (p *Portal) simulate(ctx context.Context, in *onlyBody[api.WhatIf]) (*body[api.Decision], error) {
	if err := checkSeconds(in.Body.Ask.DurationSeconds); err != nil {
		return nil, err
	}
	imagined := access.WhatIf{Person: policies.Subject{Issuer: in.Body.Issuer, Subject: in.Body.Subject}, Ask: fromAsk(in.Body.Ask), Files: in.Body.Files}
	if in.Body.At != nil {
		imagined.At = *in.Body.At
	}
	preview, err := p.config.Flow.Simulate(ctx, personOf(ctx), imagined)
	if err != nil {
		return nil, err
	}
	return &body[api.Decision]{toDecision(preview.Decision, preview.Summary, preview.Approvers, names{})}, nil
}

func (p *Portal) checkPolicy(ctx context.Context, in *onlyBody[api.PolicyFiles]) (*body[api.PolicyCheck], error) {
	check, err := p.config.Flow.CheckPolicy(ctx, personOf(ctx), in.Body.Files)
	if err != nil {
		return nil, err
	}
	shown := api.PolicyCheck{
		Faults: make([]api.Fault, len(check.Faults)), Digest: check.Digest, Changes: list(check.Changes),
		Findings: toFindings(check.Findings), Backtest: toBacktest(check.Backtest),
	}
	for i, fault := range check.Faults {
		shown.Faults[i] = api.Fault(fault)
	}
	return &body[api.PolicyCheck]{shown}, nil
}

func toBacktest(b *access.Backtest) *api.Backtest {
	if b == nil {
		return nil
	}
	shown := &api.Backtest{
		Requests: b.Requests, Since: moment(b.Since), Same: b.Same, Note: access.RecordedNote,
		Counts: make([]api.BacktestCount, len(b.Counts)), Differences: make([]api.BacktestDifference, len(b.Differences)),
	}
	for i, c := range b.Counts {
		shown.Counts[i] = api.BacktestCount(c)
	}
	for i, d := range b.Differences {
		shown.Differences[i] = api.BacktestDifference{
			Request: d.Request, Change: d.Change, Wider: d.Wider, Who: toPerson(d.Who), Role: d.Role, Target: d.Target, Login: d.Login,
			Asked: b.Asked[d.Request].UTC(), Then: string(d.Then), Before: string(d.Before), After: string(d.After),
			Gained: toReasons(d.Gained), Lost: toReasons(d.Lost), Text: d.Text,
		}
	}
	return shown
}

func toReasons(reasons []policies.Reason) []api.Reason {
	shown := make([]api.Reason, len(reasons))
	for i, r := range reasons {
		shown[i] = toReason(r)
	}
	return shown
}

func (p *Portal) separation(ctx context.Context, in *pageInput) (*body[api.SeparationMatrix], error) {
	after, err := fromPlace(in.Cursor)
	if err != nil {
		return nil, err
	}
	matrix, err := p.config.Flow.Separation(ctx, personOf(ctx), after, in.Limit)
	if err != nil {
		return nil, err
	}
	shown := api.SeparationMatrix{
		Rules: make([]api.SeparationRule, len(matrix.Rules)), Roles: list(matrix.Roles), Rows: make([]api.SeparationRow, len(matrix.Rows)),
		Cursor: toPlace(matrix.Next),
	}
	for i, s := range matrix.Rules {
		shown.Rules[i] = api.SeparationRule{
			Name: s.Name, Description: s.Description, Forbid: s.Forbid, Roles: list(s.Roles), Text: access.DescribeSeparation(s),
		}
	}
	for i, row := range matrix.Rows {
		shown.Rows[i] = api.SeparationRow{Person: toPerson(row.Person), Cells: make([]api.SeparationCell, len(row.Cells))}
		for j, cell := range row.Cells {
			shown.Rows[i].Cells[j] = api.SeparationCell{Role: cell.Role, Held: cell.Held, LastUsed: moment(cell.LastUsed), Against: list(cell.Against), OwnTargets: toOwnTargets(cell.OwnTargets)}
		}
	}
	return &body[api.SeparationMatrix]{shown}, nil
}

// mostOwnTargets bounds how many targets are named of those that are kept from somebody.
const mostOwnTargets = 10

func toOwnTargets(own []access.OwnTargets) []api.OwnTargets {
	shown := make([]api.OwnTargets, len(own))
	for i, o := range own {
		shown[i] = api.OwnTargets{Separation: o.Separation, Targets: list(o.Targets[:min(len(o.Targets), mostOwnTargets)]), Number: len(o.Targets)}
	}
	return shown
}

func (p *Portal) policyHistory(ctx context.Context, in *pageInput) (*body[api.RecordedRequests], error) {
	before, err := fromCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	recorded, next, err := p.config.Flow.Recorded(ctx, personOf(ctx), before, in.Limit)
	if err != nil {
		return nil, err
	}
	page := api.RecordedRequests{Items: make([]api.RecordedRequest, len(recorded)), Cursor: toCursor(next), Note: access.RecordedNote}
	for i, one := range recorded {
		facts, err := json.Marshal(one.Facts)
		if err != nil {
			return nil, fmt.Errorf("encoding the facts of a request: %w", err)
		}
		page.Items[i] = api.RecordedRequest{Request: one.Request, Outcome: string(one.Outcome), Facts: facts}
	}
	return &body[api.RecordedRequests]{page}, nil
}
