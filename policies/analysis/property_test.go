package analysis_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"stint/policies"
	"stint/policies/analysis"
)

const nobody = 1 << 30

// together is how few people get the role by asking or in an emergency; nobody where none
// do.
func together(b *policies.Bundle, p *analysis.Population) int {
	least := nobody
	for _, w := range analysis.New(b, p).Collusion("r").Ways {
		if w.Way != analysis.WayPolicy && w.Way != analysis.WayEnrolment {
			least = min(least, w.People)
		}
	}
	return least
}

func TestMorePeopleNeverMakeItHarder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(250) {
		w := randomWorld(t, seed)
		before := together(w.bundle, w.population)
		somebody := analysis.Person{
			Person:   policies.Person{Subject: subject("new"), Name: "new", Groups: []string{"g0", "g2"}},
			Passkeys: []analysis.Passkey{{Groups: []string{"g1"}, Attested: true}},
		}
		more := analysis.NewPopulation(append(slices.Clone(w.population.People()), somebody), w.population.Delegations())
		if after := together(w.bundle, more); after > before {
			t.Fatalf("seed %d: one person more makes it %d instead of %d\n%s", seed, after, before, w.text)
		}
	}
}

// conditional finds stages with a condition.
var conditional = regexp.MustCompile(`count: \d[^}]*when:`)

// TestMoreGroupsNeverMakeItHarder looks at policies in which membership takes nothing away.
func TestMoreGroupsNeverMakeItHarder(t *testing.T) {
	t.Parallel()
	looked := 0
	for seed := range uint64(250) {
		w := randomWorld(t, seed)
		if conditional.MatchString(w.text) || slices.ContainsFunc([]string{"kind: Separation", "directReports: true", "!(", "restrict:"}, func(s string) bool { return strings.Contains(w.text, s) }) {
			continue
		}
		looked++
		before := together(w.bundle, w.population)
		people := slices.Clone(w.population.People())
		for i := range people {
			more := slices.Clone(people)
			more[i].Groups = append(slices.Clone(more[i].Groups), worldGroups[seed%4])
			more[i].Passkeys = append(slices.Clone(more[i].Passkeys), analysis.Passkey{Groups: []string{worldGroups[(seed/4)%4]}, Attested: true})
			if after := together(w.bundle, analysis.NewPopulation(more, w.population.Delegations())); after > before {
				t.Fatalf("seed %d: %s in more groups makes it %d instead of %d\n%s", seed, more[i].Name, after, before, w.text)
			}
		}
	}
	if looked < 20 {
		t.Errorf("only %d policies were looked at", looked)
	}
}

func TestOneStageMoreNeverMakesItEasier(t *testing.T) {
	t.Parallel()
	harder := 0
	for seed := range uint64(250) {
		w := randomWorld(t, seed)
		front, back, _ := strings.Cut(w.text, "approval:")
		text := front + "approval:\n- {name: extra, groups: [g1, g3], count: 1}" + strings.TrimPrefix(back, " []")
		for i, target := range w.bundle.Targets() {
			text += "\n---\nkind: Target\nname: " + target.Name + "\naddress: " + target.Address + "\nhostKey: " + hostKey + "\nlabels: {env: prod, owner: " + target.Labels["owner"]
			if i == 0 {
				text += ", tier: a"
			}
			text += "}\n"
		}
		before := together(w.bundle, w.population)
		after := together(bundleOf(t, text), w.population)
		if after < before {
			t.Fatalf("seed %d: one stage more makes it %d instead of %d\n%s", seed, after, before, text)
		}
		if after > before {
			harder++
		}
	}
	if harder < 30 {
		t.Errorf("only %d policies became harder", harder)
	}
}
