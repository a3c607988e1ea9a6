package recorder_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder"
	"stint/recorder/cast"
	"stint/recorder/recordertest"
)

// patience is how long a test waits for what must come about: a machine that runs
// much else may stand still for a while.
const patience = time.Minute

// soonest does a thing that must take less than a limit, and does it again, five times in
// all, where it took longer: this machine may have stood still meanwhile, though not each time.
func soonest(t *testing.T, what string, limit time.Duration, try func() (took time.Duration)) {
	t.Helper()
	for range 5 {
		took := try()
		t.Logf("%s: %v", what, took)
		if took < limit {
			return
		}
	}
	t.Errorf("%s: not once within %v", what, limit)
}

// rig is a proxy that runs in this process, with all around it.
type rig struct {
	*recordertest.Installation
	target  recordertest.Target
	address string
	stop    func() // ends the proxy; safe to call twice
}

// grant is a grant of an hour for web@db1.
var grant = recordertest.Grant{Request: "r-1", Login: "web", Target: "db1"}

// newRig starts a proxy in front of an in-process target named db1. An allowed
// grant for web@db1 is there already.
func newRig(t *testing.T, serve recordertest.Serve) *rig {
	t.Helper()
	r := &rig{Installation: recordertest.New(t)}
	r.target = recordertest.NewTarget(t, r.Signer, "web", "db1", serve)
	r.Signer.Allow(hour(grant))
	r.startProxy(t)
	return r
}

func hour(g recordertest.Grant) recordertest.Grant {
	g.Ends = time.Now().Add(time.Hour)
	return g
}

// startProxy starts a proxy, and waits until it hears of endings.
func (r *rig) startProxy(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan recorder.Ready, 1), make(chan error, 1)
	go func() {
		ended <- recorder.Run(ctx, r.Config, logger(t), func(r recorder.Ready) error {
			ready <- r
			return nil
		})
	}()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("the proxy ended with %v", err)
				}
			case <-time.After(patience):
				t.Error("the proxy did not stop")
			}
		})
	}
	t.Cleanup(r.stop)
	select {
	case at := <-ready:
		r.address = at.Listen
	case err := <-ended:
		t.Fatalf("the proxy ended at once: %v", err)
	case <-time.After(patience):
		t.Fatal("the proxy did not become ready")
	}
	r.Broker.AwaitListener(t)
}

// logger writes into the test's log; a benchmark's would be printed.
func logger(t testing.TB) *slog.Logger {
	if _, ok := t.(*testing.B); ok {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(testWriter{t}, nil))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Helper()
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// client connects in one hop.
func (r *rig) client(t *testing.T, user string, identity ssh.Signer) (*ssh.Client, error) {
	t.Helper()
	return r.dialAs(t, user, "localhost:22", identity, func(address string, config *ssh.ClientConfig) (*ssh.Client, error) {
		return ssh.Dial("tcp", r.address, config)
	})
}

func (r *rig) dialAs(t *testing.T, user, name string, identity ssh.Signer, dial func(string, *ssh.ClientConfig) (*ssh.Client, error)) (*ssh.Client, error) {
	t.Helper()
	checker := &ssh.CertChecker{IsHostAuthority: func(key ssh.PublicKey, _ string) bool {
		return bytes.Equal(key.Marshal(), r.Signer.HostCA.PublicKey().Marshal())
	}}
	var banner strings.Builder
	client, err := dial(name, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{
			ssh.PublicKeys(identity),
			ssh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) { return nil, nil }),
		},
		HostKeyCallback: func(_ string, remote net.Addr, key ssh.PublicKey) error {
			return checker.CheckHostKey(name, remote, key)
		},
		BannerCallback: func(text string) error { banner.WriteString(text); return nil },
		Timeout:        patience,
	})
	if err != nil {
		return nil, fmt.Errorf("%w (banner %q)", err, banner.String())
	}
	t.Cleanup(func() { client.Close() })
	return client, nil
}

// connect connects in one hop with a good certificate.
func (r *rig) connect(t *testing.T) *ssh.Client {
	t.Helper()
	return r.connectBy(t, grant)
}

