package cast

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"time"
)

// Reader reads a recording from beginning to end, and checks checksums and chain
// as it goes, for which it needs no key. Blocks that it has no key for are passed
// over. Its memory is bounded whatever the stream holds. Not for concurrent use.
type Reader struct {
	stream *bufio.Reader
	header Header
	offset int64 // bytes taken from the stream
	good   int64 // end of the last record that was accepted whole
	err    error

	keys   [2]*secret  // by track, from SessionTrack; nil without a key
	tracks [2]*ratchet // the keys' present state
	closed [2]int64    // blocks that stayed closed
	missed int64       // blocks that were redacted

	chain  chain
	seals  []Seal
	frames []byte        // events of the current block that are still to come
	end    *Event        // the end, once it was read and until it was returned
	last   time.Duration // offset of the last event
	began  time.Duration // offset of the first event of the segment that could be opened; Unknown before
	ended  bool          // the end was read
	vague  bool          // the end does not know its time
	buffer []byte        // body of a record
}

// NewReader reads magic and header and opens what it can. With open nil it opens
// nothing, and Next gives the end alone. Otherwise it returns [ErrNoKey] when open
// has no key for the session track; without one for the input track, that stays closed.
// Other errors are [ErrCut] when the stream ends before that, [ErrCorrupt],
// [ErrUnsupported], open's, or the stream's own.
func NewReader(stream io.Reader, open Opener) (*Reader, error) {
	r := &Reader{stream: bufio.NewReaderSize(stream, 16<<10), began: Unknown}
	start := make([]byte, len(magic))
	if err := r.fill(start); err != nil {
		return nil, err
	}
	if string(start) != magic {
		if name, _, _ := strings.Cut(magic, "/"); strings.HasPrefix(string(start), name+"/") {
			return nil, r.broken(ErrUnsupported, "it is of another version")
		}
		return nil, r.broken(ErrCorrupt, "it does not begin as a recording does")
	}
	record, err := r.record()
	switch {
	case err == io.EOF:
		return nil, r.broken(ErrCut, "it has no header")
	case err != nil:
		return nil, err
	case record.kind != recordHeader:
		return nil, r.broken(ErrCorrupt, "it has no header")
	}
	if r.header, err = decodeHeader(record.body); err != nil {
		if errors.Is(err, ErrUnsupported) {
			return nil, r.broken(ErrUnsupported, err.Error())
		}
		return nil, r.broken(ErrCorrupt, "the header is wrong")
	}
	start = append(append(append(start, record.prefix...), record.body...), record.suffix...)
	r.chain.head = headerHead(start)
	r.good = r.offset
	return r, r.unlock(open)
}

// unlock opens the tracks whose keys there are.
func (r *Reader) unlock(open Opener) error {
	if open == nil {
		return nil
	}
	session, input, err := open.open(r.header.Keys)
	if err != nil {
		return err
	}
	if session == nil {
		return ErrNoKey
	}
	r.keys = [2]*secret{session, input}
	for i, key := range r.keys {
		if key != nil {
			r.tracks[i] = newRatchet(key)
		}
	}
	return nil
}

// Header is the recording's header.
func (r *Reader) Header() Header { return r.header }

// Opens reports whether there is a key for a track.
func (r *Reader) Opens(t Track) bool { return r.tracks[t-SessionTrack] != nil }

// Closed counts the blocks of a track so far for which there was no key.
func (r *Reader) Closed(t Track) int64 { return r.closed[t-SessionTrack] }

// Redacted counts the blocks so far whose content was taken out of the recording.
func (r *Reader) Redacted() int64 { return r.missed }

// Seals are the seals read so far, all of which fitted the chain. The slice is
// the Reader's; it grows as Next goes on.
func (r *Reader) Seals() []Seal { return r.seals }

