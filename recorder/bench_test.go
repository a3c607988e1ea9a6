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
)

// The benchmarks compare the proxy with the sshd behind it, in one run: rounds
// take turns, and each ratio is formed within a round, so that a busy machine
// slows both. Ratios are printed, never asserted.

const (
	benchRounds     = 5
	benchBytes      = 128 << 20
	benchHandshakes = 8
)

// route is a way to the target, as arguments of ssh.
type route struct {
	name      string
	arguments []string
}

func routes(b *testing.B, r *real) []route {
	b.Helper()
	known := filepath.Join(b.TempDir(), "known")
	must(b, os.WriteFile(known, []byte("direct "+string(ssh.MarshalAuthorizedKey(r.sshd.HostKey))), 0o600))
	_, port, err := net.SplitHostPort(r.sshd.Address)
	must(b, err)
	// The same for all: what the two ends prefer otherwise outweighs the proxy.
	const kex = "-oKexAlgorithms=curve25519-sha256"
	return []route{
		{"direct", []string{
			"-F", "/dev/null", kex, "-i", r.sshd.DirectKey, "-o", "IdentitiesOnly=yes", "-o", "HostKeyAlias=direct",
			"-o", "UserKnownHostsFile=" + known, "-p", port, r.sshd.Login + "@127.0.0.1",
		}},
		{"one-hop", []string{"-F", r.config, kex, "one-hop"}},
		{"jump", []string{"-F", r.config, kex, "db1"}},
	}
}

func BenchmarkThroughput(b *testing.B) {
	r := newReal(b)
	for b.Loop() {
		for _, direction := range []string{"down", "up"} {
			compare(b, routes(b, r), "MB/s "+direction, func(route route) float64 {
				command, stdin := fmt.Sprintf("head -c %d /dev/zero", benchBytes), io.Reader(nil)
				if direction == "up" {
					command, stdin = "cat > /dev/null", io.LimitReader(zeros{}, benchBytes)
				}
				began := time.Now()
				ssh := exec.Command("ssh", slices.Concat([]string{"-c", "aes128-gcm@openssh.com"}, route.arguments, []string{command})...)
				ssh.Stdin = stdin
				counted := &counter{}
				ssh.Stdout = counted
				must(b, ssh.Run())
				if direction == "down" && counted.bytes != benchBytes {
					b.Fatalf("%s: %d bytes arrived of %d", route.name, counted.bytes, benchBytes)
				}
				return benchBytes / 1e6 / time.Since(began).Seconds()
			})
		}
	}
}

func BenchmarkHandshakes(b *testing.B) {
	r := newReal(b)
	for b.Loop() {
		compare(b, routes(b, r), "handshakes/s", func(route route) float64 {
			began := time.Now()
			for range benchHandshakes {
				must(b, exec.Command("ssh", append(slices.Clone(route.arguments), "true")...).Run())
			}
			return benchHandshakes / time.Since(began).Seconds()
		})
	}
}

// compare measures every route in every round and reports medians, and medians of
// the ratios to the first route.
func compare(b *testing.B, routes []route, unit string, measure func(route) float64) {
	b.Helper()
	figures := make([][]float64, len(routes))
	for range benchRounds {
		for i, route := range routes {
			figures[i] = append(figures[i], measure(route))
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

func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	return sorted[len(sorted)/2]
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

type counter struct{ bytes int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.bytes += int64(len(p))
	return len(p), nil
}
