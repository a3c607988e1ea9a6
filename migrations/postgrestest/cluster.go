//go:build e2e && unix

// Package postgrestest runs a PostgreSQL of a test's own: a fresh cluster in a
// temporary directory, on a Unix socket there, gone when the test is.
package postgrestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a running PostgreSQL. Whoever started it stops it.
type Cluster struct {
	dir     string
	process *os.Process
	ended   chan struct{} // closed when the server has exited
	log     *bytes.Buffer
	stop    sync.Once
}

// patience bounds the making of a cluster, and its stop.
const patience = time.Minute

// Start makes a cluster and starts it. PostgreSQL refuses to run as root: there
// it runs as the user postgres, or else nobody. It dies with the caller.
func Start(ctx context.Context) (*Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// 1. A directory whose path leaves room for a socket's (108 bytes), and which the
	// unprivileged user can reach.
	dir, err := os.MkdirTemp("/tmp", "stint-pg-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, ended: make(chan struct{}), log: &bytes.Buffer{}}
	who, err := unprivileged()
	if err == nil && who != nil {
		err = os.Chown(dir, int(who.Uid), int(who.Gid))
	}
	// 2. The cluster.
	if err == nil {
		err = c.make(ctx, who)
	}
	// 3. The server, until it answers.
	if err == nil {
		err = c.run(who)
	}
	if err == nil {
		err = c.wait(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// URL is where a database of the cluster is.
func (c *Cluster) URL(database string) string {
	values := url.Values{"host": {c.dir}, "port": {"5432"}, "user": {"stint"}}
	return "postgres:///" + url.PathEscape(database) + "?" + values.Encode()
}

// Create makes an empty database and gives its URL.
func (c *Cluster) Create(ctx context.Context, database string) (string, error) {
	return c.Copy(ctx, "template1", database)
}

// Copy makes a database that is like another one, which nobody may be connected
// to meanwhile, and gives its URL.
func (c *Cluster) Copy(ctx context.Context, from, database string) (string, error) {
	connection, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return "", fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer connection.Close(context.WithoutCancel(ctx))
	statement := "CREATE DATABASE " + pgx.Identifier{database}.Sanitize() + " TEMPLATE " + pgx.Identifier{from}.Sanitize()
	if _, err := connection.Exec(ctx, statement); err != nil {
		return "", fmt.Errorf("creating the database %s: %w", database, err)
	}
	return c.URL(database), nil
}

// Stop ends the server and removes its directory. It may be called again.
func (c *Cluster) Stop() (err error) {
	c.stop.Do(func() {
		if c.process != nil {
			_ = c.process.Signal(syscall.SIGINT) // a fast shutdown
			select {
			case <-c.ended:
			case <-time.After(patience):
				_ = c.process.Kill()
				<-c.ended
			}
		}
		err = os.RemoveAll(c.dir)
	})
	return err
}

func (c *Cluster) make(ctx context.Context, who *syscall.Credential) error {
	initdb, err := program("initdb")
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, initdb, "--pgdata", filepath.Join(c.dir, "data"), "--username", "stint",
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	command.Dir = c.dir
	command.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, output)
	}
	return nil
}

func (c *Cluster) run(who *syscall.Credential) error {
	postgres, err := program("postgres")
	if err != nil {
		return err
	}
	command := exec.Command(postgres, "-D", filepath.Join(c.dir, "data"), "-k", c.dir, "-p", "5432",
		"-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200", "-c", "unix_socket_permissions=0700")
	command.Dir, command.Stdout, command.Stderr = c.dir, c.log, c.log
	command.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	dieWithParent(command.SysProcAttr)
	started := make(chan error)
	go func() {
		// The kernel takes the thread that started a process for its parent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
			close(c.ended)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting postgres: %w", err)
	}
	c.process = command.Process
	return nil
}

func (c *Cluster) wait(ctx context.Context) error {
	for {
		connection, err := pgx.Connect(ctx, c.URL("postgres"))
		if err == nil {
			return connection.Close(ctx)
		}
		select {
		case <-c.ended:
			return fmt.Errorf("postgres ended at once:\n%s", c.log)
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// unprivileged is the user to run as; nil for the present one.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(found.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(found.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

// program finds a program of PostgreSQL, which Debian keeps off the path.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("there is no %s: install PostgreSQL (on Debian: apt-get install postgresql)", name)
	}
	slices.Sort(found)
	return found[len(found)-1], nil
}
