package cast

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var started = time.Date(2026, 3, 1, 9, 30, 0, 123456789, time.UTC)

// clock steps by 1.5 ms at each reading.
func clock() func() time.Time {
	now := started
	return func() time.Time {
		at := now
		now = now.Add(1500 * time.Microsecond)
		return at
	}
}

func header() Header {
	return Header{
		Session: "ses_1", Request: "req_1", Protocol: "ssh",
		Person: Person{Issuer: "https://id.example.com", Subject: "a1", Name: "Alice"},
		Login:  "postgres", Target: "db1", Proxy: "proxy-1", Client: "SSH-2.0-OpenSSH_9.9",
	}
}

// script holds each kind of event once and more.
func script() []Event {
	return []Event{
		{Channel: 1, Body: Environment{Name: "LANG", Value: "de_DE.UTF-8"}},
		{Channel: 1, Body: ChannelOpen{Type: Shell, Terminal: "xterm-256color", Size: Size{80, 24, 640, 480}}},
		{Channel: 1, Body: Output("$ ")},
		{Channel: 1, Body: Input("ü"[:1])},
		{Channel: 1, Body: Input("ü"[1:])},
		{Channel: 1, Body: Output("\xc3")},
		{Channel: 1, Body: Output("\xbc\r\n\xff\x00")},
		{Channel: 1, Body: WindowChange{Columns: 132, Rows: 50}},
		{Channel: 2, Body: ChannelOpen{Type: Exec, Command: "ls\xff /"}},
		{Channel: 2, Body: Output("bin\netc\n")},
		{Channel: 2, Body: ErrorOutput("ls: no\n")},
		{Channel: 2, Body: EOF{Input: true}},
		{Channel: 2, Body: EOF{}},
		{Channel: 2, Body: ExitStatus(2)},
		{Channel: 2, Body: ChannelClose{}},
		{Channel: 3, Body: ChannelOpen{Type: Subsystem, Command: "sftp"}},
		{Channel: 1, Body: Signal("INT")},
		{Channel: 4, Body: Refused{What: "direct-tcpip", Why: "port forwarding cannot be recorded"}},
		{Channel: 0, Body: Note("revoked by bob")},
		{Channel: 1, Body: ExitSignal{Signal: "KILL", CoreDumped: true, Message: "killed"}},
		{Channel: 1, Body: ChannelClose{}},
	}
}

