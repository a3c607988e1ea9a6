package policies

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Decide answers whether what is asked for may be had, now, with the approvals
// there are. It looks at every rule even if an early one refuses, so that the
// reasons tell all that is in the way. Equal facts, in whatever order, give an
// equal decision.
//
// The rules by their stable names: role, requester-group, target, login,
// duration, reason, conflict, stage:<name> (or stage, where a role has none),
// end; and approval, which tells of each approval that does not count, or was
// not needed.
func (b *Bundle) Decide(f Facts) Decision {
	d := Decision{Outcome: Refused, Stages: []StageResult{}, Reasons: []Reason{}, Digest: b.digest}
	role, ok := b.Role(f.Ask.Role)
	if !ok {
		d.Reasons = append(d.Reasons, Reason{Rule: "role", Text: fmt.Sprintf("There is no role %q.", f.Ask.Role)})
		return d
	}

	// 1. What no approval could change.
	d.Reasons = append(d.Reasons,
		mayAsk(role, f.Requester),
		b.targetFits(role, f.Ask),
		loginFits(role, f.Ask),
		durationFits(role, f.Ask),
		reasonFits(role, f.Ask),
	)
	d.Reasons = append(d.Reasons, b.conflicts(role, f)...)
	refused := slices.ContainsFunc(d.Reasons, func(r Reason) bool { return !r.Met })

	// 2. Who agreed.
	seats, dismissed := b.count(role, f)
	d.Stages = seats.results()
	open := false
	for i := range role.Approval {
		reason := seats.reason(i)
		open = open || !reason.Met
		d.Reasons = append(d.Reasons, reason)
	}
	if len(role.Approval) == 0 {
		d.Reasons = append(d.Reasons, Reason{Rule: "stage", Met: true, Text: role.Name + " needs nobody's approval."})
	}
	d.Reasons = append(d.Reasons, dismissed...)

	// 3. How long: nobody who counts agreed to more, and the clock runs from the
	// moment that nothing was missing any more.
	duration, start := f.Ask.Duration, f.Asked
	if !seats.filled.IsZero() {
		duration, start = seats.agreed, seats.filled
	}
	switch {
	case refused:
	case open:
		d.Outcome, d.Duration = NeedsApproval, duration
	case !f.Now.Before(start.Add(duration)):
		d.Reasons = append(d.Reasons, Reason{Rule: "end", Text: fmt.Sprintf("The time is up: it was for %s and ended at %s.", FormatDuration(duration), start.Add(duration).UTC().Format(time.RFC3339))})
	default:
		d.Outcome, d.Duration, d.Ends = Allowed, duration, start.Add(duration)
	}
	return d
}

func mayAsk(role Role, p Person) Reason {
	r := Reason{Rule: "requester-group", Met: p.inAny(role.Requesters)}
	switch {
	case r.Met:
		i := slices.IndexFunc(role.Requesters, func(g string) bool { return slices.Contains(p.Groups, g) })
		r.Text = fmt.Sprintf("%s is in %s, which may ask for %s.", p.called(), role.Requesters[i], role.Name)
	default:
		r.Text = fmt.Sprintf("%s is not in %s, which may ask for %s.", p.called(), list(role.Requesters, "or"), role.Name)
	}
	return r
}

func (b *Bundle) targetFits(role Role, ask Ask) Reason {
	target, ok := b.Target(ask.Target)
	switch {
	case !ok:
		return Reason{Rule: "target", Text: fmt.Sprintf("There is no target %q.", ask.Target)}
	case !role.Targets.selects(target):
		return Reason{Rule: "target", Text: fmt.Sprintf("%s does not reach %s.", role.Name, target.Name)}
	}
	return Reason{Rule: "target", Met: true, Text: fmt.Sprintf("%s reaches %s.", role.Name, target.Name)}
}

func loginFits(role Role, ask Ask) Reason {
	if !slices.Contains(role.Logins, ask.Login) {
		return Reason{Rule: "login", Text: fmt.Sprintf("%s does not give the login %q; it gives %s.", role.Name, ask.Login, list(role.Logins, "or"))}
	}
	return Reason{Rule: "login", Met: true, Text: fmt.Sprintf("%s gives the login %s.", role.Name, ask.Login)}
}

func durationFits(role Role, ask Ask) Reason {
	longest := FormatDuration(role.Duration.Longest)
	switch {
	case ask.Duration <= 0 || ask.Duration%time.Second != 0:
		return Reason{Rule: "duration", Text: "The duration must be a whole number of seconds, and more than none."}
	case ask.Duration > role.Duration.Longest:
		return Reason{Rule: "duration", Text: fmt.Sprintf("%s is longer than the %s that %s allows.", FormatDuration(ask.Duration), longest, role.Name)}
	}
	return Reason{Rule: "duration", Met: true, Text: fmt.Sprintf("%s is within the %s that %s allows.", FormatDuration(ask.Duration), longest, role.Name)}
}

func reasonFits(role Role, ask Ask) Reason {
	given := strings.TrimSpace(ask.Reason) != ""
	switch err := CheckText(ask.Reason, MostReason); {
	case err != nil:
		return Reason{Rule: "reason", Text: fmt.Sprintf("The reason cannot be used: %v.", err)}
	case !given && role.Reason == "required":
		return Reason{Rule: "reason", Text: role.Name + " needs a reason."}
	case !given:
		return Reason{Rule: "reason", Met: true, Text: role.Name + " needs no reason."}
	}
	return Reason{Rule: "reason", Met: true, Text: "A reason was given."}
}

// conflicts tells of each role that the requester holds and may not hold beside
// this one.
func (b *Bundle) conflicts(role Role, f Facts) []Reason {
	clashes := map[string]bool{}
	for _, held := range f.Held {
		for _, s := range b.separations {
			if s.Forbid == ForbidHeld && held.Role != role.Name && slices.Contains(s.Roles, held.Role) && slices.Contains(s.Roles, role.Name) {
				clashes[held.Role] = true
			}
		}
	}
	var reasons []Reason
	for _, other := range slices.Sorted(maps.Keys(clashes)) {
		reasons = append(reasons, Reason{Rule: "conflict", Text: fmt.Sprintf("%s holds %s and must drop it first: it conflicts with %s.", f.Requester.called(), other, role.Name)})
	}
	if len(reasons) == 0 {
		reasons = append(reasons, Reason{Rule: "conflict", Met: true, Text: fmt.Sprintf("%s holds nothing that conflicts with %s.", f.Requester.called(), role.Name)})
	}
	return reasons
}
