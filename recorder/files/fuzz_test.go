package files

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// turnsOf makes a conversation of bytes: each turn begins with its length, the highest
// bit of which is for the target's.
func turnsOf(script []byte) (turns []said) {
	for len(script) > 0 {
		n := min(int(script[0]&0x7f), len(script)-1)
		turns = append(turns, said{script[0]&0x80 != 0, script[1 : 1+n]})
		script = script[1+n:]
	}
	return turns
}

// scriptOf is the other way round.
func scriptOf(turns []said) (script []byte) {
	for _, turn := range turns {
		for p := range slices.Chunk(turn.bytes, 0x7f) {
			head := byte(len(p))
			if turn.target {
				head |= 0x80
			}
			script = append(append(script, head), p...)
		}
	}
	return script
}

// fuzzTurns: whatever two sides say, every byte of it is kept or accounted for (play sees
// to that), and how it was cut into chunks changes nothing.
func fuzzTurns(t *testing.T, start func(Sink) Recorder, turns []said) {
	bytewise := play(t, start, 1, turns)
	asItCame := play(t, start, 1<<20, turns)
	if diff := cmp.Diff(bytewise.told(), asItCame.told()); diff != "" {
		t.Errorf("cut otherwise it says otherwise: %s", diff)
	}
	if diff := cmp.Diff(bytewise.kept, asItCame.kept); diff != "" {
		t.Errorf("cut otherwise, others are kept: %s", diff)
	}
}

func FuzzSFTP(f *testing.F) {
	for _, c := range conversations() {
		f.Add(scriptOf(c.turns))
	}
	f.Fuzz(func(t *testing.T, script []byte) { fuzzTurns(t, startSFTP, turnsOf(script)) })
}

func FuzzSCP(f *testing.F) {
	f.Fuzz(func(t *testing.T, command string, script []byte) {
		if _, ok := SCP(newTape(), command, false); !ok {
			command = "scp -t x"
			if len(script)%2 == 1 {
				command = "scp -f x"
			}
		}
		fuzzTurns(t, startSCP(t, command), turnsOf(script))
	})
}
