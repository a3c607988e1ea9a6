package cast

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// What no terminal shows went to a client all the same, which may be none.
func TestTextTellsOfControlStrings(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for name, test := range map[string]struct{ output, want string }{
		"DCS":           {"\x1bPsecret\nsecond\x1b\\", "| secret\n00:00:00.000 1 | second\n"},
		"SOS by U+009C": {"\x1bXsecret\u009c.", "| secret.\n"},
		"APC":           {"\x1b_secret\x1b\\", "| secret\n"},
		"OSC":           {"\x1b]0;title\a$ ls\n", "* 7 bytes of titles and other commands to the terminal are not shown\n"},
	} {
		var recording, out bytes.Buffer
		w, err := NewWriter(&recording, Header{Session: "s", Request: "r", Protocol: "ssh"}, recipients(), Options{Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []Body{ChannelOpen{Type: Exec, Command: "x"}, Output(test.output), ChannelClose{}} {
			if err := w.Write(1, body); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(End{Reason: Completed}); err != nil {
			t.Fatal(err)
		}
		if err := Text(&out, &recording, everything, ExportOptions{}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), test.want) {
			t.Errorf("%s: %q is not in\n%s", name, test.want, out.String())
		}
	}
}
