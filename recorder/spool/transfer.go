package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"stint/recorder/cast"
	"stint/recorder/wire"
	"stint/server/ledger"
)

// How long a transfer waits after a failure: the first wait doubles up to the
// last.
const (
	firstWait = 250 * time.Millisecond
	lastWait  = 5 * time.Second
)

// lull is how long a transfer gathers bytes before it sends them, so that a
// typed line is one upload and not forty.
const lull = 500 * time.Millisecond

// maxSeals bounds the seals of one report.
const maxSeals = 500

// transfer delivers one recording. Its state is in memory only: after a restart
// the broker says how far it is, and repeating seals and ends is harmless.
type transfer struct {
	spool   *Spool
	session string
	writer  *cast.Writer  // nil for a recording that an earlier process wrote
	dirty   chan struct{} // holds one token when there may be something to do
	over    chan struct{} // closed when the session is over
	waiting waiting       // for the broker to take more
	counted atomic.Int64  // bytes of it that the spool's room counts

	mu     sync.Mutex
	seals  []cast.Seal      // to be reported, in order
	broken *cast.End        // the file must be repaired; how it then ends
	end    *wire.SessionEnd // how the session ended, once the file is whole

	// Only run's goroutine uses these.
	asked, told bool      // the broker said what it holds; it knows the end
	held        int64     // bytes that it holds durably
	touched     time.Time // when a file that must be repaired was written last
}

func newTransfer(s *Spool, session string, onOutage func()) *transfer {
	return &transfer{
		spool: s, session: session, dirty: make(chan struct{}, 1), over: make(chan struct{}),
		waiting: waiting{patience: s.options.Patience, call: onOutage},
	}
}

func (t *transfer) path(suffix string) string {
	return filepath.Join(t.spool.options.Directory, t.session+suffix)
}

// wake says that there may be something to do. It never waits.
func (t *transfer) wake() {
	select {
	case t.dirty <- struct{}{}:
	default:
	}
}

func (t *transfer) addSeal(seal cast.Seal) {
	t.mu.Lock()
	t.seals = append(t.seals, seal)
	t.mu.Unlock()
	t.wake()
}

// finish says that the file is whole and how the session ended. Either it or
// repair is called, once.
func (t *transfer) finish(end wire.SessionEnd) {
	t.mu.Lock()
	t.end = &end
	t.mu.Unlock()
	close(t.over)
	t.wake()
}

// repair says that the file may stop in the middle, and how it is to end.
func (t *transfer) repair(end cast.End) {
	t.mu.Lock()
	t.broken = &end
	t.mu.Unlock()
	close(t.over)
	t.wake()
}

// run delivers until there is nothing left to deliver or ctx ends.
func (t *transfer) run(ctx context.Context) {
	wait := firstWait
	defer t.waiting.stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.dirty:
		}
		if !t.gather(ctx) {
			return
		}
		done, err := t.round(ctx)
		if done {
			return
		}
		if err == nil {
			wait = firstWait
			t.waiting.stop()
			continue
		}
		if ctx.Err() != nil {
			return
		}
		t.spool.options.Log.Warn("a recording could not be delivered and will be tried again",
			"session", t.session, "in", wait.String(), "error", err)
		// Which part failed is not known for sure, so all of it is asked again.
		t.asked = false
		if !sleep(ctx, wait+rand.N(wait/2)) {
			return
		}
		wait = min(2*wait, lastWait)
		t.wake()
	}
}

// gather waits for more bytes, unless the session is over and there are none.
func (t *transfer) gather(ctx context.Context) bool {
	select {
	case <-t.over:
		return true
	default:
	}
	timer := time.NewTimer(lull)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.over:
	case <-timer.C:
	}
	return true
}

// round delivers what there is now. It returns true when that was the last.
func (t *transfer) round(ctx context.Context) (done bool, err error) {
	select {
	case t.spool.slots <- struct{}{}:
		defer func() { <-t.spool.slots }()
	case <-ctx.Done():
		return false, ctx.Err()
	}

	// 1. A file that stops in the middle is made whole.
	if err := t.makeWhole(); err != nil {
		return false, err
	}

	t.waiting.begin()

	// 2. The end is told first: people wait for it, and the rest can follow.
	t.mu.Lock()
	end := t.end
	t.mu.Unlock()
	if end != nil {
		if err := t.tellEnd(ctx, *end); err != nil {
			return false, err
		}
	}

	// 3. Bytes, only those that would survive a power failure here: the broker
	// must never hold more than this disk does.
	size, err := t.durable(end)
	if err != nil {
		return false, err
	}
	if err := t.upload(ctx, size); err != nil {
		return false, err
	}

	// 4. Seals whose bytes the broker has.
	if err := t.reportSeals(ctx); err != nil {
		return false, err
	}

	// 5. Nothing is left: the broker is now the keeper.
	t.mu.Lock()
	rest := len(t.seals)
	t.mu.Unlock()
	if end == nil || t.held < end.Bytes || rest > 0 {
		return false, nil
	}
	return true, t.remove()
}

