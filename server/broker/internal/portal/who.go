package portal

import (
	"stint/policies"
	"stint/policies/analysis"
	"stint/server/api"
)

func toRoleWho(a analysis.RoleAnswer) *api.RoleWho {
	shown := &api.RoleWho{
		Ask: toWho(a.Ask), BreakGlass: toWho(a.BreakGlass), Review: toWho(a.Review), Replay: toWho(a.Replay),
		Excluded: make([]api.Excluded, len(a.Excluded)), Stages: make([]api.StageWho, len(a.Stages)),
	}
	for i, e := range a.Excluded {
		shown.Excluded[i] = api.Excluded{Person: named(e.Subject, e.Name), Separation: e.Separation, Targets: list(e.Targets), Text: e.Text}
	}
	for i, s := range a.Stages {
		shown.Stages[i] = api.StageWho{
			Name: s.Name, Count: s.Count, Added: s.Added, When: s.When, After: list(s.After), Spared: list(s.Spared), Approvers: toWho(s.Approvers),
		}
	}
	return shown
}

func toWho(people []analysis.Who) []api.Who {
	shown := make([]api.Who, len(people))
	for i, p := range people {
		shown[i] = api.Who{Person: named(p.Subject, p.Name), Why: make([]string, len(p.Why))}
		for j, why := range p.Why {
			shown[i].Why[j] = why.Text
		}
	}
	return shown
}

func named(s policies.Subject, name string) api.Person {
	return toPerson(policies.Person{Subject: s, Name: name})
}

func toCollusion(r analysis.Result) *api.CollusionResult {
	shown := &api.CollusionResult{People: r.People, Ways: make([]api.CollusionWay, len(r.Ways))}
	for i, w := range r.Ways {
		way := api.CollusionWay{Way: w.Way, People: w.People, Target: w.Target, Login: w.Login, Assumed: list(w.Assumed), Text: w.Text, Parts: make([]api.CollusionAct, len(w.Parts))}
		for j, part := range w.Parts {
			way.Parts[j] = api.CollusionAct{Person: named(part.Subject, part.Name), Acts: part.Acts}
		}
		shown.Ways[i] = way
	}
	return shown
}
