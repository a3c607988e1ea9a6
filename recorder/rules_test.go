package recorder_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
	signer "stint/server/signer/wire"
)

// under puts the allowed grant under session rules.
func (r *rig) under(rules signer.SessionRules) {
	g := hour(grant)
	g.Rules = rules
	r.Signer.Allow(g)
}

// both runs a test on a connection in one hop and on one inside another.
func (r *rig) both(t *testing.T, each func(t *testing.T, way string, client *ssh.Client)) {
	t.Helper()
	each(t, "one hop", r.connect(t))
	each(t, "inside", r.mustInside(t, r.outer(t, hour(grant)), r.Signer.Identity(t, hour(grant))))
}

func TestOnlyTheChannelsOfTheRole(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.under(signer.SessionRules{Channels: []string{"exec"}})
	r.both(t, func(t *testing.T, way string, client *ssh.Client) {
		for kind, start := range map[string]func(*ssh.Session) error{
			"shell": (*ssh.Session).Shell,
			"sftp":  func(s *ssh.Session) error { return s.RequestSubsystem("sftp") },
		} {
			session, err := client.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			var told strings.Builder
			session.Stderr = &told
			if err := start(session); err != nil {
				t.Fatalf("%s, %s: %v", way, kind, err)
			}
			// RequestSubsystem copies nothing, so that a shell alone is waited for.
			if kind == "shell" {
				if err := session.Wait(); exitStatus(err) != 255 {
					t.Errorf("%s, %s: %v", way, kind, err)
				}
				if want := "stint: this role gives no shell in a session; it gives exec\n"; told.String() != want {
					t.Errorf("%s: the person was told %q", way, told.String())
				}
			}
			session.Close()
		}
		if got := execute(t, client, "echo runs", ""); got.stdout != "runs\n" || got.err != nil {
			t.Errorf("%s: what the role gives: %+v", way, got)
		}
		client.Close()
	})
	for _, session := range r.Broker.AwaitAll(t, 2) {
		tr := read(t, session.Recording)
		for _, want := range []string{"Refused {What:shell Why:stint: this role gives no shell", "Refused {What:subsystem sftp Why:stint: this role gives no sftp"} {
			if !tr.holds(want) {
				t.Errorf("the recording lacks %q: %q", want, tr.events)
			}
		}
		if tr.holds("Type:shell") || tr.holds("Type:subsystem") {
			t.Errorf("something was started: %q", tr.events)
		}
	}
}

// What somebody tried is in the recording, as far as it fits there.
func TestRefusedCommandIsRecorded(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.under(signer.SessionRules{Channels: []string{"shell", "sftp"}})
	client := r.connect(t)
	long := strings.Repeat("y", 1<<17)
	for _, command := range []string{"rm -rf /", "\x1b]0;x\x07", long} {
		if got := execute(t, client, command, ""); exitStatus(got.err) != 255 || !strings.Contains(got.stderr, "gives no exec in a session; it gives shell and sftp") {
			t.Errorf("%.20q: %v, %q", command, got.err, got.stderr)
		}
	}
	client.Close()
	tr := read(t, r.Broker.AwaitDelivered(t, "r-1").Recording)
	for _, want := range []string{"What:exec rm -rf / Why:", "What:exec ?]0;x? Why:", "What:exec " + strings.Repeat("y", 200) + "… Why:"} {
		if !tr.holds(want) {
			t.Errorf("the recording lacks %q", want)
		}
	}
}

func TestOnlyFromTheNetworksOfTheRole(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.under(signer.SessionRules{Networks: []string{"10.0.0.0/8", "2001:db8::/32"}})
	r.both(t, func(t *testing.T, way string, client *ssh.Client) {
		const want = "stint: this role can be used from certain networks only, and 127.0.0.1 is in none of them. Connect from 10.0.0.0/8 or 2001:db8::/32\n"
		if got := execute(t, client, "echo never", ""); got.stdout != "" || exitStatus(got.err) != 255 || got.stderr != want {
			t.Errorf("%s: %+v", way, got)
		}
	})
	for _, session := range r.Broker.AwaitAll(t, 2) {
		if tr := read(t, session.Recording); session.End.Reason != "failed" || !tr.holds("End {Reason:failed Detail:this role can be used from certain networks only") {
			t.Errorf("it ended %+v: %q", session.End, tr.events)
		}
	}
	if n := r.target.Connections(); n != 0 {
		t.Errorf("the target was connected to %d times", n)
	}
	r.under(signer.SessionRules{Networks: []string{"10.0.0.0/8", "127.0.0.0/8"}})
	r.both(t, func(t *testing.T, way string, client *ssh.Client) {
		if got := execute(t, client, "echo in", ""); got.stdout != "in\n" || got.err != nil {
			t.Errorf("%s: %+v", way, got)
		}
	})
}

