package cast

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A recording cut anywhere gives every event of its whole records, and says cut.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	data, seals := small(t, Options{SegmentBytes: 64})
	whole, _, err := readAll(bytes.NewReader(data))
	if err != io.EOF {
		t.Fatal(err)
	}
	before := 0
	for size := range data {
		events, reader, err := readAll(iotest.OneByteReader(bytes.NewReader(data[:size])))
		if !errors.Is(err, ErrCut) {
			t.Fatalf("cut at %d of %d: %v", size, len(data), err)
		}
		if len(events) < before || len(events) > len(whole) {
			t.Fatalf("cut at %d gives %d events, one byte less gave %d", size, len(events), before)
		}
		if len(events) > before && !cmp.Equal(whole[:len(events)], events) {
			t.Fatalf("cut at %d: %s", size, cmp.Diff(whole[:len(events)], events))
		}
		before = len(events)
		if reader == nil {
			continue
		}
		for i, s := range reader.Seals() {
			if s != seals[i] {
				t.Fatalf("cut at %d: seal %d differs", size, i)
			}
		}
		// All that was sealed must be there: a shortened recording is not a crash.
		if _, err := Verify(bytes.NewReader(data[:size]), seals); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut at %d of a sealed recording: %v", size, err)
		}
		if _, err := Verify(bytes.NewReader(data[:size]), reader.Seals()); len(reader.Seals()) > 0 && !errors.Is(err, ErrCut) {
			t.Fatalf("cut at %d of a recording sealed so far: %v", size, err)
		}
	}
	if before != len(whole) {
		t.Errorf("%d of %d events before the last seal", before, len(whole))
	}
}

// A flipped bit in any byte is found, and nothing false comes before it.
func TestBitFlips(t *testing.T) {
	t.Parallel()
	data, seals := small(t, Options{SegmentBytes: 200})
	whole, _, _ := readAll(bytes.NewReader(data))
	for at := range data {
		for _, bit := range [...]int{at % 8, (at + 3) % 8} {
			bad := bytes.Clone(data)
			bad[at] ^= 1 << bit
			events, _, err := readAll(bytes.NewReader(bad))
			if err == io.EOF {
				t.Fatalf("bit %d of byte %d was missed", bit, at)
			}
			for i, e := range events {
				if !cmp.Equal(e, whole[i]) {
					t.Fatalf("bit %d of byte %d: event %d is false", bit, at, i)
				}
			}
			if _, err := Verify(bytes.NewReader(bad), seals); err == nil {
				t.Fatalf("bit %d of byte %d: verified", bit, at)
			}
		}
	}
}

