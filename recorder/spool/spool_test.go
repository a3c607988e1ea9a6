package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/recorder/cast"
	"stint/recorder/cast/casttest"
	"stint/recorder/wire"
)

const session = "00112233445566778899aabbccddeeff"

// keeper is a broker in memory that can be away.
type keeper struct {
	mu        sync.Mutex
	away      bool
	recording []byte
	seals     []wire.Seal
	end       *wire.SessionEnd
	offsets   []int64 // of the uploads
}

var errAway = errors.New("away")

func (k *keeper) RecordingState(context.Context, string) (wire.RecordingState, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away {
		return wire.RecordingState{}, errAway
	}
	return wire.RecordingState{Bytes: int64(len(k.recording))}, nil
}

func (k *keeper) Upload(_ context.Context, _ string, offset int64, chunk io.Reader, size int64) (wire.RecordingState, error) {
	data, err := io.ReadAll(chunk)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.away:
		return wire.RecordingState{}, errAway
	case err != nil || int64(len(data)) != size:
		return wire.RecordingState{}, fmt.Errorf("%d bytes of %d: %v", len(data), size, err)
	case offset != int64(len(k.recording)):
		return wire.RecordingState{}, &wire.Error{Status: 409, Code: "offset"}
	}
	k.recording = append(k.recording, data...)
	k.offsets = append(k.offsets, offset)
	return wire.RecordingState{Bytes: int64(len(k.recording))}, nil
}

func (k *keeper) ReportSeals(_ context.Context, _ string, report wire.Seals) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away {
		return errAway
	}
	for _, seal := range report.Seals {
		if at := int(seal.Sequence) - 1; at < len(k.seals) {
			if k.seals[at] != seal {
				return &wire.Error{Status: 409, Code: "seal"}
			}
		} else if at == len(k.seals) && seal.Offset <= int64(len(k.recording)) {
			k.seals = append(k.seals, seal)
		} else {
			return &wire.Error{Status: 409, Code: "order"}
		}
	}
	return nil
}

func (k *keeper) EndSession(_ context.Context, _ string, end wire.SessionEnd) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away {
		return errAway
	}
	k.end = &end
	return nil
}

func (k *keeper) setAway(away bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.away = away
}

func (k *keeper) bytes() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.recording)
}

func open(t *testing.T, directory string, broker Broker) *Spool {
	t.Helper()
	s, err := Open(Options{Directory: directory, Broker: broker, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		s.Close(ended)
	})
	return s
}

func create(t *testing.T, s *Spool) *Recording {
	t.Helper()
	r, err := s.Create(cast.Header{Session: session, Request: "r-1", Protocol: "ssh"}, casttest.Recipients(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t *testing.T, r *Recording, text string) {
	t.Helper()
	if err := r.Write(1, cast.Output(text)); err != nil {
		t.Fatal(err)
	}
}

// deliver closes the spool, which must deliver everything, and checks that the
// broker has a whole recording and the disk nothing.
func deliver(t *testing.T, s *Spool, k *keeper) cast.Summary {
	t.Helper()
	deadline, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s.Close(deadline)
	if deadline.Err() != nil {
		t.Fatal("the recording was not delivered")
	}
	if left, err := os.ReadDir(s.options.Directory); err != nil || len(left) != 0 {
		t.Errorf("the spool still holds %v (%v)", left, err)
	}
	if k.end == nil || k.end.Bytes != int64(len(k.recording)) {
		t.Fatalf("the broker has %d bytes and was told %+v", len(k.recording), k.end)
	}
	seals := make([]cast.Seal, len(k.seals))
	for i, seal := range k.seals {
		seals[i] = cast.Seal{Sequence: uint64(seal.Sequence), Head: cast.Head(seal.Head), End: seal.Offset}
	}
	summary, err := cast.Verify(bytes.NewReader(k.recording), seals, casttest.Everything())
	if err != nil {
		t.Fatalf("what the broker has does not verify: %v", err)
	}
	return summary
}

func output(t *testing.T, recording []byte) string {
	t.Helper()
	reader, err := cast.NewReader(bytes.NewReader(recording), casttest.Everything())
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for {
		event, err := reader.Next()
		if err == io.EOF {
			return all.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if body, ok := event.Body.(cast.Output); ok {
			all.Write(body)
		}
	}
}

// abandon copies a spool as a killed process leaves it.
func abandon(t *testing.T, s *Spool) string {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(s.options.Directory)); err != nil {
		t.Fatal(err)
	}
	return copied
}

func TestRecordingIsDeliveredAndDeleted(t *testing.T) {
	t.Parallel()
	k := &keeper{}
	s := open(t, t.TempDir(), k)
	r := create(t, s)
	write(t, r, "hello")
	if err := r.End("revoked", "by Bob"); err != nil {
		t.Fatal(err)
	}
	summary := deliver(t, s, k)
	if k.end.Reason != "revoked" || summary.End == nil || *summary.End != (cast.End{Reason: cast.Revoked, Detail: "by Bob"}) {
		t.Errorf("it ended %+v, %+v", k.end, summary.End)
	}
}

func TestRecordingArrivesWhileItGrows(t *testing.T) {
	t.Parallel()
	k := &keeper{}
	s := open(t, t.TempDir(), k)
	r := create(t, s)
	for i := range 3 {
		before := k.bytes()
		write(t, r, strings.Repeat("x", 100*(i+1)))
		for deadline := time.Now().Add(time.Minute); k.bytes() <= before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("write %d did not arrive", i)
			}
		}
	}
	if err := r.End("completed", ""); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, k)
	if len(k.offsets) < 3 {
		t.Errorf("it came in %d parts", len(k.offsets))
	}
}

