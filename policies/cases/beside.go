package cases

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"stint/policies"
)

// Grant is what comes with the role that is asked for and decides on no request: the
// broker, the signer and the proxy keep to it. What is absent may be anything; what is
// there must be just what the role says. A list is the whole of it, in any order.
type Grant struct {
	// Pending is how long a request waits for approvals.
	Pending   *Span `yaml:"pending"`
	SingleUse *bool `yaml:"singleUse"`
	// Those of policies.SessionRule; 0s and [] bound nothing.
	Idle           *Span     `yaml:"idle"`
	Reauthenticate *Span     `yaml:"reauthenticate"`
	Channels       *[]string `yaml:"channels"`
	Networks       *[]string `yaml:"networks"`
	// Device is the whole rule about devices.
	Device *policies.DeviceRule `yaml:"device"`
	// Reviewers may replay the sessions: the role's own, or else the organization's.
	Reviewers *[]string `yaml:"reviewers"`
	// Review are the groups that review an emergency.
	Review *[]string `yaml:"review"`
	// Remind is how often each stage that does so tells those who have not answered.
	Remind *map[string]Span `yaml:"remind"`
}

// Whole is what counts for the whole installation and decides on no request. What is
// absent may be anything, as in Grant.
type Whole struct {
	Quorum    *int      `yaml:"quorum"`
	Reviewers *[]string `yaml:"reviewers"`
	// Attested are the groups whose passkeys must be of a listed make.
	Attested *[]string `yaml:"attested"`
	// Makes are the roots of each make that is listed, by its AAGUID: "sha256:" and 64 hex
	// digits over the DER of each (policies.RootDigest).
	Makes *map[string][]string `yaml:"makes"`
}

// term is one thing that a policy says beside its decisions.
type term struct {
	rule   string // as coverage names it
	what   string // the field of Expectation
	counts bool   // it is other than where the policy says nothing
	stated bool
	// expected and came are words; expected only where it is stated.
	expected, came string
}

// stated is the term with what an expectation says of it.
func stated[T any](t term, expected *T, words func(T) string) term {
	t.what = strings.Replace(t.rule, ":", ".", 1)
	if t.stated = expected != nil; t.stated {
		t.expected = words(*expected)
	}
	return t
}

// terms are those that an expectation of a role states.
func (e *Expectation) terms(b *policies.Bundle, name string) []term {
	var all []term
	if e.Grant != nil {
		role, _ := b.Role(name)
		all = termsOf(b, role, e.Grant)
	}
	if e.Organization != nil {
		all = append(all, termsOfAll(b, e.Organization)...)
	}
	return slices.DeleteFunc(all, func(t term) bool { return !t.stated })
}

// termsOf are those of a role. The expectation may be nil.
func termsOf(b *policies.Bundle, r policies.Role, g *Grant) []term {
	if g == nil {
		g = &Grant{}
	}
	reviewers := r.Recording.Reviewers
	if len(reviewers) == 0 {
		reviewers = b.Organization().Reviewers
	}
	var review []string
	if r.BreakGlass != nil {
		review = r.BreakGlass.Review.Groups
	}
	remind := map[string]string{}
	for _, stage := range allStages(r) {
		if stage.Remind > 0 {
			remind[stage.Name] = policies.FormatDuration(stage.Remind)
		}
	}
	return []term{
		stated(term{rule: "grant:pending", counts: r.Pending != policies.DefaultPending, came: policies.FormatDuration(r.Pending)}, g.Pending, lasting),
		stated(term{rule: "grant:singleUse", counts: r.SingleUse, came: strconv.FormatBool(r.SingleUse)}, g.SingleUse, strconv.FormatBool),
		stated(term{rule: "grant:idle", counts: r.Session.Idle > 0, came: policies.FormatDuration(r.Session.Idle)}, g.Idle, lasting),
		stated(term{rule: "grant:reauthenticate", counts: r.Session.Reauthenticate > 0, came: policies.FormatDuration(r.Session.Reauthenticate)}, g.Reauthenticate, lasting),
		stated(term{rule: "grant:channels", counts: len(r.Session.Channels) > 0, came: set(r.Session.Channels)}, g.Channels, set),
		stated(term{rule: "grant:networks", counts: len(r.Session.Networks) > 0, came: set(r.Session.Networks)}, g.Networks, set),
		stated(term{rule: "grant:device", counts: r.Device.Required, came: deviceRule(r.Device)}, g.Device, deviceRule),
		stated(term{rule: "grant:reviewers", counts: len(r.Recording.Reviewers) > 0, came: set(reviewers)}, g.Reviewers, set),
		stated(term{rule: "grant:review", counts: len(review) > 0, came: set(review)}, g.Review, set),
		stated(term{rule: "grant:remind", counts: len(remind) > 0, came: pairs(remind)}, g.Remind, func(stated map[string]Span) string {
			words := map[string]string{}
			for stage, span := range stated {
				words[stage] = lasting(span)
			}
			return pairs(words)
		}),
	}
}