func TestRulesThatAreNotUnderstoodRefuse(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string]signer.SessionRules{
		"a network": {Networks: []string{"everywhere"}}, "a time": {IdleSeconds: -5},
		"what is kept of files": {Files: "some"}, "what is kept of bulk": {BulkBytes: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.under(rules)
			if got := execute(t, r.connect(t), "echo never", ""); got.stdout != "" || !strings.Contains(got.stderr, "does not understand what the role says of sessions") {
				t.Errorf("%+v", got)
			}
			if n := r.target.Connections(); n != 0 {
				t.Errorf("the target was connected to %d times", n)
			}
		})
	}
}

// quiet is how long before a session's end its last byte went, by the recording.
func quiet(t *testing.T, recording []byte) time.Duration {
	t.Helper()
	reader, err := cast.NewReader(bytes.NewReader(recording))
	if err != nil {
		t.Fatal(err)
	}
	var last, end time.Duration
	for {
		event, err := reader.Next()
		if err == io.EOF {
			return end - last
		}
		if err != nil {
			t.Fatal(err)
		}
		switch event.Body.(type) {
		case cast.Output, cast.ErrorOutput, cast.Input, cast.ChannelOpen:
			last = event.Offset
		case cast.End:
			end = event.Offset
		}
	}
}

// However long this machine stands still meanwhile, a session has been idle for so
// long when it ends for that, whichever way bytes went before.
func TestIdleSessionEnds(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]string{
		"nothing": "sleep 60",
		"output":  "for i in 1 2 3 4 5; do echo $i; sleep 0.5; done; sleep 60",
		"errors":  "for i in 1 2 3 4 5; do echo $i >&2; sleep 0.5; done; sleep 60",
		"input":   "cat > /dev/null",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.under(signer.SessionRules{IdleSeconds: 2})
			var told bytes.Buffer
			var client *ssh.Client
			var session *ssh.Session
			var stdin io.WriteCloser
			begin := func() (err error) {
				client = r.connect(t)
				if session, err = client.NewSession(); err != nil {
					return err
				}
				told.Reset()
				session.Stderr = &told
				if stdin, err = session.StdinPipe(); err != nil {
					return err
				}
				return session.Start(command)
			}
			err := begin()
			for again := 0; err != nil && again < 3; again++ {
				t.Logf("it ended before it began: %v", err) // this machine stood still
				err = begin()
			}
			if err != nil {
				t.Fatal(err)
			}
			for range 5 {
				if name == "input" {
					_, _ = stdin.Write([]byte("x"))
				}
				// As ServerAliveInterval has it: no sign of somebody who works.
				_, _, _ = client.SendRequest("keepalive@openssh.com", true, nil)
				time.Sleep(500 * time.Millisecond)
			}
			if err := session.Wait(); exitStatus(err) != 255 {
				t.Errorf("the command ended with %v", err)
			}
			for _, want := range []string{"stint: this session was ended at ", ": nothing was sent either way for 2s\n"} {
				if !strings.Contains(told.String(), want) {
					t.Errorf("the person was told %q, which lacks %q", told.String(), want)
				}
			}
			delivered := r.Broker.AwaitDelivered(t, "r-1")
			if tr := read(t, delivered.Recording); delivered.End.Reason != "idle" || !tr.holds("End {Reason:idle Detail:this session was ended at ") {
				t.Errorf("it ended %+v: %q", delivered.End, tr.events)
			}
			if got := quiet(t, delivered.Recording); got < 2*time.Second {
				t.Errorf("it had been idle for %v", got)
			}
		})
	}
}

// A connection on which nothing was ever started is idle too.
func TestSessionWithoutChannelsIsIdle(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.under(signer.SessionRules{IdleSeconds: 1})
	client := r.connect(t)
	mustBeGone(t, "the session", ended(client))
	if session := r.Broker.AwaitDelivered(t, "r-1"); session.End.Reason != "idle" {
		t.Errorf("it ended %+v", session.End)
	}
}

// The signer keeps a second session of a grant that is for one; what it says of that
// reaches the person.
func TestSecondSessionOfASingleUse(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.under(signer.SessionRules{SingleUse: true})
	first := r.connect(t)
	hold(t, first)
	if got := execute(t, first, "echo still the first", ""); got.stdout != "still the first\n" {
		t.Errorf("a second command of the first session: %+v", got)
	}
	if got := execute(t, r.connect(t), "echo never", ""); got.stdout != "" || !strings.Contains(got.stderr, "stint: This grant was for one session") {
		t.Errorf("a second session: %+v", got)
	}
}
