package files

import (
	"math"
	"sync"

	"stint/recorder/cast"
)

// sampleBytes is how much is kept of each piece beyond the bound.
const sampleBytes = 4 << 10

// Bounded records each stream of a channel up to a bound, in bytes. What comes beyond
// it is counted and hashed in pieces; the first 4 KiB of each are kept.
func Bounded(sink Sink, bound int64) Recorder {
	r := &bounded{}
	for i, kind := range [...]cast.Kind{cast.KindOutput, cast.KindErrorOutput, cast.KindInput} {
		r.streams[i].stream = stream{kind: kind, sink: sink, err: &r.streams[i].err}
		r.streams[i].keeps = uint64(max(bound, 0))
	}
	return r
}

type bounded struct {
	streams [3]boundedStream
}

type boundedStream struct {
	mu     sync.Mutex
	err    error // the sink's first
	stream stream
	keeps  uint64 // so many bytes more are kept
}

// Record implements [Recorder].
func (r *bounded) Record(kind cast.Kind, p []byte) error {
	b := &r.streams[0]
	for i := range r.streams {
		if r.streams[i].stream.kind == kind {
			b = &r.streams[i]
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.stream
	if b.err != nil {
		return b.err
	}
	s.begin(p)
	for len(s.rest()) > 0 {
		if b.keeps > 0 {
			n := min(uint64(len(s.rest())), b.keeps)
			s.keep(int(n))
			b.keeps -= n
			continue
		}
		s.leaveOut(min(len(s.rest()), int(pieceBytes-s.left)), nil)
		if s.left == 0 { // it was told
			b.keeps = sampleBytes
		}
	}
	s.finish()
	return b.err
}

// Flush implements [Recorder].
func (r *bounded) Flush() error {
	var first error
	for i := range r.streams {
		if err := r.streams[i].flush(); first == nil {
			first = err
		}
	}
	return first
}

func (b *boundedStream) flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stream.left > 0 {
		b.stream.tell()
		b.keeps = sampleBytes
	}
	return b.err
}

// Close implements [Recorder]. What comes all the same is kept.
func (r *bounded) Close() error {
	err := r.Flush()
	for i := range r.streams {
		r.streams[i].mu.Lock()
		r.streams[i].keeps = math.MaxUint64
		r.streams[i].mu.Unlock()
	}
	return err
}
