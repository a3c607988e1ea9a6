package policies

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const deviceRule = `device:
  required: true
  posture:
    period: 10m
    require: [disk-encryption, firewall, screen-lock, secure-boot]
    systemAgeDays: 30
    protection: [Falcon, Defender]
`

// good is a machine that complies with deviceRule at asked.
func goodDevice() *Device {
	return &Device{ID: "device-1", Name: "Alice's laptop", Posture: &Posture{
		At: asked, System: "Debian 13", SystemAgeDays: new(30),
		DiskEncryption: On, Firewall: On, ScreenLock: On, SecureBoot: On, Protection: []string{"Defender", "Other"},
	}}
}

func TestJudgeDevice(t *testing.T) {
	t.Parallel()
	b := mustLoad(t, goodRole+deviceRule, goodOtherRole)
	for name, c := range map[string]struct {
		alter func(*Device)
		after time.Duration
		want  string // what Objections says
	}{
		"it complies":             {},
		"just within the period":  {after: 10*time.Minute - 1},
		"the period is over":      {after: 10 * time.Minute, want: "What this machine last said of its state is older than 10m; keep `stint device watch` running."},
		"a clock ahead a little":  {after: -Skew},
		"from the future":         {after: -Skew - 1, want: "What this machine says of its state is dated in the future; set its clock."},
		"no posture":              {alter: func(d *Device) { d.Posture = nil }, want: "This machine did not say in what state it is; connect with `stint ssh`, or keep `stint device watch` running."},
		"disk not encrypted":      {alter: func(d *Device) { d.Posture.DiskEncryption = Off }, want: "The disk of this machine is not encrypted; encrypt it."},
		"disk not known":          {alter: func(d *Device) { d.Posture.DiskEncryption = Unknown }, want: "Whether the disk of this machine is encrypted is not known."},
		"disk not a word":         {alter: func(d *Device) { d.Posture.DiskEncryption = "" }, want: "Whether the disk of this machine is encrypted is not known."},
		"firewall off":            {alter: func(d *Device) { d.Posture.Firewall = Off }, want: "The firewall of this machine is off; turn it on."},
		"screen lock off":         {alter: func(d *Device) { d.Posture.ScreenLock = Off }, want: "The screen of this machine does not lock by itself; turn that on."},
		"secure boot off":         {alter: func(d *Device) { d.Posture.SecureBoot = Off }, want: "This machine does not boot securely; turn secure boot on."},
		"an old system":           {alter: func(d *Device) { d.Posture.SystemAgeDays = new(31) }, want: "The system of this machine was last updated 31 days ago, and 30 are allowed; update it."},
		"a system of unknown age": {alter: func(d *Device) { d.Posture.SystemAgeDays = nil }, want: "When this machine's system was last updated is not known."},
		"other protection":        {alter: func(d *Device) { d.Posture.Protection = []string{"Other"} }, want: "None of Falcon, Defender runs on this machine; start one."},
		"two things": {alter: func(d *Device) { d.Posture.Firewall, d.Posture.ScreenLock = Off, Off },
			want: "The firewall of this machine is off; turn it on. The screen of this machine does not lock by itself; turn that on."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := goodDevice()
			if c.alter != nil {
				c.alter(d)
			}
			if got := Objections(b.JudgeDevice("production-shell", d, asked.Add(c.after))); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	t.Run("no device", func(t *testing.T) {
		t.Parallel()
		want := "production-shell is used from an enrolled device only; enrol this machine with `stint device enroll`."
		if got := Objections(b.JudgeDevice("production-shell", nil, asked)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
	t.Run("no rule", func(t *testing.T) {
		t.Parallel()
		if got := b.JudgeDevice("key-management", nil, asked); len(got) != 0 {
			t.Errorf("a role without a rule says %v", got)
		}
	})
}

// A device alone is a rule without posture: what the machine says is not read.
func TestJudgeDeviceWithoutPosture(t *testing.T) {
	t.Parallel()
	b := mustLoad(t, goodRole+"device: {required: true}\n")
	got := b.JudgeDevice("production-shell", &Device{ID: "device-1", Name: "laptop"}, asked)
	if want := []Reason{{Rule: "device", Met: true, Text: "laptop is an enrolled device, as production-shell demands."}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if role, _ := b.Role("production-shell"); role.Device.Posture != nil {
		t.Error("a rule about posture appeared")
	}
}

func TestDeviceRuleLoads(t *testing.T) {
	t.Parallel()
	role := goodRole
	b := mustLoad(t, role+"device: {required: true, posture: {require: [firewall]}}\n")
	if r, _ := b.Role("production-shell"); r.Device.Posture.Period != DefaultPeriod {
		t.Errorf("the period is %s", r.Device.Posture.Period)
	}
	refuses(t, deviceRule, map[string]alteration{
		"not required":      {"required: true", "required: false", "f.yaml:14:3: `device` says `required: true`, or is left out."},
		"requirement left":  {"  required: true\n", "", "f.yaml:14:3: `device` says `required: true`, or is left out."},
		"unknown field":     {"required: true", "required: true\n  place: tpm", "f.yaml:15:3: There is no field \"place\" here. There are required, held, posture and fleet."},
		"no posture":        {deviceRule[strings.Index(deviceRule, "  posture"):], "  posture:\n", "f.yaml:15:11: `posture` is left empty: write a mapping, or leave it out."},
		"short period":      {"10m", "14s", "f.yaml:16:13: `period` is from 15s to 24h."},
		"no period at all":  {"10m", "0s", "f.yaml:16:13: `period` is from 15s to 24h."},
		"long period":       {"10m", "25h", "f.yaml:16:13: `period` is from 15s to 24h."},
		"fractional period": {"10m", "20500ms", "f.yaml:16:13: \"20500ms\" does not fit here: durations are whole seconds."},
		"unknown fact":      {"secure-boot]", "antivirus]", "f.yaml:17:55: `require` is disk-encryption, firewall, screen-lock or secure-boot."},
		"fact twice":        {"secure-boot]", "firewall]", "f.yaml:17:55: \"firewall\" stands twice."},
		"negative age":      {": 30", ": -1", "f.yaml:18:20: `systemAgeDays` is from 0 to 3650."},
		"fractional age":    {": 30", ": 1.5", "f.yaml:18:20: \"1.5\" does not fit here: a whole number is wanted."},
		"age left empty":    {": 30", ":", "f.yaml:18:19: `systemAgeDays` is left empty: write a whole number, or leave it out."},
		"agent twice":       {"Falcon, Defender", "Falcon, Falcon", "f.yaml:19:26: \"Falcon\" stands twice."},
		"agent empty":       {"Falcon, Defender", "\"\"", "f.yaml:19:18: \"\" cannot be the name of an agent: a machine would not say it."},
	})
}

// alteration puts one text in the place of another, and wants the first line of the
// refusal.
type alteration struct{ old, new, want string }

// refuses loads a role with a rule about devices that is altered, for each case.
func refuses(t *testing.T, rule string, cases map[string]alteration) {
	t.Helper()
	role := goodRole
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(rule, c.old, c.new, 1)
			if text == rule {
				t.Fatal("the case alters nothing")
			}
			_, err := Load(folder(map[string]string{"f.yaml": role + text}))
			if err == nil {
				t.Fatal("it was accepted")
			}
			if got := firstLine(err); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
