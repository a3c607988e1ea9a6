package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	healthPoll = 50 * time.Millisecond
	healthCall = 2 * time.Second
	longWait   = 10 * time.Second
	// A child that ran this long did not die young: its next wait is the
	// first again.
	settled = 30 * time.Second
)

const (
	wasHealthy  = 1
	endedBefore = 2
)

// keeper runs one child for as long as it is wanted.
type keeper struct {
	child   Child
	config  Config
	changed func()
	log     *childLog

	stopOnce sync.Once
	wanted   context.Context // done when the child should run no more
	unwant   context.CancelFunc
	done     chan struct{} // closed when keep has returned
	helpers  sync.WaitGroup
	// first says how the first start went: 0 while that is open, then one of
	// wasHealthy and endedBefore. Whoever sets it decides.
	first atomic.Int32

	mu      sync.Mutex
	current int // process id, 0 while none runs
}

func newKeeper(child Child, config Config, changed func()) *keeper {
	wanted, unwant := context.WithCancel(context.Background())
	return &keeper{child: child, config: config, changed: changed, wanted: wanted, unwant: unwant, done: make(chan struct{})}
}

func (k *keeper) pid() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

func (k *keeper) setPID(pid int) {
	k.mu.Lock()
	k.current = pid
	k.mu.Unlock()
}

// start runs the child for the first time and waits until it is healthy.
func (k *keeper) start(ctx context.Context) error {
	log, err := openLog(k.config.LogDir, k.child)
	if err != nil {
		close(k.done)
		return err
	}
	k.log = log
	first := make(chan error, 1)
	go k.keep(first)

	ctx, cancel := context.WithTimeout(ctx, k.config.Healthy)
	defer cancel()
	healthy := make(chan error, 1)
	go func() { healthy <- k.waitHealthy(ctx) }()

	select {
	case err = <-first: // it ended before it was healthy
		cancel()
		<-healthy
	case err = <-healthy:
		if err == nil && !k.first.CompareAndSwap(0, wasHealthy) {
			err = <-first // it ended in between
		}
	}
	if err != nil {
		k.stop()
		if tail := k.log.tail(); tail != "" {
			err = fmt.Errorf("%w; the end of its log (%s):\n%s", err, k.log.path, tail)
		}
		return err
	}
	return nil
}

func (k *keeper) waitHealthy(ctx context.Context) error {
	var last error
	for {
		call, cancel := context.WithTimeout(ctx, healthCall)
		var err error
		switch pid := k.pid(); {
		case pid == 0:
			err = errors.New("it is not running")
		case k.child.Healthy != nil:
			err = k.child.Healthy(call, pid)
		}
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it did not become healthy: %w", last)
		case <-time.After(healthPoll):
		}
	}
}

// keep starts the child and waits for it, again and again, until it is unwanted.
//
// It stays on one operating system thread from start to end: on Linux the
// kernel kills a child (Pdeathsig) when the thread that started it ends, and the
// Go runtime may end an idle thread at any time but never a locked one.
func (k *keeper) keep(first chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(k.done)
	defer k.log.close()
	defer k.helpers.Wait()

	wait := k.config.Backoff
	for run := 0; ; run++ {
		began := time.Now()
		err := k.runOnce(run > 0)
		if k.wanted.Err() != nil {
			return
		}
		if k.first.CompareAndSwap(0, endedBefore) {
			first <- fmt.Errorf("it ended at once: %w", err)
			return
		}
		if time.Since(began) > settled {
			wait = k.config.Backoff
		}
		k.config.Log.Warn("a process ended and is started again", "process", k.child.Name, "how", err.Error(), "in", wait.String())
		select {
		case <-k.wanted.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, longWait)
	}
}

// runOnce runs the child to its end and says how it ended.
func (k *keeper) runOnce(again bool) error {
	command := exec.Command(k.child.Path, k.child.Args...)
	command.Env, command.Dir = k.child.Env, k.child.Dir
	// A file, not a pipe: what the child's own children hold open must not
	// keep Wait from returning, and nothing the child says is lost with us.
	command.Stdout, command.Stderr = k.log.file, k.log.file
	command.SysProcAttr = attributes(k.child.Credential)

	// Stop looks at the process id: between this check and setPID no stop may
	// slip through, so both happen under the lock that stop takes.
	k.mu.Lock()
	if k.wanted.Err() != nil {
		k.mu.Unlock()
		return errors.New("it is not wanted any more")
	}
	if err := command.Start(); err != nil {
		k.mu.Unlock()
		return fmt.Errorf("it could not be run: %w", err)
	}
	k.current = command.Process.Pid
	k.mu.Unlock()

	if again {
		k.helpers.Go(k.announce)
	}
	err := command.Wait()
	k.setPID(0)
	// Whatever it had started goes with it.
	_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	if err == nil {
		return errors.New("it ended by itself")
	}
	return err
}

// announce waits until a child that was started again is healthy, and says so.
func (k *keeper) announce() {
	ctx, cancel := context.WithTimeout(k.wanted, k.config.Healthy)
	defer cancel()
	if k.waitHealthy(ctx) == nil {
		k.changed()
	}
}

// stop ends the child and returns when it is gone.
func (k *keeper) stop() {
	k.stopOnce.Do(func() {
		k.mu.Lock()
		k.unwant()
		pid := k.current
		k.mu.Unlock()
		if pid == 0 {
			return
		}
		// The group, so that what the child started hears it too.
		_ = syscall.Kill(-pid, syscall.SIGTERM)
		select {
		case <-k.done:
			return
		case <-time.After(k.config.Stop):
		}
		k.config.Log.Warn("a process did not end in time and is killed", "process", k.child.Name)
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	})
	<-k.done
}