// Next returns the next event that can be opened, which is the caller's to keep. It
// returns io.EOF after the end of a whole and sealed recording, [ErrCut] (in a
// [*Break]) where a recording stops without that, [ErrCorrupt] where it was damaged,
// or the error of the stream. Every later call returns the same.
func (r *Reader) Next() (Event, error) {
	for r.err == nil && len(r.frames) == 0 && r.end == nil {
		r.err = r.take(r.record())
	}
	if r.err != nil {
		return Event{}, r.err
	}
	if r.end != nil {
		e := *r.end
		r.end = nil
		return e, nil
	}
	e, rest, err := parseFrame(r.frames)
	if err != nil { // cannot be: checkBlock has parsed it
		r.err = r.broken(ErrCorrupt, err.Error())
		return Event{}, r.err
	}
	r.frames = rest
	return e, nil
}

// take takes what record returned.
func (r *Reader) take(record record, err error) error {
	if err == io.EOF {
		if r.ended && r.chain.segment == nil {
			return io.EOF
		}
		return r.broken(ErrCut, "it stops without its end")
	}
	if errors.Is(err, ErrCut) && r.ended && r.chain.segment == nil {
		return r.broken(ErrCorrupt, "there are bytes after the end")
	}
	if err != nil {
		return err
	}
	switch {
	case record.kind == recordHeader:
		err = errors.New("there is a second header")
	case record.kind == recordSeal:
		err = r.seal(record.body)
	case r.ended:
		err = errors.New("there is more after the end")
	case record.kind == recordEnd:
		err = r.finish(record.body)
	default:
		err = r.block(record)
	}
	if err != nil {
		return r.broken(ErrCorrupt, err.Error())
	}
	r.good = r.offset
	return nil
}

// block takes a block, or what redaction left of one.
func (r *Reader) block(record record) error {
	track := Track(record.body[0])
	if track != SessionTrack && track != InputTrack {
		return errors.New("a block is of an unknown track")
	}
	in := entry{recordBlock}
	if record.kind == recordRedacted {
		copy(in[1:], record.body)
	} else {
		if track == InputTrack && (len(record.body)-blockStart-gcmTag)%padTo != 0 {
			return errors.New("a block of input is not padded")
		}
		in = newEntry(record.body[:blockStart], record.body[blockStart:])
	}
	ratchet := r.tracks[track-SessionTrack]
	if ratchet != nil {
		var key secret
		ratchet.nextBlock(&key)
		if record.kind == recordBlock {
			if err := r.open(track, record.body, &key); err != nil {
				return err
			}
		}
	}
	switch {
	case record.kind == recordRedacted:
		r.missed++
	case ratchet == nil:
		r.closed[track-SessionTrack]++
	}
	r.chain.add(in[:])
	return nil
}

func (r *Reader) open(track Track, body []byte, key *secret) error {
	frames, err := openBlock(body, key)
	if err != nil {
		return err
	}
	first, last, err := checkBlock(frames, track, r.last)
	if err != nil {
		return err
	}
	if r.began == Unknown {
		r.began = first
	}
	r.frames, r.last = frames, last
	return nil
}

// checkBlock accepts a block as a whole before anything of it is returned, so that
// the last good byte is always the end of a record. It returns the offsets of the
// first and last event.
func checkBlock(frames []byte, track Track, last time.Duration) (time.Duration, time.Duration, error) {
	if len(frames) == 0 {
		return 0, 0, errors.New("a block is empty")
	}
	first := Unknown
	for len(frames) > 0 {
		e, rest, err := parseFrame(frames)
		if err != nil {
			return 0, 0, err
		}
		if e.Offset < last {
			return 0, 0, errors.New("time goes back")
		}
		if trackOf(e.Body) != track {
			return 0, 0, errors.New("an event stands on another track than its own")
		}
		if first == Unknown {
			first = e.Offset
		}
		last, frames = e.Offset, rest
	}
	return first, last, nil
}

