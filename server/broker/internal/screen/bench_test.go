package screen

import (
	"bytes"
	"fmt"
	"testing"
)

func BenchmarkPlainText(b *testing.B) {
	var data []byte
	for i := range 500 {
		data = fmt.Appendf(data, "Nov 24 03:%02d:%02d bastion sshd[%d]: Accepted publickey for operator from 192.0.2.7 port 50022\r\n", i/60%60, i%60, 1000+i)
	}
	benchmarkWrite(b, Options{Columns: 120, Rows: 40, Scrollback: 2000}, data)
}

func BenchmarkPlainTextTold(b *testing.B) {
	data := bytes.Repeat([]byte("Nov 24 03:00:00 bastion sshd[1000]: Accepted publickey for operator from 192.0.2.7 port 50022\r\n"), 500)
	benchmarkWrite(b, Options{Columns: 120, Rows: 40, Scrollback: 2000, Hooks: Hooks{Line: func(string) {}}}, data)
}

func BenchmarkRecordings(b *testing.B) {
	for _, name := range recordings(b) {
		b.Run(name, func(b *testing.B) {
			options, steps := readRecording(b, name)
			var data []byte
			for _, s := range steps {
				if s.columns == 0 {
					data = append(data, s.data...)
				}
			}
			benchmarkWrite(b, options, data)
		})
	}
}

func BenchmarkKeyframe(b *testing.B) {
	s := New(Options{Columns: 120, Rows: 40, Scrollback: 2000})
	for i := range 3000 {
		fmt.Fprintf(s, "\x1b[3%dmline %d\x1b[0m of a long listing of what there is\r\n", i%8, i)
	}
	for b.Loop() {
		s.Keyframe()
	}
}

func benchmarkWrite(b *testing.B, options Options, data []byte) {
	s := New(options)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		s.Write(data)
	}
}
