package recorder_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/recordertest"
	"stint/recorder/wire"
)

// held is a command that runs until its connection ends.
type held struct {
	client  *ssh.Client
	session *ssh.Session
	output  *strings.Builder // standard error
	ended   chan error
}

// hold starts a command that waits, and returns when it runs.
func hold(t *testing.T, client *ssh.Client) *held {
	t.Helper()
	h, err := tryHold(client)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func tryHold(client *ssh.Client) (*held, error) {
	session, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	h := &held{client: client, session: session, output: &strings.Builder{}, ended: make(chan error, 1)}
	session.Stderr = h.output
	stdout, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := session.Start("echo runs; sleep 60"); err != nil {
		return nil, err
	}
	line := make([]byte, 5)
	if _, err := io.ReadFull(stdout, line); err != nil || string(line) != "runs\n" {
		return nil, fmt.Errorf("%q, %w", line, err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, stdout)
		h.ended <- session.Wait()
	}()
	return h, nil
}

// holdShortly holds what ends soon: at first in three seconds; in more where this machine
// stands still before it has begun.
func holdShortly(t *testing.T, begin func(ends time.Time) (*held, error)) *held {
	t.Helper()
	var err error
	for _, life := range []time.Duration{3 * time.Second, 10 * time.Second, 40 * time.Second} {
		var h *held
		if h, err = begin(time.Now().Add(life)); err == nil {
			return h
		}
	}
	t.Fatal(err)
	return nil
}

// mustEnd waits for the end of the command, and of the connection. It returns when the
// command ended; where the connection stayed for five seconds more, when that did.
func (h *held) mustEnd(t *testing.T, saying string) (at time.Time) {
	t.Helper()
	select {
	case err := <-h.ended:
		at = time.Now()
		exit := &ssh.ExitError{}
		if !errors.As(err, &exit) || exit.ExitStatus() != 255 {
			t.Errorf("the command ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatalf("the command still runs after %v", patience)
	}
	h.mustHaveBeenTold(t, saying)
	mustBeGone(t, "the connection", ended(h.client))
	if gone := time.Now(); gone.Sub(at) > 5*time.Second {
		return gone
	}
	return at
}

func (h *held) mustHaveBeenTold(t *testing.T, saying string) {
	t.Helper()
	if !strings.Contains(h.output.String(), saying) {
		t.Errorf("the person was told %q, want %q", h.output.String(), saying)
	}
}

func TestRevokedSessionEndsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	number := 1
	soonest(t, "from the revocation to the session's end", 500*time.Millisecond, func() time.Duration {
		number++
		g := r.another(fmt.Sprint("r-", number))
		h := hold(t, r.connectBy(t, g))
		revoked := time.Now()
		r.Broker.Revoke(g.Request, "Bob")
		took := h.mustEnd(t, "stint: access revoked by Bob at ").Sub(revoked)
		session := r.Broker.AwaitDelivered(t, g.Request)
		tr := read(t, session.Recording)
		if session.End.Reason != "revoked" || !tr.holds("Note access revoked by Bob at ") || !tr.holds("End {Reason:revoked") {
			t.Errorf("it ended %+v: %q", session.End, tr.events)
		}
		if session.EndHeard.IsZero() {
			t.Error("the broker was not told")
		}
		return took
	})
}

func TestRevokingOneGrantLeavesOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	h := hold(t, r.connect(t))
	r.Broker.Revoke("r-2", "Bob")
	select {
	case err := <-h.ended:
		t.Fatalf("another grant's session ended: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
}

func TestRevocationThatWasMissedIsFoundByTheLease(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	number := 1
	soonest(t, "from the broker's return to the session's end", 4*time.Second, func() time.Duration {
		number++
		g := r.another(fmt.Sprint("r-", number))
		h := hold(t, r.connectBy(t, g))
		r.Broker.RevokeQuietly(g.Request, "Bob")
		r.Broker.Stop() // the stream breaks; when it is back, leases are asked for
		r.Broker.Start()
		back := time.Now()
		took := h.mustEnd(t, "stint: access revoked by Bob at ").Sub(back)
		r.Broker.AwaitListener(t)
		return took
	})
}

func TestLostLeaseEndsASession(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	number := 1
	// Longer than a renewal takes to come, and shorter than the lease that the session began
	// with: it ends by the loss, and by what the last renewal said.
	const lease = 8 * time.Second
	soonest(t, "from the broker's loss to the session's end", lease+2*time.Second, func() time.Duration {
		number++
		g := r.another(fmt.Sprint("r-", number))
		r.Broker.SetLease(wire.Lease)
		h := hold(t, r.connectBy(t, g))
		r.Broker.SetLease(lease)
		r.Broker.AwaitRenewal(t)
		r.Broker.Stop()
		lost := time.Now()
		took := h.mustEnd(t, "the broker can no longer be reached").Sub(lost)
		if took < 0 {
			took = patience // this machine stood still, and it ended before the loss
		}
		r.Broker.Start()
		if session := r.Broker.AwaitDelivered(t, g.Request); session.End.Reason != "lease-lost" {
			t.Errorf("it ended %+v", session.End)
		}
		r.Broker.AwaitListener(t)
		return took
	})
}

func TestLeasesAreRenewed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.Broker.SetLease(12 * time.Second) // well longer than a renewal takes, on a machine that has much to do
	for {
		h := hold(t, r.connect(t))
		still, err := time.Duration(0), error(nil) // the longest that this process stood still
		for began := time.Now(); err == nil && time.Since(began) < 13*time.Second; {
			before := time.Now()
			select {
			case err = <-h.ended:
			case <-time.After(50 * time.Millisecond):
			}
			still = max(still, time.Since(before))
		}
		if err == nil {
			return
		}
		if still < 4*time.Second {
			t.Fatalf("it ended: %v %s", err, h.output.String())
		}
		t.Logf("this process stood still for %v, longer than the lease bears: once more", still)
	}
}

func TestGrantEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	soonest(t, "from the grant's end to the session's", 2*time.Second, func() time.Duration {
		short := grant
		h := holdShortly(t, func(ends time.Time) (*held, error) {
			short.Request, short.Ends = fmt.Sprint("r-", ends.UnixNano()), ends
			r.Signer.Allow(short) // the person's certificate lives longer; the signer's ledger counts
			return tryHold(r.connectBy(t, short))
		})
		late := h.mustEnd(t, "stint: this grant ended at ").Sub(short.Ends)
		if session := r.Broker.AwaitDelivered(t, short.Request); session.End.Reason != "expired" {
			t.Errorf("it ended %+v", session.End)
		}
		return late
	})
}

func TestCertificateEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	short := grant
	soonest(t, "from the certificate's end to the session's", 2*time.Second, func() time.Duration {
		h := holdShortly(t, func(ends time.Time) (*held, error) {
			short.Ends = ends
			client, err := r.client(t, "web@db1", r.Signer.Identity(t, short))
			if err != nil {
				return nil, err
			}
			return tryHold(client)
		})
		return h.mustEnd(t, "stint: this grant ended at ").Sub(short.Ends)
	})
	if _, err := r.client(t, "web@db1", r.Signer.Identity(t, short)); err == nil || !strings.Contains(err.Error(), "the grant r-1 ended at") {
		t.Errorf("with the ended certificate: %v", err)
	}
}