// connectBy is connect, with a certificate for a grant.
func (r *rig) connectBy(t *testing.T, g recordertest.Grant) *ssh.Client {
	t.Helper()
	client, err := r.client(t, "web@db1", r.Signer.Identity(t, hour(g)))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

type result struct {
	stdout, stderr string
	err            error
}

// execute runs a command with input.
func execute(t *testing.T, client *ssh.Client, command, stdin string) result {
	t.Helper()
	session, err := client.NewSession()
	if err != nil {
		return result{err: err}
	}
	defer session.Close()
	var stdout, stderr bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err = session.Run(command)
	return result{stdout.String(), stderr.String(), err}
}

// transcript is what a recording holds of a channel.
type transcript struct {
	output, errorOutput, input string
	events                     []string // all but bytes, in order
}

func read(t *testing.T, recording []byte) transcript {
	t.Helper()
	if _, err := cast.Verify(bytes.NewReader(recording), nil); err != nil {
		t.Fatalf("the recording does not verify: %v", err)
	}
	reader, err := cast.NewReader(bytes.NewReader(recording))
	if err != nil {
		t.Fatal(err)
	}
	var all transcript
	var output, errorOutput, input strings.Builder
	for {
		event, err := reader.Next()
		if err == io.EOF {
			all.output, all.errorOutput, all.input = output.String(), errorOutput.String(), input.String()
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		switch body := event.Body.(type) {
		case cast.Output:
			output.Write(body)
		case cast.ErrorOutput:
			errorOutput.Write(body)
		case cast.Input:
			input.Write(body)
		default:
			all.events = append(all.events, fmt.Sprintf("%d %T %+v", event.Channel, body, body))
		}
	}
}

func (tr transcript) holds(part string) bool {
	for _, event := range tr.events {
		if strings.Contains(event, part) {
			return true
		}
	}
	return false
}

func TestOneHop(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	client := r.connect(t)
	got := execute(t, client, "cat; echo oops >&2; exit 3", "hello\n")
	exit := &ssh.ExitError{}
	if got.stdout != "hello\n" || got.stderr != "oops\n" || !errors.As(got.err, &exit) || exit.ExitStatus() != 3 {
		t.Fatalf("got %+v", got)
	}
	client.Close()

	session := r.Broker.AwaitDelivered(t, "r-1")
	tr := read(t, session.Recording)
	if tr.output != "hello\n" || tr.errorOutput != "oops\n" || tr.input != "hello\n" {
		t.Errorf("the recording holds %+v", tr)
	}
	if session.End.Reason != "completed" || !tr.holds("ExitStatus 3") || !tr.holds("Command:cat; echo oops >&2; exit 3") {
		t.Errorf("ended %+v; the recording holds %q", session.End, tr.events)
	}
	if session.Start.Login != "web" || session.Start.Target != "db1" || session.Start.Serial != 7 {
		t.Errorf("the broker was told %+v", session.Start)
	}
}

// inside connects as web through an outer connection.
func (r *rig) inside(t *testing.T, outer *ssh.Client, identity ssh.Signer) (*ssh.Client, error) {
	t.Helper()
	return r.dialAs(t, "web", "db1:22", identity, func(name string, config *ssh.ClientConfig) (*ssh.Client, error) {
		raw, err := outer.Dial("tcp", name)
		if err != nil {
			return nil, err
		}
		conn, channels, requests, err := ssh.NewClientConn(raw, name, config)
		if err != nil {
			return nil, err
		}
		return ssh.NewClient(conn, channels, requests), nil
	})
}

// mustInside is inside, where nothing may go wrong.
func (r *rig) mustInside(t *testing.T, outer *ssh.Client, identity ssh.Signer) *ssh.Client {
	t.Helper()
	client, err := r.inside(t, outer, identity)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestThroughJump(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	identity := r.Signer.Identity(t, hour(grant))
	outer, err := r.client(t, "anybody", identity)
	if err != nil {
		t.Fatal(err)
	}
	inner := r.mustInside(t, outer, identity)
	if got := execute(t, inner, "echo inside", ""); got.stdout != "inside\n" || got.err != nil {
		t.Fatalf("got %+v", got)
	}
	inner.Close()
	r.Broker.AwaitDelivered(t, "r-1")

	for address, want := range map[string]string{
		"db1:23": "only its port 22 is possible, not db1 port 23", "db9:22": "no target db9",
	} {
		if _, err := outer.Dial("tcp", address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("dialling %s: %v, want %q", address, err, want)
		}
	}
	// A target that the policy gained since is known in a moment.
	recordertest.NewTarget(t, r.Signer, "web", "db9", nil)
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if raw, err := outer.Dial("tcp", "db9:22"); err == nil {
			raw.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Error("the new target stays unknown")
			break
		}
	}
	if _, err := outer.NewSession(); err == nil || !strings.Contains(err.Error(), "not possible") {
		t.Errorf("a session on the outer connection: %v", err)
	}
}

func TestBytesArriveExactly(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	client := r.connect(t)
	data := make([]byte, 8<<20+12345)
	_, _ = rand.Read(data)
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	var back bytes.Buffer
	session.Stdin, session.Stdout = bytes.NewReader(data), &back
	if err := session.Run("cat"); err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(back.Bytes()) != sha256.Sum256(data) {
		t.Fatalf("%d bytes came back of %d, or others", back.Len(), len(data))
	}
	client.Close()
	tr := read(t, r.Broker.AwaitDelivered(t, "r-1").Recording)
	if tr.output != string(data) || tr.input != string(data) {
		t.Error("the recording holds other bytes")
	}
}

// spooled is the output in the one recording that the proxy has on its disk, as
// far as it is written.
func (r *rig) spooled(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(r.Config.Data, "spool", "*"+cast.Extension))
	if err != nil || len(files) != 1 {
		t.Fatalf("the spool holds %v (%v)", files, err)
	}
	file, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader, err := cast.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var output strings.Builder
	for {
		event, err := reader.Next()
		if errors.Is(err, cast.ErrCut) || err == io.EOF {
			return output.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if body, ok := event.Body.(cast.Output); ok {
			output.Write(body)
		}
	}
}
