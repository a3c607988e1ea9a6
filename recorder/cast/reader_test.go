package cast

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// places are those bytes of a recording that differ in meaning, and some of each stretch
// of bytes that are alike: ciphertext, hashes, the header's envelopes.
func places(data []byte) []int {
	var all []int
	for at := 0; at < len(data); {
		end := len(magic)
		if at > 0 {
			end = at + recordPrefix + int(binary.LittleEndian.Uint32(data[at+1:])) + recordSuffix
		}
		for i := at; i < end; i++ {
			if i-at < recordPrefix+2 || end-i <= recordSuffix+1 || (i-at)%61 == 0 {
				all = append(all, i)
			}
		}
		at = end
	}
	return all
}

// A recording cut anywhere gives every event of its whole records, and says cut.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	data, seals := small(t, Options{SegmentBytes: 64})
	whole, _, err := readAll(bytes.NewReader(data))
	if err != io.EOF {
		t.Fatal(err)
	}
	before := 0
	for _, size := range places(data) {
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
		if _, err := Verify(bytes.NewReader(data[:size]), seals, everything); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut at %d of a sealed recording: %v", size, err)
		}
		if _, err := Verify(bytes.NewReader(data[:size]), reader.Seals(), everything); len(reader.Seals()) > 0 && !errors.Is(err, ErrCut) {
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
	for _, at := range places(data) {
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
			if _, err := Verify(bytes.NewReader(bad), seals, everything); err == nil {
				t.Fatalf("bit %d of byte %d: verified", bit, at)
			}
		}
	}
}

// Somebody who edits a recording with its keys and computes checksums and chain again is
// found by the seals in the log, and the right segment is named.
func TestRewrittenSegment(t *testing.T) {
	t.Parallel()
	data, seals := small(t, Options{SegmentBytes: 64, random: noSalt{}})
	forge := func(edit func(i int, e Event) []Event) ([]byte, []Seal) {
		r := newRaw(t, data)
		reader, err := NewReader(bytes.NewReader(data), everything)
		if err != nil {
			t.Fatal(err)
		}
		sealed := 0
		for i := 0; ; i++ {
			e, err := reader.Next()
			for ; sealed < len(reader.Seals()); sealed++ {
				if r.chain.segment != nil {
					r.seal()
				}
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range edit(i, e) {
				r.frames(e)
			}
		}
		_, forged, err := readAll(bytes.NewReader(r.Bytes()))
		if err != io.EOF {
			t.Fatal(err)
		}
		return r.Bytes(), forged.Seals()
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
			_, err := Verify(bytes.NewReader(forged), seals, everything)
			var wrong *Break
			if !errors.As(err, &wrong) || !errors.Is(err, ErrCorrupt) || wrong.Segment != first {
				t.Errorf("event %d %s: %v, want segment %d", at, name, err, first)
			}
			if _, err := Verify(bytes.NewReader(forged), nil, everything); err != nil {
				t.Errorf("event %d %s: the recording's own chain should fit: %v", at, name, err)
			}
		}
	}
	if _, err := Verify(bytes.NewReader(data), seals[:len(seals)-1], everything); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a segment more than was sealed: %v", err)
	}
	if _, err := Verify(bytes.NewReader(data), []Seal{}, everything); !errors.Is(err, ErrCorrupt) {
		t.Errorf("nothing was sealed: %v", err)
	}
}

// noSalt makes the same recording twice.
type noSalt struct{}

func (noSalt) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// raw builds streams that the Writer never writes, under the keys of a recording that
// it did write.
type raw struct {
	bytes.Buffer
	chain       chain
	sealer      sealer
	first, last time.Duration
}

// newRaw begins with the header of a recording.
func newRaw(t testing.TB, data []byte) *raw {
	t.Helper()
	reader, err := NewReader(bytes.NewReader(data), everything)
	if err != nil {
		t.Fatal(err)
	}
	r := &raw{
		chain: reader.chain, first: Unknown,
		sealer: newSealer(&secrets{*reader.keys[0], *reader.keys[1]}, noSalt{}),
	}
	r.Write(data[:reader.good])
	return r
}

