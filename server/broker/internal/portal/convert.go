package portal

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/api"
	"stint/server/evidence"
)

// list is never null in JSON.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

func toPerson(p policies.Person) api.Person {
	return api.Person{Issuer: p.Issuer, Subject: p.Subject.Subject, Name: cmp.Or(p.Name, p.Subject.Subject), Email: p.Email}
}

func toPeople(people []policies.Person) []api.Person {
	converted := make([]api.Person, len(people))
	for i, p := range people {
		converted[i] = toPerson(p)
	}
	return converted
}

// moment is nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func wholeSeconds(d time.Duration) int64 { return int64(d / time.Second) }

func fromAsk(a api.Ask) policies.Ask {
	ask := policies.Ask{
		Role: a.Role, Target: a.Target, Login: a.Login, Duration: time.Duration(a.DurationSeconds) * time.Second, Reason: a.Reason,
		Ticket: a.Ticket, BreakGlass: a.BreakGlass,
	}
	if a.Start != nil {
		ask.Start = a.Start.UTC()
	}
	return ask
}

// maxSeconds bounds durations in the input: far above any role's, far below
// what overflows.
const maxSeconds = 366 * 24 * 3600

func checkSeconds(seconds int64) error {
	if seconds > maxSeconds {
		return wrong("body.duration_seconds", "At most a year can be asked for.")
	}
	return nil
}

func toChallenge(c access.SigningChallenge) api.SigningChallenge {
	var behalf policies.Person
	if c.For != nil {
		behalf = *c.For
	}
	return api.SigningChallenge{
		For: somebody(behalf), Statement: c.Statement, Digest: c.Digest, RelyingParty: c.RelyingParty,
		Credentials: list(c.Credentials), ValidSeconds: wholeSeconds(c.Valid),
	}
}

// names finds people's names for subjects.
type names map[policies.Subject]policies.Person

func (n names) add(people ...policies.Person) {
	for _, p := range people {
		if _, known := n[p.Subject]; !known && p.Name != "" {
			n[p.Subject] = p
		}
	}
}

func (n names) of(subjects []policies.Subject) []api.Person {
	people := make([]api.Person, len(subjects))
	for i, s := range subjects {
		known, ok := n[s]
		if !ok {
			known = policies.Person{Subject: s}
		}
		people[i] = toPerson(known)
	}
	return people
}

func toDecision(d policies.Decision, summary string, approvers [][]policies.Person, known names) api.Decision {
	decision := api.Decision{
		Outcome: string(d.Outcome), Summary: summary, Confirm: d.Confirm, DurationSeconds: wholeSeconds(d.Duration),
		Begins: moment(d.Begins), Ends: moment(d.Ends), UseBy: moment(d.UseBy),
		Stages: make([]api.Stage, len(d.Stages)), Reasons: make([]api.Reason, len(d.Reasons)),
	}
	for _, people := range approvers {
		known.add(people...)
	}
	for i, stage := range d.Stages {
		decision.Stages[i] = api.Stage{Name: stage.Name, Groups: list(stage.Groups), Count: stage.Count, Given: known.of(stage.Given), After: list(stage.After), Notes: []string{}, Approvers: []api.Person{}}
		if i < len(approvers) {
			decision.Stages[i].Approvers = toPeople(approvers[i])
		}
	}
	for i, reason := range d.Reasons {
		decision.Reasons[i] = toReason(reason)
	}
	return decision
}

// sshLine is what the requester of a live grant types.
func sshLine(r access.Request, by policies.Person) string {
	if !r.State.Live() || r.Requester.Subject != by.Subject {
		return ""
	}
	return "stint ssh " + r.Revision.Ask.Login + "@" + r.Revision.Ask.Target
}

func ends(r access.Request) *time.Time {
	if r.State == access.Ended {
		return moment(r.EndedAt)
	}
	if !r.UseBy().IsZero() {
		return nil
	}
	return moment(r.Ends)
}

