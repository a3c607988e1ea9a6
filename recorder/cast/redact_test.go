package cast

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// secretScript is what somebody types and sees, with a secret in the middle.
func secretScript() []Body {
	return []Body{
		ChannelOpen{Type: Shell, Terminal: "xterm"},
		Output("before\r\n"), Input("p"), Output("the secret is 4711\r\n"), Output("after\r\n"), ChannelClose{},
	}
}

func isSecret(e Event) bool {
	output, ok := e.Body.(Output)
	return ok && strings.Contains(string(output), "secret")
}

// A redacted copy proves itself by the seals of the original, says where something is
// missing, and everything else is in it.
func TestRedact(t *testing.T) {
	t.Parallel()
	data := recording(t, secretScript()...)
	_, original, err := readAll(bytes.NewReader(data))
	if err != io.EOF {
		t.Fatal(err)
	}
	seals := original.Seals()
	for name, c := range map[string]struct {
		open  Opener
		taken int64
		text  string // of the input, if it can be opened
	}{
		"by both reviewers":  {everything, 1, "> p"},
		"without the input":  {playback, 2, ""},
		"of a redacted copy": {everything, 0, ""},
	} {
		source := data
		if name == "of a redacted copy" {
			var first bytes.Buffer
			if _, err := Redact(&first, bytes.NewReader(data), playback, isSecret); err != nil {
				t.Fatal(err)
			}
			source = first.Bytes()
		}
		var copied bytes.Buffer
		taken, err := Redact(&copied, bytes.NewReader(source), c.open, isSecret)
		if err != nil || taken != c.taken {
			t.Fatalf("%s: %d, %v", name, taken, err)
		}
		for _, open := range []Opener{nil, playback, everything} {
			summary, err := Verify(bytes.NewReader(copied.Bytes()), seals, open)
			if err != nil || summary.Redacted == 0 || summary.End == nil {
				t.Errorf("%s: %+v, %v", name, summary, err)
			}
		}
		var text bytes.Buffer
		if err := Text(&text, bytes.NewReader(copied.Bytes()), everything, ExportOptions{Input: true}); err != nil {
			t.Fatal(err)
		}
		for want, is := range map[string]bool{
			"before": true, "after": true, "were taken out here": true, "secret": false, "4711": false,
		} {
			if strings.Contains(text.String(), want) != is {
				t.Errorf("%s: %q: %v in\n%s", name, want, !is, text.String())
			}
		}
		// Put back, or changed, it is noticed.
		for _, at := range places(copied.Bytes()) {
			bad := bytes.Clone(copied.Bytes())
			bad[at] ^= 4
			if _, err := Verify(bytes.NewReader(fixChecksums(bad)), seals, nil); err == nil && !bytes.Equal(fixChecksums(bad), copied.Bytes()) {
				t.Fatalf("%s: byte %d may be another", name, at)
			}
		}
	}
	if _, err := Redact(io.Discard, bytes.NewReader(data), nil, isSecret); !errors.Is(err, ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	if _, err := Redact(io.Discard, bytes.NewReader(data[:len(data)-1]), everything, isSecret); !errors.Is(err, ErrCut) {
		t.Errorf("of a cut recording: %v", err)
	}
}

// Whoever has every key of a recording, and guesses what was taken out, cannot tell
// whether the guess is right: the block has a salt that is not derived from them.
func TestRedactedCannotBeGuessed(t *testing.T) {
	t.Parallel()
	data := recording(t, secretScript()...)
	_, reader, err := readAll(bytes.NewReader(data))
	if err != io.EOF {
		t.Fatal(err)
	}
	salts := map[string]bool{}
	for range 3 {
		var out bytes.Buffer
		w, err := newWriter(&out, reader.Header(), &secrets{*reader.keys[0], *reader.keys[1]}, Options{Now: clock()})
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range secretScript() {
			if err := w.Write(1, body); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(End{Reason: Completed}); err != nil {
			t.Fatal(err)
		}
		var copied bytes.Buffer
		if _, err := Redact(&copied, &out, everything, func(e Event) bool { return true }); err != nil {
			t.Fatal(err)
		}
		for at := 0; ; {
			next := bytes.Index(copied.Bytes()[at:], []byte{recordRedacted, entrySize - 1, 0, 0, 0})
			if next < 0 {
				break
			}
			at += next + recordPrefix
			digest := string(copied.Bytes()[at+blockStart : at+entrySize-1])
			if salts[digest] {
				t.Fatal("the same events under the same keys leave the same digest")
			}
			salts[digest] = true
		}
	}
	if len(salts) != 3*len(secretScript()) {
		t.Errorf("%d digests", len(salts))
	}
}
