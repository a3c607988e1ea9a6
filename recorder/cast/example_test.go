package cast

import (
	"bytes"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// exampleRecording is the recording that FORMAT.md shows.
func exampleRecording(t *testing.T) ([]byte, []Seal) {
	t.Helper()
	var out bytes.Buffer
	var seals []Seal
	now := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	rec, err := NewWriter(&out, Header{
		Session: "s1", Request: "r1", Protocol: "ssh",
		Person: Person{Issuer: "https://id.example", Subject: "a1", Name: "Alice"},
		Login:  "pg", Target: "db1", Proxy: "p1", Client: "OpenSSH",
	}, Options{Now: func() time.Time { return now }, OnSeal: func(s Seal) { seals = append(seals, s) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []Body{
		ChannelOpen{Type: Shell, Terminal: "xterm", Size: Size{Columns: 80, Rows: 24}},
		Output("$ "),
		ExitStatus(130),
	} {
		now = now.Add(150 * time.Millisecond)
		if err := rec.Write(1, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := rec.Close(End{Reason: Completed}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), seals
}

var (
	hexLine  = regexp.MustCompile(`(?m)^    [0-9a-f]{8}  ([0-9a-f ]{48,49})  `)
	headLine = regexp.MustCompile(`segment 1: ([0-9a-f]{64})`)
)

// The example of FORMAT.md is what the Writer writes and what the Reader reads.
func TestFormatExample(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	var digits strings.Builder
	for _, m := range hexLine.FindAllSubmatch(doc, -1) {
		digits.WriteString(strings.ReplaceAll(string(m[1]), " ", ""))
	}
	shown, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	written, seals := exampleRecording(t)
	if !bytes.Equal(shown, written) {
		t.Fatalf("FORMAT.md shows another recording than is written:\n%s", hex.Dump(written))
	}
	events, _, err := readAll(bytes.NewReader(shown))
	if err != io.EOF {
		t.Fatal(err)
	}
	want := []Event{
		{150 * time.Millisecond, 1, ChannelOpen{Type: Shell, Terminal: "xterm", Size: Size{Columns: 80, Rows: 24}}},
		{300 * time.Millisecond, 1, Output("$ ")},
		{450 * time.Millisecond, 1, ExitStatus(130)},
		{450 * time.Millisecond, 0, End{Reason: Completed}},
	}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Error(diff)
	}
	head := headLine.FindSubmatch(doc)
	if head == nil || string(head[1]) != hex.EncodeToString(seals[0].Head[:]) {
		t.Errorf("FORMAT.md does not show the head %x", seals[0].Head)
	}
}

// What version 1 has once written stays readable: these files are never written
// again. They hold plain and compressed blocks, several segments, and a recording
// that Resume finished.
func TestStaysReadable(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"script.stint":  "fIMMs41EZttPrO+Jtfy08+CNlxdZiAnniHiNtB69Ago=",
		"resumed.stint": "csU6oMFFUthmqsvZ6LCICGrGKSS8DUrwXipGXXEsBOU=",
	} {
		data, err := os.ReadFile(filepath.Join("testdata", "v1", name))
		if err != nil {
			t.Fatal(err)
		}
		events, reader, err := readAll(bytes.NewReader(data))
		if err != io.EOF {
			t.Errorf("%s: %v", name, err)
			continue
		}
		seals := reader.Seals()
		if got := seals[len(seals)-1].Head.String(); got != head {
			t.Errorf("%s: the last head is %s", name, got)
		}
		if len(events) < len(script()) || !cmp.Equal(events[0].Body, script()[0].Body) {
			t.Errorf("%s: %d events", name, len(events))
		}
		if !bytes.Contains(data, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
			t.Errorf("%s: no compressed block", name)
		}
	}
}
