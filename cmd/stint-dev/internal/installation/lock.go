package installation

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// lockDirectory makes sure that one stint-dev uses a directory at a time. The
// lock ends with the process, however it ends.
func lockDirectory(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data directory: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			holder := make([]byte, 32)
			n, _ := file.Read(holder)
			return nil, fmt.Errorf("another stint-dev (process %s) runs on %s; stop it, or choose another --data", strings.TrimSpace(string(holder[:n])), dir)
		}
		return nil, fmt.Errorf("locking the data directory: %w", err)
	}
	if err := file.Truncate(0); err == nil {
		fmt.Fprintln(file, os.Getpid()) // for whoever is refused; the lock does not need it
	}
	return file, nil
}
