package files

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stint/recorder/cast"
)

func startSCP(tb testing.TB, command string) func(Sink) Recorder {
	return func(sink Sink) Recorder {
		r, ok := SCP(sink, command, false)
		if !ok {
			tb.Fatalf("%q is not scp", command)
		}
		return r
	}
}

func TestSCPCommands(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]scpCommand{
		"scp -t x":                   {false, "x"},
		"scp -r -p -d -t -- -x":      {false, "-x"},
		"scp -v -f /etc/passwd":      {true, "/etc/passwd"},
		"scp -pf ~/a":                {true, "~/a"},
		"scp -rt .":                  {false, "."},
		"scp -q -f caf\xe9\xff":      {true, "caf\xe9\xff"},
		"scp -f a,b@c:d%e+f=g_h-i.j": {true, "a,b@c:d%e+f=g_h-i.j"},
	} {
		if got, ok := readCommand(command); !ok || got != want {
			t.Errorf("%q: %+v, %v", command, got, ok)
		}
	}
	for _, command := range []string{
		"", "scp", "scp x", "scp -t", "scp -t ", "scp -t x; bash", "scp -t x;bash", "scp -t x && bash", "scp -t x\nbash", "scp -t x|bash", "scp -t $(bash)",
		"scp -t `bash`", "scp -t 'x'", `scp -t "x"`, `scp -t x\ y`, "scp -t x y", "scp -t *", "scp -t a?", "scp -t [a]", "scp -t {a,b}", "scp -t x&", "scp -t x>y", "scp -t <y",
		"scp -t #", "scp -t !x", "scp -t $HOME", "scp -t x\x00", "scp -t x\ty", "scp  -t x", " scp -t x", "scp -t x ", "scp\t-t x", "scp -t -f x", "scp -r x", "scp -S bash -t x", "scp -o x -t x",
		"scp -tS x", "scp - -t x", "scp -t -x", "/usr/bin/scp -t x", "scp2 -t x", "sudo scp -t x", "scp -t (x)", "scp -t ^x", "scp -- -t x",
	} {
		if got, ok := readCommand(command); ok {
			t.Errorf("%q is taken for scp: %+v", command, got)
		}
	}
}

// zero is the sink's yes.
var zero = []byte{0}

func text(lines ...string) []byte { return []byte(strings.Join(lines, "")) }

func TestSCPConversations(t *testing.T) {
	t.Parallel()
	p := strings.Repeat("0123456789", 10)
	all := digestOf([]byte(p))
	// Each says what source and sink say in turn, the sink first.
	type turn struct{ sink, source string }
	const yes = "\x00"
	tests := map[string]struct {
		turns []turn
		told  []string // the operation's name of the direction is %
		left  int
	}{
		"a file": {[]turn{{yes, "C0644 100 n\xff\n"}, {yes, p + yes}, {sink: yes}},
			[]string{`% 1 "n\xff" [x] [0644] 0+100 ` + all + ` whole ok`}, 100},
		"nothing in a file": {[]turn{{yes, "C0600 0 n\n"}, {yes, yes}, {sink: yes}},
			[]string{`% 1 "n" [x] [0600] 0+0 e3b0c442 whole ok`}, 0},
		"times": {[]turn{{yes, "T1 0 2 0\n"}, {yes, "C0644 100 n\n"}, {yes, p + yes}, {sink: yes}},
			[]string{`% 1 "n" [x] [0644] [accessed 1970-01-01T00:00:02Z, modified 1970-01-01T00:00:01Z] 0+100 ` + all + ` whole ok`}, 100},
		"a tree": {[]turn{{yes, "D0755 0 d\n"}, {yes, "D0755 0 e\n"}, {yes, "C0644 100 n\n"}, {yes, p + yes}, {yes, "E\n"}, {yes, "C0644 10 m\n"}, {yes, p[:10] + yes}, {yes, "E\n"}, {sink: yes}},
			[]string{`# 0 "d" [x] [0755] ok`, `# 0 "d/e" [x] [0755] ok`, `% 1 "d/e/n" [x] [0644] 0+100 ` + all + ` whole ok`, `% 2 "d/m" [x] [0644] 0+10 ` + digestOf([]byte(p[:10])) + ` whole ok`}, 110},
		"a file that is refused": {[]turn{{yes, "C0644 100 n\n"}, {"\x01scp: n: Permission denied\n", "C0644 10 m\n"}, {yes, p[:10] + yes}, {sink: yes}},
			[]string{`% 0 "n" [x] [0644] 0+0  failure scp: n: Permission denied`, `% 1 "m" [x] [0644] 0+10 ` + digestOf([]byte(p[:10])) + ` whole ok`}, 10},
		"a directory that is refused": {[]turn{{yes, "D0755 0 d\n"}, {"\x01no\n", "C0644 0 n\n"}, {yes, yes}, {sink: yes}},
			[]string{`# 0 "d" [x] [0755] failure no`, `% 1 "n" [x] [0644] 0+0 e3b0c442 whole ok`}, 0},
		"a full disk": {[]turn{{yes, "C0644 100 n\n"}, {yes, p + yes}, {sink: "\x01No space\n"}},
			[]string{`% 1 "n" [x] [0644] 0+100 ` + all + ` failure No space`}, 100},
		"a source that cannot read on": {[]turn{{yes, "C0644 100 n\n"}, {yes, p + "\x01I/O error\n"}, {sink: yes}},
			[]string{`% 1 "n" [x] [0644] 0+100 ` + all + ` failure I/O error`}, 100},
		"no such file":         {[]turn{{yes, "\x01scp: x: No such file\n"}}, []string{`% 0 "" [x] 0+0  failure scp: x: No such file`}, 0},
		"a sink that will not": {[]turn{{sink: "\x02scp: x: not a directory\n"}}, nil, 0},
		"a file that never ends": {[]turn{{yes, "C0644 100 n\n"}, {yes, p[:33]}},
			[]string{`% 1 "n" [x] [0644] 0+33 ` + digestOf([]byte(p[:33])) + ` unanswered`}, 33},
	}
	for name, c := range tests {
		for command, words := range map[string][2]string{"scp -t x": {"write", "mkdir"}, "scp -f x": {"read", "list"}} {
			sends := words[0] == "read"
			var turns []said
			for _, turn := range c.turns {
				turns = append(turns, said{!sends, []byte(turn.sink)}, said{sends, []byte(turn.source)})
			}
			var want []string
			for _, line := range c.told {
				want = append(want, strings.Replace(strings.Replace(line, "%", words[0], 1), "#", words[1], 1))
			}
			for _, chunk := range []int{1, 13, 1 << 20} {
				got := play(t, startSCP(t, command), chunk, turns)
				if diff := cmp.Diff(want, got.told()); diff != "" || got.leftOut() != c.left {
					t.Errorf("%s, %s, in chunks of %d: %d bytes are left out\n%s", name, command, chunk, got.leftOut(), diff)
				}
			}
		}
	}
}

