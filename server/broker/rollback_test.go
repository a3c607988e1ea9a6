package broker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stint/server/access"
	"stint/server/api"
)

// TestARestartedSignerIsConfirmed: people notice nothing, but for the wait.
func TestARestartedSignerIsConfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	dana := w.administrator()
	bob := w.approver("bob", dana, "sre-leads")
	alice := w.commandLine("alice")
	request := alice.granted(bob)
	must(t, w.stopSigner())
	w.runSigner()
	_, err := alice.activate(request)
	must(t, err)
}

// TestARolledBackSignerGivesNothing puts the signer's disk back to an older state.
func TestARolledBackSignerGivesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	dana := w.administrator()
	bob := w.approver("bob", dana, "sre-leads")
	alice := w.commandLine("alice")
	request := alice.granted(bob)

	// 1. A copy, and what happens after it.
	must(t, w.stopSigner())
	older := filepath.Join(w.dir, "older")
	must(t, os.CopyFS(older, os.DirFS(w.signer.Data)))
	w.runSigner()
	_, err := alice.activate(request)
	must(t, err)
	_, err = w.broker.mirror.Fetch(t.Context())
	must(t, err)

	// 2. The copy is put back.
	must(t, w.stopSigner())
	must(t, os.RemoveAll(w.signer.Data))
	must(t, os.CopyFS(w.signer.Data, os.DirFS(older)))
	must(t, filepath.WalkDir(w.signer.Data, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			return os.Chmod(path, 0o700)
		} else if err == nil {
			return os.Chmod(path, 0o600)
		}
		return err
	}))
	w.runSigner()

	// 3. The broker tells it, it ends, and people are told.
	select {
	case err := <-w.signerEnded:
		w.signerEnded <- nil // for whoever stops it
		if err == nil || !strings.Contains(err.Error(), "restore the data directory from a copy that holds all") {
			t.Errorf("the signer ended: %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the signer goes on")
	}
	w.eventually("an alarm is open", func() bool { return getJSON[api.Alarms](t, dana, api.PathAlarms).Open > 0 })
	for _, a := range getJSON[api.Alarms](t, dana, api.PathAlarms).Items {
		if a.Kind != access.AlarmWentBack {
			t.Errorf("the alarm is %+v", a)
		}
	}
	if _, err := alice.activate(request); err == nil {
		t.Error("a certificate was given")
	}
	health := getJSON[api.Health](t, dana, api.PathHealth)
	if health.Status != "degraded" || !strings.Contains(strings.Join(health.Troubles, " "), "ledger") {
		t.Errorf("health is %+v", health)
	}
}
