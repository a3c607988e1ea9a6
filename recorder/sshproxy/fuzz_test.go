package sshproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
	"stint/recorder/cast/casttest"
	"stint/recorder/spool"
	"stint/recorder/wire"
)

// away is a broker that is not there; what is recorded stays on the disk.
type away struct{}

var errAway = errors.New("away")

func (away) RecordingState(context.Context, string) (wire.RecordingState, error) {
	return wire.RecordingState{}, errAway
}

func (away) Upload(context.Context, string, int64, io.Reader, int64) (wire.RecordingState, error) {
	return wire.RecordingState{}, errAway
}
func (away) ReportSeals(context.Context, string, wire.Seals) error     { return errAway }
func (away) EndSession(context.Context, string, wire.SessionEnd) error { return errAway }

// side is one side of a channel; each request that is sent to it is looked at.
type side struct {
	bytes.Buffer
	sent func(kind string, payload []byte)
}

func (s *side) Close() error          { return nil }
func (s *side) CloseWrite() error     { return nil }
func (s *side) Stderr() io.ReadWriter { return &s.Buffer }
func (s *side) SendRequest(kind string, _ bool, payload []byte) (bool, error) {
	s.sent(kind, payload)
	return true, nil
}

// recordedSession is a session with a real recording, as far as requests on one channel
// need it, and what its file holds by now.
func recordedSession(t *testing.T) (*session, func() []cast.Event) {
	dir, id := t.TempDir(), newSessionID()
	kept, err := spool.Open(spool.Options{Directory: dir, Broker: away{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	recording, err := kept.Create(cast.Header{Session: id, Request: "r-1", Protocol: "ssh"}, casttest.Recipients(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := recording.End(wire.ReasonCompleted, ""); err != nil {
			t.Error(err)
		}
		over, cancel := context.WithCancel(context.Background())
		cancel()
		kept.Close(over)
	})
	s := &session{
		id: id, recording: recording, over: make(chan struct{}), cut: make(chan struct{}),
		channels: map[uint32]*channel{}, cancel: func() {}, rules: rules{channels: givenChannels},
	}
	return s, func() (events []cast.Event) {
		file, err := os.Open(filepath.Join(dir, id+cast.Extension))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for reader, err := cast.NewReader(file, casttest.Everything()); ; {
			if err != nil {
				t.Fatal(err)
			}
			event, next := reader.Next()
			if next != nil {
				return events
			}
			events = append(events, event)
		}
	}
}

// FuzzRequests: whatever a client asks for on a channel, what the target is sent was
// on the disk before, in full, and is of a kind that is recorded.
func FuzzRequests(f *testing.F) {
	f.Fuzz(func(t *testing.T, first string, firstPayload []byte, second string, secondPayload []byte) {
		s, written := recordedSession(t)
		c := &channel{session: s, speak: make(chan struct{}, 1), started: make(chan struct{}), down: &side{sent: func(string, []byte) {}}}
		begun := 0
		c.up = &side{sent: func(kind string, payload []byte) {
			events := written()
			holds := func(want cast.Body) bool {
				return slices.ContainsFunc(events, func(e cast.Event) bool { return e.Channel == c.number && fmt.Sprint(e.Body) == fmt.Sprint(want) })
			}
			read := func(into any) {
				if err := ssh.Unmarshal(payload, into); err != nil {
					t.Fatalf("%s %q went to the target: %v", kind, payload, err)
				}
			}
			recorded := true
			switch kind {
			case "pty-req": // recorded with what is started in it
				var sent terminalRequest
				read(&sent)
				recorded = plainModes(sent.Modes) == sent.Modes && begun == 0
			case "env":
				var sent environmentRequest
				read(&sent)
				recorded = holds(cast.Environment(sent)) && mayPass(sent.Name)
			case "shell", "exec", "subsystem":
				begun++
				var sent commandRequest
				if kind != "shell" {
					read(&sent)
				} else if len(payload) > 0 {
					t.Fatalf("a shell with %q went to the target", payload)
				}
				recorded = begun == 1 && holds(cast.ChannelOpen{Type: cast.ChannelType(kind), Command: sent.Command, Terminal: c.terminal, Size: c.size})
			case "window-change":
				var sent windowChange
				read(&sent)
				recorded = holds(cast.WindowChange(sent))
			case "signal":
				var sent signalRequest
				read(&sent)
				recorded = holds(cast.Signal(sent.Signal))
			case "eow@openssh.com":
				recorded = len(payload) == 0
			default:
				recorded = false
			}
			if !recorded {
				t.Errorf("%s %q went to the target, and the recording holds %v", kind, payload, events)
			}
		}}
		s.addChannel(c)
		for _, request := range []*ssh.Request{
			{Type: first, WantReply: true, Payload: firstPayload}, {Type: second, WantReply: true, Payload: secondPayload},
		} {
			c.fromClient(request)
		}
	})
}

// FuzzPassExit: how a command ended is told to the client as it is recorded.
func FuzzPassExit(f *testing.F) {
	f.Fuzz(func(t *testing.T, kind string, payload []byte) {
		s, written := recordedSession(t)
		c := &channel{session: s}
		c.down = &side{sent: func(kind string, payload []byte) {
			var status exitStatus
			var signal exitSignal
			want := ""
			switch {
			case kind == "exit-status" && ssh.Unmarshal(payload, &status) == nil:
				want = fmt.Sprint(cast.ExitStatus(status.Status))
			case kind == "exit-signal" && ssh.Unmarshal(payload, &signal) == nil && signal.Language == "":
				want = fmt.Sprint(cast.ExitSignal{Signal: signal.Signal, CoreDumped: signal.CoreDumped, Message: signal.Message})
			}
			if events := written(); len(events) != 1 || fmt.Sprint(events[0].Body) != want {
				t.Errorf("the client is told %s %q, and the recording holds %v", kind, payload, events)
			}
		}}
		s.addChannel(c)
		c.passExit(&ssh.Request{Type: kind, Payload: payload})
	})
}

// asked is a channel that a client asks for on the way to a target.
type asked struct {
	ssh.NewChannel
	kind string
	data []byte
}

func (a asked) ChannelType() string { return a.kind }
func (a asked) ExtraData() []byte   { return a.data }

// FuzzJumpTarget: a channel leads to a name that the proxy's host certificate carries,
// on SSH's port, or nowhere, for a reason that is fit for a terminal.
func FuzzJumpTarget(f *testing.F) {
	names := []string{"db1", "web-1"}
	p := &Proxy{identity: &identity{certificate: &ssh.Certificate{ValidPrincipals: names}, soon: make(chan struct{}, 1)}}
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		name, refusal := p.jumpTarget(asked{kind: kind, data: data})
		if (name == "") == (refusal == "") || strings.ContainsFunc(refusal, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' }) {
			t.Fatalf("%s %q leads to %q, or is refused: %q", kind, data, name, refusal)
		}
		var to directTCPIP
		if name != "" && (kind != "direct-tcpip" || ssh.Unmarshal(data, &to) != nil || to.Host != name || to.Port != 22 || !slices.Contains(names, name)) {
			t.Fatalf("%s %q leads to %q", kind, data, name)
		}
	})
}

// FuzzParseKey: a line that is taken for a key is one line with one key, without
// options.
func FuzzParseKey(f *testing.F) {
	f.Fuzz(func(t *testing.T, line string) {
		key, err := parseKey(line)
		if err != nil {
			return
		}
		if again, err := parseKey(authorizedKey(key)); err != nil || !bytes.Equal(again.Marshal(), key.Marshal()) {
			t.Fatalf("%q is another key once it is written: %v", line, err)
		}
		if plain := strings.TrimSpace(line); strings.ContainsAny(plain, "\r\n") || !strings.HasPrefix(plain, key.Type()) {
			t.Fatalf("%q was taken", line)
		}
	})
}
