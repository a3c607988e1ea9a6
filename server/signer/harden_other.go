//go:build !linux

package signer

import (
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
