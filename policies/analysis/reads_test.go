package analysis

import (
	"fmt"
	"testing"

	"stint/policies"
)

// TestReadsErrsTowardsMore: where the text leaves a doubt, a condition reads everything.
func TestReadsErrsTowardsMore(t *testing.T) {
	t.Parallel()
	const all, none = "identity:false groups:true [] name:false labels:false [] login:false", "identity:false groups:false [] name:false labels:false [] login:false"
	for source, want := range map[string]string{
		`now.getHours("UTC") > 8`:                                   none,
		`"a" in requester.groups`:                                   "identity:false groups:false [a] name:false labels:false [] login:false",
		`!("a" in requester.groups) && "b" in requester.groups`:     "identity:false groups:false [a b] name:false labels:false [] login:false",
		`'a' in requester.groups ? true : 'b' in requester.groups`:  "identity:false groups:false [a b] name:false labels:false [] login:false",
		`"a" + "b" in requester.groups`:                             all,
		`"a" in requester.groups.map(g, g + "z")`:                   all,
		`"a" in requester.groups + ["b"]`:                           all,
		`r"a" in requester.groups`:                                  all,
		`"\"" + requester.name + "\" in requester.groups" == "x"`:   "identity:true groups:true [] name:false labels:false [] login:false",
		`"(" + requester.name + " in requester.groups" == "x"`:      "identity:true groups:true [] name:false labels:false [] login:false",
		`'("' + requester.name + '" in requester.groups' == 'x'`:    "identity:true groups:true [] name:false labels:false [] login:false",
		`requester.groups.exists(g, g == "a")`:                      all,
		`requester.email.endsWith("@x.org")`:                        "identity:true groups:true [] name:false labels:false [] login:false",
		`requester.groups == ["a"] || requester.name == "b"`:        "identity:true groups:true [] name:false labels:false [] login:false",
		`target.labels.tier == "a" && target.labels["zone"] == "b"`: "identity:false groups:false [] name:false labels:false [tier zone] login:false",
		`"tier" in target.labels`:                                   "identity:false groups:false [] name:false labels:false [tier] login:false",
		`has(target.labels.tier)`:                                   "identity:false groups:false [] name:false labels:false [tier] login:false",
		`target.labels["a" + ask.ticket] == "b"`:                    "identity:false groups:false [] name:false labels:true [] login:false",
		`target.labels.exists(k, k == "a")`:                         "identity:false groups:false [] name:false labels:true [] login:false",
		`target.name == "a"`:                                        "identity:false groups:false [] name:true labels:true [] login:false",
		`ask.target == "a"`:                                         "identity:false groups:false [] name:true labels:true [] login:false",
		`ask.login == "root"`:                                       "identity:false groups:false [] name:false labels:false [] login:true",
	} {
		r := readsOf(policies.Role{Require: []policies.Condition{{That: source}}})
		if got := fmt.Sprintf("identity:%t groups:%t %v name:%t labels:%t %v login:%t", r.identity, r.groups, r.members, r.name, r.labels, r.keys, r.login); got != want {
			t.Errorf("%s reads %s, want %s", source, got, want)
		}
	}
}
