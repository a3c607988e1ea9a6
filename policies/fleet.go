package policies

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// FleetRule is what a Fleet server must say of the machine, and how lately. The
// broker alone asks Fleet, and judges by it; it can only refuse.
type FleetRule struct {
	// Period is how old the word may be, at activation and while a session is up. It
	// counts from when the machine answered Fleet, not from when Fleet was asked. Where
	// it is absent it is DefaultFleetPeriod.
	Period time.Duration `yaml:"period" json:"period"`
	// Require lists facts that must be on: FactDiskEncryption alone, so far.
	Require []string `yaml:"require" json:"require"`
	// Policies says which of Fleet's policies the machine must pass: AllPolicies,
	// CriticalPolicies, or, where it is absent, none but the named.
	Policies string `yaml:"policies" json:"policies"`
	// Named lists policies of Fleet's that it must pass too, by their names.
	Named []string `yaml:"named" json:"named"`
}

// Which of Fleet's policies a machine must pass.
const (
	AllPolicies      = "all"
	CriticalPolicies = "critical"
)

const (
	// DefaultFleetPeriod is how old Fleet's word may be where the role does not say:
	// machines tell Fleet every hour, or a little later, unless it is configured
	// otherwise.
	DefaultFleetPeriod = 2 * time.Hour
	// ShortestFleetPeriod bounds it.
	ShortestFleetPeriod = time.Minute

	mostNamed = 32
)

// FleetHost is a machine as a Fleet server knows it. Its texts have no character
// that CheckText refuses.
type FleetHost struct {
	ID             int64         `json:"id"`   // Fleet's own number of it
	Name           string        `json:"name"` // which the machine's user chooses
	UUID           string        `json:"uuid"`
	Serial         string        `json:"serial"`
	System         string        `json:"system"`
	Collected      time.Time     `json:"collected"`       // when the machine last told of itself; zero if never
	Judged         time.Time     `json:"judged"`          // when it last answered the policies; zero if never
	DiskEncryption string        `json:"disk_encryption"` // On, Off or Unknown
	Policies       []FleetPolicy `json:"policies"`
}

// FleetPolicy is one of Fleet's policies as it stands for a machine.
type FleetPolicy struct {
	Name     string `json:"name"`
	Critical bool   `json:"critical"`
	Passes   *bool  `json:"passes"` // nil if the machine has not answered it yet
}

// Passed says whether the machine passes the policy, and names the policy for people:
// one that the machine has not answered it does not pass.
func (p FleetPolicy) Passed() (name string, passed bool) {
	if p.Passes == nil {
		return p.Name + " (not answered yet)", false
	}
	return p.Name, *p.Passes
}

// JudgeFleet says what a role's rule makes of a machine by Fleet's word at a moment;
// a nil host is a machine of which Fleet says nothing. It has no reasons where the
// role has no such rule.
//
// The rules by their stable names: fleet, fleet-disk-encryption, fleet-policies.
func (b *Bundle) JudgeFleet(role string, host *FleetHost, now time.Time) []Reason {
	r, ok := b.Role(role)
	if !ok || r.Device.Fleet == nil {
		return nil
	}
	rule := r.Device.Fleet
	if host == nil {
		return []Reason{{Rule: "fleet", Text: "Fleet says nothing of this machine; ask an administrator or reviewer to bind the device to its host in Fleet."}}
	}
	reasons := []Reason{rule.fresh(*host, now)}
	if slices.Contains(rule.Require, FactDiskEncryption) {
		reason := Reason{Rule: "fleet-disk-encryption", Text: "Fleet does not know whether the disk of this machine is encrypted."}
		switch host.DiskEncryption {
		case On:
			reason.Met, reason.Text = true, "By Fleet's word, the disk of this machine is encrypted."
		case Off:
			reason.Text = "By Fleet's word, the disk of this machine is not encrypted; encrypt it."
		}
		reasons = append(reasons, reason)
	}
	if rule.asksPolicies() {
		reasons = append(reasons, rule.judgePolicies(host.Policies))
	}
	return reasons
}

func (r FleetRule) asksPolicies() bool { return r.Policies != "" || len(r.Named) > 0 }

// date is when the machine answered what the rule asks; zero if it never did.
func (r FleetRule) date(h FleetHost) time.Time {
	if r.asksPolicies() && h.Judged.Before(h.Collected) {
		return h.Judged
	}
	return h.Collected
}

// Until is when Fleet's word of a machine is too old.
func (r FleetRule) Until(h FleetHost) time.Time { return r.date(h).Add(r.Period) }

