package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"stint/cmd/stint/internal/posture"
	"stint/policies"
	"stint/server/api"
	"stint/server/evidence"
)

func fact[T any](value T) posture.Fact[T] { return posture.Fact[T]{Value: &value} }

// Whatever a machine reports, its statement can be written; what nobody could tell is
// unknown in it.
func TestPostureOfAReport(t *testing.T) {
	at := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	whole := posture.Report{
		Collected: at, System: fact(posture.System{Name: "macOS", Version: "26.1", Build: "25B78"}), UpdateAge: fact(3),
		DiskEncryption: fact(true), Firewall: fact(false), ScreenLock: fact(posture.ScreenLock{On: true}), SecureBoot: fact(true),
		Agents: fact([]string{"Wazuh", "CrowdStrike Falcon", "Wazuh", " x", ""}),
	}
	three := 3
	strange := posture.Report{Collected: at, System: fact(posture.System{Name: "a\u202eb", Version: strings.Repeat("v", 300)}), Agents: fact([]string{})}
	unknown := &evidence.Posture{System: "unknown", DiskEncryption: "unknown", Firewall: "unknown", ScreenLock: "unknown", SecureBoot: "unknown", Issued: at}
	for name, c := range map[string]struct {
		report posture.Report
		want   *evidence.Posture
	}{
		"whole": {whole, &evidence.Posture{
			System: "macOS 26.1 25B78", SystemAgeDays: &three, DiskEncryption: policies.On, Firewall: policies.Off, ScreenLock: policies.On,
			SecureBoot: policies.On, Protection: []string{"CrowdStrike Falcon", "Wazuh"}, Issued: at,
		}},
		"nothing is known": {posture.Report{Collected: at}, unknown},
		"a strange system": {strange, unknown},
	} {
		got := postureOf(c.report)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
		got.Instance, got.Device, got.Nonce = "k3f9x2mq", deviceID("key"), strings.Repeat("0", 32)
		if _, err := evidence.Encode(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAgainst(t *testing.T) {
	no := func(text string) api.Reason { return api.Reason{Text: text} }
	d := api.Device{Rules: []api.DeviceRules{
		{Role: "a", Reasons: []api.Reason{{Met: true, Text: "Well."}, no("One."), no("Two.")}}, {Role: "b", Reasons: []api.Reason{no("Two."), no("Three.")}},
	}}
	for role, want := range map[string]string{"a": "One. Two.", "b": "Two. Three.", "c": "", "": "One. Two. Three."} {
		if got := against(d, role); got != want {
			t.Errorf("role %q: %q, want %q", role, got, want)
		}
	}
}
