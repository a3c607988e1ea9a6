package policies

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"stint/policies/internal/document"
)

// finish checks what was read, first each document by itself and then between
// them, and makes the bundle only if there is no fault at all.
func (l *loader) finish() (*Bundle, error) {
	l.bundle.organization.Quorum = DefaultQuorum
	for _, read := range l.reader.Documents() {
		d := define(read)
		l.definitions = append(l.definitions, d)
		l.take(d)
		if before, twice := l.defined[d.what]; twice {
			l.at(d, nil, "%s is already defined at %s:%d.", d.what, before.File, before.Fault("").Line)
		} else {
			l.defined[d.what] = d
		}
	}
	if !l.unread && !l.reader.Partial() {
		l.checkAmong()
	}
	if err := l.reader.Err(); err != nil {
		return nil, err
	}
	b := l.bundle
	slices.SortFunc(b.roles, func(a, b Role) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(b.targets, func(a, b Target) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(b.separations, func(a, b Separation) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(b.teams, func(a, b Team) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(b.calendars, func(a, b Calendar) int { return cmp.Compare(a.Name, b.Name) })
	b.index()
	b.digest = digestOf(b.files)
	return b, nil
}

// take checks one document by itself and puts it into the bundle.
func (l *loader) take(d definition) {
	b := l.bundle
	switch {
	case d.role != nil:
		l.checkRole(d)
		b.roles = append(b.roles, *d.role)
	case d.target != nil:
		l.checkTarget(d)
		b.targets = append(b.targets, *d.target)
	case d.separation != nil:
		l.checkSeparation(d)
		b.separations = append(b.separations, *d.separation)
	case d.team != nil:
		l.checkTeam(d)
		b.teams = append(b.teams, *d.team)
	case d.calendar != nil:
		l.checkCalendar(d)
		b.calendars = append(b.calendars, *d.calendar)
	case d.organization != nil:
		l.checkOrganization(d)
		b.organization = *d.organization
	}
}

// checkAmong checks what documents say of each other.
func (l *loader) checkAmong() {
	for _, d := range l.definitions {
		switch {
		case d.role != nil:
			l.checkRoleAmong(d)
			l.checkConditions(d)
		case d.separation != nil:
			l.checkSeparationAmong(d)
		case d.organization != nil:
			l.checkOrganizationAmong(d)
		}
	}
}

// index makes what is looked up often findable at once.
func (b *Bundle) index() {
	b.aliasSet = map[Subject]int{}
	for i, one := range b.organization.Aliases {
		for _, subject := range one {
			b.aliasSet[subject] = i
		}
	}
	for i := range b.calendars {
		b.calendars[i].week = b.calendars[i].read(func([]any, error) {})
	}
	b.compileConditions()
	b.indexRules()
}

func (l *loader) checkTarget(d definition) {
	t := d.target
	l.is(d, field("name"), CheckName(t.Name))
	l.is(d, field("address"), checkAddress(t.Address))
	l.is(d, field("hostKey"), checkHostKey(t.HostKey))
	l.labels(d, field("labels"), t.Labels)
}

func (l *loader) checkOrganization(d definition) {
	o := d.organization
	for i, group := range o.Reviewers {
		l.is(d, field("reviewers", i), CheckGroup(group))
	}
	l.distinct(d, field("reviewers"), o.Reviewers)
	l.checkQuorum(d)
	l.checkAttestation(d)
	l.checkTPMMakers(d)
	l.checkInventories(d)
	l.checkIndependence(d)
	l.checkFacts(d)
	l.checkRecordings(d)
	seen := map[Subject]bool{}
	for i, one := range o.Aliases {
		if len(one) < 2 {
			l.at(d, field("aliases", i), "A set of aliases holds at least two identities of one person.")
		}
		for k, subject := range one {
			l.is(d, field("aliases", i, k), subject.Check())
			if seen[subject] {
				l.at(d, field("aliases", i, k), "%s stands twice; put all identities of one person into one set.", subject)
			}
			seen[subject] = true
		}
	}
}

// groups checks a list of groups that must not be empty.
func (l *loader) groups(d definition, at []any, groups []string, empty string) {
	if len(groups) == 0 {
		l.at(d, at, "%s", empty)
	}
	for i, group := range groups {
		l.is(d, append(slices.Clone(at), i), CheckGroup(group))
	}
	l.distinct(d, at, groups)
}

// CheckGroup refuses what is no group's name. Directories name groups freely,
// so this is only about what can be read without doubt.
func CheckGroup(group string) error {
	if group == "" || strings.TrimSpace(group) != group {
		return fmt.Errorf("%q is not the name of a group: it is empty or has a space at an end", group)
	}
	return CheckText(group, MostName)
}

var (
	labelKey   = regexp.MustCompile(`^[a-z0-9][a-z0-9._/-]{0,62}$`)
	labelValue = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$`)
)

func (l *loader) labels(d definition, at []any, labels map[string]string) {
	for _, key := range sortedKeys(labels) {
		if !labelKey.MatchString(key) || !labelValue.MatchString(labels[key]) {
			l.at(d, append(slices.Clone(at), key), "%q: %q is not a label: use 1 to 63 letters (small ones in the key), digits, dots, underscores, slashes and hyphens.", key, labels[key])
		}
	}
}

func (l *loader) distinct(d definition, at []any, values []string) {
	seen := map[string]bool{}
	for i, value := range values {
		if seen[value] {
			l.at(d, append(slices.Clone(at), i), "%q stands twice.", value)
		}
		seen[value] = true
	}
}

var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
	ipv6     = regexp.MustCompile(`^\[[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*\]$`)
)

// checkAddress refuses what is not host:port, with an IPv6 host in brackets.
func checkAddress(address string) error {
	i := strings.LastIndexByte(address, ':')
	if i >= 0 {
		host, port := address[:i], address[i+1:]
		number, err := strconv.ParseUint(port, 10, 16)
		portOK := err == nil && number > 0 && strconv.FormatUint(number, 10) == port
		if portOK && (hostName.MatchString(host) || ipv6.MatchString(host)) {
			return nil
		}
	}
	return fmt.Errorf("%q is not an address: write host:port", address)
}

var hostKeyTypes = []string{"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"}

// checkHostKey refuses what is not a public key in authorized_keys form without
// options or comment. It looks at the form only: the proxy holds the key
// against what the host shows.
func checkHostKey(line string) error {
	kind, encoded, _ := strings.Cut(line, " ")
	blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err == nil && slices.Contains(hostKeyTypes, kind) && !strings.ContainsAny(encoded, "\r\n") {
		prefix := binary.BigEndian.AppendUint32(nil, uint32(len(kind)))
		if rest, ok := bytes.CutPrefix(blob, append(prefix, kind...)); ok && len(rest) > 4 {
			return nil
		}
	}
	return fmt.Errorf("%.40q is not a host key: write its type and its base64, as in the first two fields of a line of ssh_host_ed25519_key.pub", line)
}

// word refuses what is none of the words that may stand at a place.
func (l *loader) word(d definition, at []any, value string, words ...string) {
	if !slices.Contains(words, value) {
		l.at(d, at, "`%v` is %s.%s", lastKey(at), list(words, "or"), document.DidYouMean(value, words))
	}
}

// words checks a list of which each item is one of a few, and once.
func (l *loader) words(d definition, at []any, values []string, words ...string) {
	for i, value := range values {
		l.word(d, append(slices.Clone(at), i), value, words...)
	}
	l.distinct(d, at, values)
}

// lastKey is the name of the field that a place is in.
func lastKey(at []any) any {
	i := len(at) - 1
	for i > 0 {
		if _, index := at[i].(int); !index {
			break
		}
		i--
	}
	return at[i]
}

// written tells whether something stands at a place.
func (l *loader) written(d definition, at []any) bool { return d.Has(at...) }

// lasts refuses a duration that is written and out of bounds.
func (l *loader) lasts(d definition, at []any, value, least, most time.Duration) {
	if l.written(d, at) && (value < least || value > most) {
		l.at(d, at, "`%v` is from %s to %s.", lastKey(at), FormatDuration(least), FormatDuration(most))
	}
}

// counts refuses a number that is written and out of bounds.
func (l *loader) counts(d definition, at []any, value, least, most int) {
	if l.written(d, at) && (value < least || value > most) {
		l.at(d, at, "`%v` is from %d to %d.", lastKey(at), least, most)
	}
}

// says refuses a sentence that is empty, too long or not plain.
func (l *loader) says(d definition, at []any, text, empty string) {
	if strings.TrimSpace(text) == "" {
		l.at(d, at, "%s", empty)
	}
	l.is(d, at, CheckText(text, MostReason))
}

// bound refuses a list that is too long.
func bound[T any](l *loader, d definition, at []any, values []T, most int) {
	if len(values) > most {
		l.at(d, at, "`%v` holds at most %d.", lastKey(at), most)
	}
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
