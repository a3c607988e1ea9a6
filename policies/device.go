package policies

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// DeviceRule says from which machines a role may be used. It can only refuse: what
// a machine says of itself gives nobody anything.
type DeviceRule struct {
	// Required: an activation carries the signature of an enrolled device key.
	Required bool `yaml:"required" json:"required"`
	// Held is HeldTPM where the device's key must be proven to be in a TPM of a maker
	// that the organization lists, and empty where it may be anywhere.
	Held string `yaml:"held" json:"held,omitempty"`
	// Posture is what the machine must say of itself; nil asks nothing.
	Posture *PostureRule `yaml:"posture" json:"posture,omitempty"`
	// Fleet is what a Fleet server must say of the machine; nil asks nothing. The
	// broker judges it, with JudgeFleet; JudgeDevice leaves it alone.
	Fleet *FleetRule `yaml:"fleet" json:"fleet,omitempty"`
}

// PostureRule is what the machine must say of itself, and how lately.
type PostureRule struct {
	// Period is how old the word may be, at activation and while a session is up.
	// Where it is absent it is DefaultPeriod.
	Period time.Duration `yaml:"period" json:"period"`
	// Require lists the facts that must be on: FactDiskEncryption and so on.
	Require []string `yaml:"require" json:"require"`
	// SystemAgeDays is how many days ago the system was last updated at most; nil
	// asks nothing.
	SystemAgeDays *int `yaml:"systemAgeDays" json:"system_age_days,omitempty"`
	// Protection lists agents of which at least one must run; empty asks nothing.
	Protection []string `yaml:"protection" json:"protection"`
}

// The facts about a machine that are on, off or unknown.
const (
	FactDiskEncryption = "disk-encryption"
	FactFirewall       = "firewall"
	FactScreenLock     = "screen-lock"
	FactSecureBoot     = "secure-boot"
)

// What a fact may be. A fact that nobody could tell is neither.
const (
	On      = "on"
	Off     = "off"
	Unknown = "unknown"
)

const (
	// DefaultPeriod is how old a posture may be where the role does not say.
	DefaultPeriod = 5 * time.Minute
	// ShortestPeriod bounds it: a machine takes some seconds to ask itself.
	ShortestPeriod = 15 * time.Second
	longestPeriod  = 24 * time.Hour

	mostAgeDays    = 3650
	mostProtection = 32
)

// Device is the machine that an activation comes from, as the signer knows it.
type Device struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Held string `json:"held"` // HeldTPM where that was proven, else HeldFile
	// MakerRoot is the root (see RootDigest) that the certificate of its TPM led to when
	// it was enrolled; empty where it led to none that the policy listed.
	MakerRoot string   `json:"maker_root,omitempty"`
	Posture   *Posture `json:"posture,omitempty"` // nil where the machine told none
}

// Posture is a machine's word about its own state.
type Posture struct {
	At             time.Time `json:"at"`              // when the machine was asked
	System         string    `json:"system"`          // its name and version, as it tells them
	SystemAgeDays  *int      `json:"system_age_days"` // since the last update; nil where it is not known
	DiskEncryption string    `json:"disk_encryption"` // On, Off or Unknown, as the three below
	Firewall       string    `json:"firewall"`
	ScreenLock     string    `json:"screen_lock"`
	SecureBoot     string    `json:"secure_boot"`
	Protection     []string  `json:"protection"` // agents that watch it, sorted and distinct; none where they are not known
}

// switches are the facts that a rule can require, in the order of the screens.
var switches = []struct {
	name string
	of   func(Posture) string
	// What is wrong, in a sentence that also says what to do.
	off, unknown string
}{
	{FactDiskEncryption, func(p Posture) string { return p.DiskEncryption },
		"The disk of this machine is not encrypted; encrypt it.", "Whether the disk of this machine is encrypted is not known."},
	{FactFirewall, func(p Posture) string { return p.Firewall },
		"The firewall of this machine is off; turn it on.", "Whether this machine's firewall is on is not known."},
	{FactScreenLock, func(p Posture) string { return p.ScreenLock },
		"The screen of this machine does not lock by itself; turn that on.", "Whether this machine's screen locks by itself is not known."},
	{FactSecureBoot, func(p Posture) string { return p.SecureBoot },
		"This machine does not boot securely; turn secure boot on.", "Whether this machine boots securely is not known."},
}

// postureFacts are the names that a rule can require.
func postureFacts() []string {
	var names []string
	for _, s := range switches {
		names = append(names, s.name)
	}
	return names
}

// JudgeDevice says what a role's rule about devices makes of a machine at a moment,
// each part of the rule in one sentence; a nil device is none at all. It has no
// reasons where the role has no such rule. The broker asks it at each report of a
// machine, and Verify before a certificate.
//
// The rules by their stable names: device, held, posture, and one for each fact.
func (b *Bundle) JudgeDevice(role string, device *Device, now time.Time) []Reason {
	r, ok := b.Role(role)
	if !ok || !r.Device.Required {
		return nil
	}
	if device == nil {
		return []Reason{{Rule: "device", Text: fmt.Sprintf("%s is used from an enrolled device only; enrol this machine with `stint device enroll`.", r.Name)}}
	}
	reasons := []Reason{{Rule: "device", Met: true, Text: fmt.Sprintf("%s is an enrolled device, as %s demands.", device.Name, r.Name)}}
	reasons = append(reasons, b.judgeHeld(r.Device, r.Name, *device)...)
	rule := r.Device.Posture
	if rule == nil {
		return reasons
	}
	fresh := rule.fresh(device.Posture, now)
	reasons = append(reasons, fresh)
	if device.Posture == nil {
		return reasons
	}
	return append(reasons, rule.judge(*device.Posture)...)
}

