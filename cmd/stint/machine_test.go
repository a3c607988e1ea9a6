package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/posture"
	"stint/policies"
	"stint/server/api"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
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

// deviceBroker is what a broker answers about devices. It has one on each page.
type deviceBroker struct {
	*httptest.Server
	mu      sync.Mutex
	devices []api.Device // newest first
	refuses *api.Error   // postures, if it is set
}

// newDeviceBroker is one that somebody is signed in to, who is that of the account.
func newDeviceBroker(t *testing.T) *deviceBroker {
	t.Helper()
	t.Setenv("STINT_HOME", t.TempDir())
	b := &deviceBroker{}
	trust, err := json.Marshal(evidence.Trust{Version: 1, Instance: "k3f9x2mq", Log: "log", HostCA: []string{evidencetest.NewKey(t).Public}})
	if err != nil {
		t.Fatal(err)
	}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		var answer any
		switch {
		case r.URL.Path == api.PathTrust:
			answer = api.Trust{Trust: trust}
		case r.URL.Path == api.PathDevices && r.Method == http.MethodGet:
			page := api.Devices{ReportSeconds: 60}
			if at := len(r.URL.Query().Get("cursor")); at < len(b.devices) {
				page.Items = b.devices[at : at+1]
				if at+1 < len(b.devices) {
					page.Cursor = strings.Repeat("x", at+1)
				}
			}
			answer = page
		case r.URL.Path == api.PathDevices:
			var in api.DeviceEnrolment
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				t.Error(err)
			}
			device, err := evidence.DecodeAs[*evidence.Device](in.Statement)
			if err != nil {
				t.Fatal(err)
			}
			enrolled := api.Device{ID: device.Device, Name: device.DeviceName, Rules: []api.DeviceRules{{Role: "production-shell"}}}
			b.devices = slices.Insert(b.devices, 0, enrolled)
			answer = enrolled
		case b.refuses != nil:
			w.WriteHeader(b.refuses.Status)
			answer = b.refuses
		default:
			answer = b.devices[0]
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(b.Close)
	who := &account.Account{
		URL: b.URL, Token: "token", Expires: time.Now().Add(time.Hour), Key: make([]byte, 32),
		Person: api.Person{Issuer: "https://id.example.com", Subject: "alice"},
	}
	if err := who.Save(); err != nil {
		t.Fatal(err)
	}
	return b
}

func terminal(out, complaint *bytes.Buffer) *environment {
	return &environment{out: out, err: complaint, in: strings.NewReader(""), now: time.Now, random: rand.Reader}
}

// A key that takes another's place leaves that one enrolled, and says so; the machine
// is found among many devices.
func TestReplacingAnEnrolledKey(t *testing.T) {
	b := newDeviceBroker(t)
	enroll := func(want string, flags ...string) {
		t.Helper()
		var out, complaint bytes.Buffer
		if code := run(t.Context(), terminal(&out, &complaint), append([]string{"device", "enroll", "--file", "--name", "laptop"}, flags...)); code != 0 || !strings.Contains(out.String(), want) {
			t.Errorf("exit %d, %q is not in\n%s%s", code, want, out.String(), complaint.String())
		}
	}
	enroll("Enrolled as laptop")
	first := b.devices[0].ID
	b.devices = slices.Insert(b.devices, 0, api.Device{ID: "dev-a"}, api.Device{ID: "dev-b"})
	enroll("This device is enrolled as laptop (" + first + ")")
	enroll("To end that: stint device block "+first, "--replace")
	second := b.devices[0].ID
	b.devices[0].Blocked = &api.Suspension{}
	enroll("Enrolled as laptop", "--replace")
	if third := b.devices[0].ID; third == second || len(b.devices) != 5 {
		t.Errorf("the devices are %+v", b.devices)
	}
}

// What goes wrong in telling the state of the machine keeps nobody from a role that
// does not ask for it.
func TestReadyWithoutAnAnswer(t *testing.T) {
	b := newDeviceBroker(t)
	var out, complaint bytes.Buffer
	e := terminal(&out, &complaint)
	if code := run(t.Context(), e, []string{"device", "enroll", "--file", "--name", "laptop"}); code != 0 {
		t.Fatalf("exit %d: %s", code, complaint.String())
	}
	b.refuses = &api.Error{Status: http.StatusConflict, Code: "device.posture", Title: "Set its clock."}
	who, client, err := signedIn(e)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := ready(t.Context(), e, who, client, "production-shell"); m != nil || err == nil || explanation(err) != "Set its clock." {
		t.Errorf("a role that asks: %+v, %v", m, err)
	}
	if m, err := ready(t.Context(), e, who, client, "staging-shell"); m == nil || err != nil || !strings.Contains(complaint.String(), "Set its clock.") {
		t.Errorf("a role that does not: %+v, %v, %s", m, err, complaint.String())
	}
}

// sees calls found once a text was written.
type sees struct {
	bytes.Buffer
	text  string
	found func()
}

func (s *sees) Write(p []byte) (int, error) {
	n, err := s.Buffer.Write(p)
	if strings.Contains(s.String(), s.text) {
		s.found()
	}
	return n, err
}

func TestDeviceWatch(t *testing.T) {
	b := newDeviceBroker(t)
	watched := func(want string) (code int, complaint string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wrong bytes.Buffer
		e := terminal(nil, &wrong)
		e.out = &sees{text: want, found: cancel}
		return run(ctx, e, []string{"device", "watch"}), wrong.String()
	}
	if code, complaint := watched("nothing"); code != exitFailed || !strings.Contains(complaint, "stint device enroll") {
		t.Errorf("without a device: exit %d, %s", code, complaint)
	}
	var out, complaint bytes.Buffer
	if code := run(t.Context(), terminal(&out, &complaint), []string{"device", "enroll", "--file", "--name", "laptop"}); code != 0 {
		t.Fatalf("exit %d: %s", code, complaint.String())
	}
	b.devices[0].Rules[0].Reasons = []api.Reason{{Text: "The firewall is off."}}
	if code, complaint := watched("Saying every 1m0s in what state this machine is.\nThe firewall is off.\n"); code != 0 {
		t.Errorf("exit %d, %s", code, complaint)
	}
	b.devices[0].Blocked = &api.Suspension{}
	if code, complaint := watched("nothing"); code != exitFailed || !strings.Contains(complaint, "this device was blocked") {
		t.Errorf("blocked: exit %d, %s", code, complaint)
	}
}

// Nothing that goes wrong ends the watch, and each thing is told once.
func TestWatchGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		away := []string{"zero", "one", "one", "two", "one"}
		find := func(context.Context) (*machine, *api.Client, error) {
			if len(away) == 1 {
				cancel()
			}
			why := away[0]
			away = away[1:]
			return nil, nil, errors.New(why)
		}
		var told []string
		began := time.Now()
		tell := func(text string) { told = append(told, text) }
		watch{find: find, within: time.Minute, told: "zero", tell: tell}.run(ctx, &environment{})
		if want := []string{"one", "two"}; !slices.Equal(told, want) || time.Since(began) != 5*time.Minute {
			t.Errorf("after %s it told %q", time.Since(began), told)
		}
	})
}
