package signer

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// harden keeps the keys in memory from being read from outside: no debugger, no
// /proc/PID/mem for other processes of the same user, and no core file.
func harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keeping other processes out of the signer's memory: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turning core files off: %w", err)
	}
	return nil
}