// fresh asks whether the word is recent. The clocks of two machines differ a little.
func (r PostureRule) fresh(p *Posture, now time.Time) Reason {
	period := FormatDuration(r.Period)
	switch {
	case p == nil:
		return Reason{Rule: "posture", Text: "This machine did not say in what state it is; connect with `stint ssh`, or keep `stint device watch` running."}
	case p.At.After(now.Add(Skew)):
		return Reason{Rule: "posture", Text: "What this machine says of its state is dated in the future; set its clock."}
	case !now.Before(p.At.Add(r.Period)):
		return Reason{Rule: "posture", Text: fmt.Sprintf("What this machine last said of its state is older than %s; keep `stint device watch` running.", period)}
	}
	return Reason{Rule: "posture", Met: true, Text: fmt.Sprintf("This machine said within %s in what state it is.", period)}
}

// judge asks for each fact that the rule names.
func (r PostureRule) judge(p Posture) []Reason {
	var reasons []Reason
	for _, s := range switches {
		if !slices.Contains(r.Require, s.name) {
			continue
		}
		reason := Reason{Rule: s.name, Text: s.unknown}
		switch s.of(p) {
		case On:
			reason.Met, reason.Text = true, s.name+" is on."
		case Off:
			reason.Text = s.off
		}
		reasons = append(reasons, reason)
	}
	if r.SystemAgeDays != nil {
		reason := Reason{Rule: "system-age-days", Text: "When this machine's system was last updated is not known."}
		if p.SystemAgeDays != nil {
			reason.Met = *p.SystemAgeDays <= *r.SystemAgeDays
			reason.Text = fmt.Sprintf("The system of this machine was updated %d days ago, and %d are allowed.", *p.SystemAgeDays, *r.SystemAgeDays)
			if !reason.Met {
				reason.Text = fmt.Sprintf("The system of this machine was last updated %d days ago, and %d are allowed; update it.", *p.SystemAgeDays, *r.SystemAgeDays)
			}
		}
		reasons = append(reasons, reason)
	}
	if len(r.Protection) > 0 {
		i := slices.IndexFunc(r.Protection, func(agent string) bool { return slices.Contains(p.Protection, agent) })
		reason := Reason{Rule: "protection", Met: i >= 0, Text: fmt.Sprintf("None of %s runs on this machine; start one.", strings.Join(r.Protection, ", "))}
		if reason.Met {
			reason.Text = r.Protection[i] + " runs on this machine."
		}
		reasons = append(reasons, reason)
	}
	return reasons
}

// Objections is every reason that is not met, in one line; empty where there is none.
func Objections(reasons []Reason) string {
	var texts []string
	for _, r := range reasons {
		if !r.Met {
			texts = append(texts, r.Text)
		}
	}
	return strings.Join(texts, " ")
}

// checkDevice checks a role's rule about devices, and fills in what it leaves out.
func (l *loader) checkDevice(d definition) {
	rule := &d.role.Device
	if l.written(d, field("device")) && !rule.Required {
		// Whoever writes a rule means it to hold.
		l.at(d, field("device"), "`device` says `required: true`, or is left out.")
	}
	l.checkHeld(d)
	l.checkFleet(d)
	p := rule.Posture
	if p == nil {
		return
	}
	if !l.written(d, field("device", "posture", "period")) {
		p.Period = DefaultPeriod
	}
	l.lasts(d, field("device", "posture", "period"), p.Period, ShortestPeriod, longestPeriod)
	l.words(d, field("device", "posture", "require"), p.Require, postureFacts()...)
	if p.SystemAgeDays != nil {
		l.counts(d, field("device", "posture", "systemAgeDays"), *p.SystemAgeDays, 0, mostAgeDays)
	}
	if len(p.Protection) > mostProtection {
		l.at(d, field("device", "posture", "protection"), "At most %d agents are named.", mostProtection)
	}
	for i, agent := range p.Protection {
		if CheckGroup(agent) != nil {
			l.at(d, field("device", "posture", "protection", i), "%q cannot be the name of an agent: a machine would not say it.", agent)
		}
	}
	l.distinct(d, field("device", "posture", "protection"), p.Protection)
}

// device tells how the rule about devices differs.
func (d *differ) device(name string, old, now DeviceRule) {
	if old.Required != now.Required {
		d.say(map[bool]string{
			true: "%s: it is used from an enrolled device only.", false: "%s: it may be used from any machine.",
		}[now.Required], name)
	}
	d.held(name, old.Held, now.Held)
	var before, after PostureRule
	if old.Posture != nil {
		before = *old.Posture
	}
	if now.Posture != nil {
		after = *now.Posture
	}
	switch {
	case old.Posture != nil && now.Posture == nil:
		d.say("%s: the machine need no longer say in what state it is.", name)
	case now.Posture != nil && before.Period != after.Period:
		d.say("%s: the machine says in what state it is, at most %s ago%s.", name, FormatDuration(after.Period), insteadOf(old.Posture != nil, FormatDuration(before.Period)))
	}
	d.members(before.Require, after.Require, "%s: the machine's %s must be on.", "%s: the machine's %s need no longer be on.", name)
	days := func(n *int) string {
		if n == nil {
			return "any number of days"
		}
		return fmt.Sprintf("%d days", *n)
	}
	if days(before.SystemAgeDays) != days(after.SystemAgeDays) {
		d.say("%s: the machine's system was updated at most %s ago instead of %s.", name, days(after.SystemAgeDays), days(before.SystemAgeDays))
	}
	d.members(before.Protection, after.Protection,
		"%s: %s counts as protection that must run on the machine.", "%s: %s no longer counts as protection that must run on the machine.", name)
	d.fleet(name, old.Fleet, now.Fleet)
}
