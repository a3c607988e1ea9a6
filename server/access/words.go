package access

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/policies"
)

// Headline says in one sentence what a request is about, for example "Alice
// wants postgres on db1 for 1 hour".
func Headline(r Request) string {
	verb := " wanted "
	switch {
	case r.State == Pending:
		verb = " wants "
	case r.State.Live():
		verb = " has "
	case r.State == Ended:
		verb = " had "
	}
	return fmt.Sprintf("%s%s%s on %s for %s", r.Requester.Name, verb, r.Revision.Ask.Login, r.Revision.Ask.Target, spell(r.Duration()))
}

// Summarise says in one sentence what a decision comes to, for example "Needs 1
// of Bob, Dana." approvers has a list for each stage.
func Summarise(d policies.Decision, approvers [][]policies.Person) string {
	switch d.Outcome {
	case policies.Allowed:
		if slices.ContainsFunc(d.Reasons, policies.Reason.OfBreakGlass) {
			return "Granted without an approval, in an emergency."
		}
		if len(d.Stages) == 0 {
			return "Granted at once: the role needs no approval."
		}
		return "All approvals are given."
	case policies.Scheduled:
		return "It begins at " + date(d.Begins) + "."
	case policies.Refused:
		return refusal(d).Message
	}
	var parts []string
	for i, stage := range d.Stages {
		missing := stage.Count - len(stage.Given)
		if missing <= 0 {
			continue
		}
		var names []string
		if i < len(approvers) {
			for _, p := range approvers[i] {
				if !given(stage, p.Subject) {
					names = append(names, p.Name)
				}
			}
		}
		if len(stage.After) > 0 {
			names, parts = nil, append(parts, fmt.Sprintf("then %d of %s", missing, strings.Join(stage.Groups, ", ")))
			continue
		}
		if len(names) == 0 {
			parts = append(parts, fmt.Sprintf("%d of %s, where there is nobody who could", missing, strings.Join(stage.Groups, ", ")))
			continue
		}
		parts = append(parts, fmt.Sprintf("%d of %s", missing, shorten(names)))
	}
	if d.Confirm != "" {
		parts = append(parts, "the requester's own passkey to confirm it")
	}
	return "Needs " + strings.Join(parts, ", and ") + "."
}

func given(stage policies.StageResult, s policies.Subject) bool {
	for _, g := range stage.Given {
		if g == s {
			return true
		}
	}
	return false
}

func shorten(names []string) string {
	const most = 6
	if len(names) > most {
		return fmt.Sprintf("%s and %d others", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// describe names an ask for the middle of a sentence.
func describe(a policies.Ask) string {
	return fmt.Sprintf("%s on %s for %s (role %s)", a.Login, a.Target, spell(a.Duration), a.Role)
}

func compareFold(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }

// date is a moment that may be on another day.
func date(t time.Time) string { return t.UTC().Format("15:04:05 on 2 January 2006 UTC") }

func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }

// spell writes a duration in words, for example "1 hour 30 minutes".
func spell(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := d / unit.length; n > 0 {
			name := unit.name
			if n > 1 {
				name += "s"
			}
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
			d -= n * unit.length
		}
	}
	if len(parts) == 0 {
		return "no time"
	}
	return strings.Join(parts, " ")
}
