package analysis

import (
	"regexp"
	"slices"
	"strings"

	"stint/policies"
)

// reads is what the conditions of a role can look at of who asks and what for. It errs
// towards more: requests that are alike in all of it have the same outlook.
type reads struct {
	identity bool     // anything of the requester but the groups
	groups   bool     // all groups of the requester
	members  []string // whether the requester is in one of these

	name   bool     // of the target
	labels bool     // all labels of the target
	keys   []string // these labels of the target

	login bool
}

// Uses of groups and labels of which the text shows exactly what they read. Whatever is
// left of a condition when they are taken out says that it reads more.
var (
	readsMember = regexp.MustCompile(`("[^"\\]*"|'[^'\\]*')\s+in\s+requester\.groups\b`)
	readsKey    = regexp.MustCompile(`("[^"\\]*"|'[^'\\]*')\s+in\s+target\.labels\b`)
	readsField  = regexp.MustCompile(`\btarget\.labels\.([A-Za-z_][A-Za-z0-9_]*)`)
	readsIndex  = regexp.MustCompile(`\btarget\.labels\[\s*("[^"\\]*"|'[^'\\]*')\s*\]`)
)

// readsOf looks at the text of each condition of a role.
func readsOf(role policies.Role) reads {
	var r reads
	for _, source := range conditionsOf(role) {
		source = takeOut(source, readsMember, true, &r.members)
		source = takeOut(source, readsKey, true, &r.keys)
		source = takeOut(source, readsField, false, &r.keys)
		source = takeOut(source, readsIndex, false, &r.keys)
		if rest := strings.ReplaceAll(source, "requester.groups", ""); strings.Contains(rest, "requester") {
			r.identity, r.groups = true, true
		} else if rest != source {
			r.groups = true
		}
		if rest := strings.ReplaceAll(source, "target.labels", ""); strings.Contains(rest, "target") {
			r.name, r.labels = true, true
		} else if rest != source {
			r.labels = true
		}
		r.login = r.login || strings.Contains(source, "login")
	}
	return r
}

func conditionsOf(role policies.Role) []string {
	var sources []string
	for _, c := range role.Require {
		sources = append(sources, c.That)
	}
	for _, c := range role.Allow {
		sources = append(sources, c.When)
	}
	for _, c := range role.Restrict {
		sources = append(sources, c.When)
	}
	for _, s := range stagesOf(role) {
		sources = append(sources, s.When)
	}
	return sources
}

// takeOut removes what a pattern finds, and notes the text that each read. A literal on
// the left of `in` counts only where it is the whole left side, and what is on the right
// the whole right side: `"a" + "b" in ...` is left alone, and so is whatever stands in a
// literal itself or could. A comment and a text in three quotes may hold a single quote, which
// would shift where all others seem to begin: with either, nothing is taken out.
func takeOut(source string, pattern *regexp.Regexp, whole bool, found *[]string) string {
	if strings.Contains(source, `"`) && strings.Contains(source, "'") ||
		slices.ContainsFunc([]string{`\`, "//", `"""`, `'''`}, func(shifts string) bool { return strings.Contains(source, shifts) }) {
		return source
	}
	var rest strings.Builder
	for {
		at := pattern.FindStringSubmatchIndex(source)
		if at == nil {
			break
		}
		before := rest.String() + source[:at[0]]
		text := strings.Trim(source[at[2]:at[3]], "\"'")
		switch {
		case strings.Count(before, `"`)%2+strings.Count(before, "'")%2 > 0,
			whole && !(beginsOperand(before) && endsOperand(source[at[1]:])),
			!whole && strings.HasPrefix(strings.TrimLeft(source[at[1]:], " \t\r\n"), "("): // a function
			rest.WriteString(source[:at[1]])
		default:
			rest.WriteString(source[:at[0]] + " ")
			if !slices.Contains(*found, text) {
				*found = append(*found, text)
			}
		}
		source = source[at[1]:]
	}
	return rest.String() + source
}

// beginsOperand tells whether what follows a text stands alone on its left side.
func beginsOperand(before string) bool {
	before = strings.TrimRight(before, " \t\r\n")
	return before == "" || slices.ContainsFunc([]string{"(", "!", "&&", "||", "?", ":"}, func(end string) bool { return strings.HasSuffix(before, end) })
}

// endsOperand tells whether what stands before a text stands alone on its right side.
func endsOperand(after string) bool {
	after = strings.TrimLeft(after, " \t\r\n")
	return after == "" || slices.ContainsFunc([]string{")", "&&", "||", "?", ":"}, func(begin string) bool { return strings.HasPrefix(after, begin) })
}
