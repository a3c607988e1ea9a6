// Package agent keeps session keys in memory for plain ssh: a small SSH agent on
// a socket beside the account. Keys never touch the disk, each ends with its
// grant, and the agent stops by itself when it holds none.
package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	sshagent "golang.org/x/crypto/ssh/agent"
)

// patience is for all that is said over one connection to the agent, an
// activation in between included.
const patience = time.Minute

// idle is how long an agent without keys stays.
const idle = 10 * time.Minute

// Socket is the path of the agent's socket below dir.
func Socket(dir string) string { return filepath.Join(dir, "agent.sock") }

// Serve runs the agent on the socket below dir until ctx ends or it has held no
// key for a while. A second agent on the same directory ends at once, quietly.
func Serve(ctx context.Context, dir string) error {
	lock, err := lockFile(filepath.Join(dir, "agent.lock"))
	if err != nil {
		return err
	}
	if lock == nil {
		return nil
	}
	defer lock.Close()
	path := Socket(dir)
	_ = os.Remove(path) // left by a killed agent; the lock says nobody serves it
	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("opening the agent's socket (set STINT_HOME to a shorter path if it is too long): %w", err)
	}
	defer listener.Close()
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	keyring := newKeyring()
	var connections sync.WaitGroup
	connections.Go(func() { stopWhenIdle(ctx, cancel, keyring) })
	context.AfterFunc(ctx, func() { listener.Close() })
	ServeListener(ctx, listener, keyring)
	cancel()
	connections.Wait()
	return nil
}

// ServeListener answers agent connections on listener until it closes, and
// returns when all of them are over.
func ServeListener(ctx context.Context, listener net.Listener, keyring sshagent.Agent) {
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		connections.Go(func() {
			stop := context.AfterFunc(ctx, func() { connection.Close() })
			defer stop()
			defer connection.Close()
			_ = sshagent.ServeAgent(keyring, connection)
		})
	}
}

// stopWhenIdle cancels once the keyring has been empty for the idle time.
func stopWhenIdle(ctx context.Context, cancel context.CancelFunc, keyring sshagent.Agent) {
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if keys, err := keyring.List(); err == nil && len(keys) > 0 {
			last = time.Now()
		} else if time.Since(last) >= idle {
			cancel()
			return
		}
	}
}

// Lock lets one process at a time look into an agent and add what it lacks, so
// that several ssh started together share one key. It waits for the others, not
// beyond ctx; unlock when done, again if you like.
func Lock(ctx context.Context, dir string) (unlock func(), err error) {
	for {
		file, err := lockFile(filepath.Join(dir, "activation.lock"))
		if err != nil {
			return nil, fmt.Errorf("locking %s: %w", dir, err)
		}
		if file != nil {
			return func() { file.Close() }, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another stint to activate: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// lockFile takes an exclusive lock that ends with the process. It returns nil
// where another process holds it.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, err
	}
	return file, nil
}

// Connect returns a client of the agent below dir, starting the agent
// (executable agent) where none runs. The caller closes the connection.
func Connect(ctx context.Context, dir, executable string) (sshagent.ExtendedAgent, net.Conn, error) {
	path := Socket(dir)
	if connection, err := net.Dial("unix", path); err == nil {
		return sshagent.NewClient(connection), connection, connection.SetDeadline(time.Now().Add(patience))
	}
	command := exec.Command(executable, "agent")
	command.Env = append(os.Environ(), "STINT_HOME="+dir)
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return nil, nil, fmt.Errorf("starting the agent: %w", err)
	}
	// The agent outlives this process; releasing it leaves no zombie behind.
	_ = command.Process.Release()
	deadline := time.Now().Add(5 * time.Second)
	for {
		connection, err := net.Dial("unix", path)
		if err == nil {
			return sshagent.NewClient(connection), connection, connection.SetDeadline(time.Now().Add(patience))
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return nil, nil, fmt.Errorf("the agent did not start: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
