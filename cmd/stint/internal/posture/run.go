package posture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Bounds of one command. A profile of a Mac takes seconds to draw up.
const (
	commandTime = 20 * time.Second
	maxAnswer   = 1 << 20
)

// directories are where programs are looked for, and nowhere else: the person's
// PATH may begin with a directory that others write. The system's own come first.
var directories = []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/libexec/ApplicationFirewall", "/usr/local/bin"}

// passed are the variables of ours that programs see: whose settings to read.
var passed = []string{"HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS"}

var (
	errAbsent  = errors.New("not installed")
	errNoFile  = errors.New("not there")
	errTooLong = fmt.Errorf("it answers more than %d bytes", maxAnswer)
)

// find is the path of a program, or errAbsent.
func find(program string) (string, error) {
	for _, directory := range directories {
		path := filepath.Join(directory, program)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path, nil
		}
	}
	return "", errAbsent
}

// run runs a program of the system's and returns what it says.
func run(ctx context.Context, program string, arguments ...string) ([]byte, error) {
	path, err := find(program)
	if err != nil {
		return nil, err
	}
	return runPath(ctx, commandTime, path, arguments...)
}

// runPath runs a program within a time, and ends it and its children after that.
func runPath(ctx context.Context, limit time.Duration, path string, arguments ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	command := exec.CommandContext(ctx, path, arguments...)
	command.Dir = "/"
	command.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C", "LANG=C"}
	for _, name := range passed {
		if value, ok := os.LookupEnv(name); ok {
			command.Env = append(command.Env, name+"="+value)
		}
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	// One that talks without end is stopped, not heard out.
	output, complaint := &bounded{stop: cancel}, &bounded{stop: cancel}
	command.Stdout, command.Stderr = output, complaint
	err := command.Run()
	var status *exec.ExitError
	switch {
	case output.over || complaint.over:
		return nil, errTooLong
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("it did not answer within %s", limit)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && !errors.As(err, &status):
		return nil, fmt.Errorf("it does not run: %w", err)
	}
	if len(bytes.TrimSpace(output.text)) == 0 {
		return complaint.text, nil
	}
	return output.text, nil
}

// bounded keeps what a program says up to maxAnswer, and stops it there.
type bounded struct {
	text []byte
	over bool
	stop func()
}

// Write never fails: a program must not end because of us before it is stopped.
func (b *bounded) Write(p []byte) (int, error) {
	if len(b.text)+len(p) > maxAnswer {
		b.over = true
		b.stop()
		return len(p), nil
	}
	b.text = append(b.text, p...)
	return len(p), nil
}

// readFile reads the last maxAnswer bytes of a regular file.
func readFile(path string) ([]byte, error) {
	// Opening a pipe would wait for its writer.
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoFile
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("no file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info.Size() > maxAnswer {
		if _, err := file.Seek(-maxAnswer, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(file, maxAnswer))
}
