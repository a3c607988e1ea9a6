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

// stayInMemory keeps everything of this process, keys included, out of swap, where
// the system allows that much locked memory. All of it: a signature leaves copies
// of its key where no program can follow them.
func stayInMemory() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return err
	}
	// With a limit in force, growing past it would end the process.
	if limit.Cur = limit.Max; limit.Max != unix.RLIM_INFINITY {
		return fmt.Errorf("the limit of locked memory is %d bytes", limit.Max)
	}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return err
	}
	return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
}
