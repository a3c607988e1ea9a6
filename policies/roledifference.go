package policies

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

func labelsOf(labels map[string]string) []string {
	var all []string
	for key, value := range labels {
		all = append(all, key+": "+value)
	}
	return all
}

func insteadOf(there bool, old string) string {
	if !there {
		return ""
	}
	return " instead of " + old
}

func (d *differ) roles(before, after []Role) {
	name := func(r Role) string { return r.Name }
	had, has := byName(before, name), byName(after, name)
	for _, id := range union(had, has) {
		old, was := had[id]
		now, is := has[id]
		if !is {
			d.say("The role %s is removed.", id)
			continue
		}
		if !was {
			d.say("The role %s is added.", id)
		}
		d.role(old, now)
	}
}

// role tells how a role differs from what it was; a new one, from nothing.
func (d *differ) role(old, now Role) {
	name := now.Name
	d.members(old.Requesters, now.Requesters, "%s: members of %s may ask for it.", "%s: members of %s may no longer ask for it.", name)
	if len(now.Approval) == 0 && (len(old.Approval) > 0 || old.Name == "") {
		d.say("%s: it is granted without anybody's approval.", name)
	}
	d.stages(name, old.Approval, now.Approval)
	d.rules(name, old, now)
	d.emergency(name, old.BreakGlass, now.BreakGlass)
	d.bounded(old.Targets.Names, now.Targets.Names, "%s: its targets have one of the names that follow.", "%s: its targets may have any name.",
		"%s: it takes in targets by the name %s.", "%s: it no longer takes in targets by the name %s.", name)
	d.members(labelsOf(old.Targets.Labels), labelsOf(now.Targets.Labels),
		"%s: its targets must bear the label %s.", "%s: its targets need no longer bear the label %s.", name)
	d.members(old.Logins, now.Logins, "%s: it gives the login %s.", "%s: it no longer gives the login %s.", name)
	d.times(name, old, now)
	if old.Reason != now.Reason {
		d.say("%s: a reason is %s%s.", name, now.Reason, insteadOf(old.Reason != "", old.Reason))
	}
	d.ticket(name, old.Ticket, now.Ticket)
	d.passkey(name, old.Passkey, now.Passkey)
	d.device(name, old.Device, now.Device)
	d.session(name, old.Session, now.Session)
	d.recording(name, old.Recording, now.Recording)
	if old.Description != now.Description {
		d.say("%s: it is described as “%s”.", name, now.Description)
	}
}

// bounded is members for a list that bounds something, and of which none is no bound.
func (d *differ) bounded(old, now []string, some, none, gained, lost string, values ...any) {
	switch {
	case len(old) > 0 && len(now) == 0:
		d.say(none, values...)
		return
	case len(old) == 0 && len(now) > 0:
		d.say(some, values...)
	}
	d.members(old, now, gained, lost, values...)
}

// lasting tells of a duration that may be absent. The first format takes the duration
// and what it was after the values.
func (d *differ) lasting(old, now time.Duration, there, absent string, values ...any) {
	switch {
	case old == now:
	case now == 0:
		d.say(absent, values...)
	default:
		d.say(there, append(slices.Clone(values), FormatDuration(now), insteadOf(old > 0, FormatDuration(old)))...)
	}
}

// choice tells which of two sentences holds where that is another than before.
func (d *differ) choice(old, now bool, yes, no string, values ...any) {
	switch {
	case old == now:
	case now:
		d.say(yes, values...)
	default:
		d.say(no, values...)
	}
}

func (d *differ) times(name string, old, now Role) {
	if old.Duration.Longest != now.Duration.Longest {
		d.say("%s: it lasts for at most %s%s.", name, FormatDuration(now.Duration.Longest), insteadOf(old.Duration.Longest > 0, FormatDuration(old.Duration.Longest)))
	}
	if old.Duration.Default != now.Duration.Default {
		d.say("%s: it lasts for %s where nothing else is asked%s.", name, FormatDuration(now.Duration.Default), insteadOf(old.Duration.Default > 0, FormatDuration(old.Duration.Default)))
	}
	start := func(r Role) string {
		at := cmp.Or(r.Start.At, AtApproval)
		return cmp.Or(map[string]string{AtApproval: "when the last approval is given", AtFirstUse: "when it is first used"}[at], at)
	}
	if start(old) != start(now) {
		d.say("%s: its time begins %s instead of %s.", name, start(now), start(old))
	}
	d.lasting(old.Start.Within, now.Start.Within, "%s: it is over where it was not used for %s%s.", "%s: it is not over because it was not used.", name)
	d.lasting(old.Start.Ahead, now.Start.Ahead, "%s: a time may be set for its beginning up to %s ahead%s.", "%s: no time may be set for its beginning.", name)
	if before, after := cmp.Or(old.Pending, DefaultPending), cmp.Or(now.Pending, DefaultPending); before != after {
		d.say("%s: a request waits for approvals for %s instead of %s.", name, FormatDuration(after), FormatDuration(before))
	}
	d.choice(old.SingleUse, now.SingleUse, "%s: one session may be opened under a grant.", "%s: any number of sessions may be opened under a grant.", name)
	often := func(r *Renewals) string {
		if r == nil {
			return "any number of times"
		}
		return fmt.Sprintf("at most %d times in %d days", r.Most, r.Days)
	}
	if often(old.Renewals) != often(now.Renewals) {
		d.say("%s: one person may have it %s instead of %s.", name, often(now.Renewals), often(old.Renewals))
	}
	d.bounded(old.Windows, now.Windows, "%s: it may be had only while one of the calendars that follow is open.", "%s: it may be had at any time.",
		"%s: it may be had while the calendar %s is open.", "%s: that the calendar %s is open no longer matters to it.", name)
}

