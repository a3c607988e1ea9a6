package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/policies"
)

// Recorded is a request as it was decided last, or an ask that was refused, so that there
// is no request.
type Recorded struct {
	Request string           `json:"request"` // what names it
	Facts   policies.Facts   `json:"facts"`
	Outcome policies.Outcome `json:"outcome"` // as it was then
}

// How a decision differs under another policy.
const (
	ChangeAllowed = "now-allowed"    // wider: would be allowed, and was not
	ChangeOpen    = "now-open"       // wider: could be approved, and was refused
	ChangeFewer   = "needs-fewer"    // wider: fewer people must approve, or nobody need confirm
	ChangeOthers  = "others-approve" // wider: somebody may approve who might not
	ChangeLonger  = "lasts-longer"   // wider
	ChangeRefused = "now-refused"    // and was not
	ChangeMore    = "needs-more"     // more people must approve, or the requester confirm
	ChangeNotThey = "fewer-approve"  // somebody may no longer approve
	ChangeShorter = "lasts-shorter"
	ChangeReasons = "other-reasons" // and nothing else
)

// changes are the ways in which decisions differ, the widening ones first.
var changes = []struct {
	change string
	wider  bool
	text   string
}{
	{ChangeAllowed, true, "would now be allowed"},
	{ChangeOpen, true, "could now be approved"},
	{ChangeFewer, true, "needs fewer people"},
	{ChangeOthers, true, "others may approve too"},
	{ChangeLonger, true, "would last longer"},
	{ChangeRefused, false, "would now be refused"},
	{ChangeMore, false, "needs more people"},
	{ChangeNotThey, false, "fewer may approve"},
	{ChangeShorter, false, "would last less long"},
	{ChangeReasons, false, "the same, for other reasons"},
}

// Replay is a history under another policy.
type Replay struct {
	Requests int `json:"requests"` // how many were looked at
	Same     int `json:"same"`
	// Uncertain counts those for which the new rules look back at what was not recorded: as
	// far as it was not, they are decided as if nothing had been.
	Uncertain   int          `json:"uncertain"`
	Counts      []Count      `json:"counts"` // widening ones first
	Differences []Difference `json:"differences"`
}

// Count is how many requests changed in the same manner.
type Count struct {
	Change string `json:"change"` // ChangeAllowed and so on
	Wider  bool   `json:"wider"`
	Number int    `json:"number"`
	Text   string `json:"text"` // "would now be refused: 12"
}

// Difference is a request that would be decided otherwise.
type Difference struct {
	Request   string            `json:"request"`
	Change    string            `json:"change"`
	Wider     bool              `json:"wider"`
	Uncertain bool              `json:"uncertain,omitempty"` // see Replay
	Asked     time.Time         `json:"asked"`
	Role      string            `json:"role"`
	Target    string            `json:"target"`
	Login     string            `json:"login"`
	Who       policies.Person   `json:"who"`
	Then      policies.Outcome  `json:"then"`   // as recorded
	Before    policies.Outcome  `json:"before"` // by the policy of before, now
	After     policies.Outcome  `json:"after"`
	Gained    []policies.Reason `json:"gained"` // reasons that only the new policy gives
	Lost      []policies.Reason `json:"lost"`   // reasons that only the old one gave
	Text      string            `json:"text"`
}

// Backtest decides recorded requests by two policies and says where they differ:
// widening differences first, then changed outcomes, then the rest. Within each, what was
// refused then is in front; beyond that it keeps the order of the history. A nil policy of before stands for what was recorded.
func Backtest(before, after *policies.Bundle, history []Recorded) Replay {
	replay := Replay{Requests: len(history), Counts: []Count{}, Differences: []Difference{}}
	for _, r := range history {
		old := policies.Decision{Outcome: r.Outcome}
		if before != nil {
			old = before.Decide(r.Facts)
		}
		d := difference(r, old, after.Decide(r.Facts), before != nil)
		d.Uncertain = looksFurther(before, after, r.Facts)
		if d.Uncertain {
			replay.Uncertain++
		}
		if d.Change == "" {
			replay.Same++
			continue
		}
		d.Text = d.sentence()
		replay.Differences = append(replay.Differences, d)
	}
	slices.SortStableFunc(replay.Differences, func(d, e Difference) int {
		return cmp.Or(cmp.Compare(rank(d.Change), rank(e.Change)), cmp.Compare(d.refusedFirst(), e.refusedFirst()))
	})
	for _, c := range changes {
		number := 0
		for _, d := range replay.Differences {
			if d.Change == c.change {
				number++
			}
		}
		if number == 0 {
			continue
		}
		text := fmt.Sprintf("%s: %d", c.text, number)
		if c.wider {
			text += " (wider!)"
		}
		replay.Counts = append(replay.Counts, Count{Change: c.change, Wider: c.wider, Number: number, Text: text})
	}
	return replay
}

// rank is where a change stands among changes.
func rank(change string) int {
	for i, c := range changes {
		if c.change == change {
			return i
		}
	}
	return len(changes)
}

// refusedFirst orders what was refused then before the rest.
func (d Difference) refusedFirst() int {
	if d.Then == policies.Refused {
		return 0
	}
	return 1
}

