package recorder_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/recordertest"
	"stint/recorder/wire"
	signer "stint/server/signer/wire"
)

// onTinyDisk has the proxy be a process of its own whose spool is on a disk of a few MiB.
func (r *real) onTinyDisk(t *testing.T, mebibytes int) {
	t.Helper()
	r.stop()
	spool := filepath.Join(r.Config.Data, "spool")
	must(t, os.MkdirAll(spool, 0o700))
	r.startProcess(t, fmt.Sprintf(`exec unshare --map-root-user --mount sh -c 'mount -t tmpfs -o size=%dm,mode=700 spool %s && exec "$0"' "$0"`, mebibytes, spool))
	r.writeConfig(t, r.Signer.IdentityFile(t, r.grant))
}

// TestNoForwardedByteIsUnrecorded fills the disk of the proxy while OpenSSH reads: what the
// client got is in the recording, the session ends and says why, and so does the next one, if it starts at all.
func TestNoForwardedByteIsUnrecorded(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			r := newReal(t)
			r.onTinyDisk(t, 8)
			r.Broker.BeFull(true)
			var seen []string
			for range 2 { // what the first leaves is little, or too little to start another
				got := r.run(t, nil, "ssh", "-c", "aes128-gcm@openssh.com", way, "head -c 33554432 /dev/urandom; echo not-reached")
				if status(got.err) != 255 || !strings.Contains(got.stderr, "since the proxy's disk is full") {
					t.Errorf("%d bytes came, then %v %q", len(got.stdout), got.err, got.stderr)
				}
				seen = append(seen, got.stdout)
			}
			if len(seen[0]) < 1<<20 {
				t.Errorf("the client got %d bytes before the disk was full", len(seen[0]))
			}
			r.Broker.BeFull(false)
			for _, session := range r.Broker.Sessions() {
				if session = r.Broker.AwaitSession(t, session.Start.Session); session.End.Bytes == 0 {
					continue // refused; whatever the client saw, some recording must have
				}
				tr := read(t, session.Recording)
				for i, got := range seen {
					if got != "" && strings.HasPrefix(tr.output, got) {
						seen[i] = ""
					}
				}
				if session.End.Reason != wire.ReasonRecorderFailed || !tr.holds("the proxy's disk is full") {
					t.Errorf("it ended %+v: %q", session.End, tr.events[len(tr.events)-1])
				}
			}
			for _, got := range seen {
				if got != "" {
					t.Errorf("the client got %d bytes of which no recording begins", len(got))
				}
			}
			// The disk has room again as soon as the file is gone.
			for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
				again := r.run(t, nil, "ssh", way, "echo goes on")
				if again.stdout == "goes on\n" {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("afterwards: %v %q", again.err, again.stderr)
				}
			}
		})
	}
}

// TestBrokerThatTakesNoRecordings holds what each word of a role means while the broker
// lives, renews leases, and takes nothing of what is recorded.
func TestBrokerThatTakesNoRecordings(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stop()
	r.Config.Spool.OutageSeconds = 1
	r.startProxy(t)
	allow := func(request, outage string) recordertest.Grant {
		g := hour(grant)
		g.Request, g.Rules = request, signer.SessionRules{Outage: outage}
		r.Signer.Allow(g)
		return g
	}
	ends, unsaid, holds := allow("r-ends", "end"), allow("r-unsaid", ""), allow("r-holds", "hold")
	ending := []*held{hold(t, r.connectBy(t, ends)), hold(t, r.connectBy(t, unsaid))}
	goesOn := r.connectBy(t, holds)
	if got := execute(t, goesOn, "echo before", ""); got.stdout != "before\n" {
		t.Fatalf("before: %+v", got)
	}
	r.Broker.BeFull(true)
	for _, h := range ending {
		// Something to take, unless it has ended for what it had written before.
		if more, err := h.client.NewSession(); err == nil {
			_ = more.Start("echo to be taken")
		}
		h.mustEnd(t, "can no longer be recorded, since the broker takes no recordings")
	}

	// The outage is known by now.
	for _, g := range []recordertest.Grant{ends, unsaid} {
		if got := execute(t, r.connectBy(t, g), "echo not-reached", ""); !strings.Contains(got.stderr, "the broker takes no recordings") || got.stdout != "" {
			t.Errorf("a session in the midst of it, under %s: %+v", g.Request, got)
		}
	}
	if got := execute(t, goesOn, "echo meanwhile", ""); got.stdout != "meanwhile\n" {
		t.Errorf("a session that holds: %+v", got)
	}
	begun := r.connectBy(t, holds)
	if got := execute(t, begun, "echo begun", ""); got.stdout != "begun\n" {
		t.Errorf("a session that holds, begun in the midst of it: %+v", got)
	}
	begun.Close()
	goesOn.Close()

	r.Broker.BeFull(false)
	for _, session := range r.Broker.Sessions() {
		if session = r.Broker.AwaitSession(t, session.Start.Session); session.End.Bytes == 0 {
			continue // refused
		}
		tr := read(t, session.Recording)
		if session.Start.Request == "r-holds" {
			if session.End.Reason != wire.ReasonCompleted || tr.output != "before\nmeanwhile\n" && tr.output != "begun\n" {
				t.Errorf("one that holds ended %+v with %q", session.End, tr.output)
			}
		} else if session.End.Reason != wire.ReasonRecorderFailed || !tr.holds("the broker takes no recordings") {
			t.Errorf("one that ends ended %+v: %q", session.End, tr.events)
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		got := execute(t, r.connectBy(t, ends), "echo again", "")
		if got.stdout == "again\n" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no session starts after the outage: %+v", got)
		}
	}
}

// TestHeldRecordingsAreBounded fills the spool under a role that holds: the session ends when
// the proxy's room is used up, and what came through before is whole.
func TestHeldRecordingsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stop()
	r.Config.Spool.Mebibytes = 3
	r.startProxy(t)
	r.under(signer.SessionRules{Outage: "hold"})
	r.Broker.BeFull(true)
	got := execute(t, r.connect(t), "head -c 8388608 /dev/urandom; echo not-reached", "")
	exit := &ssh.ExitError{}
	if !errors.As(got.err, &exit) || exit.ExitStatus() != 255 || !strings.Contains(got.stderr, "the proxy has no more room for recordings") {
		t.Errorf("%d bytes came, then %v %q", len(got.stdout), got.err, got.stderr)
	}
	files, err := filepath.Glob(filepath.Join(r.Config.Data, "spool", "*.stint"))
	must(t, err)
	if info, err := os.Stat(files[0]); err != nil || info.Size() > 3<<20 {
		t.Errorf("the recording has %d bytes (%v)", info.Size(), err)
	}
	r.Broker.BeFull(false)
	session := r.Broker.AwaitDelivered(t, "r-1")
	tr := read(t, session.Recording)
	if session.End.Reason != wire.ReasonRecorderFailed || !tr.holds("no more room for recordings") {
		t.Errorf("it ended %+v: %q", session.End, tr.events[len(tr.events)-1])
	}
	if len(got.stdout) < 1<<20 || !strings.HasPrefix(tr.output, got.stdout) {
		t.Errorf("the client saw %d bytes; the recording has %d, or others", len(got.stdout), len(tr.output))
	}
}
