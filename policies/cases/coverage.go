package cases

import (
	"slices"
	"strings"

	"stint/policies"
)

// Coverage says which rules of which roles the cases have seen fulfilled, and not.
type Coverage struct {
	Roles []RoleCoverage `json:"roles"` // by name
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
	Rule   string `json:"rule"`
	Met    bool   `json:"met"`
	NotMet bool   `json:"not_met"`
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
			var never []string
			if !rule.Met {
				never = append(never, words(rule.Rule, true))
			}
			if !rule.NotMet {
				never = append(never, words(rule.Rule, false))
			}
			if len(never) > 0 {
				unseen = append(unseen, role.Role+": "+rule.Rule+" is never "+listed(never, "or"))
			}
		}
	}
	return unseen
}

// words says what it means that a rule is met, or not.
func words(rule string, met bool) string {
	name, _, _ := strings.Cut(rule, ":")
	switch {
	case name == "stage" && met:
		return "full"
	case name == "stage":
		return "waited for"
	case name == "allow" && met:
		return "used"
	case name == "allow":
		return "unused"
	case met:
		return "fulfilled"
	}
	return "refusing"
}

// Coverage says what of a policy's rules the results have seen.
func (r Results) Coverage(b *policies.Bundle) Coverage {
	type sight struct {
		role, rule string
		met        bool
	}
	seen := map[sight]bool{}
	for _, result := range r.Cases {
		for _, reason := range result.Decision.Reasons {
			seen[sight{result.role, reason.Rule, reason.Met}] = true
		}
	}
	c := Coverage{Roles: []RoleCoverage{}}
	for _, role := range b.Roles() {
		covered := RoleCoverage{Role: role.Name}
		for _, rule := range rulesOf(b, role) {
			one := RuleCoverage{Rule: rule, Met: seen[sight{role.Name, rule, true}], NotMet: seen[sight{role.Name, rule, false}]}
			covered.Rules = append(covered.Rules, one)
			c.Of += 2
			for _, was := range []bool{one.Met, one.NotMet} {
				if was {
					c.Seen++
				}
			}
		}
		c.Roles = append(c.Roles, covered)
	}
	return c
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
	}
	for _, r := range role.Restrict {
		for _, s := range r.Add {
			add(true, "stage:"+s.Name)
		}
	}
	add(role.Passkey.Requester != "", "confirmation")
	add(role.BreakGlass != nil, "break-glass")
	add(role.BreakGlass != nil, "review")
	return rules
}
