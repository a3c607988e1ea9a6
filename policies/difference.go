package policies

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of Difference.
const (
	MostDifferences = 64  // sentences
	MostDifference  = 300 // characters of one
)

// mostShown is how many characters of a name stand in a sentence.
const mostShown = 90

// Difference says in words what a new policy changes: at most MostDifferences
// sentences of at most MostDifference characters, the last of which counts those
// that did not fit. Equal bundles give equal sentences in equal order, since
// administrators sign them and the signer compares. Bundles that mean the same, and
// differ in a comment, have none.
//
// Its words are part of the format of the policy statement: ledgers hold them, and
// an auditor makes them again years later. To say something in other words takes a
// next version of that statement, beside this one.
func Difference(before, after *Bundle) []string {
	d := &differ{}
	d.organization(before.organization, after.organization)
	d.roles(before.roles, after.roles)
	d.targets(before.targets, after.targets)
	if over := len(d.sentences) - MostDifferences; over > 0 {
		last := MostDifferences - 1
		d.sentences = append(d.sentences[:last], fmt.Sprintf("And %d more changes, which do not fit here: read the whole text.", over+1))
	}
	return d.sentences
}

// differ gathers sentences. Values that a sentence holds are shown by name or
// fingerprint, never cut so that two could look alike.
type differ struct{ sentences []string }

func (d *differ) say(format string, values ...any) {
	for i, v := range values {
		if text, ok := v.(string); ok {
			values[i] = shown(text)
		}
	}
	d.sentences = append(d.sentences, fmt.Sprintf(format, values...))
}

