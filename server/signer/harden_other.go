//go:build !linux

package signer

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// harden turns core files off.
func harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turning core files off: %w", err)
	}
	return nil
}

// stayInMemory would keep this process out of swap; this system offers no way.
func stayInMemory() error { return errors.New("this system cannot lock a whole process in memory") }
