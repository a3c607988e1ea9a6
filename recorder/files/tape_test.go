package files

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"stint/recorder/cast"
)

// tape is a recording in memory, beside what really went through.
type tape struct {
	raw, kept map[cast.Kind][]byte
	events    []cast.Body
	full      int // events and chunks from which on nothing is taken; 0: never
	taken     int
}

var errFull = errors.New("full")

func newTape() *tape {
	return &tape{raw: map[cast.Kind][]byte{}, kept: map[cast.Kind][]byte{}}
}

func (t *tape) take() error {
	if t.taken++; t.full > 0 && t.taken >= t.full {
		return errFull
	}
	return nil
}

func (t *tape) Bytes(stream cast.Kind, p []byte) error {
	if err := t.take(); err != nil {
		return err
	}
	t.kept[stream] = append(t.kept[stream], p...)
	return nil
}

func (t *tape) Event(body cast.Body) error {
	if err := t.take(); err != nil {
		return err
	}
	if bulk, ok := body.(cast.Bulk); ok {
		bulk.Spans = slices.Clone(bulk.Spans)
		body = bulk
	}
	t.events = append(t.events, body)
	return nil
}

// pass records bytes as the proxy does.
func (t *tape) pass(tb testing.TB, r Recorder, stream cast.Kind, p []byte) {
	tb.Helper()
	if err := r.Record(stream, p); err != nil {
		tb.Fatal(err)
	}
	t.raw[stream] = append(t.raw[stream], p...)
}

// whole puts what was kept together with what was left out, and says what is wrong: a
// byte that is in neither, or a hash of others.
func (t *tape) whole() error {
	type file struct {
		number uint64
		stream cast.Kind
	}
	contents := map[file][]byte{}
	left := map[cast.Kind][]bool{}
	for stream, raw := range t.raw {
		left[stream] = make([]bool, len(raw))
	}
	for _, event := range t.events {
		b, ok := event.(cast.Bulk)
		if !ok {
			continue
		}
		var content []byte
		at := b.Offset
		for i, n := range b.Spans {
			if at+n > uint64(len(t.raw[b.Stream])) {
				return fmt.Errorf("%+v is of more than went through", b)
			}
			for j := at; i%2 == 0 && j < at+n; j++ {
				if left[b.Stream][j] {
					return fmt.Errorf("%+v is of what was left out already", b)
				}
				left[b.Stream][j] = true
				content = append(content, t.raw[b.Stream][j])
			}
			at += n
		}
		if b.File != 0 {
			of := file{b.File, b.Stream}
			contents[of] = append(contents[of], content...)
			if content = contents[of]; b.To-b.From != uint64(len(content)) {
				continue // some of it was early, and kept
			}
		}
		if sha256.Sum256(content) != [32]byte(b.SHA256) {
			return fmt.Errorf("%+v has the hash of something else", b)
		}
	}
	for stream, raw := range t.raw {
		var kept []byte
		for i, c := range raw {
			if !left[stream][i] {
				kept = append(kept, c)
			}
		}
		if !bytes.Equal(kept, t.kept[stream]) {
			return fmt.Errorf("%d bytes of %s were kept, %d should be, or they are others", len(t.kept[stream]), stream, len(kept))
		}
	}
	return nil
}

// leftOut counts the bytes that were not kept.
func (t *tape) leftOut() (n int) {
	for stream := range t.raw {
		n += len(t.raw[stream]) - len(t.kept[stream])
	}
	return n
}

// told are the events in words, but for those of bulk.
func (t *tape) told() (lines []string) {
	for _, event := range t.events {
		switch b := event.(type) {
		case cast.FileOperation:
			line := fmt.Sprintf("%s %d %q", b.Operation, b.Number, b.Path)
			for _, word := range []string{b.Other, b.Flags, b.Mode, b.Attributes} {
				if word != "" {
					line += " [" + word + "]"
				}
			}
			if b.Operation == cast.ReadFile || b.Operation == cast.WriteFile {
				line += fmt.Sprintf(" %d+%d %.8s", b.Offset, b.Size, b.SHA256)
				if b.Whole {
					line += " whole"
				}
			}
			lines = append(lines, strings.TrimSpace(line+" "+b.Outcome+" "+b.Message))
		case cast.Note:
			lines = append(lines, "note "+string(b))
		}
	}
	return lines
}

// isPlain tells whether a note says that all is kept from here on.
func (t *tape) isPlain() bool {
	return slices.ContainsFunc(t.told(), func(line string) bool { return strings.HasPrefix(line, "note ") })
}

func digestOf(content []byte) string { return fmt.Sprintf("%.8s", cast.Digest(sha256.Sum256(content))) }

// packet makes a packet of SFTP. Numbers have their size, strings and bytes a length.
func packet(kind byte, values ...any) []byte {
	body := []byte{kind}
	for _, value := range values {
		switch v := value.(type) {
		case int:
			body = binary.BigEndian.AppendUint32(body, uint32(v))
		case uint64:
			body = binary.BigEndian.AppendUint64(body, v)
		case string:
			body = append(binary.BigEndian.AppendUint32(body, uint32(len(v))), v...)
		case []byte:
			body = append(binary.BigEndian.AppendUint32(body, uint32(len(v))), v...)
		}
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// said is one turn of a conversation.
type said struct {
	target bool
	bytes  []byte
}

func client(packets ...[]byte) said { return said{false, bytes.Join(packets, nil)} }
func target(packets ...[]byte) said { return said{true, bytes.Join(packets, nil)} }

func (s said) stream() cast.Kind {
	if s.target {
		return cast.KindOutput
	}
	return cast.KindInput
}

// play plays a conversation, in chunks of at most so many bytes.
func play(tb testing.TB, start func(Sink) Recorder, chunk int, turns []said) *tape {
	tb.Helper()
	t := newTape()
	r := start(t)
	for _, turn := range turns {
		for p := range slices.Chunk(turn.bytes, chunk) {
			t.pass(tb, r, turn.stream(), p)
		}
	}
	if err := r.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := t.whole(); err != nil {
		tb.Error(err)
	}
	return t
}