func recordScript(t testing.TB, w io.Writer, o Options) *Writer {
	t.Helper()
	rec, err := NewWriter(w, header(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range script() {
		if err := rec.Write(e.Channel, e.Body); err != nil {
			t.Fatal(err)
		}
	}
	return rec
}

// small is the script as a recording, with its seals.
func small(t testing.TB, o Options) ([]byte, []Seal) {
	t.Helper()
	var out bytes.Buffer
	var seals []Seal
	o.OnSeal = func(s Seal) { seals = append(seals, s) }
	if o.Now == nil {
		o.Now = clock()
	}
	if err := recordScript(t, &out, o).Close(End{Reason: Revoked, Detail: "by bob"}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), seals
}

func readAll(r io.Reader) ([]Event, *Reader, error) {
	reader, err := NewReader(r)
	if err != nil {
		return nil, nil, err
	}
	var events []Event
	for {
		e, err := reader.Next()
		if err != nil {
			return events, reader, err
		}
		events = append(events, e)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	data, seals := small(t, Options{SegmentBytes: 64})
	events, reader, err := readAll(bytes.NewReader(data))
	if err != io.EOF {
		t.Fatal(err)
	}
	want := append(script(), Event{Body: End{Reason: Revoked, Detail: "by bob"}})
	for i := range want {
		want[i].Offset = time.Duration(i+1) * 1500 * time.Microsecond
	}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Error(diff)
	}
	wantHeader := header()
	wantHeader.Encoding, wantHeader.Started = EncodingPlain, started
	if diff := cmp.Diff(wantHeader, reader.Header()); diff != "" {
		t.Error(diff)
	}
	if len(seals) < 3 {
		t.Errorf("%d segments, the test wants several", len(seals))
	}
	if diff := cmp.Diff(seals, reader.Seals()); diff != "" {
		t.Error(diff)
	}
	if last := seals[len(seals)-1]; last.End != int64(len(data)) {
		t.Errorf("the last seal ends at %d of %d", last.End, len(data))
	}
	summary, err := Verify(bytes.NewReader(data), seals)
	if err != nil {
		t.Fatal(err)
	}
	if summary.Output == 0 || summary.ErrorOutput != 7 || summary.Input != 2 || len(summary.Channels) != 3 ||
		summary.End == nil || summary.End.Reason != Revoked || *summary.Channels[1].ExitStatus != 2 ||
		summary.Channels[1].Open.Command != "ls\uFFFD /" || summary.Refused != 1 {
		t.Errorf("summary: %+v", summary)
	}
}

// Random bytes on several channels from several goroutines come back whole and in
// order, whatever the splits and the segments.
func TestConcurrentChannels(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			var seals []Seal
			rec, err := NewWriter(&out, header(), Options{
				SegmentBytes: 1 << 16, OnSeal: func(s Seal) { seals = append(seals, s) },
			})
			if err != nil {
				t.Fatal(err)
			}
			sent := make([]bytes.Buffer, 4)
			var work sync.WaitGroup
			for channel := range sent {
				work.Go(func() {
					random := rand.New(rand.NewPCG(seed, uint64(channel)))
					for range 30 {
						part := make([]byte, 1<<random.IntN(20)-1)
						if random.IntN(2) == 0 {
							for i := range part { // bytes that compress badly
								part[i] = byte(random.Uint32())
							}
						}
						sent[channel].Write(part)
						if err := rec.Write(uint32(channel), Output(part)); err != nil {
							t.Error(err)
						}
						if random.IntN(10) == 0 {
							if err := rec.Flush(); err != nil {
								t.Error(err)
							}
						}
					}
				})
			}
			work.Wait()
			if err := rec.Close(End{Reason: Completed}); err != nil {
				t.Fatal(err)
			}
			if rec.Size() != int64(out.Len()) {
				t.Errorf("Size is %d of %d", rec.Size(), out.Len())
			}
			events, _, err := readAll(bytes.NewReader(out.Bytes()))
			if err != io.EOF {
				t.Fatal(err)
			}
			got := make([]bytes.Buffer, len(sent))
			for _, e := range events[:len(events)-1] {
				got[e.Channel].Write(e.Body.(Output))
			}
			for channel := range sent {
				if !bytes.Equal(sent[channel].Bytes(), got[channel].Bytes()) {
					t.Errorf("channel %d differs", channel)
				}
			}
			if _, err := Verify(bytes.NewReader(out.Bytes()), seals); err != nil {
				t.Error(err)
			}
		})
	}
}

// When Write returns, the bytes are in the file.
func TestWriteReachesTheFile(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "s"+Extension))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rec, err := NewWriter(f, header(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		if err := rec.Write(1, Output("x")); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		events, _, err := readAll(bytes.NewReader(data))
		if !errors.Is(err, ErrCut) || len(events) != n+1 {
			t.Errorf("after %d writes %d events, %v", n+1, len(events), err)
		}
	}
	if err := rec.Close(End{Reason: Completed}); err != nil {
		t.Fatal(err)
	}
}

func TestSyncWithinTheInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var syncs, seals atomic.Int64
		rec, err := NewWriter(&out, header(), Options{
			Sync:   func() error { syncs.Add(1); return nil },
			OnSeal: func(Seal) { seals.Add(1) },
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := syncs.Load(); n != 1 {
			t.Errorf("%d syncs after the header", n)
		}
		step := func(wait time.Duration, wantSyncs, wantSeals int64) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			if syncs.Load() != wantSyncs || seals.Load() != wantSeals {
				t.Errorf("%d syncs and %d seals, want %d and %d", syncs.Load(), seals.Load(), wantSyncs, wantSeals)
			}
		}
		step(10*time.Second, 1, 0) // nothing written: nothing to sync
		for range 3 {
			if err := rec.Write(1, Output("x")); err != nil {
				t.Fatal(err)
			}
		}
		step(1001*time.Millisecond, 2, 0)
		step(30*time.Second, 3, 1) // the segment's age
		step(5*time.Minute, 3, 1)  // an empty segment is not sealed
		if err := rec.Close(End{Reason: Completed}); err != nil {
			t.Fatal(err)
		}
		if n := seals.Load(); n != 2 {
			t.Errorf("%d seals after Close", n)
		}
	})
}

