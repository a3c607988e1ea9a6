package policies

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Bounds of a selector.
const (
	mostPatterns = 100 // names
	mostLabels   = 50
)

// selects tells whether one of the selector's names fits, where there are any, and every
// label. An empty selector selects nothing, so that a slip of the pen never means
// everything.
func (s Selector) selects(t Target) bool {
	if len(s.Names) == 0 && len(s.Labels) == 0 {
		return false
	}
	named := len(s.Names) == 0
	for _, pattern := range s.Names {
		named = named || globFits(pattern, t.Name)
	}
	if !named {
		return false
	}
	for key, pattern := range s.Labels {
		if value, ok := t.Labels[key]; !ok || !globFits(pattern, value) {
			return false
		}
	}
	return true
}

// Selects tells whether a target is one of those that the selector picks.
func (s Selector) Selects(t Target) bool { return s.selects(t) }

// Check says what is wrong with a selector that stands outside a policy, which holds its
// own to the same rules.
func (s Selector) Check() error {
	if len(s.Names) == 0 && len(s.Labels) == 0 {
		return errors.New("an empty selector would select nothing: say names or labels")
	}
	if len(s.Names) > mostPatterns || len(s.Labels) > mostLabels {
		return fmt.Errorf("a selector has at most %d names and %d labels", mostPatterns, mostLabels)
	}
	for _, pattern := range s.Names {
		if !namesPattern.MatchString(pattern) || strings.Contains(pattern, "**") {
			return fmt.Errorf("%q is not a target's name, nor a pattern of such", pattern)
		}
	}
	for _, key := range sortedKeys(s.Labels) {
		if !labelKey.MatchString(key) || !labelsPattern.MatchString(s.Labels[key]) || strings.Contains(s.Labels[key], "**") {
			return fmt.Errorf("%q: %q is not a label, nor a pattern of such", key, s.Labels[key])
		}
	}
	return nil
}

// CheckLabels says what is wrong with labels of anything but a target, which are written as a
// target's are.
func CheckLabels(labels map[string]string) error {
	if len(labels) > mostLabels {
		return fmt.Errorf("at most %d labels", mostLabels)
	}
	for _, key := range sortedKeys(labels) {
		if !labelKey.MatchString(key) || !labelsPattern.MatchString(labels[key]) || strings.Contains(labels[key], "*") {
			return fmt.Errorf("%q: %q is not a label", key, labels[key])
		}
	}
	return nil
}

// globFits tells whether a text is what a pattern describes, in which each asterisk
// stands for any characters, also none. It looks at each character a bounded number of
// times: what stands between two asterisks may stand wherever it comes first.
func globFits(pattern, text string) bool {
	front, rest, open := strings.Cut(pattern, "*")
	if !open {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, front)
	if !ok {
		return false
	}
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], after
	}
}

var (
	namesPattern  = regexp.MustCompile(`^[a-z0-9*][a-z0-9*-]{0,62}$`)
	labelsPattern = regexp.MustCompile(`^[A-Za-z0-9*][A-Za-z0-9._/*-]{0,62}$`)
)

// checkSelector checks what a role selects its targets by.
func (l *loader) checkSelector(d definition) {
	s := d.role.Targets
	if len(s.Names) == 0 && len(s.Labels) == 0 {
		l.at(d, field("targets"), "A role selects its targets by a name or a label; an empty selector would select nothing.")
	}
	if len(s.Names) > mostPatterns || len(s.Labels) > mostLabels {
		l.at(d, field("targets"), "A role selects its targets by at most %d names and %d labels.", mostPatterns, mostLabels)
	}
	for i, pattern := range s.Names {
		if !namesPattern.MatchString(pattern) || strings.Contains(pattern, "**") {
			l.at(d, field("targets", "names", i), "%q is not a target's name, nor a pattern of such: use 1 to 63 small letters, digits and hyphens, and single asterisks for any characters.", pattern)
		}
	}
	l.distinct(d, field("targets", "names"), s.Names)
	for _, key := range sortedKeys(s.Labels) {
		if pattern := s.Labels[key]; !labelKey.MatchString(key) || !labelsPattern.MatchString(pattern) || strings.Contains(pattern, "**") {
			l.at(d, field("targets", "labels", key), "%q: %q is not a label, nor a pattern of such: use 1 to 63 letters (small ones in the key), digits, dots, underscores, slashes and hyphens, and single asterisks for any characters of the value.", key, pattern)
		}
	}
}

// checkSelectsOwn refuses to select by names alone what an inventory may bring: it calls
// its targets as it likes, and only their labels are bounded.
func (l *loader) checkSelectsOwn(d definition) {
	if len(l.bundle.organization.Inventories) == 0 || len(d.role.Targets.Labels) > 0 {
		return
	}
	for i, pattern := range d.role.Targets.Names {
		if !l.defines("Target " + pattern) {
			l.at(d, field("targets", "names", i), "An inventory may call a target so. Say a label that it must bear too, or name targets of the policy alone.")
		}
	}
}
