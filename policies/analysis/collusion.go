package analysis

import (
	"cmp"
	"slices"
	"strings"

	"stint/policies"
)

// Ways to a role.
const (
	WayAsk        = "ask"         // asked for, and approved
	WayAllow      = "allow"       // asked for, with stages spared by allowances
	WayBreakGlass = "break-glass" // alone, in an emergency
	WayPolicy     = "policy"      // administrators change the policy
	WayEnrolment  = "enrolment"   // administrators enrol approvers who are nobody
)

// Result is how few people together get a role.
type Result struct {
	Role string `json:"role"`
	// People is the smallest number over all ways; zero: nobody can have it.
	People int `json:"people"`
	// Ways are those by which it can be had, the one with the fewest people first.
	Ways []Way `json:"ways"`
	// Abstract: without a population, as if every group had enough people, and those who
	// ask were in whatever groups suit them; with no population the number is less.
	Abstract bool `json:"abstract,omitempty"`
}

// Way is one way to a role, with the smallest number of people who go it together.
type Way struct {
	Way     string   `json:"way"`               // WayAsk and so on
	Through []string `json:"through,omitempty"` // the allowances of WayAllow
	People  int      `json:"people"`            // how many must act together
	Target  string   `json:"target,omitempty"`  // of the example
	Login   string   `json:"login,omitempty"`   // of the example
	Parts   []Part   `json:"parts"`             // an example: one for each person
	Assumed []string `json:"assumed,omitempty"` // what was taken to suit them: conditions on more than who, what and where, and attested passkeys that they would enrol
	Text    string   `json:"text"`              // the example as a sentence

	enrols bool // it takes an attested passkey that an approver does not have yet
}

// Sentence is the example with what was taken to suit them, in words.
func (w Way) Sentence() string {
	if len(w.Assumed) == 0 {
		return w.Text
	}
	return w.Text + " Taken to suit them: " + strings.Join(w.Assumed, ", ") + "."
}

// Part is what one person of the example does.
type Part struct {
	policies.Subject
	Name string `json:"name"`
	Acts string `json:"acts"` // "asks", "approves stage lead", "signs the policy change"
}

// Collusion says how few people together get a role on some target that it reaches, by
// each way there is. The number is exact as far as the policy depends on who asks and
// who approves, for which role, target and login; conditions on anything else are taken
// to suit those who collude, and approvers whose passkeys are not attested to enrol such
// as are. What was taken so is listed: then it is a lower bound. Nobody can have a role
// that there is not.
func (a *Analysis) Collusion(role string) Result {
	r, ok := a.bundle.Role(role)
	if !ok {
		return Result{Role: role, Ways: []Way{}, Abstract: a.abstract}
	}
	return a.ask(r).collusion()
}

func (q *question) collusion() Result {
	result := Result{Role: q.role.Name, Ways: append(q.asked(q.sights(nil, false), nil), q.asked(q.sights(nil, true), nil)...), Abstract: q.a.abstract}
	for _, way := range []func() (Way, bool){q.policyChanged, q.enrolled} {
		if w, ok := way(); ok {
			result.Ways = append(result.Ways, w)
		}
	}
	slices.SortStableFunc(result.Ways, func(v, w Way) int { return cmp.Compare(v.People, w.People) })
	if len(result.Ways) > 0 {
		result.People = result.Ways[0].People
	}
	return result
}

// WithoutBreakGlass is the result with emergencies left out.
func (r Result) WithoutBreakGlass() Result {
	r.Ways = slices.DeleteFunc(slices.Clone(r.Ways), func(w Way) bool { return w.Way == WayBreakGlass })
	r.People = 0
	if len(r.Ways) > 0 {
		r.People = r.Ways[0].People
	}
	return r
}

// Collusions is Collusion for every role, by name.
func (a *Analysis) Collusions() []Result {
	results := []Result{}
	for _, role := range a.bundle.Roles() {
		results = append(results, a.Collusion(role.Name))
	}
	return results
}
