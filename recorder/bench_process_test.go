//go:build e2e

package recorder_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// clockTick is the unit of CPU times in /proc; it is the same on every Linux.
const clockTick = 10 * time.Millisecond

// cpuTime is what a process has used so far.
func cpuTime(b *testing.B, process *os.Process) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process.Pid))
	must(b, err)
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	must(b, err)
	system, err := strconv.Atoi(fields[12])
	must(b, err)
	return time.Duration(user+system) * clockTick
}

// resident is a process's memory in bytes.
func resident(b testing.TB, process *os.Process) int64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", process.Pid))
	must(b, err)
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	must(b, err)
	return pages * int64(os.Getpagesize())
}

// dialQuick connects by a key or a certificate, without a test's checks of whom it
// reached: those would be counted too.
func dialQuick(b *testing.B, address, user string, identity ssh.Signer) *ssh.Client {
	b.Helper()
	client, err := ssh.Dial("tcp", address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(identity)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: patience,
	})
	must(b, err)
	b.Cleanup(func() { client.Close() })
	return client
}

// echoes types keys one at a time into a terminal that answers each, and returns
// the median of the times in microseconds.
func echoes(b *testing.B, address, user string, identity ssh.Signer) float64 {
	b.Helper()
	client := dialQuick(b, address, user, identity)
	defer client.Close()
	session, err := client.NewSession()
	must(b, err)
	input, err := session.StdinPipe()
	must(b, err)
	output, err := session.StdoutPipe()
	must(b, err)
	must(b, session.RequestPty("xterm", 24, 80, ssh.TerminalModes{ssh.ECHO: 0}))
	must(b, session.Start("stty raw -echo; printf READY; exec cat"))
	var seen strings.Builder
	buffer := make([]byte, 64)
	for !strings.HasSuffix(seen.String(), "READY") {
		n, err := output.Read(buffer)
		must(b, err)
		seen.Write(buffer[:n])
	}
	var times []float64
	for i := range benchKeys {
		key := []byte{'a' + byte(i%26)}
		began := time.Now()
		_, err := input.Write(key)
		must(b, err)
		n, err := output.Read(buffer)
		must(b, err)
		times = append(times, float64(time.Since(began))/1e3)
		if string(buffer[:n]) != string(key) {
			b.Fatalf("%q came back for %q", buffer[:n], key)
		}
		time.Sleep(2 * time.Millisecond)
	}
	slices.Sort(times)
	return times[len(times)/2]
}
