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
	d.separations(before.separations, after.separations)
	d.teams(before.teams, after.teams)
	d.calendars(before.calendars, after.calendars)
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
	sentence := ""
	for _, most := range []int{mostShown, mostShown / 2, mostShown / 3} {
		cut := slices.Clone(values)
		for i, v := range cut {
			if text, ok := v.(string); ok {
				cut[i] = shownIn(text, most)
			}
		}
		if sentence = fmt.Sprintf(format, cut...); utf8.RuneCountInString(sentence) <= MostDifference {
			break
		}
	}
	d.sentences = append(d.sentences, sentence)
}

// shown is a text as it stands in a sentence: a long one is cut, and told apart from
// others that begin alike by its digest.
func shown(text string) string { return shownIn(text, mostShown) }

// shownIn is shown with at most so many characters, which are more than 20.
func shownIn(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-20]) + mark(text)
}

// mark tells a text apart from others that look alike.
func mark(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "… (" + hex.EncodeToString(sum[:6]) + ")"
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
	d.independence(before.Independence, after.Independence)
	d.facts(before.Facts, after.Facts)
	d.recordings(before.Recordings, after.Recordings)
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