func (r *raw) record(kind byte, body []byte) *raw {
	r.Write(appendRecord(nil, kind, body))
	return r
}

// block encrypts what a block is to hold.
func (r *raw) block(track Track, form byte, content []byte) *raw {
	record, in, err := r.sealer.appendBlock(nil, track, form, content, nil)
	if err != nil {
		panic(err)
	}
	r.chain.add(in[:])
	r.Write(record)
	return r
}

func appendFrame(b []byte, e Event, payload []byte) []byte {
	return append(appendFrameHead(b, e, len(payload)), payload...)
}

// content is a block with one event's bytes as they are, on the session's track.
func (r *raw) content(frame []byte) *raw { return r.block(SessionTrack, formPlain, frame) }

func (r *raw) compressed(b []byte) *raw { return r.block(SessionTrack, formCompressed, b) }

// frames is a block of these events, or the end's record.
func (r *raw) frames(events ...Event) *raw {
	if r.first == Unknown {
		r.first = events[0].Offset
	}
	r.last = events[len(events)-1].Offset
	if end, ok := events[0].Body.(End); ok {
		record, in := appendEnd(nil, r.last, end)
		r.chain.add(in)
		r.Write(record)
		return r
	}
	var frames []byte
	for _, e := range events {
		frames = appendFrame(frames, e, e.Body.append(nil))
	}
	return r.block(trackOf(events[0].Body), formPlain, frames)
}

func (r *raw) seal() *raw { return r.sealAs(func(*Seal) {}) }

// sealAs seals with a seal that was changed.
func (r *raw) sealAs(change func(*Seal)) *raw {
	if r.first == Unknown {
		r.first = r.last
	}
	s := r.chain.seal(r.first, r.last)
	change(&s)
	r.Write(appendSeal(nil, s))
	r.sealer.nextSegment()
	r.first = Unknown
	return r
}

func compressed(length uint32, raw []byte) []byte {
	return encoder().EncodeAll(raw, binary.LittleEndian.AppendUint32(nil, length))
}

