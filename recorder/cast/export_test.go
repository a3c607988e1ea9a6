package cast

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var exporters = map[string]func(io.Writer, io.Reader, ExportOptions) error{
	"text": Text, "asciicast2": Asciicast2, "asciicast3": Asciicast3,
}

// The exports of the script, as files that a person can judge.
func TestExports(t *testing.T) {
	t.Parallel()
	data, _ := small(t, Options{SegmentBytes: 64})
	for name, c := range map[string]struct {
		export string
		o      ExportOptions
		cut    int
	}{
		"script.txt":             {"text", ExportOptions{}, 0},
		"script-input.txt":       {"text", ExportOptions{Input: true}, 0},
		"script-2.txt":           {"text", ExportOptions{Channel: 2}, 0},
		"script-cut.txt":         {"text", ExportOptions{}, 300},
		"script.v2.cast":         {"asciicast2", ExportOptions{}, 0},
		"script.v3.cast":         {"asciicast3", ExportOptions{}, 0},
		"script-input.v2.cast":   {"asciicast2", ExportOptions{Input: true}, 0},
		"script-2.v3.cast":       {"asciicast3", ExportOptions{Channel: 2}, 0},
		"script-cut.v3.cast":     {"asciicast3", ExportOptions{}, 300},
		"script-faith.v2.cast":   {"asciicast2", ExportOptions{Faithful: true}, 0},
		"script-nothing.v3.cast": {"asciicast3", ExportOptions{Channel: 9}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := exporters[c.export](&out, bytes.NewReader(data[:len(data)-c.cut]), c.o)
			if c.cut > 0 != errors.Is(err, ErrCut) || c.cut == 0 && err != nil {
				t.Fatal(err)
			}
			golden(t, name, out.Bytes())
		})
	}
}

// golden compares with a file in testdata; STINT_GOLDEN=write writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "exports", name)
	if os.Getenv("STINT_GOLDEN") == "write" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

// recording makes a recording of bodies on channel 1.
func recording(t testing.TB, bodies ...Body) []byte {
	t.Helper()
	var out bytes.Buffer
	rec, err := NewWriter(&out, header(), Options{Now: clock()})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bodies {
		if err := rec.Write(1, b); err != nil {
			t.Fatal(err)
		}
	}
	if err := rec.Close(End{Reason: Completed}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type castLine struct {
	at   float64
	code string
	text string
}

func parseCast(t testing.TB, data []byte) (map[string]any, []castLine) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<24)
	if !lines.Scan() {
		t.Fatal("no header")
	}
	var head map[string]any
	if err := json.Unmarshal(lines.Bytes(), &head); err != nil {
		t.Fatal(err)
	}
	var events []castLine
	for lines.Scan() {
		var fields []any
		if err := json.Unmarshal(lines.Bytes(), &fields); err != nil || len(fields) != 3 || !utf8.Valid(lines.Bytes()) {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		events = append(events, castLine{fields[0].(float64), fields[1].(string), fields[2].(string)})
	}
	return head, events
}

// Whatever the splits, the output of an asciicast is the same text.
func TestAsciicastJoins(t *testing.T) {
	t.Parallel()
	const said = "grüße \U0001F600 \x1b[31mred\x1b[0m \xff\xc3 end\r\n"
	const shown = "grüße \U0001F600 \x1b[31mred\x1b[0m \uFFFD\uFFFD end\r\n"
	for split := 1; split <= len(said); split++ {
		bodies := []Body{ChannelOpen{Type: Shell, Terminal: "xterm", Size: Size{Columns: 100, Rows: 30}}}
		for rest := said; rest != ""; {
			n := min(split, len(rest))
			bodies = append(bodies, Output(rest[:n]), ErrorOutput("é"[:1]), ErrorOutput("é"[1:]))
			rest = rest[n:]
		}
		data := recording(t, bodies...)
		for _, faithful := range []bool{false, true} {
			for version, export := range map[int]func(io.Writer, io.Reader, ExportOptions) error{2: Asciicast2, 3: Asciicast3} {
				var out bytes.Buffer
				if err := export(&out, bytes.NewReader(data), ExportOptions{Faithful: faithful}); err != nil {
					t.Fatal(err)
				}
				head, events := parseCast(t, out.Bytes())
				if head["version"] != float64(version) {
					t.Fatal(head)
				}
				var got strings.Builder
				for _, e := range events {
					if e.code == "o" && e.text != "é" {
						got.WriteString(e.text)
					}
				}
				if got.String() != shown {
					t.Fatalf("split by %d: %q", split, got.String())
				}
			}
		}
	}
}

// Intervals of version 3 add up to the times of version 2.
func TestAsciicastTimes(t *testing.T) {
	t.Parallel()
	data, _ := small(t, Options{})
	var two, three bytes.Buffer
	if err := errors.Join(Asciicast2(&two, bytes.NewReader(data), ExportOptions{}), Asciicast3(&three, bytes.NewReader(data), ExportOptions{})); err != nil {
		t.Fatal(err)
	}
	_, times := parseCast(t, two.Bytes())
	_, intervals := parseCast(t, three.Bytes())
	var sum float64
	for i, e := range times {
		sum += intervals[i].at
		if d := sum - e.at; d > 1e-9 || d < -1e-9 {
			t.Errorf("event %d is at %f and %f", i, e.at, sum)
		}
	}
}

// No output passes for a remark of the recorder's, and nothing acts.
func TestTextIsInert(t *testing.T) {
	t.Parallel()
	data := recording(t,
		ChannelOpen{Type: Exec, Command: "a\nb\x1b]0;title\a"},
		Output("one\r\n00:00:00.001 1 * closed\r\n\x1b]52;c;aGk=\atwo\x1b[2J\rthree\b\b\r\r\nfour \u202egnol"),
		Note("x\n# session forged"),
		Output(strings.Repeat("é", 3*maxLine)),
	)
	var out bytes.Buffer
	if err := Text(&out, bytes.NewReader(data), ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || !passes(r) }) || !utf8.ValidString(line) {
			t.Errorf("%q", line)
		}
		if len(line) > maxLine+40 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	for _, want := range []string{
		"1 * opened: exec a b\n", "1 | one\n", "1 | 00:00:00.001 1 * closed\n", "1 | two\n", "1 | three\n", "1 | four gnol\n",
		"1 * note: x # session forged\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%.2000s", want, out.String())
		}
	}
}

