package policies

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Bounds of what a bundle may say.
const (
	mostStages      = 10
	mostCount       = 20
	longestDuration = 7 * 24 * time.Hour
)

// finish checks what was read, first each document by itself and then between
// them, and makes the bundle only if there is no fault at all.
func (l *loader) finish() (*Bundle, error) {
	defined := map[string]document{}
	l.bundle.organization.Quorum = DefaultQuorum
	for _, d := range l.documents {
		what := "Organization"
		switch {
		case d.role != nil:
			l.checkRole(d)
			what = "Role " + d.role.Name
			l.bundle.roles = append(l.bundle.roles, *d.role)
		case d.target != nil:
			l.checkTarget(d)
			what = "Target " + d.target.Name
			l.bundle.targets = append(l.bundle.targets, *d.target)
		case d.separation != nil:
			l.checkSeparation(d)
			what = "Separation " + d.separation.Name
			l.bundle.separations = append(l.bundle.separations, *d.separation)
		case d.team != nil:
			l.checkTeam(d)
			what = "Team " + d.team.Name
			l.bundle.teams = append(l.bundle.teams, *d.team)
		case d.calendar != nil:
			l.checkCalendar(d)
			what = "Calendar " + d.calendar.Name
			l.bundle.calendars = append(l.bundle.calendars, *d.calendar)
		case d.organization != nil:
			l.checkOrganization(d)
			l.bundle.organization = *d.organization
		}
		if first, twice := defined[what]; twice {
			l.at(d, nil, "%s is already defined at %s:%d.", what, first.file, first.node.Line)
		} else {
			defined[what] = d
		}
	}
	for _, d := range l.documents {
		switch {
		case d.role != nil:
			l.checkHeldCanBeMet(d)
		case d.separation != nil:
			for i, role := range d.separation.Roles {
				if _, ok := defined["Role "+role]; !ok {
					l.at(d, field("roles", i), "There is no role %q to keep apart.", role)
				}
			}
		}
	}
	if len(l.faults) > 0 {
		return nil, errors.Join(l.faults...)
	}
	slices.SortFunc(l.bundle.roles, func(a, b Role) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(l.bundle.targets, func(a, b Target) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(l.bundle.separations, func(a, b Separation) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(l.bundle.teams, func(a, b Team) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(l.bundle.calendars, func(a, b Calendar) int { return cmp.Compare(a.Name, b.Name) })
	l.bundle.index()
	l.bundle.digest = digestOf(l.bundle.files)
	return l.bundle, nil
}

// index makes what is looked up often findable at once.
func (b *Bundle) index() {
	b.aliasSet = map[Subject]int{}
	for i, one := range b.organization.Aliases {
		for _, subject := range one {
			b.aliasSet[subject] = i
		}
	}
	b.compileConditions()
}

func (l *loader) checkRole(d document) {
	r := d.role
	l.is(d, field("name"), CheckName(r.Name))
	l.is(d, field("description"), CheckText(r.Description, MostReason))
	l.groups(d, field("requesters"), r.Requesters, "A role names the groups that may ask for it.")
	if len(r.Targets.Labels) == 0 {
		l.at(d, field("targets"), "A role selects its targets by at least one label; an empty selector would select nothing.")
	}
	l.labels(d, field("targets", "labels"), r.Targets.Labels)
	if len(r.Logins) == 0 {
		l.at(d, field("logins"), "A role names the logins it gives.")
	}
	for i, login := range r.Logins {
		l.is(d, field("logins", i), CheckLogin(login))
	}
	l.distinct(d, field("logins"), r.Logins)
	l.checkDuration(d)
	if r.Reason != "required" && r.Reason != "optional" {
		l.at(d, field("reason"), "`reason` is required or optional.")
	}
	l.checkStages(d)
	l.checkDevice(d)
}

func (l *loader) checkDuration(d document) {
	duration := d.role.Duration
	if duration.Default <= 0 || duration.Longest < duration.Default {
		l.at(d, field("duration"), "`default` is more than nothing and `longest` is no shorter than it.")
	}
	if duration.Longest > longestDuration {
		l.at(d, field("duration", "longest"), "A grant lasts %s at most.", FormatDuration(longestDuration))
	}
	if duration.Default%time.Second != 0 || duration.Longest%time.Second != 0 {
		l.at(d, field("duration"), "Durations are whole seconds.")
	}
}

func (l *loader) checkStages(d document) {
	stages := d.role.Approval
	if find(d.node, field("approval")) == nil || stages == nil {
		// Left out by mistake, it would mean that nobody needs to agree.
		l.at(d, nil, "A role says who approves; write `approval: []` if nobody needs to.")
	}
	if len(stages) > mostStages {
		l.at(d, field("approval"), "A role has at most %d stages.", mostStages)
	}
	var names []string
	for i, stage := range stages {
		l.is(d, field("approval", i, "name"), CheckName(stage.Name))
		l.groups(d, field("approval", i, "groups"), stage.Groups, "A stage names the groups whose members may approve.")
		// The library would cut 1.5 to 1.
		written := find(d.node, field("approval", i, "count"))
		if stage.Count < 1 || stage.Count > mostCount || written == nil || written.Value != strconv.Itoa(stage.Count) {
			l.at(d, field("approval", i, "count"), "`count` is how many people must approve, a whole number from 1 to %d.", mostCount)
		}
		names = append(names, stage.Name)
	}
	l.distinct(d, field("approval"), names)
}

func (l *loader) checkTarget(d document) {
	t := d.target
	l.is(d, field("name"), CheckName(t.Name))
	l.is(d, field("address"), checkAddress(t.Address))
	l.is(d, field("hostKey"), checkHostKey(t.HostKey))
	l.labels(d, field("labels"), t.Labels)
}

func (l *loader) checkOrganization(d document) {
	o := d.organization
	for i, group := range o.Reviewers {
		l.is(d, field("reviewers", i), CheckGroup(group))
	}
	l.distinct(d, field("reviewers"), o.Reviewers)
	l.checkQuorum(d)
	l.checkAttestation(d)
	l.checkTPMMakers(d)
	l.checkInventories(d)
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
func (l *loader) groups(d document, at []any, groups []string, empty string) {
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

func (l *loader) labels(d document, at []any, labels map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if !labelKey.MatchString(key) || !labelValue.MatchString(labels[key]) {
			l.at(d, append(slices.Clone(at), key), "%q: %q is not a label: use 1 to 63 letters (small ones in the key), digits, dots, underscores, slashes and hyphens.", key, labels[key])
		}
	}
}

func (l *loader) distinct(d document, at []any, values []string) {
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

// field names a place in a document by keys and indices.
func field(steps ...any) []any { return steps }

// is reports err, if there is one, at a place in the document.
func (l *loader) is(d document, at []any, err error) {
	if err != nil {
		l.at(d, at, "%s.", sentence(err))
	}
}

// sentence is an error's text with a capital.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// at reports a fault at the line of a place in the document, or of the nearest
// place above it that exists.
func (l *loader) at(d document, at []any, format string, values ...any) {
	line := d.node.Line
	for n := len(at); n > 0; n-- {
		if node := find(d.node, at[:n]); node != nil {
			line = node.Line
			break
		}
	}
	l.fault(d.file, line, format, values...)
}

// find follows a path down from a node; nil where it does not lead.
func find(n *yaml.Node, at []any) *yaml.Node {
	for _, step := range at {
		var next *yaml.Node
		switch step := step.(type) {
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == step {
					next = n.Content[i+1]
				}
			}
		case int:
			if n.Kind == yaml.SequenceNode && step < len(n.Content) {
				next = n.Content[step]
			}
		}
		if next == nil {
			return nil
		}
		n = next
	}
	return n
}
