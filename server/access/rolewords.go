package access

import (
	"fmt"
	"slices"
	"strings"

	"stint/policies"
)

// RoleWords says in sentences what a role asks and bounds, part by part.
type RoleWords struct {
	Windows, Conditions, Session, Separations []string
	Renewals                                  string     // empty: any number of times
	Stages                                    [][]string // notes on each of Role.Approval
}

// Section is a heading with sentences below it.
type Section struct {
	Heading   string
	Sentences []string
}

// DescribeRole puts a role of a policy into words.
func DescribeRole(policy *policies.Bundle, role policies.Role) RoleWords {
	w := RoleWords{
		Windows: windowWords(policy, role), Conditions: conditionWords(role), Session: sessionWords(role),
		Separations: separationWords(policy, role.Name), Stages: make([][]string, len(role.Approval)),
	}
	if r := role.Renewals; r != nil {
		w.Renewals = fmt.Sprintf("Nobody has it more than %s in %s.", times(r.Most), daysOf(r.Days))
	}
	for i, stage := range role.Approval {
		w.Stages[i] = stageWords(stage)
	}
	return w
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

func daysOf(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

func windowWords(policy *policies.Bundle, role policies.Role) []string {
	words := []string{}
	for _, name := range role.Windows {
		calendar, ok := policy.Calendar(name)
		if !ok {
			continue
		}
		var open []string
		for _, hours := range calendar.Open {
			open = append(open, fmt.Sprintf("%s %s to %s", strings.Join(hours.Days, ", "), hours.From, hours.To))
		}
		text := fmt.Sprintf("While %s is open: %s (%s).", calendar.Name, strings.Join(open, "; "), calendar.Zone)
		if len(calendar.Closed) > 0 {
			text += " Closed on " + strings.Join(calendar.Closed, ", ") + "."
		}
		words = append(words, text)
	}
	return words
}

// flat is an expression on one line.
func flat(expression string) string { return strings.Join(strings.Fields(expression), " ") }

func conditionWords(role policies.Role) []string {
	words := []string{}
	for _, c := range role.Require {
		words = append(words, fmt.Sprintf("%s must hold: %s. %s", c.Name, flat(c.That), c.Else))
	}
	for _, a := range role.Allow {
		words = append(words, fmt.Sprintf("%s spares the stage %s where this holds: %s.", a.Name, strings.Join(a.Without, ", "), flat(a.When)))
	}
	for _, r := range role.Restrict {
		switch {
		case r.Refuse != "":
			words = append(words, fmt.Sprintf("%s refuses where this holds: %s. %s", r.Name, flat(r.When), r.Refuse))
		default:
			var stages []string
			for _, stage := range r.Add {
				stages = append(stages, fmt.Sprintf("%s (%d of %s)", stage.Name, stage.Count, whoApproves(stage)))
			}
			words = append(words, fmt.Sprintf("%s adds the stage %s where this holds: %s.", r.Name, strings.Join(stages, ", "), flat(r.When)))
		}
	}
	for _, fact := range role.Trust {
		words = append(words, fmt.Sprintf("It trusts the broker's word on %s.", fact))
	}
	return words
}

// whoApproves names the groups and relations of a stage.
func whoApproves(stage policies.Stage) string {
	who := slices.Clone(stage.Groups)
	for _, relation := range stage.Relations {
		switch relation {
		case policies.RelationManager:
			who = append(who, "the requester's managers")
		case policies.RelationOwner:
			who = append(who, "the owners of the target")
		}
	}
	return strings.Join(who, ", ")
}

func stageWords(stage policies.Stage) []string {
	notes := []string{}
	if len(stage.Relations) > 0 {
		notes = append(notes, "It asks "+whoApproves(stage)+".")
	}
	if stage.When != "" {
		notes = append(notes, "Only where this holds: "+flat(stage.When)+".")
	}
	if len(stage.After) > 0 {
		notes = append(notes, "After "+strings.Join(stage.After, ", ")+".")
	}
	if stage.Remind > 0 {
		notes = append(notes, "Whoever has not answered is reminded every "+spell(stage.Remind)+".")
	}
	for _, e := range stage.Escalate {
		notes = append(notes, fmt.Sprintf("After %s, %s may approve too.", spell(e.After), strings.Join(e.Groups, ", ")))
	}
	return notes
}

func sessionWords(role policies.Role) []string {
	words := []string{"Every session is recorded."}
	s := role.Session
	if s.Idle > 0 {
		words = append(words, "A session ends in which nothing is sent for "+spell(s.Idle)+".")
	}
	if s.Reauthenticate > 0 {
		words = append(words, "A session ends whose person has not confirmed with a passkey for "+spell(s.Reauthenticate)+" that they are there.")
	}
	if len(s.Channels) > 0 {
		words = append(words, "Of the kinds of channels, it gives only "+strings.Join(s.Channels, ", ")+".")
	}
	if len(s.Networks) > 0 {
		words = append(words, "Only from "+strings.Join(s.Networks, ", ")+".")
	}
	if role.SingleUse {
		words = append(words, "A grant is for one session.")
	}
	if len(role.Recording.Reviewers) > 0 {
		words = append(words, "Beside the person whose session it is, "+strings.Join(role.Recording.Reviewers, ", ")+" may replay it, and nobody else.")
	}
	return words
}

func separationWords(policy *policies.Bundle, role string) []string {
	words := []string{}
	for _, s := range policy.Separations() {
		if role == "" || slices.Contains(s.Roles, role) {
			words = append(words, DescribeSeparation(s))
		}
	}
	return words
}

// DescribeSeparation says what a separation of duty forbids, in a sentence.
func DescribeSeparation(s policies.Separation) string {
	roles := strings.Join(s.Roles, ", ")
	switch s.Forbid {
	case policies.ForbidEligible:
		return fmt.Sprintf("%s: nobody may be in the groups that ask for two of %s.", s.Name, roles)
	case policies.ForbidHeld:
		return fmt.Sprintf("%s: nobody holds two of %s at once.", s.Name, roles)
	case policies.ForbidHistory:
		return fmt.Sprintf("%s: nobody has one of %s within %s of having had another.", s.Name, roles, daysOf(s.Days))
	default:
		return fmt.Sprintf("%s: nobody has %s on a target whose %s they are.", s.Name, roles, strings.Join(s.Labels, " or "))
	}
}

// RoleSections are all that a role says, for reading.
func RoleSections(policy *policies.Bundle, role policies.Role) []Section {
	words := DescribeRole(policy, role)
	sections := []Section{
		{"Who may ask", []string{"Members of " + strings.Join(role.Requesters, ", ") + "."}},
		{"What it reaches", reachWords(policy, role)},
		{"How long", lengthWords(role, words)},
		{"When", words.Windows},
		{"What must be said", askWords(role)},
		{"Who agrees", approvalWords(role, words)},
		{"Conditions", words.Conditions},
		{"Machines", role.Device.Asks()},
		{"Sessions", words.Session},
		{"Separation of duty", words.Separations},
		{"Emergencies", emergencyWords(role)},
	}
	return slices.DeleteFunc(sections, func(s Section) bool { return len(s.Sentences) == 0 })
}

func reachWords(policy *policies.Bundle, role policies.Role) []string {
	var selected []string
	selected = append(selected, role.Targets.Names...)
	var labels []string
	for key, value := range role.Targets.Labels {
		labels = append(labels, key+"="+value)
	}
	slices.Sort(labels)
	selected = append(selected, labels...)
	words := []string{
		fmt.Sprintf("Targets that fit %s; %s now.", strings.Join(selected, ", "), counted(len(policy.TargetsOf(role.Name)), "target")),
		"Logins: " + strings.Join(role.Logins, ", ") + ".",
	}
	return words
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func lengthWords(role policies.Role, words RoleWords) []string {
	text := []string{fmt.Sprintf("%s, unless something else is asked for; %s at most.", spell(role.Duration.Default), spell(role.Duration.Longest))}
	if role.Start.At == policies.AtFirstUse {
		within := role.Start.Within
		if within == 0 {
			within = policies.DefaultWithin
		}
		text = append(text, "The clock starts at the first use, which must come within "+spell(within)+".")
	} else {
		text = append(text, "The clock starts when the last approval is given.")
	}
	if role.Start.Ahead > 0 {
		text = append(text, "A start may be set up to "+spell(role.Start.Ahead)+" ahead.")
	}
	text = append(text, "A request waits "+spell(PendingOf(role))+" for its answer.")
	if words.Renewals != "" {
		text = append(text, words.Renewals)
	}
	return text
}

func askWords(role policies.Role) []string {
	var text []string
	if role.Reason == "required" {
		text = append(text, "A reason.")
	}
	if t := role.Ticket; t != nil {
		sentence := "A ticket may be named"
		if t.Required {
			sentence = "A ticket must be named"
		}
		if t.Pattern != "" {
			sentence += ", which fits " + t.Pattern
		}
		text = append(text, sentence+".")
	}
	if role.Passkey.Requester != "" {
		text = append(text, "Who asks confirms with their own passkey"+ofStrength(role.Passkey.Requester)+".")
		if role.Passkey.Fresh > 0 {
			text = append(text, "That is no older than "+spell(role.Passkey.Fresh)+" at the first use.")
		}
	}
	return text
}

func approvalWords(role policies.Role, words RoleWords) []string {
	if len(role.Approval) == 0 {
		return []string{"Nobody: it is granted at once."}
	}
	var text []string
	for i, stage := range role.Approval {
		sentence := fmt.Sprintf("%s: %d of %s.", stage.Name, stage.Count, whoApproves(stage))
		for _, note := range words.Stages[i] {
			if !strings.HasPrefix(note, "It asks ") {
				sentence += " " + note
			}
		}
		text = append(text, sentence)
	}
	if role.Passkey.Approvers == policies.PasskeyAttested {
		text = append(text, "They approve with a passkey"+ofStrength(policies.PasskeyAttested)+".")
	}
	return text
}

func emergencyWords(role policies.Role) []string {
	b := role.BreakGlass
	if b == nil {
		return nil
	}
	return []string{
		fmt.Sprintf("In an emergency, %s may act alone, for %s at most. They confirm with their own passkey%s, and everybody who might have approved is told.",
			strings.Join(b.Requesters, ", "), spell(b.Longest), ofStrength(policies.PasskeyAttested)),
		fmt.Sprintf("Somebody in %s reviews it within %s; otherwise the role is locked for everybody until they have.", strings.Join(b.Review.Groups, ", "), spell(b.Review.Within)),
	}
}
