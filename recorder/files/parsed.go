package files

import (
	"errors"
	"sync"

	"stint/recorder/cast"
)

// protocol reads the two streams of a channel.
type protocol interface {
	// read goes through the rest of a stream's chunk. It returns an error at the first
	// thing that it does not understand, up to which it has gone through it.
	read(s *stream) error
	// end tells of what is open or was not answered.
	end()
}

// parsed is the Recorder of a channel that speaks a protocol.
type parsed struct {
	name     string
	protocol protocol

	mu            sync.Mutex
	err           error // the sink's first
	input, output stream
	plain         bool // what goes through is not understood, and all kept
	closed        bool
}

func newParsed(name string, sink Sink, all bool) *parsed {
	r := &parsed{name: name}
	r.input = stream{kind: cast.KindInput, sink: sink, err: &r.err, all: all}
	r.output = stream{kind: cast.KindOutput, sink: sink, err: &r.err, all: all}
	return r
}

// Record implements [Recorder].
func (r *parsed) Record(kind cast.Kind, p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	s := &r.output
	if kind == cast.KindInput {
		s = &r.input
	}
	if r.plain || r.closed || kind == cast.KindErrorOutput {
		r.err = s.sink.Bytes(kind, p)
		return r.err
	}
	s.begin(p)
	if why := r.protocol.read(s); why != nil {
		s.keep(len(s.rest()))
		r.giveUp(why)
	}
	s.finish()
	return r.err
}

// giveUp has everything kept from here on.
func (r *parsed) giveUp(why error) {
	r.plain = true
	r.settle()
	r.output.event(cast.Note("this is not " + r.name + " as the proxy reads it (" + why.Error() + "): from here on every byte of the channel is kept"))
}

// settle tells of all that there is to tell.
func (r *parsed) settle() {
	r.input.tell()
	r.output.tell()
	r.protocol.end()
}

// Flush implements [Recorder].
func (r *parsed) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.input.tell()
	r.output.tell()
	return r.err
}

// Close implements [Recorder].
func (r *parsed) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed && !r.plain {
		r.settle()
	}
	r.closed = true
	return r.err
}

// event records an event between others. The stream does not matter.
func (r *parsed) event(body cast.Body) { r.output.event(body) }

// What the two sides may do wrong.
var (
	errLength  = errors.New("a length is wrong")
	errTooMuch = errors.New("more is open at once than is followed")
	errUnknown = errors.New("it is of a kind that is not known")
	errOrder   = errors.New("it does not come in its turn")
	errHandle  = errors.New("it names a file that is not open")
	errAnswer  = errors.New("an answer fits no request")
	errReused  = errors.New("a number of a request, or of an open file, is used twice")
	errText    = errors.New("a line is not as it has to be")
)
