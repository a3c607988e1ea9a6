package cast

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Options of a [Writer]; the zero value is what production uses.
type Options struct {
	// Now tells the time; time.Now when nil.
	Now func() time.Time
	// Sync makes what was written durable (fsync). When nil, the Sync method of the
	// stream is used if it has one, as *os.File does; a stream without durability
	// is never synced.
	Sync func() error
	// SyncEvery bounds how long written bytes stay without a sync; 1 s when zero.
	SyncEvery time.Duration
	// SegmentBytes and SegmentTime bound a segment: raw bytes of its events, and
	// age; 4 MiB and 30 s when zero.
	SegmentBytes int64
	SegmentTime  time.Duration
	// OnSeal is called for each seal, in order, by one goroutine of the Writer's,
	// after the segment has been synced. It may block: once 16 seals wait for it,
	// Write waits too. It must not call the Writer's methods.
	OnSeal func(Seal)

	random io.Reader // of salts; the system's when nil
}

func (o *Options) fill(stream io.Writer) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sync == nil {
		o.Sync = func() error { return nil }
		if s, ok := stream.(interface{ Sync() error }); ok {
			o.Sync = s.Sync
		}
	}
	if o.SyncEvery <= 0 {
		o.SyncEvery = time.Second
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 4 << 20
	}
	if o.SegmentTime <= 0 {
		o.SegmentTime = 30 * time.Second
	}
	if o.OnSeal == nil {
		o.OnSeal = func(Seal) {}
	}
	if o.random == nil {
		o.random = rand.Reader
	}
}

// maxWaiting bounds the seals that wait for OnSeal.
const maxWaiting = 16

// Writer records one session. It is safe for concurrent use by the goroutines of
// several channels; the events of one goroutine keep their order.
//
// After the first failure of the stream every method returns that failure, and
// [Writer.Failed] is closed: the proxy then ends the session, since what cannot
// be recorded is refused.
type Writer struct {
	stream io.Writer
	o      Options
	header Header
	base   time.Time // the header's start with its monotonic reading
	failed chan struct{}
	work   sync.WaitGroup // deliver

	closing    sync.Once
	closeError error

	mu      sync.Mutex
	changed *sync.Cond    // synced, syncing, waiting, err or closed changed
	err     error         // the first failure
	closed  bool          // no more events
	last    time.Duration // offset of the last event
	size    int64         // bytes written
	synced  int64         // of these, bytes that a finished sync covers
	syncing bool
	timer   *time.Timer // of keepSynced
	armed   bool        // keepSynced is to come, or waits for mu
	chain   chain
	sealer  sealer
	raw     int64         // bytes of events in the open segment
	began   time.Duration // offset of the first event of the open segment
	sealed  Seal          // the last seal
	waiting []Seal        // seals that OnSeal has not had yet, with the one it is at

	delivering bool // deliver runs

	payload, record []byte // used again by each Write
}

// NewWriter begins a recording on w that the recipients can open, and the Writer
// itself cannot: it writes magic and header and syncs. The Writer owns goroutines,
// while there is something to do, until [Writer.Close]; w stays the caller's, to close after that. It returns
// [ErrNoRecipients] for a recording that nobody could read.
func NewWriter(w io.Writer, header Header, to Recipients, o Options) (*Writer, error) {
	s := newSecrets()
	defer func() { *s = secrets{} }()
	var err error
	if header.Keys, err = s.wrap(to); err != nil {
		return nil, fmt.Errorf("beginning a recording: %w", err)
	}
	return newWriter(w, header, s, o)
}

// newWriter begins a recording under secrets that the header holds wrapped. It does
// not keep them.
func newWriter(w io.Writer, header Header, s *secrets, o Options) (*Writer, error) {
	o.fill(w)
	base := o.Now()
	header = header.valid()
	header.Encoding, header.Started = Encoding, base.UTC().Round(0)
	if err := header.check(); err != nil {
		return nil, fmt.Errorf("beginning a recording: %w", err)
	}
	text, err := header.encode()
	if err != nil {
		return nil, fmt.Errorf("beginning a recording: %w", err)
	}
	if len(text) > maxHeader {
		return nil, fmt.Errorf("beginning a recording: %w: the header has %d bytes", ErrTooLong, len(text))
	}
	r := &Writer{
		stream: w, o: o, header: header, base: base, sealer: newSealer(s, o.random),
		failed: make(chan struct{}),
	}
	r.changed = sync.NewCond(&r.mu)

	start := appendRecord([]byte(magic), recordHeader, text)
	r.chain.head = headerHead(start)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.put(start); err != nil {
		return nil, err
	}
	if err := r.syncTo(r.size); err != nil {
		return nil, err
	}
	r.timer = time.AfterFunc(o.SyncEvery, r.keepSynced)
	r.armed = true
	return r, nil
}

