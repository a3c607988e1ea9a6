package cast

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// FuzzReader: whatever a stream holds, reading it ends, and in the same way by every
// exporter.
func FuzzReader(f *testing.F) {
	plain, _ := small(f, Options{})
	many, _ := small(f, Options{SegmentBytes: 1})
	f.Add(plain)
	f.Add(many)
	f.Add(plain[:len(plain)-50])
	f.Add(recordConnections(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, data := range [][]byte{data, fixChecksums(data)} {
			readAndExport(t, data)
		}
	})
}

// FuzzBlock: the same of what a block holds, which chance would never encrypt.
func FuzzBlock(f *testing.F) {
	for _, e := range append(append(script(), connections()...), Event{Body: Input("x")}) {
		f.Add(appendFrame(nil, e, e.Body.append(nil)), false)
	}
	var all []byte
	for _, b := range transfers() {
		all = appendFrame(all, Event{Channel: 1, Body: b}, b.append(nil))
	}
	f.Add(all, false)
	f.Add(compressed(uint32(len(all)), all), true)
	data, _ := small(f, Options{})
	f.Fuzz(func(t *testing.T, content []byte, compressed bool) {
		if len(content) == 0 || len(content) > maxBlock {
			return
		}
		track, form := SessionTrack, byte(formPlain)
		if content[0] == byte(KindInput) {
			track = InputTrack
		}
		if compressed {
			form = formCompressed
		}
		readAndExport(t, newRaw(t, data).block(track, form, content).frames(Event{Offset: Unknown, Body: End{Reason: Cut}}).seal().Bytes())
	})
}

func readAndExport(t *testing.T, data []byte) {
	t.Helper()
	events, reader, err := readAll(bytes.NewReader(data))
	if err == nil {
		t.Fatal("reading never ends without an error")
	}
	if reader == nil {
		return
	}
	if reader.good > int64(len(data)) {
		t.Fatalf("%d good bytes of %d", reader.good, len(data))
	}
	// What was accepted is in its one encoding.
	for _, e := range events {
		if e.Body.Kind() == KindEnd {
			continue
		}
		frame := appendFrame(nil, e, e.Body.append(nil))
		again, rest, err := parseFrame(frame)
		if err != nil || len(rest) != 0 || !cmp.Equal(e, again) {
			t.Fatalf("%#v does not come back: %v", e, err)
		}
	}
	for _, export := range exporters {
		if exported := export(io.Discard, bytes.NewReader(data), everything, ExportOptions{Input: true}); (exported == nil) != errors.Is(err, io.EOF) {
			t.Fatalf("export: %v, read: %v", exported, err)
		}
	}
}

// FuzzResume: whatever a death left of a recording, finishing it keeps all that was
// whole and nothing else, ends in a recording that verifies against the seals that
// are handed on, and may be done again.
func FuzzResume(f *testing.F) {
	whole, _ := small(f, Options{SegmentBytes: 1})
	for _, left := range []int{len(whole), len(whole) - 1, len(whole) / 2, len(magic) + 10} {
		f.Add(whole[:left], uint8(0))
		f.Add(whole[:left], uint8(2))
	}
	f.Fuzz(func(t *testing.T, data []byte, promised uint8) {
		for _, data := range [][]byte{data, fixChecksums(data)} {
			resume(t, data, int(promised))
		}
	})
}

func resume(t *testing.T, data []byte, promised int) {
	_, _, opened := readAll(bytes.NewReader(data))
	_, before, readErr := readAllWith(bytes.NewReader(data), nil)
	var known []Seal
	if before != nil {
		known = before.seals[:min(promised, len(before.seals))]
	}
	file, end := fileOf(data), End{Reason: Cut}
	seals, err := Resume(file, known, end, time.Unix(1e9, 0))
	if err != nil {
		if !bytes.Equal(file.data, data) {
			t.Fatalf("refused (%v), and changed", err)
		}
		if before != nil && (errors.Is(readErr, ErrCut) || errors.Is(readErr, ErrCorrupt)) {
			t.Fatalf("a torn recording cannot be finished: %v", err)
		}
		return
	}
	if !bytes.Equal(file.data[:before.good], data[:before.good]) {
		t.Fatal("what was whole is not as it was")
	}
	for _, open := range []Opener{nil, everything} {
		if open != nil && !errors.Is(opened, ErrCut) && opened != io.EOF {
			continue // what is wrong in a block is not seen without a key
		}
		summary, err := Verify(bytes.NewReader(file.data), seals, open)
		if err != nil || summary.End == nil || len(seals) == 0 {
			t.Fatalf("what is finished does not verify: %v, %+v", err, summary.End)
		}
	}
	finished := bytes.Clone(file.data)
	if _, err := Resume(file, seals, end, time.Unix(2e9, 0)); err != nil || !bytes.Equal(file.data, finished) {
		t.Fatalf("finished again it is another: %v", err)
	}
	// Seals that others would promise are noticed.
	other := bytes.Clone(seals[0].Head[:])
	other[0] ^= 1
	seals[0].Head = Head(other)
	if _, err := Verify(bytes.NewReader(file.data), seals, nil); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("another seal fits: %v", err)
	}
}

// FuzzHead: a segment's head has one spelling.
func FuzzHead(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		var head Head
		if err := head.UnmarshalText(text); err != nil {
			if head != (Head{}) {
				t.Fatalf("%q is refused, and read as %v", text, head)
			}
			return
		}
		if again, err := head.MarshalText(); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%q is written %q, %v", text, again, err)
		}
	})
}

// fixChecksums lets the fuzzer past checksums and seals.
func fixChecksums(data []byte) []byte {
	data = bytes.Clone(data)
	if len(data) < len(magic) {
		return data
	}
	copy(data, magic)
	var c chain
	for at := len(magic); len(data)-at >= recordPrefix+recordSuffix; {
		rest := data[at:]
		length := int64(binary.LittleEndian.Uint32(rest[1:]))
		if length > int64(len(rest)-recordPrefix-recordSuffix) {
			break
		}
		end := recordPrefix + int(length)
		if rest[0] == recordSeal && length == sealBody && c.segment != nil {
			first, firstErr := parseOffset(rest[recordPrefix+8:])
			last, lastErr := parseOffset(rest[recordPrefix+16:])
			if firstErr != nil || lastErr != nil {
				break
			}
			copy(rest, appendSeal(nil, c.seal(first, last)))
		}
		binary.LittleEndian.PutUint32(rest[end:], crc32.Checksum(rest[:end], castagnoli))
		record := rest[:end+recordSuffix]
		switch rest[0] {
		case recordHeader:
			c.head = headerHead(data[:at+len(record)])
		case recordEnd:
			c.add(endEntry(rest[recordPrefix:end]))
		case recordRedacted:
			c.add(append([]byte{recordBlock}, rest[recordPrefix:end]...))
		case recordBlock:
			if length > blockStart {
				in := newEntry(rest[recordPrefix:recordPrefix+blockStart], rest[recordPrefix+blockStart:end])
				c.add(in[:])
			}
		}
		at += len(record)
	}
	return data
}
