package cast

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// recorderFile tells the test binary to be a recorder that somebody kills.
const recorderFile = "STINT_TEST_RECORDER_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(recorderFile); path != "" {
		recordUntilKilled(path)
	}
	os.Exit(m.Run())
}

// recordUntilKilled records numbered output and acknowledges each number on
// standard output after Write has returned, as a proxy forwards.
func recordUntilKilled(path string) {
	f, err := os.Create(path)
	if err != nil {
		panic(err)
	}
	rec, err := NewWriter(f, header(), recipients(), Options{SegmentBytes: 1 << 20})
	if err != nil {
		panic(err)
	}
	listing := []byte(strings.Repeat("-rw-r--r-- 1 root root 10234 server.log\r\n", 1500))
	for n := uint32(1); ; n++ {
		number := binary.BigEndian.AppendUint32(nil, n)
		if err := rec.Write(1, Output(append(number, listing[:n*977%uint32(len(listing))]...))); err != nil {
			panic(err)
		}
		if _, err := os.Stdout.Write(number); err != nil {
			panic(err)
		}
	}
}

// kill -9 loses nothing that Write had acknowledged.
func TestKill(t *testing.T) {
	t.Parallel()
	for round := range 5 {
		path := filepath.Join(t.TempDir(), "s"+Extension)
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), recorderFile+"="+path)
		cmd.Stderr = os.Stderr
		acknowledgements, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(acknowledgements)
		var acknowledged uint32
		var kill *time.Timer
		for {
			var number [4]byte
			if _, err := io.ReadFull(in, number[:]); err != nil {
				break
			}
			if acknowledged = binary.BigEndian.Uint32(number[:]); kill == nil {
				kill = time.AfterFunc(time.Duration(37*round)*time.Millisecond, func() { _ = cmd.Process.Kill() })
			}
		}
		_ = cmd.Wait() // killed
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		events, _, err := readAll(f)
		if !errors.Is(err, ErrCut) {
			t.Fatal(err)
		}
		for i, e := range events {
			if got := binary.BigEndian.Uint32(e.Body.(Output)); got != uint32(i+1) {
				t.Fatalf("event %d is number %d", i+1, got)
			}
		}
		if acknowledged == 0 || len(events) < int(acknowledged) {
			t.Fatalf("%d were acknowledged, %d can be read", acknowledged, len(events))
		}
		seals, err := Resume(f, nil, End{Reason: Cut}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		summary, err := Verify(f, seals, everything)
		if err != nil || summary.End.Reason != Cut || summary.Events != int64(len(events))+1 {
			t.Fatalf("%+v %v", summary, err)
		}
	}
}
