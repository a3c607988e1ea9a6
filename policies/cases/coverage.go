package cases

import (
	"slices"
	"strings"

	"stint/policies"
)

// Coverage says which rules the cases have seen at work, and which not.
type Coverage struct {
	// Roles are those of the policy by name, and before them, under no name, what counts for all.
	Roles []RoleCoverage `json:"roles"`
	// Of is how much there is to see, two for most rules, and Seen how much was.
	Seen int `json:"seen"`
	Of   int `json:"of"`
}

// RoleCoverage is that of one role.
type RoleCoverage struct {
	Role  string         `json:"role"`
	Rules []RuleCoverage `json:"rules"`
}

// RuleCoverage is that of one rule of a role.
type RuleCoverage struct {
	// Rule is as Decide names it; when:<stage> is the condition of a stage, and
	// grant:<field> and organization:<field> are what cases state of Grant and Whole.
	Rule  string  `json:"rule"`
	Sides []Sight `json:"sides"` // what there is to see of it
}

// Sight is one side of a rule.
type Sight struct {
	Text string `json:"text"` // "is never fulfilled" and so on, as it stands where it was not seen
	Seen bool   `json:"seen"`
}

// Percent is how much of what there is to see was seen, rounded down; 100 where there is nothing.
func (c Coverage) Percent() int {
	if c.Of == 0 {
		return 100
	}
	return 100 * c.Seen / c.Of
}

// Unseen says in words what no case has seen, each with its role.
func (c Coverage) Unseen() []string {
	var unseen []string
	for _, role := range c.Roles {
		for _, rule := range role.Rules {
			for _, side := range rule.Sides {
				if !side.Seen {
					unseen = append(unseen, strings.TrimPrefix(role.Role+": ", ": ")+rule.Rule+" "+side.Text)
				}
			}
		}
	}
	return unseen
}

// Coverage says what of a policy's rules the results have seen.
func (r Results) Coverage(b *policies.Bundle) Coverage {
	c := Coverage{}
	all := RoleCoverage{Rules: []RuleCoverage{}}
	for _, rule := range rulesOfAll(b) {
		all.Rules = append(all.Rules, sees(rule, r.Cases))
	}
	c.Roles = append(c.Roles, all)
	for _, role := range b.Roles() {
		var about []Result
		for _, result := range r.Cases {
			if result.role == role.Name {
				about = append(about, result)
			}
		}
		covered := RoleCoverage{Role: role.Name}
		for _, rule := range rulesOf(b, role) {
			covered.Rules = append(covered.Rules, sees(rule, about))
		}
		c.Roles = append(c.Roles, covered)
	}
	for _, role := range c.Roles {
		for _, rule := range role.Rules {
			for _, side := range rule.Sides {
				c.Of++
				if side.Seen {
					c.Seen++
				}
			}
		}
	}
	return c
}

// sees says which sides of a rule decisions show.
func sees(rule string, results []Result) RuleCoverage {
	saw := func(side func(d policies.Decision) bool) bool {
		return slices.ContainsFunc(results, func(r Result) bool { return side(r.Decision) })
	}
	speaks := func(met bool) func(policies.Decision) bool {
		return func(d policies.Decision) bool {
			return slices.ContainsFunc(d.Reasons, func(r policies.Reason) bool { return r.Rule == rule && r.Met == met })
		}
	}
	silent := func(d policies.Decision) bool {
		return !slices.ContainsFunc(d.Reasons, func(r policies.Reason) bool { return r.Rule == rule })
	}
	name, stage, _ := strings.Cut(rule, ":")
	asked := func(d policies.Decision) bool {
		return slices.ContainsFunc(d.Stages, func(s policies.StageResult) bool { return s.Name == stage })
	}
	one := RuleCoverage{Rule: rule}
	side := func(text string, seen bool) { one.Sides = append(one.Sides, Sight{Text: text, Seen: seen}) }
	switch name {
	case "stage":
		side("is never full", saw(func(d policies.Decision) bool { return asked(d) && speaks(true)(d) }))
		side("is never open", saw(speaks(false)))
	case "when":
		side("never holds", saw(asked))
		side("never fails to hold", saw(func(d policies.Decision) bool {
			return !asked(d) && slices.ContainsFunc(d.Reasons, func(r policies.Reason) bool { return r.Rule == "stage:"+stage })
		}))
	case "allow":
		side("never holds", saw(speaks(true)))
		side("never fails to hold", saw(silent))
	case "restrict":
		side("never holds", saw(func(d policies.Decision) bool { return !silent(d) }))
		side("never fails to hold", saw(silent))
	case "confirm":
		side("is never given", saw(speaks(true)))
		side("is never missing", saw(speaks(false)))
	case "grant", "organization":
		side("is never stated", slices.ContainsFunc(results, func(r Result) bool { return slices.Contains(r.stated, rule) }))
	case "independence":
		side("never turns an approval away", saw(speaks(false)))
	default:
		side("is never fulfilled", saw(speaks(true)))
		side("never refuses", saw(speaks(false)))
	}
	return one
}

// rulesOfAll are the rules that count for every role.
func rulesOfAll(b *policies.Bundle) []string {
	var rules []string
	independence := b.Organization().Independence
	for _, rule := range []struct {
		name string
		asks bool
	}{
		{"direct-reports", independence.DirectReports}, {"reciprocal", independence.ReciprocalDays > 0}, {"policy-change", independence.PolicyChangeDays > 0},
	} {
		if rule.asks {
			rules = append(rules, "independence:"+rule.name)
		}
	}
	return append(rules, counted(termsOfAll(b, nil))...)
}

// rulesOf are the rules of a role by the names that Decide gives them.
func rulesOf(b *policies.Bundle, role policies.Role) []string {
	rules := []string{"requester-group", "target", "login", "duration"}
	add := func(applies bool, rule string) {
		if applies && !slices.Contains(rules, rule) {
			rules = append(rules, rule)
		}
	}
	add(role.Reason == "required", "reason")
	add(role.Ticket != nil, "ticket")
	add(role.Start.Ahead > 0, "start")
	add(len(role.Windows) > 0, "window")
	add(role.Renewals != nil, "renewals")
	for _, s := range b.Separations() {
		add(slices.Contains(s.Roles, role.Name), "separation:"+s.Name)
	}
	for _, c := range role.Require {
		add(true, "require:"+c.Name)
	}
	for _, r := range role.Restrict {
		add(true, "restrict:"+r.Name)
	}
	for _, a := range role.Allow {
		add(true, "allow:"+a.Name)
	}
	for _, s := range role.Approval {
		add(true, "stage:"+s.Name)
		add(s.When != "", "when:"+s.Name)
	}
	for _, r := range role.Restrict {
		for _, s := range r.Add {
			add(true, "stage:"+s.Name)
			add(s.When != "", "when:"+s.Name)
		}
	}
	add(role.Passkey.Requester != "" || role.BreakGlass != nil, "confirm")
	add(role.BreakGlass != nil, "break-glass")
	add(role.BreakGlass != nil, "review")
	return append(rules, counted(termsOf(b, role, nil))...)
}

// counted are the rules of the terms of which a policy says something.
func counted(terms []term) []string {
	var rules []string
	for _, t := range terms {
		if t.counts {
			rules = append(rules, t.rule)
		}
	}
	return rules
}
