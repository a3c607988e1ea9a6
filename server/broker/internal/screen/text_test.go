package screen

import (
	"slices"
	"strings"
	"testing"
)

func TestLinesAreToldOnce(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 3)
	for _, test := range []struct {
		name   string
		writes []string // Settle is called after each
		want   []string
	}{
		{"lines that scroll off", []string{"one\r\ntwo\r\nthree\r\nfour\r\nfive\r\n"}, []string{"one", "two", "three", "four", "five"}},
		{"a line that wraps is one", []string{long + "\r\n1\r\n2\r\n3\r\n4"}, []string{long, "1", "2", "3", "4"}},
		{"nothing new is nothing told", []string{"one", "", "\x1b[H"}, []string{"one"}},
		{"a progress bar, as it stood when it was looked at", []string{"10%\r20%\r30%", "\r40%\r50%"}, []string{"30%", "50%"}},
		{"what is cleared at once", []string{"secret\x1b[2J\x1b[Hpublic"}, []string{"secret", "public"}},
		{"what a program leaves when it ends", []string{"shell\x1b[?1049h\x1b[Hfull screen\x1b[?1049l"}, []string{"shell", "full screen"}},
		{"written again and the same", []string{"same\r\n", "\x1b[Hsame"}, []string{"same"}},
		{"scrolled in a region", []string{"\x1b[2;3r\x1b[2Ha\r\nb\r\nc\r\nd"}, []string{"a", "b", "c", "d"}},
		{"deleted", []string{"a\r\nb\x1b[H\x1b[M"}, []string{"a", "b"}},
		{"reset", []string{"before\x1bcafter"}, []string{"before", "after"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			s := New(Options{Columns: 10, Rows: 4, Scrollback: 100, Hooks: Hooks{Line: func(text string) { got = append(got, text) }}})
			for _, data := range test.writes {
				s.Write([]byte(data))
				s.Settle()
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("The lines told are %q, and should be %q.", got, test.want)
			}
		})
	}
}

func TestMarksSayWhatAShellRan(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, data string
		want       []Mark
	}{
		{
			"FinalTerm", "\x1b]133;A\a$ \x1b]133;B\als -lx\b \b /etc\r\n\x1b]133;C\aout\r\n\x1b]133;D;0\x1b\\",
			[]Mark{{PromptBegins, ""}, {InputBegins, ""}, {CommandBegins, "ls -l /etc"}, {CommandEnds, "0"}},
		},
		{
			"a command that wraps", "\x1b]133;A\a$ \x1b]133;B\aecho 0123456789012345678901234567890123456789\r\n\x1b]133;C\a",
			[]Mark{{PromptBegins, ""}, {InputBegins, ""}, {CommandBegins, "echo 0123456789012345678901234567890123456789"}},
		},
		{
			"at the bottom, where it scrolls", "\r\n\r\n\r\n\r\n$ \x1b]133;B\aecho hello\r\n\x1b]133;C\a",
			[]Mark{{InputBegins, ""}, {CommandBegins, "echo hello"}},
		},
		{
			"Visual Studio Code", "\x1b]633;A\a$ \x1b]633;B\a^R\x1b]633;E;echo a\\x3b b\\\\c;nonce\a\x1b]633;C\a\x1b]633;D;1\a\x1b]633;P;Cwd=/srv\a",
			[]Mark{{PromptBegins, ""}, {InputBegins, ""}, {CommandBegins, `echo a; b\c`}, {CommandEnds, "1"}, {WorkingFolder, "/srv"}},
		},
		{"folders", "\x1b]7;file://host/tmp\a\x1b]1337;CurrentDir=/var\a", []Mark{{WorkingFolder, "file://host/tmp"}, {WorkingFolder, "/var"}}},
		{"a title is none, and what is aborted neither", "\x1b]0;133;A\a\x1b]133;A\x18\x1b]133", nil},
		{"nor what is too long", "\x1b]133;A;" + strings.Repeat("x", maxMark) + "\a", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []Mark
			s := New(Options{Columns: 20, Rows: 4, Scrollback: 100, Hooks: Hooks{Mark: func(m Mark) { got = append(got, m) }}})
			s.Write([]byte(test.data))
			if !slices.Equal(got, test.want) {
				t.Errorf("The marks are %q, and should be %q.", got, test.want)
			}
		})
	}
}
