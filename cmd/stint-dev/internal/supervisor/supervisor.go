// Package supervisor keeps a handful of child processes running: it starts
// them one after another, each when the one before is healthy, starts again
// what dies, and stops all of them in reverse order.
//
// No child outlives its supervisor. An orderly end stops each with SIGTERM and,
// after a bound, SIGKILL, process group and all; and on Linux the kernel kills
// the children of a supervisor that was itself killed.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Child says how to run one process.
type Child struct {
	// Name is short; it names the log file and prefixes what is shown.
	Name string
	Path string
	Args []string
	// Env is the whole environment; nil means the supervisor's own.
	Env []string
	Dir string
	// Credential, if set, runs the child as another user (as root only).
	Credential *syscall.Credential
	// Healthy is polled until it returns nil: the process pid is then doing its
	// work. Each call has a short deadline. Nil: running is healthy.
	Healthy func(ctx context.Context, pid int) error
	// Line is called with each line that the child writes to its log, so that
	// what matters can be shown to the person at the terminal. It may be nil.
	Line func(line string)
}

// Config is what a Supervisor needs. LogDir must exist.
type Config struct {
	LogDir string
	Log    *slog.Logger
	// Changed is called, never concurrently, when a child that was started
	// again is healthy; its process id is another then. It may be nil.
	Changed func(pids map[string]int)
	// Healthy bounds how long a child may take to become healthy at its first
	// start (default 60 s); Stop how long it may take to end after SIGTERM
	// (default 10 s). Backoff is the first wait before a restart (default
	// 200 ms); it doubles up to 10 s while the child keeps dying young.
	Healthy, Stop, Backoff time.Duration
}

// Supervisor owns children from Start to Stop.
type Supervisor struct {
	config Config

	mu       sync.Mutex // guards what follows
	children []*keeper
	stopping bool

	changing sync.Mutex // one call of Changed at a time
}

// New returns a supervisor without children.
func New(config Config) *Supervisor {
	if config.Healthy == 0 {
		config.Healthy = time.Minute
	}
	if config.Stop == 0 {
		config.Stop = 10 * time.Second
	}
	if config.Backoff == 0 {
		config.Backoff = 200 * time.Millisecond
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	return &Supervisor{config: config}
}

// Start runs a child and returns when it is healthy. A child that ends or stays
// unhealthy at its first start is an error that carries the last lines of its
// log: something is wrong that starting it again would not mend. From then on it
// is started again whenever it ends, until Stop.
func (s *Supervisor) Start(ctx context.Context, child Child) error {
	k := newKeeper(child, s.config, func() { s.changed() })
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return errors.New("the supervisor is stopping")
	}
	s.children = append(s.children, k)
	s.mu.Unlock()

	if err := k.start(ctx); err != nil {
		return fmt.Errorf("starting %s: %w", child.Name, err)
	}
	return nil
}

// PIDs tells the process id of each child that is running now.
func (s *Supervisor) PIDs() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	pids := make(map[string]int, len(s.children))
	for _, k := range s.children {
		if pid := k.pid(); pid != 0 {
			pids[k.child.Name] = pid
		}
	}
	return pids
}

func (s *Supervisor) changed() {
	if s.config.Changed == nil {
		return
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	s.config.Changed(s.PIDs())
}

// Stop ends all children, the last started first, and returns when every one
// of them is gone. It may be called more than once.
func (s *Supervisor) Stop() {
	s.mu.Lock()
	s.stopping = true
	children := slices.Clone(s.children)
	s.mu.Unlock()
	for _, k := range slices.Backward(children) {
		k.stop()
	}
}
