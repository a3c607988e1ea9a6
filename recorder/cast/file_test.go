package cast

import (
	"bytes"
	"crypto/sha256"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// transfers are the bodies that tell of files and of what was not kept.
func transfers() []Body {
	sum := Digest(sha256.Sum256([]byte("content")))
	return []Body{
		FileOperation{Operation: OpenFile, Number: 1, Path: "a\xff\n", Flags: "write, create, truncate", Mode: "0644", Outcome: "ok"},
		Bulk{Stream: KindInput, Offset: 29, Spans: []uint64{4, 12, 3}, File: 1, To: 7, SHA256: sum},
		FileOperation{Operation: WriteFile, Number: 1, Path: "a\xff\n", Size: 7, SHA256: sum, Whole: true, Outcome: "ok"},
		FileOperation{Operation: RenameFile, Path: "a", Other: "b", Flags: "posix", Outcome: "permission-denied", Message: "Permission denied"},
		FileOperation{Operation: SetAttributes, Path: "b", Mode: "10755", Attributes: "size 0, owner 1000:1000", Outcome: "unanswered"},
		FileOperation{Operation: ReadFile, Number: 2, Path: "c", Other: "/tmp/c", Offset: 5, Size: 2, Outcome: "failure"},
		Bulk{Stream: KindOutput, Offset: 1 << 40, Spans: []uint64{4 << 20}, SHA256: sum},
	}
}

func TestFilesComeBack(t *testing.T) {
	t.Parallel()
	events, _, err := readAll(bytes.NewReader(recording(t, transfers()...)))
	if err != io.EOF {
		t.Fatal(err)
	}
	for i, want := range transfers() {
		if diff := cmp.Diff(want, events[i].Body); diff != "" {
			t.Error(diff)
		}
	}
	if size := transfers()[1].(Bulk).Size(); size != 7 {
		t.Errorf("%d bytes were left out", size)
	}
}

func TestFilesStrict(t *testing.T) {
	t.Parallel()
	good := FileOperation{Operation: OpenFile, Outcome: "ok"}
	for name, body := range map[string]Body{
		"no operation":             FileOperation{Outcome: "ok"},
		"an operation in caps":     FileOperation{Operation: "Open", Outcome: "ok"},
		"no outcome":               FileOperation{Operation: OpenFile},
		"a mode of words":          FileOperation{Operation: OpenFile, Outcome: "ok", Mode: "rw"},
		"a short mode":             FileOperation{Operation: OpenFile, Outcome: "ok", Mode: "644"},
		"a long mode":              FileOperation{Operation: OpenFile, Outcome: "ok", Mode: "00644"},
		"a file without end":       FileOperation{Operation: ReadFile, Outcome: "ok", Offset: 1 << 63, Size: 1 << 63},
		"no stream":                Bulk{Stream: KindNote, Spans: []uint64{1}},
		"nothing left out":         Bulk{Stream: KindInput},
		"it ends with kept":        Bulk{Stream: KindInput, Spans: []uint64{1, 2}},
		"an empty span":            Bulk{Stream: KindInput, Spans: []uint64{1, 0, 1}},
		"a stream without end":     Bulk{Stream: KindInput, Offset: 1 << 63, Spans: []uint64{1 << 63}},
		"it ends before it begins": Bulk{Stream: KindInput, Spans: []uint64{1}, File: 1, From: 2, To: 1},
		"bounds of no file":        Bulk{Stream: KindInput, Spans: []uint64{1}, To: 1},
	} {
		if body.check() == nil {
			t.Errorf("%s: it may be written", name)
		}
		if again, err := parseBody(body.Kind(), body.append(nil)); err == nil {
			t.Errorf("%s: it is read as %+v", name, again)
		}
	}
	payload := good.append(nil)
	for n := range payload {
		if again, err := parseBody(KindFile, payload[:n]); err == nil {
			t.Errorf("%d bytes are read as %+v", n, again)
		}
	}
	payload = Bulk{Stream: KindInput, Spans: []uint64{1}}.append(nil)
	for n := range payload {
		if again, err := parseBody(KindBulk, payload[:n]); err == nil {
			t.Errorf("%d bytes are read as %+v", n, again)
		}
	}
}

func TestFilesInWords(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	bodies := append([]Body{ChannelOpen{Type: Subsystem, Command: "sftp"}, Input("1234")}, append(transfers(), ChannelClose{})...)
	if err := Text(&out, bytes.NewReader(recording(t, bodies...)), ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"* file: open a\uFFFD , write, create, truncate, mode 0644\n",
		"* file: write a\uFFFD , 7 bytes, SHA-256 ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73\n",
		"* file: rename a to b, posix: failed: Permission denied\n",
		"* file: setstat b, size 0, owner 1000:1000, mode 10755: not answered\n",
		"* file: read c (scp /tmp/c), 2 bytes from byte 5, perhaps not the whole file, out of order: failed: failure\n",
		"* note: 11 bytes from the client and 4194304 from the target are not shown\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, out.String())
		}
	}
}