// termsOfAll are those of the organization. The expectation may be nil.
func termsOfAll(b *policies.Bundle, w *Whole) []term {
	if w == nil {
		w = &Whole{}
	}
	o := b.Organization()
	makes := map[string][]string{}
	for _, a := range o.Attestation.Authenticators {
		makes[a.AAGUID] = append(makes[a.AAGUID], rootsOf(a)...)
	}
	return []term{
		stated(term{rule: "organization:quorum", counts: b.Quorum() != policies.DefaultQuorum, came: strconv.Itoa(b.Quorum())}, w.Quorum, strconv.Itoa),
		stated(term{rule: "organization:reviewers", counts: len(o.Reviewers) > 0, came: set(o.Reviewers)}, w.Reviewers, set),
		stated(term{rule: "organization:attested", counts: len(o.Attestation.Groups) > 0, came: set(o.Attestation.Groups)}, w.Attested, set),
		stated(term{rule: "organization:makes", counts: len(makes) > 0, came: makeWords(makes)}, w.Makes, makeWords),
	}
}

// allStages are the stages of a role, and those that its restrictions add.
func allStages(r policies.Role) []policies.Stage {
	all := slices.Clone(r.Approval)
	for _, restriction := range r.Restrict {
		all = append(all, restriction.Add...)
	}
	return all
}

func lasting(s Span) string { return policies.FormatDuration(s.duration()) }

// pairs shows values by their names.
func pairs(values map[string]string) string {
	var words []string
	for name, value := range values {
		words = append(words, name+": "+value)
	}
	return set(words)
}

// makeWords shows makes of passkeys; an AAGUID may be written with hyphens, as in a policy.
func makeWords(makes map[string][]string) string {
	words := map[string]string{}
	for aaguid, roots := range makes {
		words[strings.ToLower(strings.ReplaceAll(aaguid, "-", ""))] = set(roots)
	}
	return pairs(words)
}

// rootsOf are the digests of the roots of a make that a policy lists. One that has loaded
// lists only roots that can be read.
func rootsOf(a policies.Authenticator) []string {
	roots, err := a.Certificates()
	if err != nil {
		return []string{err.Error()}
	}
	var digests []string
	for _, root := range roots {
		digests = append(digests, policies.RootDigest(root))
	}
	return digests
}

// deviceRule shows a rule about devices, with what stands where it says nothing.
func deviceRule(r policies.DeviceRule) string {
	sorted := func(names []string) []string { return slices.Sorted(slices.Values(names)) }
	or := func(period *time.Duration, without time.Duration) {
		if *period == 0 {
			*period = without
		}
	}
	if r.Posture != nil {
		p := *r.Posture
		or(&p.Period, policies.DefaultPeriod)
		p.Require, p.Protection, r.Posture = sorted(p.Require), sorted(p.Protection), &p
	}
	if r.Fleet != nil {
		f := *r.Fleet
		or(&f.Period, policies.DefaultFleetPeriod)
		f.Require, f.Named, r.Fleet = sorted(f.Require), sorted(f.Named), &f
	}
	return word(strings.Join(r.Asks(), " "))
}

// written says what is wrong with what a grant states itself.
func (g *Grant) written(is func(err error, at ...any), span func(s Span, at ...any)) {
	if g == nil {
		return
	}
	if g.Pending != nil {
		span(*g.Pending, "expect", "grant", "pending")
	}
	if g.Idle != nil {
		span(*g.Idle, "expect", "grant", "idle")
	}
	if g.Reauthenticate != nil {
		span(*g.Reauthenticate, "expect", "grant", "reauthenticate")
	}
	if g.Remind != nil {
		for _, stage := range slices.Sorted(maps.Keys(*g.Remind)) {
			span((*g.Remind)[stage], "expect", "grant", "remind", stage)
		}
	}
	if g.Device != nil && !g.Device.Required {
		is(errors.New("a rule about devices says `required: true`"), "expect", "grant", "device")
	}
}