func (r FleetRule) fresh(h FleetHost, now time.Time) Reason {
	period := FormatDuration(r.Period)
	switch {
	case r.date(h).After(now.Add(Skew)):
		return Reason{Rule: "fleet", Text: "What Fleet says of this machine is dated in the future; have the clock of Fleet's server set."}
	case !now.Before(r.Until(h)):
		return Reason{Rule: "fleet", Text: fmt.Sprintf("What this machine last told Fleet is older than %s. Fleet is asked anew whenever you connect; if it is as old then, see that Fleet's agent runs on it, and choose Refetch in Fleet.", period)}
	}
	return Reason{Rule: "fleet", Met: true, Text: fmt.Sprintf("This machine told Fleet within %s in what state it is.", period)}
}

// mostFailing is how many policies a reason names.
const mostFailing = 5

// judgePolicies asks for each policy that the rule means. One that the machine has
// not answered is not passed, and neither is one that Fleet does not have for it.
func (r FleetRule) judgePolicies(policies []FleetPolicy) Reason {
	meant := func(p FleetPolicy) bool {
		return r.Policies == AllPolicies || r.Policies == CriticalPolicies && p.Critical || slices.Contains(r.Named, p.Name)
	}
	var failing []string
	asked := 0
	for _, p := range policies {
		if !meant(p) {
			continue
		}
		asked++
		if name, passed := p.Passed(); !passed {
			failing = append(failing, name)
		}
	}
	for _, name := range r.Named {
		if !slices.ContainsFunc(policies, func(p FleetPolicy) bool { return p.Name == name }) {
			failing = append(failing, name+" (which Fleet does not ask of it)")
		}
	}
	if more := len(failing) - mostFailing; more > 0 {
		failing = append(failing[:mostFailing], fmt.Sprintf("and %d more", more))
	}
	switch {
	case len(failing) > 0:
		return Reason{Rule: "fleet-policies", Text: "By Fleet's word, this machine does not pass: " + strings.Join(failing, ", ") + "."}
	case asked == 0:
		// Whoever asks for policies means some.
		return Reason{Rule: "fleet-policies", Text: "Fleet asks none of the policies of this machine that it has to pass; have an administrator of Fleet look."}
	}
	return Reason{Rule: "fleet-policies", Met: true, Text: fmt.Sprintf("This machine passes the %d policies of Fleet's that are asked for.", asked)}
}

// checkFleet checks what a role asks of Fleet, and fills in what it leaves out.
func (l *loader) checkFleet(d definition) {
	at := func(path ...any) []any { return append(field("device", "fleet"), path...) }
	f := d.role.Device.Fleet
	if f == nil {
		return
	}
	if !l.written(d, at("period")) {
		f.Period = DefaultFleetPeriod
	}
	l.lasts(d, at("period"), f.Period, ShortestFleetPeriod, longestPeriod)
	for i, fact := range f.Require {
		if fact != FactDiskEncryption {
			l.at(d, at("require", i), "%q is no fact that Fleet tells; there is %s, and there are Fleet's policies.", fact, FactDiskEncryption)
		}
	}
	l.distinct(d, at("require"), f.Require)
	if l.written(d, at("policies")) && f.Policies != AllPolicies && f.Policies != CriticalPolicies {
		l.at(d, at("policies"), "`policies` is all or critical, or is left out; single ones stand under `named`.")
	}
	if len(f.Named) > mostNamed {
		l.at(d, at("named"), "At most %d policies are named.", mostNamed)
	}
	for i, name := range f.Named {
		if name == "" || name != strings.TrimSpace(name) {
			l.at(d, at("named", i), "%q is not the name of a policy: it is empty or has a space at an end.", name)
		}
		l.is(d, at("named", i), CheckText(name, MostName))
	}
	l.distinct(d, at("named"), f.Named)
}

// fleet tells how what a role asks of Fleet differs.
func (d *differ) fleet(name string, old, now *FleetRule) {
	var before, after FleetRule
	if old != nil {
		before = *old
	}
	if now != nil {
		after = *now
	}
	switch {
	case old != nil && now == nil:
		d.say("%s: Fleet need no longer say in what state the machine is.", name)
	case now != nil && before.Period != after.Period:
		d.say("%s: by Fleet's word, the machine told in what state it is at most %s ago%s.", name, FormatDuration(after.Period), insteadOf(old != nil, FormatDuration(before.Period)))
	}
	d.members(before.Require, after.Require, "%s: by Fleet's word, the machine's %s must be on.", "%s: Fleet need no longer say that the machine's %s is on.", name)
	if before.Policies != after.Policies {
		d.say("%s: the machine must pass %s%s.", name, whichPolicies(after.Policies), insteadOf(old != nil, whichPolicies(before.Policies)))
	}
	d.members(before.Named, after.Named, "%s: the machine must pass Fleet's policy “%s”.", "%s: the machine need no longer pass Fleet's policy “%s”.", name)
}

func whichPolicies(policies string) string {
	switch policies {
	case "":
		return "none but the named policies of Fleet's"
	case AllPolicies:
		return "all of Fleet's policies"
	}
	return "Fleet's " + policies + " policies"
}
