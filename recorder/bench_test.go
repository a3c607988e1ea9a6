//go:build e2e

package recorder_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/recordertest"
)

// The benchmarks compare the proxy, a process of its own that records everything,
// with the sshd behind it, in one run: rounds take turns, and each ratio is formed
// within a round, so that a busy machine slows both. Figures are printed, never
// asserted. docs/performance.md tells what they are and what they came to.

const (
	benchRounds      = 5
	benchBytes       = 512 << 20
	benchFiles       = 1000
	benchKeys        = 300
	benchConnections = 100
	benchSessions    = 1000
)

// route is a way to the target, as arguments of ssh.
type route struct {
	name      string
	arguments []string
	// process is the proxy on this way, nil on the direct one.
	process *os.Process
}

// newBench starts a proxy as a process between OpenSSH's client and server, and
// returns the ways through it after the direct one.
func newBench(b *testing.B) (*real, []route) {
	b.Helper()
	r := newReal(b)
	r.stop()
	proxy := r.startProcess(b, `exec "$0"`).Process
	r.writeConfig(b, r.Signer.IdentityFile(b, r.grant))

	known := filepath.Join(b.TempDir(), "known")
	must(b, os.WriteFile(known, []byte("direct "+string(ssh.MarshalAuthorizedKey(r.sshd.HostKey))), 0o600))
	_, port, err := net.SplitHostPort(r.sshd.Address)
	must(b, err)
	direct := filepath.Join(b.TempDir(), "config")
	must(b, os.WriteFile(direct, fmt.Appendf(nil, `
Host direct
  HostName 127.0.0.1
  Port %s
  User %s
  IdentityFile %s
  IdentitiesOnly yes
  HostKeyAlias direct
  UserKnownHostsFile %s
`, port, r.sshd.Login, r.sshd.DirectKey, known), 0o600))
	// The same for all: what the two ends prefer otherwise outweighs the proxy.
	same := []string{"-o", "KexAlgorithms=curve25519-sha256", "-o", "Ciphers=aes128-gcm@openssh.com"}
	return r, []route{
		{"direct", append([]string{"-F", direct}, append(same, "direct")...), nil},
		{"one-hop", append([]string{"-F", r.config}, append(same, "one-hop")...), proxy},
		{"jump", append([]string{"-F", r.config}, append(same, "db1")...), proxy},
	}
}

// BenchmarkBulk is a long stream of zeros, each way.
func BenchmarkBulk(b *testing.B) {
	_, routes := newBench(b)
	for b.Loop() {
		for _, direction := range []string{"down", "up"} {
			compare(b, routes, direction+" MB/s", func(route route) float64 {
				command, stdin := fmt.Sprintf("head -c %d /dev/zero", benchBytes), io.Reader(nil)
				if direction == "up" {
					command, stdin = "wc -c", io.LimitReader(zeros{}, benchBytes)
				}
				began := time.Now()
				ssh := exec.Command("ssh", append(slices.Clone(route.arguments), command)...)
				ssh.Stdin = stdin
				counted := &counter{}
				ssh.Stdout = counted
				must(b, ssh.Run())
				if arrived := counted.arrived(direction); arrived != benchBytes {
					b.Fatalf("%s: %d bytes arrived of %d", route.name, arrived, benchBytes)
				}
				return benchBytes / 1e6 / time.Since(began).Seconds()
			}, perGigabyte)
		}
	}
}

// BenchmarkFiles is a thousand files of 4 KiB by scp, each way.
func BenchmarkFiles(b *testing.B) {
	r, routes := newBench(b)
	directory := filepath.Join(b.TempDir(), "files")
	must(b, os.Mkdir(directory, 0o755))
	for i := range benchFiles {
		must(b, os.WriteFile(filepath.Join(directory, fmt.Sprint(i)), make([]byte, 4<<10), 0o644))
	}
	for b.Loop() {
		for _, direction := range []string{"up", "down"} {
			round := 0
			compare(b, routes, "files/s "+direction, func(route route) float64 {
				options, host := route.arguments[:len(route.arguments)-1], route.arguments[len(route.arguments)-1]
				round++
				from, to := directory, fmt.Sprintf("%s:%s/files-%d", host, r.sshd.Home, round)
				if direction == "down" {
					from, to = host+":"+r.sshd.Home+"/files-1", filepath.Join(b.TempDir(), fmt.Sprint(round))
				}
				began := time.Now()
				if said, err := exec.Command("scp", slices.Concat([]string{"-q", "-r"}, options, []string{from, to})...).CombinedOutput(); err != nil {
					b.Fatalf("%s: %v: %s", route.name, err, said)
				}
				took := time.Since(began)
				if direction == "down" {
					arrived, err := os.ReadDir(to)
					must(b, err)
					if len(arrived) != benchFiles {
						b.Fatalf("%s: %d files arrived", route.name, len(arrived))
					}
				}
				return benchFiles / took.Seconds()
			}, nil)
		}
	}
}

