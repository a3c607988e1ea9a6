package policies

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const fleetRule = `device:
  required: true
  fleet:
    period: 2h
    require: [disk-encryption]
    policies: all
    named: [Firewall enabled]
`

// goodHost is a machine that complies with fleetRule at asked.
func goodHost() *FleetHost {
	return &FleetHost{
		ID: 33, Name: "annas-laptop", UUID: "392547DC-0000-0000-A87A-D701FF75BC65", Serial: "C0124FXASD6G",
		Collected: asked, Judged: asked, DiskEncryption: On,
		Policies: []FleetPolicy{{"Disk encrypted", true, new(true)}, {"Firewall enabled", false, new(true)}},
	}
}

func TestJudgeFleet(t *testing.T) {
	t.Parallel()
	const old = "What this machine last told Fleet is older than 2h. Fleet is asked anew whenever you connect; if it is as old then, see that Fleet's agent runs on it, and choose Refetch in Fleet."
	for name, c := range map[string]struct {
		rule  func(string) string // another rule
		alter func(*FleetHost)
		after time.Duration
		want  string // what Objections says
	}{
		"it complies":            {},
		"just within the period": {after: 2*time.Hour - 1},
		"the period is over":     {after: 2 * time.Hour, want: old},
		"policies answered long ago": {alter: func(h *FleetHost) { h.Judged = asked.Add(-time.Hour) }, after: time.Hour,
			want: old},
		"policies never answered": {alter: func(h *FleetHost) { h.Judged = time.Time{} }, want: old},
		"told long ago":           {alter: func(h *FleetHost) { h.Collected = asked.Add(-2 * time.Hour) }, want: old},
		"never told":              {alter: func(h *FleetHost) { h.Collected = time.Time{} }, want: old},
		"a clock ahead a little":  {after: -Skew},
		"from the future":         {after: -Skew - 1, want: "What Fleet says of this machine is dated in the future; have the clock of Fleet's server set."},
		"disk not encrypted":      {alter: func(h *FleetHost) { h.DiskEncryption = Off }, want: "By Fleet's word, the disk of this machine is not encrypted; encrypt it."},
		"disk not known":          {alter: func(h *FleetHost) { h.DiskEncryption = Unknown }, want: "Fleet does not know whether the disk of this machine is encrypted."},
		"disk not a word":         {alter: func(h *FleetHost) { h.DiskEncryption = "" }, want: "Fleet does not know whether the disk of this machine is encrypted."},
		"a policy fails":          {alter: func(h *FleetHost) { h.Policies[0].Passes = new(false) }, want: "By Fleet's word, this machine does not pass: Disk encrypted."},
		"a policy is not answered": {alter: func(h *FleetHost) { h.Policies[0].Passes = nil },
			want: "By Fleet's word, this machine does not pass: Disk encrypted (not answered yet)."},
		"a named one is not there": {alter: func(h *FleetHost) { h.Policies = h.Policies[:1] },
			want: "By Fleet's word, this machine does not pass: Firewall enabled (which Fleet does not ask of it)."},
		"one of two of a name fails": {alter: func(h *FleetHost) {
			h.Policies = append(h.Policies, FleetPolicy{"Firewall enabled", false, new(false)})
		},
			want: "By Fleet's word, this machine does not pass: Firewall enabled."},
		"many fail": {alter: func(h *FleetHost) {
			h.Policies = nil
			for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
				h.Policies = append(h.Policies, FleetPolicy{Name: name, Passes: new(false)})
			}
		}, want: "By Fleet's word, this machine does not pass: a, b, c, d, e, and 2 more."},
		"only critical ones": {rule: change("policies: all", "policies: critical"), alter: func(h *FleetHost) {
			h.Policies = append(h.Policies, FleetPolicy{"Other", false, new(false)})
		}},
		"a critical one fails": {rule: change("policies: all", "policies: critical"), alter: func(h *FleetHost) { h.Policies[0].Passes = new(false) },
			want: "By Fleet's word, this machine does not pass: Disk encrypted."},
		"no critical one": {rule: change("    policies: all\n    named: [Firewall enabled]\n", "    policies: critical\n"), alter: func(h *FleetHost) { h.Policies = h.Policies[1:] },
			want: "Fleet asks none of the policies of this machine that it has to pass; have an administrator of Fleet look."},
		"only named ones": {rule: change("    policies: all\n", ""), alter: func(h *FleetHost) { h.Policies[0].Passes = new(false) }},
		"no policies asked": {rule: change("    policies: all\n    named: [Firewall enabled]\n", ""), alter: func(h *FleetHost) {
			h.Policies, h.Judged = nil, time.Time{}
		}},
		"nothing asked but a word": {rule: change(fleetRule[strings.Index(fleetRule, "  fleet"):], "  fleet: {}\n"), alter: func(h *FleetHost) { h.DiskEncryption = Off }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule := fleetRule
			if c.rule != nil {
				if rule = c.rule(rule); rule == fleetRule {
					t.Fatal("the case alters nothing")
				}
			}
			b := mustLoad(t, goodRole+rule, goodOtherRole)
			h := goodHost()
			if c.alter != nil {
				c.alter(h)
			}
			if got := Objections(b.JudgeFleet("production-shell", h, asked.Add(c.after))); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	b := mustLoad(t, goodRole+fleetRule, goodOtherRole)
	if got := Objections(b.JudgeFleet("production-shell", nil, asked)); !strings.HasPrefix(got, "Fleet says nothing of this machine") {
		t.Errorf("a machine that Fleet does not know: %q", got)
	}
	if got := b.JudgeFleet("key-management", nil, asked); len(got) != 0 {
		t.Errorf("a role without a rule says %v", got)
	}
	// What the signer judges does not ask Fleet.
	got := b.JudgeDevice("production-shell", &Device{ID: "device-1", Name: "laptop"}, asked)
	if want := []Reason{{Rule: "device", Met: true, Text: "laptop is an enrolled device, as production-shell demands."}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func change(old, new string) func(string) string {
	return func(text string) string { return strings.Replace(text, old, new, 1) }
}

func TestFleetRuleLoads(t *testing.T) {
	t.Parallel()
	role := goodRole
	b := mustLoad(t, role+"device: {required: true, fleet: {policies: critical}}\n")
	if r, _ := b.Role("production-shell"); r.Device.Fleet.Period != DefaultFleetPeriod || r.Device.Posture != nil {
		t.Errorf("the rule is %+v", r.Device)
	}
	refuses(t, fleetRule, map[string]alteration{
		"device not required": {"required: true", "required: false", "f.yaml:14:3: `device` says `required: true`, or is left out."},
		"unknown field":       {"period: 2h", "seen: 2h", "f.yaml:16:5: There is no field \"seen\" here. There are period, require, policies and named."},
		"no rule":             {fleetRule[strings.Index(fleetRule, "  fleet"):], "  fleet:\n", "f.yaml:15:9: `fleet` is left empty: write a mapping, or leave it out."},
		"short period":        {"2h", "59s", "f.yaml:16:13: `period` is from 1m to 24h."},
		"long period":         {"2h", "25h", "f.yaml:16:13: `period` is from 1m to 24h."},
		"fractional period":   {"2h", "61500ms", "f.yaml:16:13: \"61500ms\" does not fit here: durations are whole seconds."},
		"unknown fact":        {"[disk-encryption]", "[firewall]", "f.yaml:17:15: \"firewall\" is no fact that Fleet tells; there is disk-encryption, and there are Fleet's policies."},
		"fact twice":          {"[disk-encryption]", "[disk-encryption, disk-encryption]", "f.yaml:17:32: \"disk-encryption\" stands twice."},
		"other policies":      {"policies: all", "policies: some", "f.yaml:18:15: `policies` is all or critical, or is left out; single ones stand under `named`."},
		"policies left empty": {"policies: all", "policies:", "f.yaml:18:14: `policies` is left empty: write text, or leave it out."},
		"policies as a list":  {"policies: all", "policies: [a]", "f.yaml:18:15: A list does not fit here: text is wanted."},
		"a name twice":        {"[Firewall enabled]", "[a, a]", "f.yaml:19:16: \"a\" stands twice."},
		"a name empty":        {"[Firewall enabled]", "[\"\"]", "f.yaml:19:13: \"\" is not the name of a policy: it is empty or has a space at an end."},
		"a name too long":     {"[Firewall enabled]", "[" + strings.Repeat("x", 201) + "]", "f.yaml:19:13: The text has 201 characters; at most 200 fit."},
		"too many names":      {"[Firewall enabled]", "[a" + strings.Repeat(",b", 32) + "]", "f.yaml:19:12: At most 32 policies are named."},
	})
}
