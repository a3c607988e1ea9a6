package installation

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Ports are chosen below the range that operating systems hand to outgoing
// connections (from 32768 on Linux, 49152 elsewhere): a kept port from that
// range could be in somebody's use at the next start.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// ports are those that an installation has set aside for its processes while it
// runs. Between choosing a port and listening on it, and while a process that
// died is started again, nobody listens there: a lock keeps other stint-devs of
// the same user from taking it. Locks end with the process, however it ends.
type ports struct {
	held map[int]*os.File
}

// choose sets aside a port that nobody listens on.
func (p *ports) choose() (int, error) {
	for range 1000 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if p.reserve(port) == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port was found between %d and %d", lowestPort, highestPort)
}

// reserve sets a port aside, or says why it cannot be had.
func (p *ports) reserve(port int) error {
	if p.held[port] != nil {
		return errors.New("it is set aside already")
	}
	dir := filepath.Join(os.TempDir(), "stint-dev-ports-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		return fmt.Errorf("another stint-dev has set it aside: %w", err)
	}
	if err := free(port); err != nil {
		file.Close()
		return err
	}
	if p.held == nil {
		p.held = map[int]*os.File{}
	}
	p.held[port] = file
	return nil
}

// release gives all of them up.
func (p *ports) release() {
	for _, file := range p.held {
		file.Close()
	}
	p.held = nil
}

// free is nil when nobody listens on the port, on either loopback address:
// browsers try both for localhost.
func free(port int) error {
	for _, host := range []string{"127.0.0.1", "::1"} {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			listener.Close()
			continue
		}
		if host == "::1" && !errors.Is(err, syscall.EADDRINUSE) {
			continue // a machine without IPv6
		}
		var call *os.SyscallError
		if errors.As(err, &call) {
			err = call.Err
		}
		return err
	}
	return nil
}
