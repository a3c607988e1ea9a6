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
// as it goes. Its memory is bounded whatever the stream holds. Not for concurrent
// use.
type Reader struct {
	stream *bufio.Reader
	header Header
	offset int64 // bytes taken from the stream
	good   int64 // end of the last record that was accepted whole
	err    error

	chain  chain
	seals  []Seal
	frames []byte        // events of the current block that are still to come
	last   time.Duration // offset of the last event
	ended  bool          // the end was among the events
	buffer []byte        // body of a compressed block or a seal
}

// NewReader reads magic and header. Errors are [ErrCut] when the stream ends
// before that, [ErrCorrupt], [ErrUnsupported], or the stream's own.
func NewReader(stream io.Reader) (*Reader, error) {
	r := &Reader{stream: bufio.NewReaderSize(stream, 16<<10)}
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
	return r, nil
}

// Header is the recording's header.
func (r *Reader) Header() Header { return r.header }

// Seals are the seals read so far, all of which fitted the chain. The slice is
// the Reader's; it grows as Next goes on.
func (r *Reader) Seals() []Seal { return r.seals }

// Next returns the next event, which is the caller's to keep. It returns io.EOF
// after the end of a whole and sealed recording, [ErrCut] (in a [*Break]) where a
// recording stops without that, [ErrCorrupt] where it was damaged, or the error of
// the stream. Every later call returns the same.
func (r *Reader) Next() (Event, error) {
	for r.err == nil && len(r.frames) == 0 {
		r.err = r.advance()
	}
	if r.err != nil {
		return Event{}, r.err
	}
	e, rest, err := parseFrame(r.frames)
	if err != nil { // cannot be: checkBlock has parsed it
		r.err = r.broken(ErrCorrupt, err.Error())
		return Event{}, r.err
	}
	r.frames = rest
	return e, nil
}

// advance takes one record.
func (r *Reader) advance() error {
	record, err := r.record()
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
	switch record.kind {
	case recordEvents, recordCompressed:
		err = r.block(record)
	case recordSeal:
		err = r.seal(record.body)
	default:
		err = errors.New("there is a second header")
	}
	if err != nil {
		return r.broken(ErrCorrupt, err.Error())
	}
	r.good = r.offset
	return nil
}

func (r *Reader) block(record record) error {
	if r.ended {
		return errors.New("there are events after the end")
	}
	frames := record.body
	if record.kind == recordCompressed {
		var err error
		if frames, err = decompress(record.body); err != nil {
			return err
		}
	}
	last, ended, err := checkBlock(frames, r.last)
	if err != nil {
		return err
	}
	r.chain.add(record.prefix, record.body, record.suffix)
	r.frames, r.last, r.ended = frames, last, ended
	return nil
}

// checkBlock accepts a block as a whole before anything of it is returned, so that
// the last good byte is always the end of a record.
func checkBlock(frames []byte, last time.Duration) (time.Duration, bool, error) {
	if len(frames) == 0 {
		return 0, false, errors.New("a block is empty")
	}
	for len(frames) > 0 {
		e, rest, err := parseFrame(frames)
		if err != nil {
			return 0, false, err
		}
		if e.Offset < last {
			return 0, false, errors.New("time goes back")
		}
		last, frames = e.Offset, rest
		if e.Body.Kind() == KindEnd {
			if e.Channel != 0 || len(rest) != 0 {
				return 0, false, errors.New("the end is not the last event")
			}
			return last, true, nil
		}
	}
	return last, false, nil
}

func (r *Reader) seal(body []byte) error {
	if r.chain.segment == nil {
		return errors.New("a segment is empty")
	}
	if r.chain.sequence == maxSegments {
		return errors.New("there are too many segments")
	}
	s := r.chain.seal()
	if binary.LittleEndian.Uint64(body) != s.Sequence {
		return fmt.Errorf("the seal of segment %d has another number", s.Sequence)
	}
	if Head(body[8:]) != s.Head {
		return errors.New("the seal does not fit what it seals")
	}
	s.End = r.offset
	r.seals = append(r.seals, s)
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
// stream it returns io.EOF, within a record ErrCut. The body of a plain block is
// the caller's; the others are valid until the next call.
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
	limit, known := maxBody(kind)
	if !known || uint64(length) > uint64(limit) || kind == recordSeal && length != sealBody {
		return record{}, r.broken(ErrCorrupt, "this is not a record")
	}
	var body []byte
	if kind == recordEvents {
		body = make([]byte, length)
	} else {
		if uint32(cap(r.buffer)) < length {
			r.buffer = make([]byte, length)
		}
		body = r.buffer[:length]
	}
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
