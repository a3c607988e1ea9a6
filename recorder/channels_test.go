package recorder_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	signer "stint/server/signer/wire"
)

// began answers requests until something is started, and passes the rest on.
func began(requests <-chan *ssh.Request) <-chan *ssh.Request {
	for request := range requests {
		_ = request.Reply(true, nil)
		if request.Type == "exec" || request.Type == "shell" || request.Type == "subsystem" {
			break
		}
	}
	return requests
}

func exitWith(channel ssh.Channel, status uint32) {
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
}

func TestOrderOfEnds(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for _, test := range []struct {
		name  string
		serve func(ssh.Channel, <-chan *ssh.Request)
		want  func(result) bool
	}{
		{"the status before the data", func(channel ssh.Channel, requests <-chan *ssh.Request) {
			began(requests)
			exitWith(channel, 5)
			_, _ = channel.Write(big)
			_, _ = channel.Stderr().Write(big)
		}, func(got result) bool {
			return got.stdout == string(big) && got.stderr == string(big) && exitStatus(got.err) == 5
		}},
		{"the end of data long before the status", func(channel ssh.Channel, requests <-chan *ssh.Request) {
			began(requests)
			_, _ = channel.Write([]byte("x"))
			_ = channel.CloseWrite()
			time.Sleep(200 * time.Millisecond)
			exitWith(channel, 6)
		}, func(got result) bool { return got.stdout == "x" && exitStatus(got.err) == 6 }},
		{"a signal", func(channel ssh.Channel, requests <-chan *ssh.Request) {
			began(requests)
			_, _ = channel.SendRequest("exit-signal", false, ssh.Marshal(struct {
				Signal     string
				CoreDumped bool
				Message    string
				Language   string
			}{"SEGV", true, "dumped", ""}))
		}, func(got result) bool {
			exit := &ssh.ExitError{}
			return errors.As(got.err, &exit) && exit.Signal() == "SEGV" && exit.Msg() == "dumped"
		}},
		{"no status at all", func(channel ssh.Channel, requests <-chan *ssh.Request) {
			began(requests)
			_, _ = channel.Write([]byte("y"))
		}, func(got result) bool {
			missing := &ssh.ExitMissingError{}
			return got.stdout == "y" && errors.As(got.err, &missing)
		}},
		{"two statuses, of which the first counts", func(channel ssh.Channel, requests <-chan *ssh.Request) {
			began(requests)
			exitWith(channel, 1)
			exitWith(channel, 2)
			for range 40 {
				exitWith(channel, 3)
			}
		}, func(got result) bool { return exitStatus(got.err) == 1 }},
		{"a target that does not read its input", func(channel ssh.Channel, requests <-chan *ssh.Request) {
			began(requests)
			_, _ = channel.SendRequest("eow@openssh.com", false, nil)
			exitWith(channel, 0)
		}, func(got result) bool {
			// This client says so when its input found no reader; the status is good.
			return got.err == nil || errors.Is(got.err, io.EOF)
		}},
		{"answers after the end of input", func(channel ssh.Channel, requests <-chan *ssh.Request) {
			began(requests)
			all, _ := io.ReadAll(channel)
			_, _ = fmt.Fprint(channel, len(all))
			exitWith(channel, 0)
		}, func(got result) bool { return got.stdout == fmt.Sprint(len(big)) && got.err == nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, test.serve)
			got := execute(t, r.connect(t), "anything", string(big))
			if !test.want(got) {
				t.Errorf("got %d and %d bytes, %v", len(got.stdout), len(got.stderr), got.err)
			}
		})
	}
}

func exitStatus(err error) int {
	exit := &ssh.ExitError{}
	if errors.As(err, &exit) {
		return exit.ExitStatus()
	}
	return -1
}

func TestTargetGoesAway(t *testing.T) {
	t.Parallel()
	words := strings.Repeat("last words\n", 100_000)
	hung := make(chan struct{})
	r := newRig(t, func(channel ssh.Channel, requests <-chan *ssh.Request) {
		began(requests)
		_, _ = channel.Write([]byte(words))
		<-hung
	})
	client := r.connect(t)
	running, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	stdout, err := running.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	running.Stderr = &stderr
	if err := running.Start("anything"); err != nil {
		t.Fatal(err)
	}
	// What is on its way when a connection breaks is lost; so all comes first.
	got := make([]byte, len(words))
	if n, err := io.ReadFull(stdout, got); err != nil || string(got) != words {
		t.Fatalf("got %d bytes of %d, %v", n, len(words), err)
	}
	r.target.HangUp()
	close(hung)
	_ = running.Wait()
	if !strings.Contains(stderr.String(), "stint: the target closed the connection") {
		t.Errorf("the client was told %q", stderr.String())
	}
	if err := client.Wait(); err == nil {
		t.Error("the connection stayed open")
	}
	session := r.Broker.AwaitDelivered(t, "r-1")
	if tr := read(t, session.Recording); tr.output != words || !tr.holds("End {Reason:failed Detail:the target closed the connection}") {
		t.Errorf("the recording ends %q", tr.events)
	}
}