func TestSCPDeviations(t *testing.T) {
	t.Parallel()
	start := []said{{true, zero}, {false, text("C0644 5 n\n")}}
	data := append(start, said{true, zero}, said{false, text("01234")})
	for name, turns := range map[string][]said{
		"a source that does not wait":       {{false, text("C0644 5 n\n")}},
		"content before the sink said yes":  append(start, said{false, text("01234\n")}),
		"content after the sink said no":    append(start, said{true, text("\x01no\n")}, said{false, text("01234\n")}),
		"a line after the sink's last word": append(start, said{true, text("\x02no\n")}, said{false, text("C0644 5 n\n")}),
		"a sink that speaks unasked":        append(data, said{true, zero}),
		"more content than was said":        append(data, said{false, text("5\n")}),
		"no number":                         {{true, zero}, {false, text("C0644 x n\n")}},
		"a number too long":                 {{true, zero}, {false, text("C0644 9999999999999999999 n\n")}},
		"a mode that is none":               {{true, zero}, {false, text("C0999 5 n\n")}},
		"no name":                           {{true, zero}, {false, text("C0644 5 \n")}},
		"commands":                          {{true, zero}, {false, text("id\n")}},
		"a directory that nobody entered":   {{true, zero}, {false, text("E\n")}},
		"a word that is no answer":          {{true, text("Welcome to db1\n")}},
		"a line without end":                {{true, zero}, {false, bytes.Repeat([]byte("C"), maxLine+1)}},
	} {
		for _, chunk := range []int{1, 1 << 20} {
			before := play(t, startSCP(t, "scp -t x"), chunk, turns)
			after := play(t, startSCP(t, "scp -t x"), chunk, append(slices.Clone(turns), start[0], start[1], data[2], data[3]))
			if !before.isPlain() || after.leftOut() != before.leftOut() {
				t.Errorf("%s, in chunks of %d: %q, and then %d bytes are left out", name, chunk, before.told(), after.leftOut()-before.leftOut())
			}
		}
	}
}

func TestBounded(t *testing.T) {
	t.Parallel()
	const bound, size = 10_000, 2*(pieceBytes+sampleBytes) + 10_000 + 777
	raw := make([]byte, size)
	for i := range raw {
		raw[i] = byte(i >> 8)
	}
	for _, chunk := range []int{1000, 32 << 10} {
		tape := play(t, func(sink Sink) Recorder { return Bounded(sink, bound) }, chunk, []said{
			{true, raw}, {false, raw[:bound]},
		})
		if n := len(tape.kept[cast.KindInput]); n != bound || len(tape.events) != 3 || len(tape.kept[cast.KindOutput]) != bound+2*sampleBytes {
			t.Errorf("in chunks of %d: %d bytes are kept, and %d pieces told", chunk, len(tape.kept[cast.KindOutput]), len(tape.events))
		}
	}

	tape := newTape()
	r := Bounded(tape, 3)
	tape.pass(t, r, cast.KindErrorOutput, []byte("abcdefgh"))
	if err := r.Flush(); err != nil || len(tape.events) != 1 {
		t.Fatalf("%v, %+v", err, tape.events)
	}
	if b := tape.events[0].(cast.Bulk); b.Stream != cast.KindErrorOutput || b.Offset != 3 || b.Size() != 5 || b.File != 0 {
		t.Errorf("it tells %+v", b)
	}
	tape.pass(t, r, cast.KindErrorOutput, []byte("the next sample"))
	if err := r.Close(); err != nil || len(tape.events) != 1 || string(tape.kept[cast.KindErrorOutput]) != "abcthe next sample" {
		t.Errorf("%v: %q", err, tape.kept)
	}
	tape.pass(t, r, cast.KindErrorOutput, make([]byte, 10_000))
	if err := tape.whole(); err != nil || tape.leftOut() != 5 {
		t.Errorf("after its end %d bytes are left out: %v", tape.leftOut(), err)
	}

	full := newTape()
	full.full = 1
	r = Bounded(full, 3)
	if r.Record(cast.KindInput, []byte("abcdefgh")) == nil || r.Record(cast.KindInput, []byte("x")) == nil || r.Flush() == nil {
		t.Error("what is not recorded goes through")
	}
}