func TestRefusedSessionsAreToldWhy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(t *testing.T, r *rig)
		want   string
	}{
		{"the grant ended", func(_ *testing.T, r *rig) { r.Broker.RevokeQuietly("r-1", "Bob") }, "(revoked by Bob). Ask again: stint request"},
		{"no broker", func(_ *testing.T, r *rig) { r.Broker.Stop() }, "the broker cannot be reached"},
		{"no signer", func(_ *testing.T, r *rig) { r.Signer.Stop() }, "the signer cannot be reached"},
		{"the signer says no", func(_ *testing.T, r *rig) {
			ended := grant
			ended.Ends = time.Now()
			r.Signer.Allow(ended)
		}, "The signer knows no live grant"},
		{"the signer speaks of another target", func(_ *testing.T, r *rig) {
			other := hour(grant)
			other.Target = "db2"
			r.Signer.Allow(other)
		}, "the signer cannot be reached"},
		{"another host key", func(t *testing.T, r *rig) {
			target := recordertest.NewTarget(t, r.Signer, "web", "db1", nil)
			r.Signer.AddTarget("db1", recordertest.Target{Address: target.Address, HostKey: recordertest.NewKey(t).PublicKey()})
		}, "shows another host key than policy says"},
		{"nobody there", func(t *testing.T, r *rig) {
			r.Signer.AddTarget("db1", recordertest.Target{Address: "127.0.0.1:1", HostKey: recordertest.NewKey(t).PublicKey()})
		}, "db1 cannot be reached"},
		{"the target lets nobody in", func(t *testing.T, r *rig) {
			recordertest.NewTarget(t, r.Signer, "somebody", "db1", nil)
		}, "db1 did not let web in"},
		{"no room for a recording", func(t *testing.T, r *rig) {
			spool := filepath.Join(r.Config.Data, "spool")
			if err := errors.Join(os.Remove(spool), os.WriteFile(spool, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}, "this session cannot be recorded, so it is refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			test.change(t, r)
			soonest(t, "a refusal", 3*time.Second, func() time.Duration {
				began := time.Now()
				got := execute(t, r.connect(t), "echo never", "")
				took := time.Since(began)
				exit := &ssh.ExitError{}
				if got.stdout != "" || !strings.Contains(got.stderr, test.want) || !errors.As(got.err, &exit) || exit.ExitStatus() != 255 {
					t.Errorf("got %+v, want %q", got, test.want)
				}
				return took
			})
			for _, session := range r.Broker.Sessions() {
				if strings.Contains(string(session.Recording), "never") {
					t.Error("a command reached the recording of a session that was refused")
				}
				if s := r.Broker.Await(t, "over", func(s *recordertest.Session) bool { return s.End != nil }); s.End.Reason == "completed" {
					t.Error("a session that was refused is said to be completed")
				}
			}
		})
	}
}