func TestStrict(t *testing.T) {
	t.Parallel()
	out := Event{Channel: 1, Body: Output("x")}
	in := Event{Channel: 1, Body: Input("x")}
	end := Event{Body: End{Reason: Completed}}
	at := func(e Event, d time.Duration) Event { e.Offset = d; return e }
	zeros := make([]byte, maxBlock+1)
	for name, c := range map[string]struct {
		build func(*raw)
		want  error
	}{
		"whole": {func(r *raw) { r.frames(out, out).frames(in).frames(end).seal() }, io.EOF},
		"whole, compressed": {func(r *raw) {
			b := appendFrame(nil, out, []byte("x"))
			r.compressed(compressed(uint32(len(b)), b)).frames(end).seal()
		}, io.EOF},
		"header only":           {func(r *raw) {}, ErrCut},
		"no end":                {func(r *raw) { r.frames(out).seal() }, ErrCut},
		"end not sealed":        {func(r *raw) { r.frames(out).frames(end) }, ErrCut},
		"events after the end":  {func(r *raw) { r.frames(end).frames(out).seal() }, ErrCorrupt},
		"segment after the end": {func(r *raw) { r.frames(end).seal().frames(out).seal() }, ErrCorrupt},
		"end within a block":    {func(r *raw) { r.frames(out, end).seal() }, ErrCorrupt},
		"end without reason":    {func(r *raw) { r.frames(Event{Body: End{}}).seal() }, ErrCorrupt},
		"bytes after the end":   {func(r *raw) { r.frames(end).seal().WriteByte(0) }, ErrCorrupt},
		"empty segment":         {func(r *raw) { r.frames(out).seal(); r.chain.segment = segmentHash(r.chain.head, 2); r.seal() }, ErrCorrupt},
		"empty block":           {func(r *raw) { r.content(nil) }, ErrCorrupt},
		"second header":         {func(r *raw) { r.record(recordHeader, []byte("{}")) }, ErrCorrupt},
		"unknown record":        {func(r *raw) { r.record('X', []byte("x")) }, ErrCorrupt},
		"short seal":            {func(r *raw) { r.frames(out).record(recordSeal, make([]byte, sealBody-1)) }, ErrCorrupt},
		"seal number":           {func(r *raw) { r.frames(out).sealAs(func(s *Seal) { s.Sequence++ }) }, ErrCorrupt},
		"seal head":             {func(r *raw) { r.frames(out).sealAs(func(s *Seal) { s.Head[0]++ }) }, ErrCorrupt},
		"seal times":            {func(r *raw) { r.frames(out).sealAs(func(s *Seal) { s.First++; s.Last = time.Second }) }, ErrCorrupt},
		"seal begins early": {func(r *raw) {
			r.frames(at(out, time.Second)).seal()
			r.first = 0
			r.frames(at(out, 2*time.Second))
			r.first = 0
			r.seal()
		}, ErrCorrupt},
		"seal ends early":              {func(r *raw) { r.frames(at(out, time.Second)); r.first, r.last = 0, 0; r.seal() }, ErrCorrupt},
		"seal begins late":             {func(r *raw) { r.frames(at(out, time.Second)); r.first, r.last = 2*time.Second, 2*time.Second; r.seal() }, ErrCorrupt},
		"seal without times":           {func(r *raw) { r.frames(out); r.first, r.last = Unknown, Unknown; r.seal() }, ErrCorrupt},
		"input on the session's track": {func(r *raw) { r.content(appendFrame(nil, in, []byte("x"))) }, ErrCorrupt},
		"output on the input's track":  {func(r *raw) { r.block(InputTrack, formPlain, appendFrame(nil, out, []byte("x"))) }, ErrCorrupt},
		"unknown form":                 {func(r *raw) { r.block(SessionTrack, 2, appendFrame(nil, out, []byte("x"))) }, ErrCorrupt},
		"unknown track":                {func(r *raw) { r.record(recordBlock, append([]byte{3}, make([]byte, blockStart+blockForm+gcmTag)...)) }, ErrCorrupt},
		"another's block":              {func(r *raw) { r.sealer = newSealer(newSecrets(), noSalt{}); r.frames(out) }, ErrCorrupt},
		"a block left out":             {func(r *raw) { before := r.Len(); r.frames(out); r.Truncate(before); r.frames(out) }, ErrCorrupt},
		"input not padded": {func(r *raw) {
			r.record(recordBlock, append([]byte{byte(InputTrack)}, make([]byte, blockStart+blockForm+gcmTag)...))
		}, ErrCorrupt},
		"short redaction":      {func(r *raw) { r.record(recordRedacted, make([]byte, entrySize-2)) }, ErrCorrupt},
		"time goes back":       {func(r *raw) { r.frames(at(out, time.Second), out) }, ErrCorrupt},
		"time goes back later": {func(r *raw) { r.frames(at(out, time.Second)).frames(out) }, ErrCorrupt},
		"half a frame":         {func(r *raw) { r.content([]byte{byte(KindOutput), 1, 0, 2, 'x'}) }, ErrCorrupt},
		"long varint":          {func(r *raw) { r.content([]byte{byte(KindOutput), 0x81, 0, 0, 0}) }, ErrCorrupt},
		"channel too large":    {func(r *raw) { r.content([]byte{byte(KindOutput), 0xff, 0xff, 0xff, 0xff, 0x10, 0, 0}) }, ErrCorrupt},
		"offset too large": {func(r *raw) {
			r.content(append(binary.AppendUvarint([]byte{byte(KindOutput), 1}, 1<<63/1000+1), 0))
		}, ErrCorrupt},
		"unknown kind":           {func(r *raw) { r.content([]byte{99, 0, 0, 0}) }, ErrCorrupt},
		"kind zero":              {func(r *raw) { r.content([]byte{0, 0, 0, 0}) }, ErrCorrupt},
		"unknown channel type":   {func(r *raw) { r.content([]byte{byte(KindChannelOpen), 0, 0, 7, 9, 0, 0, 0, 0, 0, 0}) }, ErrCorrupt},
		"a forward is opened":    {func(r *raw) { r.content([]byte{byte(KindChannelOpen), 0, 0, 7, 4, 0, 0, 0, 0, 0, 0}) }, ErrCorrupt},
		"connection of a shell":  {func(r *raw) { r.content([]byte{byte(KindConnection), 0, 0, 4, 1, 0, 0, 0}) }, ErrCorrupt},
		"unknown listen state":   {func(r *raw) { r.content([]byte{byte(KindListen), 0, 0, 3, 5, 5, 0}) }, ErrCorrupt},
		"bool of two":            {func(r *raw) { r.content([]byte{byte(KindEOF), 0, 0, 1, 2}) }, ErrCorrupt},
		"bytes behind a payload": {func(r *raw) { r.content([]byte{byte(KindEOF), 0, 0, 2, 1, 0}) }, ErrCorrupt},
		"compressed to more":     {func(r *raw) { r.compressed(compressed(10, zeros[:11])) }, ErrCorrupt},
		"compressed to less":     {func(r *raw) { r.compressed(compressed(12, zeros[:11])) }, ErrCorrupt},
		"compressed too long":    {func(r *raw) { r.compressed(compressed(maxBlock+1, zeros)) }, ErrCorrupt},
		"compressed bomb":        {func(r *raw) { r.compressed(compressed(maxBlock, zeros)) }, ErrCorrupt},
		"compressed garbage":     {func(r *raw) { r.compressed([]byte("\x00\x00\x00\x00garbage")) }, ErrCorrupt},
		"compressed, no length":  {func(r *raw) { r.compressed([]byte("abc")) }, ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, _ := small(t, Options{})
			r := newRaw(t, data)
			c.build(r)
			if _, _, err := readAll(&r.Buffer); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestHeaderStrict(t *testing.T) {
	t.Parallel()
	keys, err := newSecrets().wrap(recipients())
	if err != nil {
		t.Fatal(err)
	}
	h := header()
	h.Encoding, h.Started, h.Keys = Encoding, started, keys
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
		"later encoding":   {magic, replace(`"zstd+age+hkdf`, `"zstd+mlkem+hkdf`), ErrUnsupported},
		"later, new field": {magic, replace(`"encoding":"zstd+`, `"recipients":[],"encoding":"brotli+`), ErrUnsupported},
		"unknown field":    {magic, replace(`"login"`, `"more":1,"login"`), ErrCorrupt},
		"doubled field":    {magic, replace(`"login"`, `"login":"root","login"`), ErrCorrupt},
		"other case":       {magic, replace(`"login"`, `"LOGIN"`), ErrCorrupt},
		"space":            {magic, replace(`,"login"`, `, "login"`), ErrCorrupt},
		"bytes behind":     {magic, text + "\n", ErrCorrupt},
		"local time":       {magic, replace(`09:30:00.123456789Z`, `10:30:00.123456789+01:00`), ErrCorrupt},
		"no key":           {magic, replace(base64.StdEncoding.EncodeToString(h.Keys.Input), ""), ErrCorrupt},
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
	if _, err := NewReader(iotest.ErrReader(broken), everything); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// A record's claim of its length allocates no more than the format's bound.
// Not parallel: it counts what the whole process allocates.
func TestHostileLengths(t *testing.T) {
	data, _ := small(t, Options{})
	reader, err := NewReader(bytes.NewReader(data), everything)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []byte{recordHeader, recordBlock, recordRedacted, recordEnd, recordSeal} {
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