// Header is the header as it was written.
func (w *Writer) Header() Header { return w.header }

// Write records an event on a channel and stamps it with the time. When it
// returns nil, the bytes have been handed to the operating system (write(2)):
// they survive the death of this process, and within Options.SyncEvery that of
// the machine. Record first, then forward.
//
// Output, ErrorOutput and Input may have any length; long ones become several
// events. body is not kept. [ErrTooLong] refuses another body that is too long
// (over 256 KiB) and an impossible one is refused too; both write nothing and
// leave the Writer working. An [End] is written by [Writer.Close] alone.
func (w *Writer) Write(channel uint32, body Body) error {
	if body == nil || body.Kind() == KindEnd {
		return errors.New("recording an event: it has no body, or is the end, which Close writes")
	}
	if err := body.check(); err != nil {
		return fmt.Errorf("recording an event: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.waiting) >= maxWaiting && w.err == nil && !w.closed {
		w.changed.Wait()
	}
	if w.err != nil {
		return w.err
	}
	if w.closed {
		return ErrClosed
	}
	rest, divisible := data(body)
	if !divisible {
		w.payload = body.append(w.payload[:0])
		if rest = w.payload; len(rest) > maxPayload {
			return fmt.Errorf("%w: the %s event has %d bytes", ErrTooLong, body.Kind(), len(rest))
		}
	}
	for {
		part := rest[:min(len(rest), maxPayload)]
		rest = rest[len(part):]
		if err := w.event(channel, body, part); err != nil {
			return err
		}
		if w.raw >= w.o.SegmentBytes {
			if err := w.seal(); err != nil {
				return err
			}
		}
		if len(rest) == 0 {
			return nil
		}
	}
}

// event writes one event as a block. Holding mu.
func (w *Writer) event(channel uint32, body Body, payload []byte) error {
	w.tell()
	var in entry
	var size int
	var err error
	w.record, in, size, err = w.sealer.appendEvent(w.record[:0], Event{Offset: w.last, Channel: channel, Body: body}, payload)
	if err != nil {
		return w.fail(err)
	}
	if err := w.put(w.record); err != nil {
		return err
	}
	w.add(in[:])
	w.raw += int64(size)
	return nil
}

// end writes the end, after which only its seal comes. Holding mu.
func (w *Writer) end(end End) error {
	w.tell()
	record, in := appendEnd(w.record[:0], w.last, end)
	if err := w.put(record); err != nil {
		return err
	}
	w.add(in)
	return nil
}

// tell moves the time of the last event on to now. Holding mu.
func (w *Writer) tell() {
	if now := w.o.Now().Sub(w.base).Truncate(time.Microsecond); now > w.last {
		w.last = now
	}
}

// add takes what was just written into the open segment. Holding mu.
func (w *Writer) add(in []byte) {
	if w.chain.segment == nil {
		w.began = w.last
	}
	w.chain.add(in)
}

// seal closes the open segment, if it holds anything. Holding mu.
func (w *Writer) seal() error {
	if w.err != nil || w.chain.segment == nil {
		return w.err
	}
	if w.chain.sequence == maxSegments {
		return w.fail(errors.New("it has as many segments as the format allows"))
	}
	s := w.chain.seal(w.began, w.last)
	w.sealer.nextSegment()
	w.raw = 0
	if err := w.put(appendSeal(w.record[:0], s)); err != nil {
		return err
	}
	s.End = w.size
	w.sealed = s
	w.waiting = append(w.waiting, s)
	if !w.delivering {
		w.delivering = true
		w.work.Go(w.deliver)
	}
	return nil
}

// put hands bytes to the operating system. Holding mu.
func (w *Writer) put(record []byte) error {
	if w.err != nil {
		return w.err
	}
	n, err := w.stream.Write(record)
	w.size += int64(n)
	if err == nil && n != len(record) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return w.fail(err)
	}
	if !w.armed && w.timer != nil {
		w.armed = true
		w.timer.Reset(w.o.SyncEvery)
	}
	return nil
}

// fail keeps the first failure. Holding mu. A failed sync is never tried again:
// the system may have dropped the pages and would report success.
func (w *Writer) fail(err error) error {
	if w.err == nil {
		w.err = fmt.Errorf("the session can no longer be recorded: %w", err)
		close(w.failed)
		w.changed.Broadcast()
	}
	return w.err
}

// Failed is closed at the first failure of the stream; [Writer.Err] then says why.
func (w *Writer) Failed() <-chan struct{} { return w.failed }

// Err is the first failure of the stream, nil while there was none.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Size is the number of bytes written to the stream.
func (w *Writer) Size() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size
}