func TestBrokerComesBackForNewSessions(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.Broker.Stop()
	if got := execute(t, r.connect(t), "echo never", ""); got.stdout != "" {
		t.Fatalf("without a broker: %+v", got)
	}
	r.Broker.Start()
	r.Broker.AwaitListener(t) // before that nothing could end a session at once
	if got := execute(t, r.connect(t), "echo again", ""); got.stdout != "again\n" {
		t.Errorf("with the broker: %+v", got)
	}
}

func TestBrokerIsAskedOnceMore(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.Broker.BeSilent(1)
	if got := execute(t, r.connect(t), "echo in", ""); got.stdout != "in\n" {
		t.Errorf("after one lost answer: %+v", got)
	}
}

// The broker may have started a session and not been heard. It is told that there
// is none, whatever it said when asked again.
func TestUnheardSessionsAreEnded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		silences int
		during   func(r *rig, client *ssh.Client)
		want     string
	}{
		{"no answer at all", 2, func(*rig, *ssh.Client) {}, "lease-lost"},
		{"the client hangs up meanwhile", 1, func(_ *rig, client *ssh.Client) { client.Close() }, "completed"},
		{"revoked before the second try", 1, func(r *rig, _ *ssh.Client) { r.Broker.RevokeQuietly("r-1", "Bob") }, "failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.Broker.BeSilent(test.silences)
			client := r.connect(t)
			go execute(t, client, "echo never", "")
			r.Broker.Await(t, "started", func(*recordertest.Session) bool { return true })
			test.during(r, client)
			session := r.Broker.Await(t, "over", func(s *recordertest.Session) bool { return s.End != nil })
			if session.End.Reason != test.want || session.End.Ended.IsZero() || len(session.Recording) != 0 {
				t.Errorf("it ended %+v", session.End)
			}
		})
	}
}

func TestStoppingProxyEndsSessions(t *testing.T) {
	t.Parallel()
	var r *rig
	soonest(t, "stopping", 9*time.Second, func() time.Duration {
		r = newRig(t, nil)
		h := hold(t, r.connect(t))
		began := time.Now()
		go r.stop()
		<-h.ended // without a status: nobody knows what became of the command
		h.mustHaveBeenTold(t, "stint: the proxy is stopping")
		r.stop()
		return time.Since(began)
	})
	if session := r.Broker.AwaitDelivered(t, "r-1"); session.End.Reason != "proxy-stopped" {
		t.Errorf("it ended %+v", session.End)
	}
	if left, err := os.ReadDir(filepath.Join(r.Config.Data, "spool")); err != nil || len(left) != 0 {
		t.Errorf("the spool holds %v (%v)", left, err)
	}
}

func TestRestartWithoutTheSigner(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stop()
	r.Signer.Stop()
	r.startProxy(t)
	if got := execute(t, r.connect(t), "echo never", ""); !strings.Contains(got.stderr, "the signer cannot be reached") {
		t.Errorf("without the signer: %+v", got)
	}
	r.Signer.Start()
	if got := execute(t, r.connect(t), "echo back", ""); got.stdout != "back\n" {
		t.Errorf("with the signer: %+v", got)
	}
}

func TestStrangersAreNotLetIn(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	other := hour(grant)
	other.Target = "db2"
	for name, test := range map[string]struct {
		user     string
		identity ssh.Signer
		want     string
	}{
		"a plain key":       {"web@db1", recordertest.NewKey(t), "accepts certificates only"},
		"jumping with one":  {"web", recordertest.NewKey(t), "accepts certificates only"},
		"another target":    {"web@db1", r.Signer.Identity(t, other), "your certificate is for web@db2 and not for web@db1"},
		"another login":     {"root@db1", r.Signer.Identity(t, hour(grant)), "your certificate is for web@db1 and not for root@db1"},
		"another authority": {"web@db1", recordertest.New(t).Signer.Identity(t, hour(grant)), "not from this installation"},
	} {
		if _, err := r.client(t, test.user, test.identity); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	if got := r.Broker.Sessions(); len(got) != 0 {
		t.Errorf("the broker was asked about %v", got)
	}
}