// A slow ledger holds Write back and loses nothing; it does not hold back syncs.
func TestSlowOnSeal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		gate := make(chan struct{})
		var seals []Seal
		rec, err := NewWriter(&out, header(), Options{SegmentBytes: 1, OnSeal: func(s Seal) {
			<-gate
			seals = append(seals, s)
		}})
		if err != nil {
			t.Fatal(err)
		}
		var written atomic.Int64
		var work sync.WaitGroup
		work.Go(func() {
			for range 100 {
				if err := rec.Write(1, Output("x")); err != nil {
					t.Error(err)
				}
				written.Add(1)
			}
		})
		synctest.Wait()
		if n := written.Load(); n != maxWaiting {
			t.Errorf("%d writes went through before the ledger answered", n)
		}
		close(gate)
		work.Wait()
		if err := rec.Close(End{Reason: Completed}); err != nil {
			t.Fatal(err)
		}
		if len(seals) != 101 {
			t.Errorf("%d seals", len(seals))
		}
		if _, err := Verify(&out, seals); err != nil {
			t.Error(err)
		}
	})
}

type brokenStream struct {
	bytes.Buffer
	left int
}

var errDisk = errors.New("no space left on device")

func (b *brokenStream) Write(p []byte) (int, error) {
	if len(p) > b.left {
		n, _ := b.Buffer.Write(p[:b.left])
		b.left = 0
		return n, errDisk
	}
	b.left -= len(p)
	return b.Buffer.Write(p)
}

func TestFailureIsSticky(t *testing.T) {
	t.Parallel()
	stream := &brokenStream{left: 1000}
	rec, err := NewWriter(stream, header(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		err = rec.Write(1, Output("some bytes"))
	}
	if !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	stream.left = 1 << 20 // the disk has room again: still no
	<-rec.Failed()
	_, sealErr := rec.Seal()
	for name, err := range map[string]error{
		"Write": rec.Write(1, Output("x")), "Flush": rec.Flush(), "Seal": sealErr,
		"Close": rec.Close(End{Reason: RecorderFailed}), "Err": rec.Err(),
	} {
		if !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := readAll(&stream.Buffer); !errors.Is(err, ErrCut) {
		t.Error(err)
	}
}

func TestFailedSync(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	fail := false
	rec, err := NewWriter(&out, header(), Options{
		SyncEvery: time.Hour,
		Sync: func() error {
			if fail {
				return errDisk
			}
			return nil
		},
		OnSeal: func(Seal) { t.Error("a seal was announced that is not durable") },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.Write(1, Output("x")); err != nil {
		t.Fatal(err)
	}
	fail = true
	if _, err := rec.Seal(); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	fail = false
	if err := rec.Close(End{Reason: Completed}); !errors.Is(err, errDisk) {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	rec, err := NewWriter(&out, header(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	long := string(make([]byte, maxPayload+1))
	for name, body := range map[string]Body{
		"nothing":      nil,
		"end":          End{Reason: Completed},
		"channel type": ChannelOpen{Type: "tun"},
		"open forward": ChannelOpen{Type: Forward},
		"connection":   Connection{Type: Shell},
		"listen type":  Listen{Type: Forward, State: ListenAsked},
		"listen state": Listen{Type: RemoteForward, State: "hoped"},
		"signature":    AgentSignature{State: "hoped", Purpose: SignUnknown},
		"purpose":      AgentSignature{State: SignatureAsked, Purpose: "fun"},
		"hexadecimal":  AgentSignature{State: SignatureAsked, Purpose: SignUnknown, Digest: "FF"},
		"long command": ChannelOpen{Type: Exec, Command: long},
		"long note":    Note(long),
	} {
		if err := rec.Write(1, body); err == nil {
			t.Errorf("%s was recorded", name)
		}
	}
	if err := rec.Write(1, ChannelOpen{Type: Exec, Command: long[:maxPayload-100]}); err != nil {
		t.Error(err)
	}
	if err := rec.Close(End{Reason: Completed}); err != nil {
		t.Fatal(err)
	}
	if err := rec.Write(1, Output("x")); err != ErrClosed {
		t.Error(err)
	}
	events, _, err := readAll(&out)
	if err != io.EOF || len(events) != 2 {
		t.Errorf("%d events, %v", len(events), err)
	}
	if _, err := NewWriter(io.Discard, Header{}, Options{}); err == nil {
		t.Error("a recording of no session")
	}
}
