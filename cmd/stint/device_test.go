package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a newcomer does: look, make a key, look again.
func TestDevice(t *testing.T) {
	t.Setenv("STINT_HOME", t.TempDir())
	now := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	stint := func(arguments ...string) (int, string, string) {
		var out, err bytes.Buffer
		e := &environment{out: &out, err: &err, in: strings.NewReader(""), now: func() time.Time { return now }, random: rand.Reader}
		code := run(t.Context(), e, arguments)
		return code, out.String(), err.String()
	}
	state := func(wantCode int) deviceState {
		t.Helper()
		code, out, complaint := stint("device", "-o", "json")
		var state deviceState
		if err := json.Unmarshal([]byte(out), &state); err != nil || code != wantCode {
			t.Fatalf("code %d, %v, %s%s", code, err, out, complaint)
		}
		if !state.Posture.Collected.Equal(now) || state.Posture.Platform == "" {
			t.Errorf("posture %+v", state.Posture)
		}
		return state
	}

	if before := state(0); before.Key != nil || !strings.Contains(before.Problem, "stint device enroll") {
		t.Errorf("before: %+v", before)
	}
	if code, out, complaint := stint("device", "enroll", "--file"); code != 0 || !strings.Contains(out, "file that only you may read") {
		t.Fatalf("enrolling: %d, %s%s", code, out, complaint)
	}
	made := state(0).Key
	if made == nil || made.Held != "file" || made.Provable || !made.Made.Equal(now) {
		t.Fatalf("made: %+v", made)
	}
	code, out, _ := stint("device")
	for _, want := range []string{made.Fingerprint, "UTC", "disk encryption", "firewall", "screen lock", "secure boot", "agents", "last update", "system"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in (%d)\n%s", want, code, out)
		}
	}

	if code, _, complaint := stint("device", "enroll", "--file"); code != exitFailed || !strings.Contains(complaint, "--replace") {
		t.Errorf("a second key: %d, %s", code, complaint)
	}
	if code, _, complaint := stint("device", "enroll", "--file", "--replace"); code != 0 {
		t.Errorf("replacing: %d, %s", code, complaint)
	}
	if after := state(0).Key; after == nil || after.Public == made.Public {
		t.Errorf("after: %+v", after)
	}
	for _, arguments := range [][]string{{"device", "-o", "yaml"}, {"device", "enroll", "--file", "--tpm", "x"}, {"device", "enroll", "x"}} {
		if code, _, _ := stint(arguments...); code != exitUsage {
			t.Errorf("%v: %d", arguments, code)
		}
	}

	// A key that cannot be used is said, and the rest is shown all the same.
	if err := os.WriteFile(filepath.Join(os.Getenv("STINT_HOME"), "device.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if damaged := state(exitFailed); damaged.Key != nil || !strings.Contains(damaged.Problem, "--replace") {
		t.Errorf("damaged: %+v", damaged)
	}
}