func TestSignalsReachTheTarget(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	client := r.connect(t)
	h := hold(t, client)
	if err := h.session.Signal(ssh.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := <-h.ended
	exit := &ssh.ExitError{}
	if !errors.As(err, &exit) || exit.Signal() != "TERM" {
		t.Errorf("it ended with %v", err)
	}
	client.Close()
	if tr := read(t, r.Broker.AwaitDelivered(t, "r-1").Recording); !tr.holds("cast.Signal TERM") || !tr.holds("ExitSignal {Signal:TERM") {
		t.Errorf("the recording holds %q", tr.events)
	}
}

func TestManyChannelsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	client := r.connect(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			want := strings.Repeat(fmt.Sprintf("line %d\n", i), 20_000)
			if got := execute(t, client, "cat", want); got.stdout != want || got.err != nil {
				t.Errorf("channel %d: %d bytes of %d, %v %s", i, len(got.stdout), len(want), got.err, got.stderr)
			}
		})
	}
	all.Wait()
	client.Close()
	tr := read(t, r.Broker.AwaitDelivered(t, "r-1").Recording)
	closed := 0
	for _, event := range tr.events {
		if strings.Contains(event, "ChannelClose") {
			closed++
		}
	}
	if closed != 20 {
		t.Errorf("%d channels are closed in the recording", closed)
	}
}

func TestTooManyChannels(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(channel ssh.Channel, requests <-chan *ssh.Request) {
		for range requests {
		}
	})
	client := r.connect(t)
	for i := range 32 {
		if _, err := client.NewSession(); err != nil {
			t.Fatalf("channel %d: %v", i, err)
		}
	}
	if _, err := client.NewSession(); err == nil || !strings.Contains(err.Error(), "at most 32 channels") {
		t.Errorf("the 33rd: %v", err)
	}
}

func TestWhatCannotBeRecordedIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.under(signer.SessionRules{Channels: []string{"exec"}})
	client := r.connect(t)
	for kind, want := range map[string]string{
		"direct-tcpip":                   "the request makes no sense",
		"direct-streamlocal@openssh.com": "the request makes no sense",
		"x11":                            "cannot record a channel of the type x11",
		"auth-agent@openssh.com":         "cannot record a channel of the type auth-agent@openssh.com",
		"tun@openssh.com":                "cannot record a channel of the type tun@openssh.com",
		"\x1b]0;x\x07":                   "cannot record a channel of the type ?]0;x?",
	} {
		if _, _, err := client.OpenChannel(kind, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", kind, err)
		}
	}
	for _, kind := range []string{"tcpip-forward", "cancel-tcpip-forward", "streamlocal-forward@openssh.com", "made-up@example.com"} {
		if ok, _, err := client.SendRequest(kind, true, nil); ok || err != nil {
			t.Errorf("the request %s: %v, %v", kind, ok, err)
		}
	}
	if ok, _, err := client.SendRequest("keepalive@openssh.com", true, nil); err != nil || !ok {
		t.Errorf("keepalive: %v, %v", ok, err)
	}

	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	session.Stderr = &stderr
	for _, kind := range []string{"auth-agent-req@openssh.com", "x11-req", "made-up@example.com", "pty-req", "window-change"} {
		if ok, err := session.SendRequest(kind, true, []byte("x")); ok || err != nil {
			t.Errorf("the request %s on a channel: %v, %v", kind, ok, err)
		}
	}
	if err := session.Setenv("LD_PRELOAD", "x"); err == nil {
		t.Error("LD_PRELOAD passes")
	}
	if err := session.Setenv("LC_ALL", "C"); err != nil {
		t.Errorf("LC_ALL: %v", err)
	}
	if err := session.Run("echo $LC_ALL$LD_PRELOAD"); err != nil {
		t.Errorf("after all that: %v", err)
	}
	for _, want := range []string{"the request makes no sense", "there is no such remote forward", "gives no agent (ssh -A) in a session; it gives exec\n", "gives no x11 (ssh -X) in"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("the person was told %q, which lacks %q", stderr.String(), want)
		}
	}
	client.Close()

	tr := read(t, r.Broker.AwaitDelivered(t, "r-1").Recording)
	if tr.output != "C\n" {
		t.Errorf("the command said %q", tr.output)
	}
	for _, want := range []string{"What:direct-tcpip", "What:tun@openssh.com", "What:tcpip-forward", "What:x11-req", "What:env LD_PRELOAD", "Environment {Name:LC_ALL Value:C}"} {
		if !tr.holds(want) {
			t.Errorf("the recording lacks %q: %q", want, tr.events)
		}
	}
}

func TestNothingStartsTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(channel ssh.Channel, requests <-chan *ssh.Request) {
		for request := range requests {
			_ = request.Reply(true, nil)
		}
	})
	session, err := r.connect(t).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("first"); err != nil {
		t.Fatal(err)
	}
	if ok, err := session.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{"second"})); ok || err != nil {
		t.Errorf("a second command: %v, %v", ok, err)
	}
}

func TestAnnouncedEndOfChannels(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	client := r.connect(t)
	if _, _, err := client.SendRequest("no-more-sessions@openssh.com", false, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := client.SendRequest("keepalive@openssh.com", true, nil); err != nil { // comes after it
		t.Fatal(err)
	}
	if _, err := client.NewSession(); err == nil || !strings.Contains(err.Error(), "no more channels") {
		t.Errorf("a channel after that: %v", err)
	}
}

func TestAnyByteIsRecorded(t *testing.T) {
	t.Parallel()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	command := "printf '\xff\xfe'; cat; : \x01"
	r := newRig(t, nil)
	client := r.connect(t)
	got := execute(t, client, command, string(every))
	client.Close()
	tr := read(t, r.Broker.AwaitDelivered(t, "r-1").Recording)
	if want := "\xff\xfe" + string(every); got.stdout != want || tr.output != want || tr.input != string(every) {
		t.Errorf("got %q; recorded %q and %q", got.stdout, tr.output, tr.input)
	}
	if !slices.ContainsFunc(tr.events, func(e string) bool { return strings.Contains(e, command) }) {
		t.Errorf("the recording lacks the command: %q", tr.events)
	}
}

func TestRecordedBeforeForwarded(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	client := r.connect(t)
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("echo one; sleep 60"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	// The client has it, so the file has it, now and not a moment later.
	if held := r.spooled(t); !strings.Contains(held, "one\n") {
		t.Errorf("the file holds %q", held)
	}
}

// A client may close a channel at the end of the output, as OpenSSH does when it
// has no more input. Nothing can follow, so how the command ended comes before.
func TestStatusComesBeforeTheEndOfTheOutput(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	client := r.connect(t)
	for range 20 {
		channel, requests, err := client.OpenChannel("session", nil)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := channel.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{"echo out; exit 3"})); !ok {
			t.Fatal(err)
		}
		if output, err := io.ReadAll(channel); err != nil || string(output) != "out\n" {
			t.Fatalf("%q, %v", output, err)
		}
		select {
		case request := <-requests:
			if request.Type != "exit-status" || !bytes.Equal(request.Payload, []byte{0, 0, 0, 3}) {
				t.Errorf("got %s %x", request.Type, request.Payload)
			}
		default:
			t.Error("the output ended before the status came")
		}
		channel.Close()
	}
}

// A command may close its outputs long before it ends. A client that has no more input
// would close the channel when the output ends; that end waits for the status.
func TestStatusLongAfterTheOutputs(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(channel ssh.Channel, requests <-chan *ssh.Request) {
		began(requests)
		_, _ = channel.Write([]byte("out\n"))
		_ = channel.CloseWrite()
		time.Sleep(time.Second)
		exitWith(channel, 3)
	})
	client := r.connect(t)
	channel, requests, err := client.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := channel.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{"anything"})); !ok {
		t.Fatal(err)
	}
	_ = channel.CloseWrite()
	if output, err := io.ReadAll(channel); err != nil || string(output) != "out\n" {
		t.Fatalf("%q, %v", output, err)
	}
	channel.Close()
	if request := <-requests; request == nil || request.Type != "exit-status" || !bytes.Equal(request.Payload, []byte{0, 0, 0, 3}) {
		t.Errorf("got %+v", request)
	}
}
