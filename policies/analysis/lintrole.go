package analysis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/policies"
)

// longDuration is from which on a grant is long.
const longDuration = 24 * time.Hour

// role finds what is wrong with one role.
func (l *linter) role(role policies.Role, options Options) {
	q, result := l.questions[role.Name], l.results[role.Name]
	l.alone(role, result)
	counted := result
	if options.WithoutBreakGlass {
		counted = result.WithoutBreakGlass()
	}
	if counted.People > 0 && counted.People < options.MinCollusion {
		way := counted.Ways[0]
		where, remedy := remedyFor(role, way)
		text := fmt.Sprintf("%d %s can get %s, fewer than %d: %s", way.People, people(way.People), role.Name, options.MinCollusion, way.Sentence())
		l.find(SeverityError, "min-collusion", kindRole, role.Name, where, text, remedy)
	}
	for i, name := range role.Trust {
		l.find(SeverityWarning, "trusted-fact", kindRole, role.Name, at("trust", i),
			fmt.Sprintf("%s trusts %s, which only the broker says: whoever can tamper with the broker chooses it.", role.Name, name),
			"Take it out of `trust`, and use it under `restrict`, where it can only refuse or add stages.")
	}
	if role.Duration.Longest > longDuration {
		l.find(SeverityNote, "long-duration", kindRole, role.Name, at("duration", "longest"),
			fmt.Sprintf("%s may last %s.", role.Name, policies.FormatDuration(role.Duration.Longest)), "Let it last a day at most, and be asked for again.")
	}
	if options.Tested != nil && !options.Tested[role.Name] {
		l.find(SeverityNote, "untested", kindRole, role.Name, nil, "No case decides on "+role.Name+".", "Write one in the folder tests beside the policies.")
	}
	if len(l.a.bundle.TargetsOf(role.Name)) == 0 {
		l.noTargets(role)
		return
	}
	l.peers(q)
	l.conditions(q)
	if !l.a.abstract {
		l.reachable(q, result)
		l.reviewable(role)
	}
}

// remedyFor says where in a role a way begins, and what would make it take more people.
func remedyFor(role policies.Role, w Way) (where []any, remedy string) {
	switch w.Way {
	case WayAllow:
		i := slices.IndexFunc(role.Allow, func(c policies.Allowance) bool { return c.Name == w.Through[0] })
		return at("allow", i), "Let it spare fewer stages."
	case WayBreakGlass:
		return at("breakGlass"), "Have a restriction add a stage in emergencies too, take them away, or leave them out of the number."
	case WayPolicy, WayEnrolment:
		return at("approval"), "Let more administrators sign a change: raise the organization's `quorum`."
	}
	return at("approval"), "Ask for more people who are not the requester."
}

func people(n int) string {
	if n == 1 {
		return "person"
	}
	return "people"
}

// alone names each way by which one person has a role.
func (l *linter) alone(role policies.Role, result Result) {
	for _, w := range result.Ways {
		if w.People != 1 {
			continue
		}
		switch w.Way {
		case WayAsk:
			text, where := "One person alone can have %s: nobody needs to approve it.", at("approval")
			if len(role.Approval) > 0 {
				text = "One person alone can have %s, where the conditions of its stages do not hold."
			}
			l.find(SeverityWarning, "alone", kindRole, role.Name, where, fmt.Sprintf(text, role.Name), "Name a stage that always asks for somebody.")
		case WayAllow:
			i := slices.IndexFunc(role.Allow, func(c policies.Allowance) bool { return c.Name == w.Through[0] })
			l.find(SeverityWarning, "alone", kindRole, role.Name, at("allow", i),
				fmt.Sprintf("One person alone can have %s, when %s spares every stage.", role.Name, strings.Join(w.Through, " and ")), "Leave one stage that is not spared.")
		case WayBreakGlass:
			l.find(SeverityNote, "alone", kindRole, role.Name, at("breakGlass"),
				fmt.Sprintf("One person alone can have %s in an emergency.", role.Name), "Keep those who may do so few, and see that emergencies are reviewed.")
		}
	}
}

