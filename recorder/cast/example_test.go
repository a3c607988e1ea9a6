package cast

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// exampleRecording is the recording that FORMAT.md shows, under secrets that it wraps.
func exampleRecording(t *testing.T, keys Keys, s *secrets) ([]byte, []Seal) {
	t.Helper()
	var out bytes.Buffer
	var seals []Seal
	now := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	rec, err := newWriter(&out, Header{
		Session: "s1", Request: "r1", Protocol: "ssh",
		Person: Person{Issuer: "https://id.example", Subject: "a1", Name: "Alice"},
		Login:  "pg", Target: "db1", Proxy: "p1", Client: "OpenSSH", Keys: keys,
	}, s, Options{
		Now: func() time.Time { return now }, OnSeal: func(s Seal) { seals = append(seals, s) },
		random: rand.NewChaCha8([32]byte{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []Body{
		ChannelOpen{Type: Shell, Terminal: "xterm", Size: Size{Columns: 80, Rows: 24}},
		Output("$ "),
		Input("\x04"),
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

// exampleText is the part of FORMAT.md that shows the recording.
func exampleText(data []byte, seals []Seal, s *secrets) string {
	var text strings.Builder
	for line := range strings.Lines(hex.Dump(data)) {
		text.WriteString("    " + line)
	}
	fmt.Fprintf(&text, "\nsession secret: %x\ninput secret: %x\n", s.session, s.input)
	tracks := [...]*ratchet{newRatchet(&s.session), newRatchet(&s.input)}
	at := len(magic)
	for n := 0; at < len(data); {
		length := int(binary.LittleEndian.Uint32(data[at+1:]))
		body := data[at+recordPrefix : at+recordPrefix+length]
		switch data[at] {
		case recordHeader:
			fmt.Fprintf(&text, "\n- at %x: `H`, %d bytes of JSON\n", at, length)
		case recordBlock:
			n++
			var key secret
			tracks[Track(body[0])-SessionTrack].nextBlock(&key)
			plain, err := aead(&key).Open(nil, zeroNonce[:], body[blockStart:], nil)
			if err != nil {
				panic(err)
			}
			content := plain[blockForm+int(plain[saltSize+1]):]
			fmt.Fprintf(&text, "- at %x: `B` on the %s track. Its key is\n  `%x`, its salt `%x`,\n  its form %d, its padding %d bytes long, its event `%x`\n",
				at, Track(body[0]), key, plain[:saltSize], plain[saltSize], plain[saltSize+1], content)
		case recordEnd:
			fmt.Fprintf(&text, "- at %x: `E`: offset 600000, nothing removed, `completed`, no detail\n", at)
		case recordSeal:
			fmt.Fprintf(&text, "- at %x: `S`: sequence 1, first and last offset, and the head\n  `%x`\n", at, seals[0].Head[:])
		}
		at += recordPrefix + length + recordSuffix
	}
	return text.String()
}

const exampleHeading = "<!-- Written by STINT_GOLDEN=write go test -run TestFormatExample ./recorder/cast -->\n"

var hexLine = regexp.MustCompile(`(?m)^    [0-9a-f]{8}  ([0-9a-f ]{48,49})  `)

// The example of FORMAT.md is what the Writer writes and what the Reader reads.
func TestFormatExample(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	before, text, found := strings.Cut(string(doc), exampleHeading)
	if !found {
		t.Fatal("FORMAT.md has no example")
	}
	if os.Getenv("STINT_GOLDEN") == "write" {
		s := newSecrets()
		keys, err := s.wrap(recipients())
		if err != nil {
			t.Fatal(err)
		}
		data, seals := exampleRecording(t, keys, s)
		text = exampleText(data, seals, s)
		if err := os.WriteFile("FORMAT.md", []byte(before+exampleHeading+text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var digits strings.Builder
	for _, m := range hexLine.FindAllStringSubmatch(text, -1) {
		digits.WriteString(strings.ReplaceAll(m[1], " ", ""))
	}
	shown, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	events, reader, err := readAll(bytes.NewReader(shown))
	if err != io.EOF {
		t.Fatal(err)
	}
	want := []Event{
		{150 * time.Millisecond, 1, ChannelOpen{Type: Shell, Terminal: "xterm", Size: Size{Columns: 80, Rows: 24}}},
		{300 * time.Millisecond, 1, Output("$ ")},
		{450 * time.Millisecond, 1, Input("\x04")},
		{600 * time.Millisecond, 1, ExitStatus(130)},
		{600 * time.Millisecond, 0, End{Reason: Completed}},
	}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Error(diff)
	}
	s := &secrets{*reader.keys[0], *reader.keys[1]}
	written, seals := exampleRecording(t, reader.Header().Keys, s)
	if !bytes.Equal(shown, written) {
		t.Fatalf("FORMAT.md shows another recording than is written:\n%s", hex.Dump(written))
	}
	if diff := cmp.Diff(exampleText(written, seals, s), text); diff != "" {
		t.Error(diff)
	}
}

// What version 1 has once written stays readable: these files are never written
// again. They hold plain and compressed blocks of both tracks and several segments; of one
// something was taken out, and one is a recording that Resume finished.
func TestStaysReadable(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"script.stint":   "xc+OZ9q1Xgbm4pr7fZ0xVEqCkCX5tBwx5wsIsJ8gmO4=",
		"redacted.stint": "xc+OZ9q1Xgbm4pr7fZ0xVEqCkCX5tBwx5wsIsJ8gmO4=",
		"resumed.stint":  "yaoYKerwO7h6UhUGY0uis9CZXGaNDwrqWdT0yXYgXJI=",
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
	}
}