func (d *differ) ticket(name string, old, now *Ticket) {
	var before, after Ticket
	if old != nil {
		before = *old
	}
	if now != nil {
		after = *now
	}
	d.choice(before.Required, after.Required, "%s: a ticket is required.", "%s: no ticket is required.", name)
	switch {
	case before.Pattern == after.Pattern:
	case after.Pattern == "":
		d.say("%s: a ticket may look like anything.", name)
	default:
		d.say("%s: a ticket must look like “%s”.", name, after.Pattern)
	}
}

func (d *differ) passkey(name string, old, now PasskeyRule) {
	words := func(strength string) string {
		return cmp.Or(map[string]string{PasskeyAny: "a passkey of any make", PasskeyAttested: "an attested passkey"}[strength], strength)
	}
	if before, after := words(cmp.Or(old.Approvers, PasskeyAny)), words(cmp.Or(now.Approvers, PasskeyAny)); before != after {
		d.say("%s: approvers sign with %s instead of %s.", name, after, before)
	}
	switch {
	case old.Requester == now.Requester:
	case now.Requester == "":
		d.say("%s: the requester need not confirm what they ask for.", name)
	default:
		d.say("%s: the requester confirms what they ask for with %s%s.", name, words(now.Requester), insteadOf(old.Requester != "", words(old.Requester)))
	}
	d.lasting(old.Fresh, now.Fresh, "%s: at the first use, the requester's confirmation is at most %s old%s.", "%s: the requester's confirmation may be as old as the request.", name)
}

func (d *differ) session(name string, old, now SessionRule) {
	d.lasting(old.Idle, now.Idle, "%s: a session ends in which nothing is sent for %s%s.", "%s: no session ends because nothing is sent.", name)
	d.lasting(old.Reauthenticate, now.Reauthenticate, "%s: a session ends whose person has not confirmed with a passkey for %s%s that they are there.", "%s: nobody need confirm during a session that they are there.", name)
	d.bounded(old.Channels, now.Channels, "%s: a session may open only channels of the kinds that follow.", "%s: a session may open channels of all kinds but agent and x11.",
		"%s: a session may open channels of the kind %s.", "%s: a session may no longer open channels of the kind %s.", name)
	d.bounded(old.Networks, now.Networks, "%s: a session may be opened only from the networks that follow.", "%s: a session may be opened from any network.",
		"%s: a session may be opened from the network %s.", "%s: a session may no longer be opened from the network %s.", name)
}

func (d *differ) emergency(name string, old, now *BreakGlass) {
	if now == nil {
		if old != nil {
			d.say("%s: nobody may act alone in an emergency any more.", name)
		}
		return
	}
	var before BreakGlass
	if old != nil {
		before = *old
	}
	after := *now
	d.members(before.Requesters, after.Requesters, "%s: in an emergency, members of %s may act alone.", "%s: in an emergency, members of %s may no longer act alone.", name)
	d.lasting(before.Longest, after.Longest, "%s: an emergency lasts for at most %s%s.", "%s: an emergency lasts for no time.", name)
	d.members(before.Review.Groups, after.Review.Groups, "%s: members of %s review emergencies.", "%s: members of %s no longer review emergencies.", name)
	d.lasting(before.Review.Within, after.Review.Within, "%s: an emergency is reviewed within %s%s, or the role is locked.", "%s: an emergency is reviewed at once, or the role is locked.", name)
}

// formula is a condition as it stands in a sentence, on one line.
func formula(text string) string {
	line := strings.Join(strings.Fields(text), " ")
	if line != text {
		return string([]rune(line)[:min(len([]rune(line)), mostShown-20)]) + mark(text)
	}
	return text
}

