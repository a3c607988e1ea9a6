// Package spool keeps recordings on the proxy's disk until the broker holds
// them. A recording is written through cast.Writer while its session runs, goes
// to the broker as it grows, and is deleted only when the broker has every byte
// durably, every seal, and knows how the session ended.
//
// Two files a session, named by its id:
//
//	.stint   the recording; its last event says how the session ended
//	.seals   the seals of it, a JSON object a line, written as they were made
//
// and one more, the reserve: it makes way when the disk is full, for the ends of
// recordings.
//
// What a killed proxy leaves behind, the next one finishes, marks as cut, and
// delivers.
package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"stint/recorder/cast"
	"stint/recorder/wire"
)

// maxTransfers bounds how many recordings talk to the broker at once.
const maxTransfers = 8

// defaultPatience is Options.Patience when that is zero.
const defaultPatience = time.Minute

// Broker is where recordings go; *wire.Client is one.
type Broker interface {
	RecordingState(ctx context.Context, session string) (wire.RecordingState, error)
	Upload(ctx context.Context, session string, offset int64, chunk io.Reader, size int64) (wire.RecordingState, error)
	ReportSeals(ctx context.Context, session string, seals wire.Seals) error
	EndSession(ctx context.Context, session string, end wire.SessionEnd) error
}

// Options say where a Spool is and whom it delivers to. The first three are required.
type Options struct {
	Directory string // made if it is not there, mode 0700
	Broker    Broker
	Log       *slog.Logger
	Now       func() time.Time // time.Now when nil
	// Most bounds the bytes of all recordings in the directory; zero: the disk does.
	Most int64
	// Patience is how long the broker may take nothing while there is something to take;
	// a minute when zero.
	Patience time.Duration
}

// Spool owns a directory of recordings and the goroutines that deliver them.
type Spool struct {
	options Options
	slots   chan struct{} // one for each transfer that may talk to the broker
	room    room
	reserve reserve
	outage  outage

	stop    context.CancelFunc
	context context.Context
	running sync.WaitGroup // transfers

	mu     sync.RWMutex // held for reading while a recording is created
	closed bool
}

// Open takes over a directory. Recordings that are in it are finished where
// their proxy died, and delivered.
func Open(options Options) (*Spool, error) {
	if options.Directory == "" || options.Broker == nil || options.Log == nil {
		return nil, errors.New("a spool needs a directory, a broker and a log")
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Patience == 0 {
		options.Patience = defaultPatience
	}
	if err := os.MkdirAll(options.Directory, 0o700); err != nil {
		return nil, fmt.Errorf("making the spool: %w", err)
	}
	s := &Spool{
		options: options, slots: make(chan struct{}, maxTransfers), room: room{most: options.Most},
		reserve: reserve{directory: options.Directory}, outage: outage{patience: options.Patience},
	}
	s.context, s.stop = context.WithCancel(context.Background())
	if err := s.recover(); err != nil {
		s.stop()
		s.running.Wait()
		return nil, err
	}
	return s, nil
}

// Create begins the recording of a session. The caller ends it with
// [Recording.End]. header.Session names the files. Nobody but the recipients can read
// what it will hold, this process included. onOutage, unless it is nil, is called once, by
// another goroutine, when the broker has taken nothing of it for Options.Patience while
// there was something to take; it must not block. It returns [ErrNoRoom] when the spool is full.
func (s *Spool) Create(header cast.Header, to cast.Recipients, onOutage func()) (*Recording, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errors.New("the spool is closed")
	}
	done, ok := s.room.take()
	if !ok {
		return nil, ErrNoRoom
	}
	defer done()
	if err := s.reserve.keep(); err != nil {
		return nil, err
	}
	r, err := newRecording(s, header, to, onOutage)
	if err != nil {
		return nil, err
	}
	s.start(r.transfer)
	return r, nil
}

// Close waits until everything is delivered or ctx ends, whichever is first, and
// then stops. What is not delivered stays on disk for the next start. No
// recording may still be written.
func (s *Spool) Close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	delivered := make(chan struct{})
	go func() {
		s.running.Wait()
		close(delivered)
	}()
	select {
	case <-delivered:
	case <-ctx.Done():
	}
	s.stop()
	<-delivered
	if err := s.reserve.release(); err != nil {
		s.options.Log.Warn("the spool leaves something behind", "error", err)
	}
}

// recover takes up what an earlier process left behind. Whether a recording is
// whole is found out where it is delivered, not while people wait for the proxy.
func (s *Spool) recover() error {
	entries, err := os.ReadDir(s.options.Directory)
	if err != nil {
		return fmt.Errorf("reading the spool: %w", err)
	}
	names := make(map[string]int64, len(entries))
	for _, entry := range entries {
		names[entry.Name()] = bytesOf(entry)
	}
	for name, size := range names {
		session, suffix, _ := strings.Cut(name, ".")
		switch {
		case "."+suffix == cast.Extension && sessionPattern.MatchString(session):
			t := newTransfer(s, session, nil)
			t.count(size)
			t.repair(cast.End{Reason: cast.Cut, Detail: "the proxy died during the session"})
			s.start(t)
		case "."+suffix == sealsSuffix:
			if _, whole := names[session+cast.Extension]; !whole { // deleting was interrupted
				_ = os.Remove(filepath.Join(s.options.Directory, name))
			}
		}
	}
	return nil
}

func (s *Spool) start(t *transfer) {
	s.running.Go(func() { t.run(s.context) })
}
