package installation

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"syscall"
)

// Ports are chosen below the range that operating systems hand to outgoing
// connections (from 32768 on Linux, 49152 elsewhere): a kept port from that
// range could be in somebody's use at the next start.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// choosePort finds a port that nobody listens on and that was not chosen before.
func choosePort(chosen map[int]bool) (int, error) {
	for range 1000 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if !chosen[port] && free(port) == nil {
			chosen[port] = true
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port was found between %d and %d", lowestPort, highestPort)
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