// Somebody who edits a recording and computes checksums and chain again is found
// by the seals in the log, and the right segment is named.
func TestRewrittenSegment(t *testing.T) {
	t.Parallel()
	data, seals := small(t, Options{SegmentBytes: 64})
	forge := func(edit func(i int, e Event) []Event) ([]byte, []Seal) {
		reader, err := NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		out := bytes.Clone(data[:reader.good])
		c := reader.chain
		sealed := 0
		for i := 0; ; i++ {
			e, err := reader.Next()
			for ; sealed < len(reader.Seals()); sealed++ {
				if c.segment != nil {
					out = appendSeal(out, c.seal())
				}
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range edit(i, e) {
				start := len(out)
				out, _ = appendBlock(out, appendFrame(nil, e, e.Body.append(nil)), nil)
				c.add(out[start:])
			}
		}
		_, forged, err := readAll(bytes.NewReader(out))
		if err != io.EOF {
			t.Fatal(err)
		}
		return out, forged.Seals()
	}
	if same, _ := forge(func(_ int, e Event) []Event { return []Event{e} }); !bytes.Equal(same, data) {
		t.Fatal("the forger changes what it should not")
	}
	for at := range script() {
		for name, edit := range map[string]func(Event) []Event{
			"altered": func(e Event) []Event {
				return []Event{{Offset: e.Offset, Channel: e.Channel, Body: Note("nothing here")}}
			},
			"dropped": func(Event) []Event { return nil },
			"doubled": func(e Event) []Event { return []Event{e, e} },
		} {
			forged, own := forge(func(i int, e Event) []Event {
				if i == at {
					return edit(e)
				}
				return []Event{e}
			})
			first := uint64(1)
			for int(first) <= len(own) && int(first) <= len(seals) && own[first-1].Head == seals[first-1].Head {
				first++
			}
			_, err := Verify(bytes.NewReader(forged), seals)
			var wrong *Break
			if !errors.As(err, &wrong) || !errors.Is(err, ErrCorrupt) || wrong.Segment != first {
				t.Errorf("event %d %s: %v, want segment %d", at, name, err, first)
			}
			if _, err := Verify(bytes.NewReader(forged), nil); err != nil {
				t.Errorf("event %d %s: the recording's own chain should fit: %v", at, name, err)
			}
		}
	}
	if _, err := Verify(bytes.NewReader(data), seals[:len(seals)-1]); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a segment more than was sealed: %v", err)
	}
	if _, err := Verify(bytes.NewReader(data), []Seal{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("nothing was sealed: %v", err)
	}
}

// raw builds streams that the Writer never writes.
type raw struct {
	bytes.Buffer
	chain chain
}

func newRaw(t *testing.T) *raw {
	t.Helper()
	data, _ := small(t, Options{})
	reader, err := NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r := &raw{chain: reader.chain}
	r.Write(data[:reader.good])
	return r
}

func (r *raw) record(kind byte, body []byte) *raw {
	rec := appendRecord(nil, kind, body)
	if kind == recordEvents || kind == recordCompressed {
		r.chain.add(rec)
	}
	r.Write(rec)
	return r
}

func (r *raw) frames(events ...Event) *raw {
	var frames []byte
	for _, e := range events {
		frames = appendFrame(frames, e, e.Body.append(nil))
	}
	return r.record(recordEvents, frames)
}

func (r *raw) seal() *raw {
	r.Write(appendSeal(nil, r.chain.seal()))
	return r
}

func compressed(length uint32, raw []byte) []byte {
	return encoder().EncodeAll(raw, binary.LittleEndian.AppendUint32(nil, length))
}

func TestStrict(t *testing.T) {
	t.Parallel()
	out := Event{Channel: 1, Body: Output("x")}
	end := Event{Body: End{Reason: Completed}}
	at := func(e Event, d time.Duration) Event { e.Offset = d; return e }
	zeros := make([]byte, maxBlock+1)
	for name, c := range map[string]struct {
		build func(*raw)
		want  error
	}{
		"whole": {func(r *raw) { r.frames(out, end).seal() }, io.EOF},
		"whole, compressed": {func(r *raw) {
			b := appendFrame(nil, out, []byte("x"))
			r.record(recordCompressed, compressed(uint32(len(b)), b)).frames(end).seal()
		}, io.EOF},
		"header only":           {func(r *raw) {}, ErrCut},
		"no end":                {func(r *raw) { r.frames(out).seal() }, ErrCut},
		"end not sealed":        {func(r *raw) { r.frames(out, end) }, ErrCut},
		"events after the end":  {func(r *raw) { r.frames(end).frames(out).seal() }, ErrCorrupt},
		"segment after the end": {func(r *raw) { r.frames(end).seal().frames(out).seal() }, ErrCorrupt},
		"end within a block":    {func(r *raw) { r.frames(end, out).seal() }, ErrCorrupt},
		"end on a channel":      {func(r *raw) { e := end; e.Channel = 1; r.frames(e).seal() }, ErrCorrupt},
		"end without reason":    {func(r *raw) { r.frames(Event{Body: End{}}).seal() }, ErrCorrupt},
		"bytes after the end":   {func(r *raw) { r.frames(end).seal().WriteByte(0) }, ErrCorrupt},
		"empty segment":         {func(r *raw) { r.frames(out).seal(); r.chain.segment = segmentHash(r.chain.head, 2); r.seal() }, ErrCorrupt},
		"empty block":           {func(r *raw) { r.record(recordEvents, nil) }, ErrCorrupt},
		"second header":         {func(r *raw) { r.record(recordHeader, []byte("{}")) }, ErrCorrupt},
		"unknown record":        {func(r *raw) { r.record('X', []byte("x")) }, ErrCorrupt},
		"short seal":            {func(r *raw) { r.frames(out).record(recordSeal, make([]byte, sealBody-1)) }, ErrCorrupt},
		"seal number":           {func(r *raw) { r.frames(out); s := r.chain.seal(); s.Sequence++; r.Write(appendSeal(nil, s)) }, ErrCorrupt},
		"seal head":             {func(r *raw) { r.frames(out); s := r.chain.seal(); s.Head[0]++; r.Write(appendSeal(nil, s)) }, ErrCorrupt},
		"time goes back":        {func(r *raw) { r.frames(at(out, time.Second), out) }, ErrCorrupt},
		"time goes back later":  {func(r *raw) { r.frames(at(out, time.Second)).frames(out) }, ErrCorrupt},
		"half a frame":          {func(r *raw) { r.record(recordEvents, []byte{byte(KindOutput), 1, 0, 2, 'x'}) }, ErrCorrupt},
		"long varint":           {func(r *raw) { r.record(recordEvents, []byte{byte(KindOutput), 0x81, 0, 0, 0}) }, ErrCorrupt},
		"channel too large":     {func(r *raw) { r.record(recordEvents, []byte{byte(KindOutput), 0xff, 0xff, 0xff, 0xff, 0x10, 0, 0}) }, ErrCorrupt},
		"offset too large": {func(r *raw) {
			r.record(recordEvents, append(binary.AppendUvarint([]byte{byte(KindOutput), 1}, 1<<63/1000+1), 0))
		}, ErrCorrupt},
		"unknown kind":           {func(r *raw) { r.record(recordEvents, []byte{99, 0, 0, 0}) }, ErrCorrupt},
		"kind zero":              {func(r *raw) { r.record(recordEvents, []byte{0, 0, 0, 0}) }, ErrCorrupt},
		"unknown channel type":   {func(r *raw) { r.record(recordEvents, []byte{byte(KindChannelOpen), 0, 0, 7, 9, 0, 0, 0, 0, 0, 0}) }, ErrCorrupt},
		"a forward is opened":    {func(r *raw) { r.record(recordEvents, []byte{byte(KindChannelOpen), 0, 0, 7, 4, 0, 0, 0, 0, 0, 0}) }, ErrCorrupt},
		"connection of a shell":  {func(r *raw) { r.record(recordEvents, []byte{byte(KindConnection), 0, 0, 4, 1, 0, 0, 0}) }, ErrCorrupt},
		"unknown listen state":   {func(r *raw) { r.record(recordEvents, []byte{byte(KindListen), 0, 0, 3, 5, 5, 0}) }, ErrCorrupt},
		"bool of two":            {func(r *raw) { r.record(recordEvents, []byte{byte(KindEOF), 0, 0, 1, 2}) }, ErrCorrupt},
		"bytes behind a payload": {func(r *raw) { r.record(recordEvents, []byte{byte(KindEOF), 0, 0, 2, 1, 0}) }, ErrCorrupt},
		"compressed to more":     {func(r *raw) { r.record(recordCompressed, compressed(10, zeros[:11])) }, ErrCorrupt},
		"compressed to less":     {func(r *raw) { r.record(recordCompressed, compressed(12, zeros[:11])) }, ErrCorrupt},
		"compressed too long":    {func(r *raw) { r.record(recordCompressed, compressed(maxBlock+1, zeros)) }, ErrCorrupt},
		"compressed bomb":        {func(r *raw) { r.record(recordCompressed, compressed(maxBlock, zeros)) }, ErrCorrupt},
		"compressed garbage":     {func(r *raw) { r.record(recordCompressed, []byte("\x00\x00\x00\x00garbage")) }, ErrCorrupt},
		"compressed, no length":  {func(r *raw) { r.record(recordCompressed, []byte("abc")) }, ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRaw(t)
			c.build(r)
			if _, _, err := readAll(&r.Buffer); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestHeaderStrict(t *testing.T) {
	t.Parallel()
	h := header()
	h.Encoding, h.Started = EncodingPlain, started
	good, err := h.encode()
	if err != nil {
		t.Fatal(err)
	}
	text := string(good)
	replace := func(old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("the header has no %s", old)
		}
		return strings.Replace(text, old, new, 1)
	}
	for name, c := range map[string]struct {
		start string
		text  string
		want  error
	}{
		"good":             {magic, text, ErrCut},
		"later version":    {"stint-recording/2\n", text, ErrUnsupported},
		"something else":   {"#!/bin/sh --------", text, ErrCorrupt},
		"later encoding":   {magic, replace(`"plain"`, `"sealed"`), ErrUnsupported},
		"later, new field": {magic, replace(`"encoding":"plain"`, `"encoding":"sealed","recipients":[]`), ErrUnsupported},
		"unknown field":    {magic, replace(`"login"`, `"more":1,"login"`), ErrCorrupt},
		"doubled field":    {magic, replace(`"login"`, `"login":"root","login"`), ErrCorrupt},
		"other case":       {magic, replace(`"login"`, `"LOGIN"`), ErrCorrupt},
		"space":            {magic, replace(`,"login"`, `, "login"`), ErrCorrupt},
		"bytes behind":     {magic, text + "\n", ErrCorrupt},
		"local time":       {magic, replace(`09:30:00.123456789Z`, `10:30:00.123456789+01:00`), ErrCorrupt},
		"no session":       {magic, replace(`"ses_1"`, `""`), ErrCorrupt},
		"no JSON":          {magic, "hello", ErrCorrupt},
		"too long":         {magic, replace(`"Alice"`, `"`+strings.Repeat("A", maxHeader)+`"`), ErrCorrupt},
	} {
		data := appendRecord([]byte(c.start), recordHeader, []byte(c.text))
		if _, _, err := readAll(bytes.NewReader(data)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	broken := errors.New("broken pipe")
	if _, err := NewReader(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// A record's claim of its length allocates no more than the format's bound.
// Not parallel: it counts what the whole process allocates.
func TestHostileLengths(t *testing.T) {
	data, _ := small(t, Options{})
	reader, err := NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []byte{recordHeader, recordEvents, recordCompressed, recordSeal} {
		bad := append(bytes.Clone(data[:reader.good]), kind, 0xff, 0xff, 0xff, 0xff)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := readAll(bytes.NewReader(bad))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
		allocated := after.TotalAlloc - before.TotalAlloc
		if allocated > 2*maxBlock {
			t.Errorf("a record %c allocates %d bytes", kind, allocated)
		}
	}
}

func FuzzReader(f *testing.F) {
	plain, _ := small(f, Options{})
	many, _ := small(f, Options{SegmentBytes: 1})
	f.Add(plain)
	f.Add(many)
	f.Add(recordConnections(f))
	f.Add(plain[:len(plain)-50])
	f.Add(recording(f, transfers()...))
	f.Fuzz(func(t *testing.T, data []byte) {
		fixed := fixChecksums(data)
		for _, data := range [][]byte{data, fixed} {
			events, reader, err := readAll(bytes.NewReader(data))
			if err == nil {
				t.Fatal("reading never ends without an error")
			}
			if reader == nil {
				continue
			}
			if reader.good > int64(len(data)) {
				t.Fatalf("%d good bytes of %d", reader.good, len(data))
			}
			// What was accepted is in its one encoding.
			for _, e := range events {
				frame := appendFrame(nil, e, e.Body.append(nil))
				again, rest, err := parseFrame(frame)
				if err != nil || len(rest) != 0 || !cmp.Equal(e, again) {
					t.Fatalf("%#v does not come back: %v", e, err)
				}
			}
			for _, export := range exporters {
				if err := export(io.Discard, bytes.NewReader(data), ExportOptions{Input: true}); (err == nil) != (errors.Is(readError(data), io.EOF)) {
					t.Fatalf("export: %v, read: %v", err, readError(data))
				}
			}
		}
	})
}

func readError(data []byte) error {
	_, _, err := readAll(bytes.NewReader(data))
	return err
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
			s := c.seal()
			binary.LittleEndian.PutUint64(rest[recordPrefix:], s.Sequence)
			copy(rest[recordPrefix+8:], s.Head[:])
		}
		binary.LittleEndian.PutUint32(rest[end:], crc32.Checksum(rest[:end], castagnoli))
		record := rest[:end+recordSuffix]
		switch rest[0] {
		case recordHeader:
			c.head = headerHead(data[:at+len(record)])
		case recordEvents, recordCompressed:
			c.add(record)
		}
		at += len(record)
	}
	return data
}
