//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startPostgreSQL makes a PostgreSQL of its own for a test and returns its URL.
// PostgreSQL refuses to run as root, so there it runs as the user postgres, which
// Debian's package makes.
func startPostgreSQL(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "stint-pg-") // short: a test's own directory may be closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	attributes := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		attributes.Credential = credential(t, "postgres")
		if err := os.Chown(dir, int(attributes.Credential.Uid), int(attributes.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "data")
	initialize := exec.Command(postgresProgram(t, "initdb"), "--pgdata", data, "--username", "stint", "--auth", "trust", "--encoding", "UTF8", "--no-sync")
	initialize.SysProcAttr, initialize.Dir = attributes, dir
	if output, err := initialize.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, output)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	var said lockedBuffer
	// What a crash of the machine would lose is not what these tests are about.
	server := exec.Command(postgresProgram(t, "postgres"), "-D", data, "-p", strconv.Itoa(port), "-k", dir, "-h", "127.0.0.1",
		"-c", "fsync=off", "-c", "shared_buffers=32MB")
	server.SysProcAttr, server.Dir, server.Stdout, server.Stderr = attributes, dir, &said, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGINT) // fast shutdown
		timer := time.AfterFunc(20*time.Second, func() { server.Process.Kill() })
		defer timer.Stop()
		server.Wait()
		if t.Failed() {
			t.Logf("PostgreSQL said:\n%s", &said)
		}
	})
	for deadline := time.Now().Add(patience); !strings.Contains(said.String(), "ready to accept connections"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("PostgreSQL did not start:\n%s", &said)
		}
	}
	return fmt.Sprintf("postgres://stint@127.0.0.1:%d/postgres?sslmode=disable", port)
}

func credential(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	account, err := osuser.Lookup(name)
	if err != nil {
		t.Fatalf("as root PostgreSQL runs as the user %s: %v", name, err)
	}
	uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
	if uidErr != nil || gidErr != nil {
		t.Fatalf("the user %s has ids %s and %s", name, account.Uid, account.Gid)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// postgresProgram finds a program of PostgreSQL's server, newest version first;
// Debian keeps them out of PATH.
func postgresProgram(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(paths) == 0 {
		t.Fatalf("PostgreSQL's %s is not installed; the end to end tests need it", name)
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4])
		return n
	}
	return slices.MaxFunc(paths, func(a, b string) int { return version(a) - version(b) })
}