func difference(r Recorded, old, now policies.Decision, reasons bool) Difference {
	ask := r.Facts.Ask
	d := Difference{
		Request: r.Request, Asked: r.Facts.Asked, Role: ask.Role, Target: ask.Target, Login: ask.Login, Who: r.Facts.Requester,
		Then: r.Outcome, Before: old.Outcome, After: now.Outcome, Gained: []policies.Reason{}, Lost: []policies.Reason{},
	}
	if reasons {
		d.Gained, d.Lost = without(now.Reasons, old.Reasons), without(old.Reasons, now.Reasons)
	}
	switch d.Change = change(old, now, reasons); {
	case d.Change == "" && len(d.Gained)+len(d.Lost) > 0:
		d.Change = ChangeReasons
	case d.Change != "" && !reasons:
		d.Gained = slices.DeleteFunc(slices.Clone(now.Reasons), func(r policies.Reason) bool { return r.Met })
	}
	if d.Change != "" {
		d.Wider = changes[rank(d.Change)].wider
	}
	return d
}

// change says how one decision differs from another; what widens goes before what does not.
// Without reasons only the outcomes of the first are known.
func change(old, now policies.Decision, reasons bool) string {
	had, has := granted(old.Outcome), granted(now.Outcome)
	switch {
	case has && !had:
		return ChangeAllowed
	case old.Outcome == policies.Refused && now.Outcome != policies.Refused:
		return ChangeOpen
	case now.Outcome == policies.Refused && old.Outcome != policies.Refused:
		return ChangeRefused
	case had && !has:
		return ChangeMore
	case now.Outcome == policies.Refused || !reasons:
		return ""
	}
	others, notThey := approvers(old.Stages, now.Stages)
	switch before, after := seatsOf(old), seatsOf(now); {
	case after < before:
		return ChangeFewer
	case others:
		return ChangeOthers
	case now.Duration > old.Duration || now.Ends.After(old.Ends):
		return ChangeLonger
	case after > before:
		return ChangeMore
	case notThey:
		return ChangeNotThey
	case now.Duration < old.Duration || now.Ends.Before(old.Ends):
		return ChangeShorter
	}
	return ""
}

func granted(o policies.Outcome) bool { return o == policies.Allowed || o == policies.Scheduled }

// seatsOf is how many people must act beside the asking.
func seatsOf(d policies.Decision) int {
	seats := 0
	for _, s := range d.Stages {
		seats += s.Count
	}
	if d.Confirm != "" {
		seats++
	}
	return seats
}

// approvers tells whether a stage of the same name takes approvals of groups that it did
// not take, and whether one no longer takes some.
func approvers(old, now []policies.StageResult) (more, fewer bool) {
	for _, s := range now {
		i := slices.IndexFunc(old, func(o policies.StageResult) bool { return o.Name == s.Name })
		if i < 0 {
			continue
		}
		more = more || !within(s.Groups, old[i].Groups)
		fewer = fewer || !within(old[i].Groups, s.Groups)
	}
	return more, fewer
}

func within(few, many []string) bool {
	return !slices.ContainsFunc(few, func(g string) bool { return !slices.Contains(many, g) })
}

// without are the reasons of one list that are not in another.
func without(list, other []policies.Reason) []policies.Reason {
	return slices.DeleteFunc(slices.Clone(list), func(r policies.Reason) bool { return slices.Contains(other, r) })
}

// looksFurther tells whether the rules of after look back at what those of before did not,
// so that it is not in the facts.
func looksFurther(before, after *policies.Bundle, f policies.Facts) bool {
	had, has := policies.Needs{}, after.Needs(f.Ask.Role)
	if before != nil {
		had = before.Needs(f.Ask.Role)
	}
	for role, back := range has.Grants {
		if back > had.Grants[role] {
			return true
		}
	}
	for _, name := range has.Asserted {
		if !slices.ContainsFunc(f.Asserted, func(a policies.Assertion) bool { return a.Name == name }) {
			return true
		}
	}
	return has.Agreed > had.Agreed || has.Changes > had.Changes
}

// outcomes in words.
var outcomes = map[policies.Outcome]string{
	policies.Refused: "refused", policies.NeedsApproval: "waiting for approval", policies.Scheduled: "scheduled", policies.Allowed: "allowed",
}

// sentence says what would differ, and why.
func (d Difference) sentence() string {
	text := fmt.Sprintf("%s asked for %s on %s as %s. ", Person{Person: d.Who}.Called(), d.Role, d.Target, d.Login)
	if d.Before != d.After {
		text += fmt.Sprintf("It was %s, and would be %s.", outcomes[d.Before], outcomes[d.After])
	} else {
		what := changes[rank(d.Change)].text
		text += "It would be " + outcomes[d.After] + " as before: " + what + "."
	}
	var why []string
	for _, r := range d.Gained {
		if !r.Met || d.Wider {
			why = append(why, r.Text)
		}
	}
	for _, r := range d.Lost {
		if !r.Met && d.Wider {
			why = append(why, "No longer: "+r.Text)
		}
	}
	if len(why) > 0 {
		text += " " + strings.Join(why, " ")
	}
	if d.Uncertain {
		text += " The new rules look back at what was not recorded, so it may come out otherwise."
	}
	return text
}