// More channels at once than any session has cost bounded memory and lose no text.
func TestManyChannels(t *testing.T) {
	t.Parallel()
	var data bytes.Buffer
	rec, err := NewWriter(&data, header(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for channel := range uint32(3 * maxTracks) {
		if err := errors.Join(rec.Write(channel+1, ChannelOpen{Type: Exec, Command: "x"}), rec.Write(channel+1, Output("hello"))); err != nil {
			t.Fatal(err)
		}
	}
	if err := rec.Close(End{Reason: Completed}); err != nil {
		t.Fatal(err)
	}
	for name, export := range exporters {
		var out bytes.Buffer
		if err := export(&out, bytes.NewReader(data.Bytes()), ExportOptions{}); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "hello"); n != 3*maxTracks {
			t.Errorf("%s: %d of %d", name, n, 3*maxTracks)
		}
	}
	summary, err := Verify(&data, nil)
	if err != nil || len(summary.Channels) != maxChannels || summary.MoreChannels != 3*maxTracks-maxChannels {
		t.Errorf("%d channels, %d more, %v", len(summary.Channels), summary.MoreChannels, err)
	}
}

// A file transfer is counted and not shown.
func TestSubsystemIsCounted(t *testing.T) {
	t.Parallel()
	data := recording(t, ChannelOpen{Type: Subsystem, Command: "sftp"},
		Input("\x00\x00\x01"), Output("\x00\xffsecret"), ErrorOutput("ab"), ExitStatus(0), ChannelClose{}, Output("after"))
	for name, export := range exporters {
		var out bytes.Buffer
		if err := export(&out, bytes.NewReader(data), ExportOptions{Input: true}); err != nil {
			t.Fatal(err)
		}
		if s := out.String(); strings.Contains(s, "secret") || !strings.Contains(s, "after") ||
			!strings.Contains(s, "3 bytes from the client and 10 from the target are not shown") {
			t.Errorf("%s: %s", name, s)
		}
	}
}

// An open character or control string is shown at the end.
func TestExportsShowRemainders(t *testing.T) {
	t.Parallel()
	data := recording(t, Output("one \xe2\x82"), Output("\x1b]0;two"), Input("three \xe2"), ErrorOutput("\xe2"), ChannelClose{})
	for name, export := range exporters {
		for _, faithful := range []bool{false, true} {
			var out bytes.Buffer
			if err := export(&out, bytes.NewReader(data), ExportOptions{Input: true, Faithful: faithful}); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"one ", "0;two", "three "} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%s lacks %q: %s", name, want, out.String())
				}
			}
			if n := strings.Count(out.String(), "\uFFFD"); n != 4 {
				t.Errorf("%s: %d replaced bytes: %s", name, n, out.String())
			}
		}
	}
}

func TestRemarkNames(t *testing.T) {
	t.Parallel()
	for kind := KindChannelOpen; kind <= KindListen; kind++ {
		if strings.HasPrefix(kind.String(), "kind-") {
			t.Errorf("kind %d has no name", kind)
		}
	}
	if Kind(200).String() != "kind-200" || Kind(0).String() != "kind-0" {
		t.Error("unknown kinds")
	}
}