// makeWhole repairs the file if that is needed: what a process that died, or a
// disk that filled up, left behind.
func (t *transfer) makeWhole() error {
	t.mu.Lock()
	broken := t.broken
	t.mu.Unlock()
	if broken == nil {
		return nil
	}
	known, err := readSeals(t.path(sealsSuffix))
	if err != nil {
		return fmt.Errorf("reading the list of seals: %w", err)
	}
	file, err := os.OpenFile(t.path(cast.Extension), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("opening a recording to repair it: %w", err)
	}
	defer file.Close()
	before, err := file.Stat()
	if err != nil {
		return err
	}
	if t.touched.IsZero() {
		t.touched = before.ModTime().UTC() // before the repair, which may take several attempts, touches it
	}
	end := &wire.SessionEnd{Reason: string(broken.Reason), Ended: t.touched}
	seals, err := cast.Resume(file, known, *broken, t.spool.options.Now())
	if IsFull(err) {
		err = errors.Join(err, t.spool.reserve.release()) // for the next attempt
	}
	switch {
	case errors.Is(err, cast.ErrCut):
		// Not even its header was written, so nothing was forwarded either.
		seals, err = nil, file.Truncate(0)
	case err == nil:
		end.Reason, err = recordedReason(file, seals)
	}
	if err != nil {
		return fmt.Errorf("repairing a recording: %w", err)
	}
	if end.Bytes, err = file.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	t.count(end.Bytes - t.counted.Load())
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken, t.end = nil, end
	t.seals = seals // all of them: the broker compares those it knows
	return nil
}

// recordedReason is how a whole recording says that its session ended: the proxy
// may have died after that, while it delivered.
func recordedReason(file *os.File, seals []cast.Seal) (string, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	summary, err := cast.Verify(file, seals, nil)
	if err != nil {
		return "", err
	}
	return string(summary.End.Reason), nil
}

func (t *transfer) tellEnd(ctx context.Context, end wire.SessionEnd) error {
	if t.told {
		return nil
	}
	if err := t.spool.options.Broker.EndSession(ctx, t.session, end); err != nil {
		return t.notTaken("reporting the end of a session", err)
	}
	t.told = true
	return nil
}

// durable tells how many bytes of the file are on the disk for good.
func (t *transfer) durable(end *wire.SessionEnd) (int64, error) {
	if end != nil {
		return end.Bytes, nil
	}
	size := t.writer.Size()
	if size <= t.held {
		return t.held, nil
	}
	if err := t.writer.Flush(); errors.Is(err, cast.ErrClosed) {
		return t.held, nil // it ends just now; the next round knows how
	} else if err != nil {
		return 0, err
	}
	return size, nil
}

func (t *transfer) upload(ctx context.Context, size int64) error {
	if !t.asked {
		state, err := t.spool.options.Broker.RecordingState(ctx, t.session)
		if err != nil {
			return t.notTaken("asking how much of a recording the broker has", err)
		}
		t.held, t.asked = state.Bytes, true
	}
	if t.held > size {
		return fmt.Errorf("the broker has %d bytes of a recording of %d", t.held, size)
	}
	if t.held == size {
		return nil
	}
	file, err := os.Open(t.path(cast.Extension))
	if err != nil {
		return err
	}
	defer file.Close()
	for t.held < size {
		chunk := min(size-t.held, wire.MaxChunk)
		state, err := t.spool.options.Broker.Upload(ctx, t.session, t.held, io.NewSectionReader(file, t.held, chunk), chunk)
		if err != nil {
			return t.notTaken(fmt.Sprintf("uploading a recording from byte %d", t.held), err)
		}
		if state.Bytes != t.held+chunk {
			return fmt.Errorf("the broker has %d bytes of a recording after it was sent up to %d", state.Bytes, t.held+chunk)
		}
		t.held = state.Bytes
		t.waiting.taken()
		t.spool.outage.taken()
	}
	return nil
}

func (t *transfer) reportSeals(ctx context.Context) error {
	for {
		report := wire.Seals{}
		t.mu.Lock()
		for _, seal := range t.seals {
			if seal.End > t.held || len(report.Seals) == maxSeals {
				break
			}
			report.Seals = append(report.Seals, wire.Seal{Sequence: int64(seal.Sequence), Offset: seal.End, Head: ledger.Hash(seal.Head)})
		}
		t.mu.Unlock()
		if len(report.Seals) == 0 {
			return nil
		}
		if err := t.spool.options.Broker.ReportSeals(ctx, t.session, report); err != nil {
			return t.notTaken("reporting seals", err)
		}
		t.spool.outage.taken()
		t.mu.Lock()
		t.seals = t.seals[len(report.Seals):]
		t.mu.Unlock()
	}
}

// notTaken notes that the broker did not take something, and says what.
func (t *transfer) notTaken(what string, err error) error {
	t.spool.outage.failed(err)
	return fmt.Errorf("%s: %w", what, err)
}

// remove deletes the files, the recording first: seals without one are nothing.
func (t *transfer) remove() error {
	for _, suffix := range []string{cast.Extension, sealsSuffix} {
		if err := os.Remove(t.path(suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("deleting a delivered recording: %w", err)
		}
	}
	t.count(-t.counted.Load())
	return nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
