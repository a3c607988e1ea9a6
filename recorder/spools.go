package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"stint/recorder/spool"
)

const (
	// maxSpools bounds the processes that work in one data directory at once: one that
	// serves, and those before it that still carry sessions.
	maxSpools = 16
	// adoptEvery is how often the process that serves looks for what others left.
	adoptEvery = 5 * time.Second
)

// spools are the directories of recordings in a data directory. Each process writes to
// one that no other has; what a process leaves behind, the one that serves delivers.
type spools struct {
	data    string
	bounds  Spool
	broker  spool.Broker
	log     *slog.Logger
	own     *spool.Spool
	number  int
	unlock  func()
	stop    context.CancelFunc // of adopting
	adopted sync.WaitGroup
}

// openSpools opens the first directory that no other process has.
func openSpools(data string, bounds Spool, broker spool.Broker, log *slog.Logger) (*spools, error) {
	s := &spools{data: data, bounds: bounds, broker: broker, log: log, stop: func() {}}
	for s.number = 1; ; s.number++ {
		if s.number > maxSpools {
			return nil, fmt.Errorf("%d processes work in %s already", maxSpools, data)
		}
		unlock, err := lockFile(s.path(s.number) + ".lock")
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if s.own, err = s.open(s.number); err != nil {
			unlock()
			return nil, err
		}
		s.unlock = unlock
		return s, nil
	}
}

func (s *spools) path(number int) string {
	if number == 1 {
		return filepath.Join(s.data, "spool")
	}
	return filepath.Join(s.data, fmt.Sprintf("spool-%d", number))
}

func (s *spools) open(number int) (*spool.Spool, error) {
	options := s.bounds.options(s.path(number))
	options.Broker, options.Log = s.broker, s.log
	return spool.Open(options)
}

// adopt delivers, until close, what processes leave behind that have ended. Only the
// process that serves may call it, once.
func (s *spools) adopt() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.adopted.Go(func() {
		ticker := time.NewTicker(adoptEvery)
		defer ticker.Stop()
		for {
			for number := 1; number <= maxSpools; number++ {
				if number != s.number {
					s.deliver(ctx, number)
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
}

// deliver has a directory delivered, if there is something in it and nobody has it.
func (s *spools) deliver(ctx context.Context, number int) {
	if left, err := os.ReadDir(s.path(number)); err != nil || len(left) == 0 {
		return
	}
	unlock, err := lockFile(s.path(number) + ".lock")
	if err != nil {
		return // its process lives
	}
	left, err := s.open(number)
	if err != nil {
		s.log.Error("what another process recorded cannot be delivered", "directory", s.path(number), "error", err)
		unlock()
		return
	}
	s.adopted.Go(func() {
		defer unlock()
		left.Close(ctx)
	})
}

// leave has another process deliver what others left.
func (s *spools) leave() {
	s.stop()
	s.adopted.Wait()
}

// close ends deliveries. What is not delivered when ctx ends stays on disk. No recording
// may still be written.
func (s *spools) close(ctx context.Context) {
	s.leave()
	s.own.Close(ctx)
	s.unlock()
}
