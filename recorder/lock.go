package recorder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// errLocked means that another process has it.
var errLocked = errors.New("another process has it")

// lockDirectory makes sure that only one proxy serves with a data directory. One that
// drains has let go of it, and keeps no more than its own spool. The lock ends with the
// process, however it ends.
func lockDirectory(path string) (unlock func(), err error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	unlock, err = lockFile(filepath.Join(path, "lock"))
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("another proxy works in %s: %w. To take its place: stint-proxy take-over", path, err)
	}
	return unlock, err
}

// lockFile locks a file, which it makes; errLocked where another process has it locked.
func lockFile(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data directory: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, err
	}
	return func() {
		// Closing alone would leave the lock to a child that is just being forked.
		_ = unix.Flock(int(file.Fd()), unix.LOCK_UN)
		file.Close()
	}, nil
}
