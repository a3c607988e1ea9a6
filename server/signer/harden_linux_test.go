package signer

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A process that is not dumpable belongs, in /proc, to root alone; to see that from
// outside takes another user than root.
func init() {
	inChild = func() error {
		if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 0 {
			return fmt.Errorf("the process is dumpable (%d, %v)", dumpable, err)
		}
		return nil
	}
}

// TestTheSignersMemoryIsItsOwn looks at a running signer from outside.
func TestTheSignersMemoryIsItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.spawn()
	proc := filepath.Join("/proc", strconv.Itoa(c.command.Process.Pid))
	limits, err := os.ReadFile(filepath.Join(proc, "limits"))
	must(t, err)
	for line := range strings.Lines(string(limits)) {
		if strings.HasPrefix(line, "Max core file size") && strings.Fields(line)[4] != "0" {
			t.Errorf("it could leave a core file: %s", line)
		}
	}
	if os.Getuid() != 0 {
		if _, err := os.ReadFile(filepath.Join(proc, "mem")); err == nil {
			t.Error("its memory can be read")
		}
	}
	// All of it is locked, or it says why not.
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	must(t, err)
	c.kill(t)
	locked := true
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmLck:") {
			locked = strings.Fields(line)[1] != "0"
		}
	}
	if !locked && !strings.Contains(c.stderr.String(), "may reach swap") {
		t.Errorf("its memory is not locked, and nobody is told: %s", c.stderr)
	}
}
