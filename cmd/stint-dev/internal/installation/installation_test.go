package installation

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func mustOpen(t *testing.T, dir, listen string) *Installation {
	t.Helper()
	i, err := Open(dir, listen, false, []string{"db1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

func TestSecondStartFindsTheSame(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "by it")
	first := mustOpen(t, dir, "localhost:0")
	first.Close()
	second := mustOpen(t, dir, "localhost:8420") // not named by a person: the kept one counts
	if difference := cmp.Diff(first, second, cmpopts.IgnoreUnexported(Installation{})); difference != "" {
		t.Error(difference)
	}
	seen := map[string]bool{}
	for _, unique := range []string{first.Instance, first.PortalSecret} {
		if seen[unique] || len(unique) < 8 {
			t.Errorf("%q is short or there twice", unique)
		}
		seen[unique] = true
	}
	ports := map[int]bool{}
	for name, port := range first.listeners() {
		if ports[port] || port == 0 {
			t.Errorf("%s has port %d", name, port)
		}
		ports[port] = true
	}
	for _, user := range first.Users {
		if seen[user.Password] || seen[user.Subject] {
			t.Errorf("%s shares a secret or an identity", user.Name)
		}
		seen[user.Password], seen[user.Subject] = true, true
	}
	if _, ok := first.User("alice"); !ok {
		t.Error("there is no alice")
	}
	other := mustOpen(t, t.TempDir(), "localhost:0")
	if other.Instance == first.Instance || other.Users[0].Subject == first.Users[0].Subject {
		t.Error("two installations share an identity")
	}
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	mustOpen(t, dir, "localhost:0")
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "config.json"): 0o600, filepath.Join(dir, "lock"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kept := mustOpen(t, dir, "localhost:0")
	if _, err := Open(dir, "localhost:0", false, nil); err == nil || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("while it is in use: %v", err)
	}
	kept.Close()

	taken, err := net.Listen("tcp", kept.Address(Signer))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, "localhost:0", false, nil); err == nil || !strings.Contains(err.Error(), "the signer") || !strings.Contains(err.Error(), fmt.Sprint(kept.Ports[Signer])) {
		t.Errorf("with the signer's port taken: %v", err)
	}
	if _, err := Open(t.TempDir(), fmt.Sprintf("localhost:%d", kept.Ports[Signer]), true, nil); err == nil || !strings.Contains(err.Error(), "is taken") {
		t.Errorf("a first start on a taken port: %v", err)
	}
	taken.Close()

	if _, err := Open(dir, "localhost:19999", true, nil); err == nil || !strings.Contains(err.Error(), kept.Portal) {
		t.Errorf("with another portal port: %v", err)
	}
	for _, listen := range []string{"", "8420", "127.0.0.1:8420", "0.0.0.0:8420", ":8420", "localhost:http", "localhost:70000", "localhost:-1"} {
		if _, err := Open(t.TempDir(), listen, true, nil); err == nil {
			t.Errorf("--listen %q was accepted", listen)
		}
	}
	for what, text := range map[string]string{"another version": `{"version": 7, "instance": "abcdefgh", "hash": 1}`, "an unknown key": `{"version": 2, "instance": "abcdefgh", "surprise": 1}`, "half a file": `{"version": 2,`, "no instance": `{"version": 2}`} {
		other := t.TempDir()
		if err := os.WriteFile(filepath.Join(other, "config.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(other, "localhost:0", false, nil); err == nil || !strings.Contains(err.Error(), "config.json") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Open(dir, "localhost:0", false, nil); err != nil {
		t.Errorf("and after all that, the directory opens no more: %v", err)
	}
}