func TestBrokerComesBack(t *testing.T) {
	t.Parallel()
	k := &keeper{away: true}
	s := open(t, t.TempDir(), k)
	r := create(t, s)
	write(t, r, "while it was away")
	if err := r.End("completed", ""); err != nil {
		t.Fatal(err)
	}
	time.Sleep(400 * time.Millisecond)
	if k.bytes() != 0 {
		t.Fatal("bytes arrived while the broker was away")
	}
	k.setAway(false)
	deliver(t, s, k)
}

func TestUndeliveredRecordingsStay(t *testing.T) {
	t.Parallel()
	k := &keeper{away: true}
	s := open(t, t.TempDir(), k)
	r := create(t, s)
	write(t, r, "kept")
	if err := r.End("expired", ""); err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	s.Close(soon)

	k.setAway(false)
	deliver(t, open(t, s.options.Directory, k), k)
	if k.end.Reason != "expired" || output(t, k.recording) != "kept" {
		t.Errorf("after the restart: %+v %q", k.end, output(t, k.recording))
	}
}

func TestKilledProxy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		torn   string // appended to the file, as a write that was cut
		ended  bool   // the recording was closed, but nobody noted it
		reason string
	}{
		{name: "between writes", reason: "cut"},
		{name: "in a write", torn: "\x02\xff\x01half a block", reason: "cut"},
		{name: "after the end", ended: true, reason: "dropped"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k := &keeper{}
			s := open(t, t.TempDir(), k)
			r := create(t, s)
			write(t, r, "first ")
			for deadline := time.Now().Add(time.Minute); k.bytes() == 0; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("nothing arrived")
				}
			}
			k.setAway(true)
			write(t, r, "second")
			if test.ended {
				if err := r.writer.Close(cast.End{Reason: cast.Dropped}); err != nil {
					t.Fatal(err)
				}
			}
			left := abandon(t, s)
			path := filepath.Join(left, session+cast.Extension)
			file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = file.WriteString(test.torn)
				err = errors.Join(err, file.Close())
			}
			if err != nil {
				t.Fatal(err)
			}

			k.setAway(false)
			deliver(t, open(t, left, k), k)
			if k.end.Reason != test.reason || output(t, k.recording) != "first second" {
				t.Errorf("it ended %+v with %q", k.end, output(t, k.recording))
			}
			_ = r.End("completed", "")
		})
	}
}

func TestKilledBeforeTheHeader(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for _, name := range []string{session + ".stint", "ffffffffffffffffffffffffffffffff.seals"} {
		if err := os.WriteFile(filepath.Join(directory, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k := &keeper{}
	s := open(t, directory, k)
	deadline, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s.Close(deadline)
	if left, _ := os.ReadDir(directory); len(left) != 0 || k.end == nil || k.end.Reason != "cut" || k.end.Bytes != 0 {
		t.Errorf("left %v, told %+v", left, k.end)
	}
}

func TestFailingDiskEndsARecording(t *testing.T) {
	t.Parallel()
	k := &keeper{}
	s := open(t, t.TempDir(), k)
	r := create(t, s)
	write(t, r, "before")
	_ = r.file.Close() // every write from here on fails
	if err := r.Write(1, cast.Output("after")); err == nil {
		t.Fatal("a write that cannot have happened succeeded")
	}
	select {
	case <-r.Failed():
	case <-time.After(time.Minute):
		t.Fatal("the recording did not fail")
	}
	if err := r.End("recorder-failed", "the disk"); err == nil {
		t.Error("ending it says that all is well")
	}
	deliver(t, s, k)
	if k.end.Reason != "recorder-failed" || output(t, k.recording) != "before" {
		t.Errorf("it ended %+v with %q", k.end, output(t, k.recording))
	}
}

func TestSpoolTakesOnlySessionIDs(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), &keeper{})
	for _, id := range []string{"", "../../etc/passwd", strings.Repeat("0", 31), strings.Repeat("g", 32), strings.Repeat("0", 33)} {
		if r, err := s.Create(cast.Header{Session: id, Request: "r", Protocol: "ssh"}, casttest.Recipients(), nil); err == nil {
			t.Errorf("%q names a recording", id)
			_ = r.End("completed", "")
		}
	}
}
