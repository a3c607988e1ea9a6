package cast

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestInert(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxString+10)
	for name, c := range map[string]struct{ in, out, plain string }{
		"text":                  {"grüße\t\r\n", "grüße\t\r\n", "grüße\t\r\n"},
		"colours":               {"\x1b[1;31mred\x1b[38;2;1;2;3mrgb\x1b[38:5:1m\x1b[m", "\x1b[1;31mred\x1b[38;2;1;2;3mrgb\x1b[38:5:1m\x1b[m", "redrgb"},
		"cursor":                {"\x1b[2;5Ha\x1b[A\x1b[10G\x1b7\x1b8\x1bM\x1b[s\x1b[u", "\x1b[2;5Ha\x1b[A\x1b[10G\x1b7\x1b8\x1bM\x1b[s\x1b[u", "a"},
		"erase":                 {"\x1b[2J\x1b[K\x1b[3P\x1b[J\x1b[0J", "\x1b[2J\x1b[K\x1b[3P\x1b[J\x1b[0J", ""},
		"erase scrollback":      {"\x1b[3Ja\x1b[0;3Jb\x1b[03J", "ab", "ab"},
		"alternate screen":      {"\x1b[?1049h\x1b[?1049l", "\x1b[?1049h\x1b[?1049l", ""},
		"mixed modes":           {"\x1b[?1;25;2004h\x1b[?1000h\x1b[?1006;1002l", "\x1b[?25h", ""},
		"insert mode":           {"\x1b[4h\x1b[20h\x1b[2h\x1b[4l", "\x1b[4h\x1b[4l", ""},
		"line drawing":          {"\x1b(0qqq\x1b(B\x0eq\x0f", "\x1b(0qqq\x1b(B\x0eq\x0f", "qqqq"},
		"other charset":         {"\x1b%Ga\x1b(Kb\x1b Gc", "abc", "abc"},
		"title BEL":             {"a\x1b]0;evil\ab", "ab", "ab"},
		"title ST":              {"a\x1b]2;evil\x1b\\b", "ab", "ab"},
		"title C1 ST":           {"a\x1b]2;evil\u009cb", "ab", "ab"},
		"hyperlink":             {"\x1b]8;;http://x\x1b\\here\x1b]8;;\x1b\\", "here", "here"},
		"clipboard":             {"\x1b]52;c;ZXZpbA==\a!", "!", "!"},
		"DCS":                   {"a\x1bPq#0;2\nmore\x1b\\b", "ab", "aq#0;2\nmoreb"},
		"APC PM SOS":            {"\x1b_x\x1b\\1\x1b^y\x1b\\2\x1bXz\x1b\\3", "123", "x1y2z3"},
		"open title, line end":  {"\x1b]0;hidden\nshown", "0;hidden\nshown", "0;hidden\nshown"},
		"open title, long":      {"\x1b]0;" + long, "0;" + long, "0;" + long},
		"open DCS, long":        {"\x1bP" + long, long, long},
		"title, then escape":    {"\x1b]0;x\x1b[31mred", "0;x\x1b[31mred", "0;xred"},
		"title, cancelled":      {"\x1b]0;x\x18y", "0;xy", "0;xy"},
		"two escapes":           {"\x1b\x1b[31mr", "\x1b[31mr", "r"},
		"cancelled":             {"\x1b[3\x1a1m", "1m", "1m"},
		"control in a sequence": {"\x1b[3\n1mr", "\n\x1b[31mr", "\nr"},
		"character in one":      {"\x1b[3é1m", "3é1m", "3é1m"},
		"endless sequence":      {"\x1b[" + strings.Repeat("1", maxSequence+5) + "m", strings.Repeat("1", maxSequence+5) + "m", strings.Repeat("1", maxSequence+5) + "m"},
		"queries":               {"\x1b[c\x1b[>c\x1b[6n\x1b[?6n\x1b[5n\x1bZ\x05\x1b[x\x1b[?1$p\x1b[>q", "", ""},
		"window operations":     {"\x1b[21t\x1b[8;99;99t\x1b[3;0;0t", "", ""},
		"printing":              {"\x1b[5i\x1b[?5i\x1b[4i", "", ""},
		"mouse tracking":        {"\x1b[1;2;3;4;5T\x1b[2T", "\x1b[2T", ""},
		"keyboards":             {"\x1b=\x1b>\x1b[>4;2m\x1b[>1u\x1b[=1u\x1b[?u\x1b[?4m", "", ""},
		"tabs":                  {"\x1bH\x1b[3g\x1b[?12h", "", ""},
		"margins":               {"\x1b[1;5s\x1b[2;9r", "\x1b[2;9r", ""},
		"protected":             {"\x1b[1\"q\x1b[?2J\x1b[!p\x1b[2 q", "", ""},
		"huge count":            {"x\x1b[99999999999b\x1b[10000b\x1b[9999b", "x\x1b[9999b", "x"},
		"C1":                    {"a\u009b31mb\u0085c\u009d0;x\a", "a31mbc0;x", "a31mbc0;x"},
		"raw C1":                {"a\x9b31m", "a\uFFFD31m", "a\uFFFD31m"},
		"bad UTF-8":             {"\xff\xc3(\xe2\x82", "\uFFFD\uFFFD(\uFFFD\uFFFD", "\uFFFD\uFFFD(\uFFFD\uFFFD"},
		"bad before escape":     {"\xe2\x82\x1b[31mr", "\uFFFD\uFFFD\x1b[31mr", "\uFFFD\uFFFDr"},
		"bidi":                  {"a\u202eb\u2066c\u200fd\u2028e", "abcde", "abcde"},
		"controls":              {"a\a\x00\x7f\bb\v\f", "a\bb\v\f", "ab"},
		"reset":                 {"\x1bc", "\x0f\x1b(B\x1b)B\x1b[m\x1b[4l\x1b[?5l\x1b[?7h\x1b[?25h\x1b[H\x1b[2J", ""},
		"open at the end":       {"\x1b]0;half", "0;half", "0;half"},
		"escape at the end":     {"a\x1b", "a", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for split := range len(c.in) + 1 {
				for _, plain := range []bool{false, true} {
					f := inert{plain: plain}
					out := f.feed(nil, []byte(c.in[:split]))
					out = f.finish(f.feed(out, []byte(c.in[split:])))
					want := c.out
					if plain {
						want = c.plain
					}
					if string(out) != want {
						t.Fatalf("split at %d: %.200q, want %.200q", split, out, want)
					}
				}
			}
		})
	}
}