// shown is a text as it stands in a sentence: a long one is cut, and told apart from
// others that begin alike by its digest.
func shown(text string) string {
	if utf8.RuneCountInString(text) <= mostShown {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return string([]rune(text)[:mostShown-20]) + "… (" + hex.EncodeToString(sum[:6]) + ")"
}

// fingerprint is that of a key in authorized_keys form, as ssh-keygen shows it.
func fingerprint(key string) string {
	_, encoded, _ := strings.Cut(key, " ")
	blob, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		blob = []byte(key)
	}
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// rootPrint is the fingerprint of a certificate in PEM, however the text is broken.
func rootPrint(text string) string {
	data := []byte(text)
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// members tells of what came into a list and what left it, in their order by name.
// The formats take the values before the member.
func (d *differ) members(before, after []string, gained, lost string, values ...any) {
	for _, list := range []struct {
		from, to []string
		format   string
	}{{before, after, gained}, {after, before, lost}} {
		news := slices.DeleteFunc(slices.Clone(list.to), func(m string) bool { return slices.Contains(list.from, m) })
		for _, m := range slices.Compact(slices.Sorted(slices.Values(news))) {
			d.say(list.format, append(slices.Clone(values), m)...)
		}
	}
}

func (d *differ) organization(before, after Organization) {
	if before.Quorum != after.Quorum {
		d.say("The quorum of administrators is %d instead of %d.", after.Quorum, before.Quorum)
	}
	d.members(before.Reviewers, after.Reviewers,
		"Members of %s become reviewers: they see every request and replay recordings.", "Members of %s are no longer reviewers.")
	d.aliases(before.Aliases, after.Aliases)
	d.attestation(before.Attestation, after.Attestation)
	d.tpmMakers(before.TPMMakers, after.TPMMakers)
	d.inventories(before.Inventories, after.Inventories)
}

// aliases tells of each identity that becomes one person with another, or no longer
// is, through the first identity of its set.
func (d *differ) aliases(before, after [][]Subject) {
	for _, list := range []struct {
		from, to [][]Subject
		format   string
	}{{before, after, "%s and %s become one person."}, {after, before, "%s and %s are no longer one person."}} {
		had := map[Subject]int{}
		for i, one := range list.from {
			for _, s := range one {
				had[s] = i + 1
			}
		}
		var pairs [][2]string
		for _, one := range list.to {
			one = slices.SortedFunc(slices.Values(one), func(a, b Subject) int { return strings.Compare(a.String(), b.String()) })
			for _, s := range one[min(1, len(one)):] {
				if had[s] == 0 || had[s] != had[one[0]] {
					pairs = append(pairs, [2]string{one[0].String(), s.String()})
				}
			}
		}
		slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
		for _, p := range pairs {
			d.say(list.format, p[0], p[1])
		}
	}
}

func (d *differ) attestation(before, after Attestation) {
	d.members(before.Groups, after.Groups,
		"Passkeys for %s need a known make of authenticator.", "Passkeys for %s no longer need a known make of authenticator.")
	had, has := byName(before.Authenticators, authenticatorID), byName(after.Authenticators, authenticatorID)
	for _, id := range union(had, has) {
		old, was := had[id]
		now, is := has[id]
		switch {
		case !is:
			d.say("The authenticator %s (%s) is no longer accepted.", old.Name, id)
			continue
		case !was:
			d.say("The authenticator %s (%s) is accepted.", now.Name, id)
		case old.Name != now.Name:
			d.say("The authenticator %s is called %s instead of %s.", id, now.Name, old.Name)
		}
		d.members(prints(old.Roots), prints(now.Roots),
			"The authenticator %s has the root certificate %s.", "The authenticator %s no longer has the root certificate %s.", id)
	}
}

func authenticatorID(a Authenticator) string { return a.AAGUID }

func prints(roots []string) []string {
	var all []string
	for _, root := range roots {
		all = append(all, rootPrint(root))
	}
	return all
}

func (d *differ) inventories(before, after []Inventory) {
	name := func(i Inventory) string { return i.Name }
	had, has := byName(before, name), byName(after, name)
	for _, id := range union(had, has) {
		old, was := had[id]
		now, is := has[id]
		switch {
		case !is:
			d.say("The inventory %s is removed, and its targets with it.", id)
			continue
		case !was:
			d.say("The inventory %s is added; the key %s signs it.", id, fingerprint(now.Key))
		case old.Key != now.Key:
			d.say("The inventory %s is signed by the key %s instead of %s.", id, fingerprint(now.Key), fingerprint(old.Key))
		}
		d.members(allowed(old), allowed(now),
			"The inventory %s may give targets the label %s.", "The inventory %s may no longer give targets the label %s.", id)
	}
}

// allowed lists the labels that an inventory may give, each as "key: value".
func allowed(i Inventory) []string {
	var all []string
	for key, values := range i.Labels {
		for _, value := range values {
			all = append(all, key+": "+value)
		}
	}
	return all
}

func labelsOf(labels map[string]string) []string {
	var all []string
	for key, value := range labels {
		all = append(all, key+": "+value)
	}
	return all
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
	d.stages(old, now)
	d.members(labelsOf(old.Targets.Labels), labelsOf(now.Targets.Labels),
		"%s: its targets must bear the label %s.", "%s: its targets need no longer bear the label %s.", name)
	d.members(old.Logins, now.Logins, "%s: it gives the login %s.", "%s: it no longer gives the login %s.", name)
	if old.Duration.Longest != now.Duration.Longest {
		d.say("%s: it lasts for at most %s%s.", name, FormatDuration(now.Duration.Longest), insteadOf(old.Duration.Longest > 0, FormatDuration(old.Duration.Longest)))
	}
	if old.Duration.Default != now.Duration.Default {
		d.say("%s: it lasts for %s where nothing else is asked%s.", name, FormatDuration(now.Duration.Default), insteadOf(old.Duration.Default > 0, FormatDuration(old.Duration.Default)))
	}
	if old.Reason != now.Reason {
		d.say("%s: a reason is %s%s.", name, now.Reason, insteadOf(old.Reason != "", old.Reason))
	}
	d.device(name, old.Device, now.Device)
	if old.Description != now.Description {
		d.say("%s: it is described as “%s”.", name, now.Description)
	}
}

func insteadOf(there bool, old string) string {
	if !there {
		return ""
	}
	return " instead of " + old
}

func (d *differ) stages(old, now Role) {
	id := func(s Stage) string { return s.Name }
	had, has := byName(old.Approval, id), byName(now.Approval, id)
	if len(has) == 0 && (len(had) > 0 || old.Name == "") {
		d.say("%s: it is granted without anybody's approval.", now.Name)
	}
	for _, stage := range union(had, has) {
		before, was := had[stage]
		after, is := has[stage]
		switch {
		case !is:
			d.say("%s: the stage %s is removed.", now.Name, stage)
			continue
		case !was:
			d.say("%s: the stage %s is added, in which %d must approve.", now.Name, stage, after.Count)
		case before.Count != after.Count:
			d.say("%s: in the stage %s %d must approve instead of %d.", now.Name, stage, after.Count, before.Count)
		}
		d.members(before.Groups, after.Groups,
			"%s: in the stage %s, members of %s may approve.", "%s: in the stage %s, members of %s may no longer approve.", now.Name, stage)
	}
	order := func(stages []Stage, among map[string]Stage) (names []string) {
		for _, s := range stages {
			if _, both := among[s.Name]; both {
				names = append(names, s.Name)
			}
		}
		return names
	}
	if !slices.Equal(order(old.Approval, has), order(now.Approval, had)) {
		d.say("%s: its stages stand in another order.", now.Name)
	}
}

func (d *differ) targets(before, after []Target) {
	name := func(t Target) string { return t.Name }
	had, has := byName(before, name), byName(after, name)
	for _, id := range union(had, has) {
		old, was := had[id]
		now, is := has[id]
		switch {
		case !is:
			d.say("The target %s is removed.", id)
			continue
		case !was:
			d.say("The target %s is added, at %s with the host key %s.", id, now.Address, fingerprint(now.HostKey))
		default:
			if old.Address != now.Address {
				d.say("The target %s is at %s instead of %s.", id, now.Address, old.Address)
			}
			if old.HostKey != now.HostKey {
				d.say("The target %s has the host key %s instead of %s.", id, fingerprint(now.HostKey), fingerprint(old.HostKey))
			}
		}
		d.members(labelsOf(old.Labels), labelsOf(now.Labels),
			"The target %s bears the label %s.", "The target %s no longer bears the label %s.", id)
	}
}

func byName[T any](list []T, name func(T) string) map[string]T {
	found := map[string]T{}
	for _, one := range list {
		found[name(one)] = one
	}
	return found
}

// union lists the names in either map, sorted.
func union[T any](a, b map[string]T) []string {
	return slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for name := range maps.Keys(a) {
			if !yield(name) {
				return
			}
		}
		for name := range maps.Keys(b) {
			if !yield(name) {
				return
			}
		}
	}))
}