// noTargets tells of a role that reaches nothing, or only what inventories may bring.
func (l *linter) noTargets(role policies.Role) {
	for _, inventory := range l.a.bundle.Organization().Inventories {
		if inventory.CouldBring(role.Targets) {
			l.find(SeverityNote, "no-targets", kindRole, role.Name, at("targets"),
				fmt.Sprintf("%s selects no target of the policy; the inventory %s may bring some.", role.Name, inventory.Name), "")
			return
		}
	}
	l.find(SeverityWarning, "no-targets", kindRole, role.Name, at("targets"), role.Name+" selects no target, so nobody can have it.", "Correct its names and labels, or remove it.")
}

// peers tells of a role whose only approvers are those who may ask for it.
func (l *linter) peers(q *question) {
	stages := stagesOf(q.role)
	outside := slices.ContainsFunc(stages, func(s policies.Stage) bool {
		return slices.ContainsFunc(q.everyDoor(s), func(d door) bool { return !slices.Contains(q.role.Requesters, d.group) })
	})
	if len(stages) > 0 && !outside {
		l.find(SeverityWarning, "peers-only", kindRole, q.role.Name, at("approval"),
			"Only those who may ask for "+q.role.Name+" approve it: they approve for each other.", "Have somebody approve who does not use the role.")
	}
}

// reachable tells why a role with targets cannot be had by asking.
func (l *linter) reachable(q *question, result Result) {
	name := q.role.Name
	if len(q.askers(nil)) == 0 {
		l.find(SeverityWarning, "no-requesters", kindRole, name, at("requesters"), "Nobody is in "+or(q.role.Requesters)+", so nobody may ask for "+name+".", "Put people into one of these groups, in the directory.")
		return
	}
	short := false
	for i, stage := range q.role.Approval {
		persons := map[int]bool{}
		for _, who := range l.a.behind(q.everyDoor(stage), q.role.Passkey.Approvers == policies.PasskeyAttested) {
			persons[l.a.number[who.Subject]] = true
		}
		if len(persons) < stage.Count {
			short = true
			l.find(SeverityWarning, "short-stage", kindRole, name, at("approval", i),
				fmt.Sprintf("%d %s fill the stage %s of %s, which needs %d.", len(persons), can(len(persons)), stage.Name, name, stage.Count), "Enrol passkeys of more people for its groups, or name other groups.")
		}
	}
	if !short && !slices.ContainsFunc(result.Ways, func(w Way) bool { return (w.Way == WayAsk || w.Way == WayAllow) && !w.enrols }) {
		l.find(SeverityWarning, "out-of-reach", kindRole, name, nil,
			"Nobody can have "+name+" by asking: a separation, a requirement or a restriction refuses everybody, or its stages need more different people than there are beside whoever asks.", "`stint policy who-can` shows who is kept out, and who approves.")
	}
}

func can(n int) string {
	if n == 1 {
		return "person can"
	}
	return "people can"
}

// reviewable tells of emergencies that nobody could review, or nobody but who acted.
func (l *linter) reviewable(role policies.Role) {
	if role.BreakGlass == nil {
		return
	}
	reviewers := map[int]bool{}
	for _, who := range l.a.behind(doorsTo(role.BreakGlass.Review.Groups), false) {
		reviewers[l.a.number[who.Subject]] = true
	}
	switch len(reviewers) {
	case 0:
		l.find(SeverityWarning, "no-emergency-review", kindRole, role.Name, at("breakGlass", "review"),
			"Nobody has a passkey that speaks for "+or(role.BreakGlass.Review.Groups)+": after an emergency nobody could review it, and "+role.Name+" would lock.", "Enrol passkeys of people in these groups.")
	case 1:
		for _, g := range role.BreakGlass.Requesters {
			if slices.ContainsFunc(l.a.askers[g], func(i int) bool { return reviewers[l.a.whose(i)] }) {
				l.find(SeverityWarning, "no-emergency-review", kindRole, role.Name, at("breakGlass", "review"),
					"The only person who may review an emergency in "+role.Name+" may cause one, and nobody reviews their own.", "Enrol passkeys of more people for "+or(role.BreakGlass.Review.Groups)+".")
				return
			}
		}
	}
}