// BenchmarkEcho is how long one key of a terminal takes there and back.
func BenchmarkEcho(b *testing.B) {
	r, routes := newBench(b)
	direct, err := os.ReadFile(r.sshd.DirectKey)
	must(b, err)
	key, err := ssh.ParsePrivateKey(direct)
	must(b, err)
	identity := r.Signer.Identity(b, r.grant)
	for b.Loop() {
		compare(b, routes[:2], "echo us", func(route route) float64 {
			if route.process == nil {
				return echoes(b, r.sshd.Address, r.sshd.Login, key)
			}
			return echoes(b, r.address, r.sshd.Login+"@db1", identity)
		}, nil)
	}
}

// BenchmarkConnection is what one connection costs the proxy: the handshake on
// both sides, the broker, the signer, a command and a recording. Clients and target
// are in this process, and no program is started.
func BenchmarkConnection(b *testing.B) {
	r, proxy := newIdle(b)
	identity := r.Signer.Identity(b, hour(grant))
	for b.Loop() {
		for range benchRounds {
			before, began := cpuTime(b, proxy), time.Now()
			for range benchConnections {
				client := dialQuick(b, r.address, "web@db1", identity)
				session, err := client.NewSession()
				must(b, err)
				must(b, session.Run("true"))
				client.Close()
			}
			report(b, "connection", "CPU-ms", 1e3*(cpuTime(b, proxy)-before).Seconds()/benchConnections)
			report(b, "connection", "connections/s", benchConnections/time.Since(began).Seconds())
		}
	}
}

// BenchmarkIdle is the memory of a proxy that holds a thousand terminals in which
// nothing happens.
func BenchmarkIdle(b *testing.B) {
	r, proxy := newIdle(b)
	for b.Loop() {
		var identity ssh.Signer
		dialQuick(b, r.address, "web@db1", r.Signer.Identity(b, hour(grant))).Close()
		before := resident(b, proxy)
		for i := range benchSessions {
			if i%100 == 0 {
				g := hour(recordertest.Grant{Request: fmt.Sprintf("r-%d", 100+i/100), Login: "web", Target: "db1"})
				r.Signer.Allow(g)
				identity = r.Signer.Identity(b, g)
			}
			session, err := dialQuick(b, r.address, "web@db1", identity).NewSession()
			must(b, err)
			must(b, session.RequestPty("xterm", 24, 80, ssh.TerminalModes{}))
			must(b, session.Shell())
		}
		time.Sleep(5 * time.Second)
		report(b, "idle", "KiB/session", float64(resident(b, proxy)-before)/1024/benchSessions)
	}
}

// newIdle starts a proxy as a process in front of a target in this process, whose
// sessions do nothing and start nothing.
func newIdle(b *testing.B) (*rig, *os.Process) {
	b.Helper()
	r := &rig{Installation: recordertest.New(b)}
	recordertest.NewTarget(b, r.Signer, "web", "db1", func(channel ssh.Channel, requests <-chan *ssh.Request) {
		for request := range requests {
			_ = request.Reply(true, nil)
			if request.Type == "exec" {
				exitWith(channel, 0)
				return
			}
		}
	})
	r.Signer.Allow(hour(grant))
	return r, r.startProcess(b, `exec "$0"`).Process
}

// compare measures every route in every round and reports medians, and medians of
// the ratios to the first route. each, if there is one, reports what the proxy's
// CPU did meanwhile.
func compare(b *testing.B, routes []route, unit string, measure func(route) float64, each func(*testing.B, route, string, time.Duration)) {
	b.Helper()
	figures := make([][]float64, len(routes))
	for range benchRounds {
		for i, route := range routes {
			var before time.Duration
			if route.process != nil {
				before = cpuTime(b, route.process)
			}
			figures[i] = append(figures[i], measure(route))
			if route.process != nil && each != nil {
				each(b, route, unit, cpuTime(b, route.process)-before)
			}
		}
	}
	for i, route := range routes {
		ratios := make([]float64, benchRounds)
		for round := range ratios {
			ratios[round] = figures[i][round] / figures[0][round]
		}
		fmt.Printf("%-8s %8.1f %-14s %5.2f of direct\n", route.name, median(figures[i]), unit, median(ratios))
		if i > 0 {
			b.ReportMetric(median(ratios), strings.ReplaceAll(route.name+"-"+unit, " ", "-")+"-ratio")
		}
	}
}

// perGigabyte reports what a gigabyte cost the proxy.
func perGigabyte(b *testing.B, route route, unit string, took time.Duration) {
	report(b, route.name+" "+unit, "CPU-s/GB", took.Seconds()/(benchBytes/1e9))
}

// report prints a figure.
func report(b *testing.B, what, unit string, figure float64) {
	b.Helper()
	fmt.Printf("%-24s %8.2f %s\n", what, figure, unit)
	b.ReportMetric(figure, strings.ReplaceAll(what+"-"+unit, " ", "-"))
}

func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	return sorted[len(sorted)/2]
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// counter counts bytes and keeps the first, which may be a number.
type counter struct {
	bytes int64
	first []byte
}

func (c *counter) Write(p []byte) (int, error) {
	c.bytes += int64(len(p))
	if len(c.first) < 64 {
		c.first = append(c.first, p[:min(len(p), 64)]...)
	}
	return len(p), nil
}

// arrived is how many bytes arrived: here, or as the other end says.
func (c *counter) arrived(direction string) (n int64) {
	if direction == "down" {
		return c.bytes
	}
	_, _ = fmt.Sscan(string(c.first), &n)
	return n
}
