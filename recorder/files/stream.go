package files

import (
	"crypto/sha256"
	"hash"

	"stint/recorder/cast"
)

// stream is one direction of a channel. It decides nothing: it is told of each byte of
// a chunk whether to keep it.
type stream struct {
	kind  cast.Kind
	sink  Sink
	err   *error // the sink's first, of all streams that share it
	all   bool   // nothing is left out
	start uint64

	// The chunk that is being recorded, and how far. What is kept of it is gathered in
	// scratch, but for the last part, which is from chunk[from] to chunk[to].
	chunk        []byte
	at, from, to int
	scratch      []byte

	// The piece that was left out and not told yet: of a file's content, or else of
	// the stream, with a hash of its own.
	content *content
	hash    hash.Hash
	offset  uint64 // in the stream, of its first byte
	end     uint64 // in the stream, after its last byte
	left    uint64 // its bytes
	spans   []uint64
}

// mostScratch is the memory that an idle stream keeps.
const mostScratch = 4 << 10

func (s *stream) begin(chunk []byte) { s.chunk, s.at, s.from, s.to = chunk, 0, 0, 0 }

func (s *stream) rest() []byte { return s.chunk[s.at:] }

// keep has the next n bytes of the chunk recorded.
func (s *stream) keep(n int) {
	if s.to != s.at {
		s.scratch = append(s.scratch, s.chunk[s.from:s.to]...)
		s.from = s.at
	}
	s.at += n
	s.to = s.at
}

// leaveOut hashes the next n bytes of the chunk, n not 0, as the content of a file, or
// of none, and leaves them out of the recording.
func (s *stream) leaveOut(n int, c *content) {
	p := s.chunk[s.at : s.at+n]
	if s.all {
		if c != nil {
			c.take(p)
		}
		s.keep(n)
		return
	}
	if s.content != c || len(s.spans)+2 > maxSpans {
		s.tell()
	}
	if c != nil {
		c.take(p)
	} else {
		if s.hash == nil {
			s.hash = sha256.New()
		}
		s.hash.Write(p)
	}
	at := s.start + uint64(s.at)
	switch {
	case len(s.spans) == 0:
		s.content, s.offset = c, at
		s.spans = append(s.spans, uint64(n))
	case at == s.end:
		s.spans[len(s.spans)-1] += uint64(n)
	default:
		s.spans = append(s.spans, at-s.end, uint64(n))
	}
	s.end = at + uint64(n)
	s.left += uint64(n)
	s.at += n
	if s.left >= pieceBytes {
		s.tell()
	}
}

// tell records what was left out.
func (s *stream) tell() {
	if len(s.spans) == 0 {
		return
	}
	told := cast.Bulk{Stream: s.kind, Offset: s.offset, Spans: s.spans}
	if c := s.content; c != nil {
		told.File, told.From, told.To, told.SHA256 = c.number, c.first, c.next, c.sum()
	} else {
		s.hash.Sum(told.SHA256[:0])
		s.hash.Reset()
	}
	s.event(told)
	s.content, s.left, s.spans = nil, 0, s.spans[:0]
}

// finish records what was kept of the chunk. Only then may the chunk be forwarded.
func (s *stream) finish() {
	p := s.chunk[s.from:s.to]
	if len(s.scratch) > 0 {
		s.scratch = append(s.scratch, p...)
		p = s.scratch
	}
	if len(p) > 0 && *s.err == nil {
		*s.err = s.sink.Bytes(s.kind, p)
	}
	s.start += uint64(len(s.chunk))
	s.chunk, s.scratch = nil, s.scratch[:0]
	if cap(s.scratch) > mostScratch {
		s.scratch = nil
	}
}

func (s *stream) event(body cast.Body) {
	if *s.err == nil {
		*s.err = s.sink.Event(body)
	}
}
