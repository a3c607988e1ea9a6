package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stint/cmd/stint-dev/internal/supervisor"
)

// The test binary is also every child that the tests start: CHILD says which.
func TestMain(m *testing.M) {
	switch os.Getenv("CHILD") {
	case "":
		os.Exit(m.Run())
	case "server":
		serve(false)
	case "stubborn":
		serve(true)
	case "failing":
		fmt.Fprintln(os.Stderr, "cannot listen on localhost:8420: it is taken")
		os.Exit(3)
	case "supervisor":
		superviseUntilKilled()
	}
}

// serve writes its pid to the file PID, says hello, and ends at SIGTERM, or
// (stubborn) does not.
func serve(stubborn bool) {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	fmt.Println("hello from", os.Getpid())
	if err := os.WriteFile(os.Getenv("PID"), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		panic(err)
	}
	<-terminated
	if stubborn {
		select {}
	}
	file, err := os.OpenFile(os.Getenv("ENDED"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(file, os.Getenv("NAME"))
	file.Close()
}

func superviseUntilKilled() {
	s := supervisor.New(supervisor.Config{LogDir: os.Getenv("DIR")})
	if err := s.Start(context.Background(), child(os.Getenv("DIR"), "grandchild", "stubborn")); err != nil {
		panic(err)
	}
	select {}
}

func child(dir, name, kind string) supervisor.Child {
	pidFile := filepath.Join(dir, name+".pid")
	return supervisor.Child{
		Name: name, Path: os.Args[0],
		Env: append(os.Environ(), "CHILD="+kind, "NAME="+name, "PID="+pidFile, "ENDED="+filepath.Join(dir, "ended"), "DIR="+dir),
		Healthy: func(_ context.Context, pid int) error {
			text, err := os.ReadFile(pidFile)
			if err == nil && string(text) != strconv.Itoa(pid) {
				err = errors.New("an older process wrote the file")
			}
			return err
		},
	}
}

// gone tells that no process with this id runs (a zombie does not run).
func gone(pid int) bool {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		return strings.Contains(string(stat), ") Z ")
	} else if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat("/proc/self"); err == nil {
			return true
		}
	}
	return syscall.Kill(pid, 0) != nil
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("after a minute, still not: %s", what)
}

func TestChildrenStopInReverseOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := supervisor.New(supervisor.Config{LogDir: dir, Stop: time.Minute}) // none is killed for a machine that stands still
	defer s.Stop()
	for _, name := range []string{"signer", "broker", "proxy"} {
		if err := s.Start(t.Context(), child(dir, name, "server")); err != nil {
			t.Fatal(err)
		}
	}
	pids := s.PIDs()
	if len(pids) != 3 {
		t.Fatalf("pids: %v", pids)
	}
	s.Stop()
	s.Stop() // a second time is harmless
	for name, pid := range pids {
		if !gone(pid) {
			t.Errorf("%s still runs after Stop", name)
		}
	}
	ended, err := os.ReadFile(filepath.Join(dir, "ended"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(ended)); !slices.Equal(got, []string{"proxy", "broker", "signer"}) {
		t.Errorf("stopped in the order %v", got)
	}
	if err := s.Start(t.Context(), child(dir, "late", "server")); err == nil {
		t.Error("a stopped supervisor started a child")
	}
}

func TestKilledChildIsStartedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	changes := make(chan map[string]int, 10)
	s := supervisor.New(supervisor.Config{
		LogDir: dir, Backoff: 10 * time.Millisecond,
		Changed: func(pids map[string]int) { changes <- pids },
	})
	defer s.Stop()
	if err := s.Start(t.Context(), child(dir, "broker", "server")); err != nil {
		t.Fatal(err)
	}
	before := s.PIDs()["broker"]
	for range 3 {
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {
		case pids := <-changes:
			if pids["broker"] == 0 || pids["broker"] == before {
				t.Fatalf("the change names %v, before it was %d", pids, before)
			}
			before = pids["broker"]
		case <-time.After(time.Minute):
			t.Fatal("it was not started again")
		}
	}
}

func TestFirstStartThatFailsIsAnErrorWithTheReason(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "broker.log"), []byte("something older\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := supervisor.New(supervisor.Config{LogDir: dir})
	defer s.Stop()
	err := s.Start(t.Context(), child(dir, "broker", "failing"))
	if err == nil || !strings.Contains(err.Error(), "localhost:8420: it is taken") {
		t.Errorf("error: %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "something older") {
		t.Errorf("the error quotes an earlier run: %v", err)
	}
	if err := s.Start(t.Context(), supervisor.Child{Name: "missing", Path: filepath.Join(dir, "no-such-program")}); err == nil {
		t.Error("a program that does not exist was started")
	}
}

func TestChildThatNeverGetsHealthyIsAnErrorAndGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := supervisor.New(supervisor.Config{LogDir: dir, Healthy: 3 * time.Second})
	c := child(dir, "broker", "server")
	var pid int
	c.Healthy = func(_ context.Context, p int) error { pid = p; return errors.New("no answer at /healthz") }
	err := s.Start(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "no answer at /healthz") {
		t.Errorf("error: %v", err)
	}
	if pid == 0 || !gone(pid) {
		t.Errorf("process %d was left behind", pid)
	}
}

func TestStubbornChildIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := supervisor.New(supervisor.Config{LogDir: dir, Stop: 200 * time.Millisecond})
	if err := s.Start(t.Context(), child(dir, "proxy", "stubborn")); err != nil {
		t.Fatal(err)
	}
	pid := s.PIDs()["proxy"]
	s.Stop()
	if !gone(pid) {
		t.Error("it still runs")
	}
}

func TestLinesAreShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var mu sync.Mutex
	var shown []string
	s := supervisor.New(supervisor.Config{LogDir: dir})
	c := child(dir, "broker", "server")
	c.Line = func(line string) {
		mu.Lock()
		defer mu.Unlock()
		shown = append(shown, line)
	}
	if err := s.Start(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	pid := s.PIDs()["broker"]
	s.Stop()
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(shown, []string{fmt.Sprint("hello from ", pid)}) {
		t.Errorf("shown: %q", shown)
	}
}

func TestChildrenDieWithAKilledSupervisor(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Log("only Linux promises this")
		return
	}
	dir := t.TempDir()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "CHILD=supervisor", "DIR="+dir)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	eventually(t, "the grandchild runs", func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "grandchild.pid"))
		pid, _ = strconv.Atoi(string(text))
		return pid != 0 && !gone(pid)
	})
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	command.Wait()
	eventually(t, "the grandchild is gone", func() bool { return gone(pid) })
}