// finish takes the end.
func (r *Reader) finish(body []byte) error {
	at, end, err := parseEnd(body)
	if err != nil {
		return err
	}
	if r.vague = at == Unknown; r.vague {
		at = r.last
	}
	if at < r.last {
		return errors.New("time goes back")
	}
	if r.began == Unknown {
		r.began = at
	}
	r.last, r.ended = at, true
	r.end = &Event{Offset: at, Body: end}
	r.chain.add(endEntry(body))
	return nil
}

func (r *Reader) seal(body []byte) error {
	if r.chain.segment == nil {
		return errors.New("a segment is empty")
	}
	if r.chain.sequence == maxSegments {
		return errors.New("there are too many segments")
	}
	first, firstErr := parseOffset(body[8:])
	last, lastErr := parseOffset(body[16:])
	if err := errors.Join(firstErr, lastErr); err != nil {
		return err
	}
	s := r.chain.seal(first, last)
	if binary.LittleEndian.Uint64(body) != s.Sequence {
		return fmt.Errorf("the seal of segment %d has another number", s.Sequence)
	}
	if Head(body[24:]) != s.Head {
		return errors.New("the seal does not fit what it seals")
	}
	if err := r.checkTimes(s); err != nil {
		return err
	}
	r.last, r.began = max(r.last, last), Unknown
	for _, track := range r.tracks {
		if track != nil {
			track.nextSegment()
		}
	}
	s.End = r.offset
	r.seals = append(r.seals, s)
	return nil
}

// checkTimes compares the times that a seal states with those that could be read.
func (r *Reader) checkTimes(s Seal) error {
	if s.First == Unknown || s.Last == Unknown {
		if s.First != s.Last || !r.ended {
			return errors.New("a seal does not know its times")
		}
		return nil
	}
	before := time.Duration(0)
	if len(r.seals) > 0 {
		before = r.seals[len(r.seals)-1].Last
	}
	if s.First < before || s.Last < s.First || r.vague || r.began != Unknown && (r.began < s.First || r.last > s.Last) {
		return errors.New("a seal states other times than its segment")
	}
	return nil
}

// record is one record as it stands in the stream.
type record struct {
	kind   byte
	prefix []byte // type and length
	body   []byte
	suffix []byte // checksum
}

// record reads a record and checks its bounds and checksum. At the end of the
// stream it returns io.EOF, within a record ErrCut. What it returns is valid until
// the next call.
func (r *Reader) record() (record, error) {
	if _, err := r.stream.Peek(1); err == io.EOF {
		return record{}, io.EOF
	}
	var ends [recordPrefix + recordSuffix]byte
	prefix, suffix := ends[:recordPrefix], ends[recordPrefix:]
	if err := r.fill(prefix); err != nil {
		return record{}, err
	}
	kind, length := prefix[0], binary.LittleEndian.Uint32(prefix[1:])
	shortest, longest, known := bounds(kind)
	if !known || length < shortest || length > longest {
		return record{}, r.broken(ErrCorrupt, "this is not a record")
	}
	if uint32(cap(r.buffer)) < length {
		r.buffer = make([]byte, length)
	}
	body := r.buffer[:length]
	if err := r.fill(body); err != nil {
		return record{}, err
	}
	if err := r.fill(suffix); err != nil {
		return record{}, err
	}
	sum := crc32.Update(crc32.Checksum(prefix, castagnoli), castagnoli, body)
	if sum != binary.LittleEndian.Uint32(suffix) {
		return record{}, r.broken(ErrCorrupt, "the checksum does not fit")
	}
	return record{kind: kind, prefix: prefix, body: body, suffix: suffix}, nil
}

// fill reads len(p) bytes.
func (r *Reader) fill(p []byte) error {
	n, err := io.ReadFull(r.stream, p)
	r.offset += int64(n)
	switch {
	case err == nil:
		return nil
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return r.broken(ErrCut, "it stops within a record")
	}
	return fmt.Errorf("reading the recording: %w", err)
}

// broken places what is wrong at the end of the last good record.
func (r *Reader) broken(kind error, why string) error {
	return &Break{Segment: r.chain.sequence + 1, Offset: r.good, Why: why, Err: kind}
}
