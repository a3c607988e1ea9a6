//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stint/server/api"
)

// The demo is real: its sessions are there to replay, and it leaves nothing by which
// anybody could act as its engineer.
func TestDemoLeavesARecordingAndNoKey(t *testing.T) {
	// Before t.Parallel: the demo takes its minutes while other tests run, and
	// this one then has no turn to wait for.
	w := startWorld(t, "--no-demo=false")
	t.Parallel()
	var progress struct{ Done bool }
	for deadline := time.Now().Add(6 * time.Minute); !progress.Done; time.Sleep(500 * time.Millisecond) {
		if text, err := os.ReadFile(filepath.Join(w.data, "demo", "progress.json")); err == nil {
			if err := json.Unmarshal(text, &progress); err != nil {
				t.Fatal(err)
			}
		}
		if said := w.output.String(); strings.Contains(said, "did not come to its end") || time.Now().After(deadline) {
			t.Fatalf("the demo was not performed:\n%s", said)
		}
	}

	carol := w.openTerminal()
	carol.signIn("carol")
	var sessions api.Sessions
	if err := json.Unmarshal([]byte(carol.must("stint", "sessions", "-o", "json")), &sessions); err != nil {
		t.Fatal(err)
	}
	shell := ""
	for _, session := range sessions.Items {
		if session.Person.Name != "demo-engineer" || session.Target != "demo" || session.Live || session.ChainVerified != "verified" {
			t.Errorf("a session that the demo should not have left: %+v", session)
		}
		text := carol.must("stint", "export", session.ID, "--format", "text")
		if strings.Contains(text, "all workers answer") {
			shell = session.ID
			for _, want := range []string{"wc -l access.log", "900 access.log", "503 24", "recycle = true", "reloading workers"} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in the recording:\n%s", want, text)
				}
			}
			if took := session.Ended.Sub(session.Started); took < 90*time.Second {
				t.Errorf("the shell work took %v: not what a person would do", took)
			}
		}
	}
	if shell == "" || len(sessions.Items) != 2 {
		t.Errorf("there are %d sessions, the shell work is %q", len(sessions.Items), shell)
	}
	if _, err := os.Stat(filepath.Join(w.data, "demo", "home")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the demo left the engineer's home: %v", err)
	}
}
