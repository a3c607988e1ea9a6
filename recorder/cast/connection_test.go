package cast

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// connections is a session of which everything but a shell was had.
func connections() []Event {
	return []Event{
		{Channel: 0, Body: Listen{Type: RemoteForward, State: ListenAsked, Address: "localhost:0"}},
		{Channel: 0, Body: Listen{Type: RemoteForward, State: ListenGranted, Address: "localhost:4711"}},
		{Channel: 1, Body: Listen{Type: Agent, State: ListenRefused}},
		{Channel: 5, Body: Connection{Type: Forward, From: "127.0.0.1:50000", To: "10.0.0.5:5432", Content: true}},
		{Channel: 5, Body: Input("\x00\x00\x00\x08")},
		{Channel: 5, Body: Output("secret")},
		{Channel: 5, Body: EOF{Input: true}},
		{Channel: 5, Body: ConnectionEnd{FromClient: 4, FromTarget: 1 << 40}},
		{Channel: 5, Body: ChannelClose{}},
		{Channel: 6, Body: Connection{Type: X11, From: "\x1b]0;x\a\xff:1"}},
		{Channel: 6, Body: ConnectionEnd{Why: "the client refused it"}},
		{Channel: 6, Body: ChannelClose{}},
		{Channel: 7, Body: Connection{Type: Agent}},
		{Channel: 7, Body: AgentSignature{
			State: SignatureAsked, Key: "SHA256:x", Flags: 4, Purpose: SignAuthentication, Name: "git", Session: "00ff", Host: "SHA256:y", Digest: "0a",
		}},
		{Channel: 7, Body: AgentSignature{State: SignatureGranted, Key: "SHA256:x", Purpose: SignMessage, Name: "file", Digest: "0a"}},
		{Channel: 7, Body: AgentSignature{State: SignatureRefused, Key: "SHA256:x", Purpose: SignUnknown, Digest: "ff"}},
		{Channel: 0, Body: Listen{Type: RemoteForward, State: ListenCancelled, Address: "localhost:4711"}},
	}
}

func recordConnections(t testing.TB) []byte {
	t.Helper()
	var data bytes.Buffer
	rec, err := NewWriter(&data, header(), Options{Now: clock()})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range connections() {
		if err := rec.Write(e.Channel, e.Body); err != nil {
			t.Fatalf("%T: %v", e.Body, err)
		}
	}
	if err := rec.Close(End{Reason: Completed}); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

func TestConnectionsComeBack(t *testing.T) {
	t.Parallel()
	reader, err := NewReader(bytes.NewReader(recordConnections(t)))
	if err != nil {
		t.Fatal(err)
	}
	var got []Event
	for {
		e, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		e.Offset = 0
		got = append(got, e)
	}
	want := append(connections(), Event{Body: End{Reason: Completed}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What goes through a connection is no text, whoever it is from; what it was is.
func TestConnectionsInExports(t *testing.T) {
	t.Parallel()
	data := recordConnections(t)
	for name, export := range exporters {
		var out bytes.Buffer
		if err := export(&out, bytes.NewReader(data), ExportOptions{Input: true}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"remote-forward asked: localhost:0", "remote-forward granted: localhost:4711", "agent refused",
			"forward connection to 10.0.0.5:5432 from 127.0.0.1:50000",
			"connection closed: 4 bytes from the client, 1099511627776 from the target",
			"4 bytes from the client and 6 from the target are not shown",
			"connection closed: 0 bytes from the client, 0 from the target: the client refused it",
			"signature by the agent's key SHA256:x asked: to log in as git at the host whose key is SHA256:y, in the SSH connection 00ff",
			"signature by the agent's key SHA256:x granted: of a message in the namespace file",
			"signature by the agent's key SHA256:x refused: of bytes of unknown meaning, SHA-256 ff",
			"remote-forward cancelled: localhost:4711",
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s lacks %q: %s", name, want, out.String())
			}
		}
		if strings.Contains(out.String(), "secret") || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s shows too much: %s", name, out.String())
		}
	}
}