func toRequest(v access.RequestView, by policies.Person, sessions []api.Session) api.Request {
	known := names{}
	known.add(v.Requester, by)
	for _, a := range v.Approvals {
		known.add(a.Approver)
	}
	ask := v.Revision.Ask
	r := api.Request{
		ID: v.ID, Revision: v.Revision.Number, State: string(v.State), EndReason: string(v.EndReason), Summary: v.Headline,
		Requester: toPerson(v.Requester), Role: ask.Role, Target: ask.Target, Login: ask.Login,
		DurationSeconds: wholeSeconds(v.Duration()), Reason: ask.Reason, Asked: v.Revision.Asked.UTC(), Expires: v.Revision.Expires.UTC(),
		Ticket: ask.Ticket, Start: moment(ask.Start), BreakGlass: ask.BreakGlass, SingleUse: v.SingleUse,
		Begins: moment(v.Begins), Ends: ends(v.Request), UseBy: moment(v.UseBy()), Statement: v.Revision.Statement, StatementDigest: v.Revision.Digest,
		Decision:  toDecision(v.Decision, v.Summary, v.Approvers, known),
		Approvals: make([]api.Approval, len(v.Approvals)), Certificates: make([]api.CertificateInfo, len(v.Certificates)),
		Sessions: list(sessions), Timeline: make([]api.TimelineEntry, len(v.Timeline)), May: list(v.May), SSH: sshLine(v.Request, by),
		Confirmation: toAskConfirmation(v), Review: toReview(v), Told: make([]api.Told, len(v.Told)), Asserted: toAsserted(v.Asserted),
	}
	if v.ApproveFor != nil {
		r.ApproveFor = somebody(*v.ApproveFor)
	}
	for i, t := range v.Told {
		r.Told[i] = toTold(t)
	}
	for i, a := range v.Approvals {
		var behalf policies.Person
		if a.For != nil {
			behalf = *a.For
		}
		r.Approvals[i] = api.Approval{
			For:      somebody(behalf),
			Approver: toPerson(a.Approver), DurationSeconds: wholeSeconds(a.Duration), Issued: a.Issued.UTC(),
			Statement: a.Signed.Statement, Digest: evidence.Digest(a.Signed.Statement), PasskeyName: a.PasskeyName, Counts: a.Counts,
		}
	}
	for i, c := range v.Certificates {
		r.Certificates[i] = api.CertificateInfo{
			Serial: strconv.FormatUint(c.Serial, 10), Principal: c.Principal, Issued: c.Issued.UTC(), Ends: c.Ends.UTC(),
			LedgerIndex: c.Proof.Inclusion.Index,
		}
	}
	for i, leaf := range v.Timeline {
		r.Timeline[i] = api.TimelineEntry{Time: leaf.Event.Time.UTC(), Kind: leaf.Event.Kind, Text: leaf.Event.Text, Actor: toActor(leaf.Event.Actor), Index: leaf.Index}
	}
	return r
}

func toActor(a *access.Actor) *api.Person {
	if a == nil {
		return nil
	}
	return &api.Person{Issuer: a.Issuer, Subject: a.Subject, Name: cmp.Or(a.Name, a.Subject, a.Proxy)}
}

func toSummary(item access.RequestItem, by policies.Person) api.RequestSummary {
	ask := item.Revision.Ask
	return api.RequestSummary{
		ID: item.ID, State: string(item.State), EndReason: string(item.EndReason), Summary: item.Headline,
		Requester: toPerson(item.Requester), Role: ask.Role, Target: ask.Target, Login: ask.Login,
		DurationSeconds: wholeSeconds(item.Duration()), Reason: ask.Reason, Asked: item.Revision.Asked.UTC(), Expires: item.Revision.Expires.UTC(),
		BreakGlass: ask.BreakGlass, Begins: moment(item.Begins), UseBy: moment(item.UseBy()), Ends: ends(item.Request), WaitsFor: item.WaitsFor, SSH: sshLine(item.Request, by), May: list(item.May),
	}
}

func toEnrolment(v access.EnrolmentView) api.Enrolment {
	return api.Enrolment{
		ID: v.ID, State: string(v.State), Person: toPerson(v.Person), Groups: list(v.Groups), Passkey: v.Passkey, Credential: v.Credential,
		Statement: v.Statement, Digest: v.Digest, Created: v.Created.UTC(), Expires: v.Expires.UTC(),
		Signed: toSignatures(v.Gathered), Quorum: v.Quorum, Missing: v.Missing(), May: list(v.May),
	}
}

func toTargets(targets []policies.Target) []api.Target {
	converted := make([]api.Target, len(targets))
	for i, t := range targets {
		labels := t.Labels
		if labels == nil {
			labels = map[string]string{}
		}
		converted[i] = api.Target{Name: t.Name, Labels: labels}
	}
	return converted
}

// approversFor lists who could approve for these groups: those of the signer's
// roster with a passkey that speaks for one of them, the requester aside.
func approversFor(trust access.Trust, policy *policies.Bundle, groups []string, requester policies.Person, now time.Time) []api.Person {
	people, known := []api.Person{}, trust.Roster.Known(now)
	for _, p := range trust.Roster.People {
		speaks := slices.ContainsFunc(p.Passkeys, func(k evidence.Passkey) bool {
			return k.Active(now) && !p.IsSuspended(now) && slices.ContainsFunc(p.With(k).Groups, func(g string) bool { return slices.Contains(groups, g) })
		})
		if speaks && !policy.Linked(p.Person, requester, known) {
			people = append(people, toPerson(p.Person))
		}
	}
	return people
}

func toReason(r policies.Reason) api.Reason {
	return api.Reason{Rule: r.Rule, Met: r.Met, Text: r.Text, Remedy: r.Remedy}
}