func TestInertWriter(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := NewInertWriter(&out)
	in := "\x1b[?1049h\x1b[2;5r" + strings.Repeat("line\x1b]0;t\a\n", 10000)
	if n, err := w.Write([]byte(in)); n != len(in) || err != nil {
		t.Fatal(n, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[?1049h\x1b[2;5r" + strings.Repeat("line\n", 10000) + "\x1b[?1049l\x1b7\x1b[r\x1b8" +
		"\x0f\x1b(B\x1b)B\x1b[m\x1b[4l\x1b[?5l\x1b[?7h\x1b[?25h"
	if out.String() != want {
		t.Errorf("%q", out.String()[len(out.String())-200:])
	}
	if _, err := NewInertWriter(&brokenStream{}).Write([]byte("x")); err == nil {
		t.Error("a failed writer")
	}
}

// What may come out of the filter, as a pattern of its own.
var harmless = regexp.MustCompile(`^(?:[^\x00-\x1f\x7f-\x{9f}\x{61c}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2066}-\x{2069}]` +
	`|[\x08-\x0f]` +
	`|\x1b[78DEM]|\x1b[()][0AB]` +
	`|\x1b\[[0-9:;]*[@A-MPSTXZ` + "`" + `abdefmr]|\x1b\[[su]|\x1b\[4[hl]` +
	`|\x1b\[\?(?:5|6|7|25|47|1047|1048|1049)[hl])*$`)

func FuzzInert(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte, split int) {
		if len(data) > 1<<16 {
			return
		}
		split = min(max(split, 0), len(data))
		for _, plain := range []bool{false, true} {
			whole := inert{plain: plain}
			want := whole.finish(whole.feed(nil, data))
			parts := inert{plain: plain}
			got := parts.feed(nil, data[:split])
			for i := split; i < len(data); i++ {
				got = parts.feed(got, data[i:i+1])
			}
			got = parts.finish(got)
			if !bytes.Equal(want, got) {
				t.Fatalf("split: %q, whole: %q", got, want)
			}
			if !utf8.Valid(got) || !harmless.Match(got) {
				t.Fatalf("%q let through %q", data, got)
			}
			if plain && bytes.ContainsAny(got, "\x1b\b\v\f\x0e\x0f") {
				t.Fatalf("plain: %q", got)
			}
			if again := (&inert{plain: plain}); !plain {
				twice := again.finish(again.feed(nil, got))
				if !bytes.Equal(twice, got) {
					t.Fatalf("%q becomes %q when filtered again", got, twice)
				}
			}
		}
	})
}
