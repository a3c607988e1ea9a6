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

// Broker is where recordings go; *wire.Client is one.
type Broker interface {
	RecordingState(ctx context.Context, session string) (wire.RecordingState, error)
	Upload(ctx context.Context, session string, offset int64, chunk io.Reader, size int64) (wire.RecordingState, error)
	ReportSeals(ctx context.Context, session string, seals wire.Seals) error
	EndSession(ctx context.Context, session string, end wire.SessionEnd) error
}

// Options say where a Spool is and whom it delivers to. All but Now are required.
type Options struct {
	Directory string // made if it is not there, mode 0700
	Broker    Broker
	Log       *slog.Logger
	Now       func() time.Time // time.Now when nil
}

// Spool owns a directory of recordings and the goroutines that deliver them.
type Spool struct {
	options Options
	slots   chan struct{} // one for each transfer that may talk to the broker

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
	if err := os.MkdirAll(options.Directory, 0o700); err != nil {
		return nil, fmt.Errorf("making the spool: %w", err)
	}
	s := &Spool{options: options, slots: make(chan struct{}, maxTransfers)}
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
// what it will hold, this process included.
func (s *Spool) Create(header cast.Header, to cast.Recipients) (*Recording, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errors.New("the spool is closed")
	}
	r, err := newRecording(s, header, to)
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
}

// recover takes up what an earlier process left behind. Whether a recording is
// whole is found out where it is delivered, not while people wait for the proxy.
func (s *Spool) recover() error {
	entries, err := os.ReadDir(s.options.Directory)
	if err != nil {
		return fmt.Errorf("reading the spool: %w", err)
	}
	names := make(map[string]bool, len(entries))
	for _, entry := range entries {
		names[entry.Name()] = true
	}
	for name := range names {
		session, suffix, _ := strings.Cut(name, ".")
		switch {
		case "."+suffix == cast.Extension && sessionPattern.MatchString(session):
			t := newTransfer(s, session)
			t.repair(cast.End{Reason: cast.Cut, Detail: "the proxy died during the session"})
			s.start(t)
		case "."+suffix == sealsSuffix && !names[session+cast.Extension]: // deleting was interrupted
			_ = os.Remove(filepath.Join(s.options.Directory, name))
		}
	}
	return nil
}

func (s *Spool) start(t *transfer) {
	s.running.Go(func() { t.run(s.context) })
}