// stages tells how a chain of stages differs; name is what it is part of.
func (d *differ) stages(name string, old, now []Stage) {
	id := func(s Stage) string { return s.Name }
	had, has := byName(old, id), byName(now, id)
	for _, stage := range union(had, has) {
		before, was := had[stage]
		after, is := has[stage]
		switch {
		case !is:
			d.say("%s: the stage %s is removed.", name, stage)
			continue
		case !was:
			d.say("%s: the stage %s is added, in which %d must approve.", name, stage, after.Count)
		case before.Count != after.Count:
			d.say("%s: in the stage %s %d must approve instead of %d.", name, stage, after.Count, before.Count)
		}
		d.stage(name, before, after)
	}
	order := func(stages []Stage, among map[string]Stage) (names []string) {
		for _, s := range stages {
			if _, both := among[s.Name]; both {
				names = append(names, s.Name)
			}
		}
		return names
	}
	if !slices.Equal(order(old, has), order(now, had)) {
		d.say("%s: its stages stand in another order.", name)
	}
}

func (d *differ) stage(name string, old, now Stage) {
	stage := now.Name
	d.members(old.Groups, now.Groups,
		"%s: in the stage %s, members of %s may approve.", "%s: in the stage %s, members of %s may no longer approve.", name, stage)
	relations := func(s Stage) (words []string) {
		for _, r := range s.Relations {
			words = append(words, cmp.Or(map[string]string{RelationManager: "a manager of the requester", RelationOwner: "an owner of the target"}[r], r))
		}
		return words
	}
	d.members(relations(old), relations(now), "%s: in the stage %s, %s may approve.", "%s: in the stage %s, %s may no longer approve as such.", name, stage)
	d.members(old.After, now.After, "%s: the stage %s waits for the stage %s.", "%s: the stage %s no longer waits for the stage %s.", name, stage)
	switch {
	case old.When == now.When:
	case now.When == "":
		d.say("%s: the stage %s is always asked.", name, stage)
	default:
		d.say("%s: the stage %s is asked only when “%s”.", name, stage, formula(now.When))
	}
	d.lasting(old.Remind, now.Remind, "%s: in the stage %s, those who have not answered are told again every %s%s.", "%s: in the stage %s, nobody is told again.", name, stage)
	later := func(s Stage) (groups []string) {
		for _, e := range s.Escalate {
			for _, g := range e.Groups {
				groups = append(groups, FormatDuration(e.After)+" members of "+g)
			}
		}
		return groups
	}
	d.members(later(old), later(now), "%s: in the stage %s, after %s may approve too.", "%s: in the stage %s, after %s may no longer approve for that.", name, stage)
}

// rules tells how the conditions of a role differ.
func (d *differ) rules(name string, old, now Role) {
	d.members(old.Trust, now.Trust, "%s: it trusts the broker's word on the fact %s.", "%s: it no longer trusts the broker's word on the fact %s.", name)
	ruled(d, old.Allow, now.Allow, func(a Allowance) (string, string) { return a.Name, a.When }, name, "allowance", func(id string, had, has Allowance) {
		d.members(had.Without, has.Without, "%s: the allowance %s spares the stage %s.", "%s: the allowance %s no longer spares the stage %s.", name, id)
	})
	ruled(d, old.Require, now.Require, func(c Condition) (string, string) { return c.Name, c.That }, name, "requirement", func(id string, had, has Condition) {
		if had.Else != has.Else {
			d.say("%s: whoever does not fulfil the requirement %s is told “%s”.", name, id, has.Else)
		}
	})
	ruled(d, old.Restrict, now.Restrict, func(r Restriction) (string, string) { return r.Name, r.When }, name, "restriction", func(id string, had, has Restriction) {
		switch {
		case had.Refuse == has.Refuse:
		case has.Refuse == "":
			d.say("%s: the restriction %s no longer refuses.", name, id)
		default:
			d.say("%s: the restriction %s refuses with “%s”.", name, id, has.Refuse)
		}
		d.stages(name+"/"+id, had.Add, has.Add)
	})
}

// ruled tells of each rule that is gone, is new or holds at other times, and has more
// told of those that there are.
func ruled[T any](d *differ, old, now []T, of func(T) (name, when string), role, what string, more func(id string, had, has T)) {
	name := func(one T) string { n, _ := of(one); return n }
	had, has := byName(old, name), byName(now, name)
	for _, id := range union(had, has) {
		before, was := had[id]
		after, is := has[id]
		_, then := of(before)
		_, when := of(after)
		switch {
		case !is:
			d.say("%s: the "+what+" %s is removed.", role, id)
			continue
		case !was:
			d.say("%s: the "+what+" %s is added, of which the condition is “%s”.", role, id, formula(when))
		case then != when:
			d.say("%s: the "+what+" %s has another condition, “%s”.", role, id, formula(when))
		}
		more(id, before, after)
	}
}
