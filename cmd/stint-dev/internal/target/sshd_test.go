//go:build e2e

package target

import (
	"encoding/pem"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"stint/cmd/stint-dev/internal/supervisor"
)

// startSSHD starts real targets under one supervisor.
func startSSHD(t *testing.T, ca authority, names ...string) []*Target {
	t.Helper()
	login, base := findLogin(t)
	sup := supervisor.New(supervisor.Config{LogDir: t.TempDir()})
	t.Cleanup(sup.Stop)
	trust := ca.trust(t, login)
	var made []*Target
	for _, name := range names {
		one := newTarget(t, login, base, name)
		if !one.Real() {
			t.Fatal("this machine has no sshd; the end to end tests need one")
		}
		if err := one.Start(t.Context(), sup, trust, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		made = append(made, one)
	}
	return made
}

// openssh runs the real client with a certificate for the principals.
func openssh(t *testing.T, program string, ca authority, to *Target, principals []string, arguments ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	private, certificate := ca.certify(t, principals...)
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(to.Address, ":")
	for name, text := range map[string]string{
		"key": string(pem.EncodeToMemory(block)), "key-cert.pub": string(ssh.MarshalAuthorizedKey(certificate)),
		"known_hosts": "[" + host + "]:" + port + " " + to.HostKey() + "\n",
		"config": "Host " + to.Name + "\n HostName " + host + "\n Port " + port + "\n User " + to.Login.Name +
			"\n IdentityFile " + dir + "/key\n IdentitiesOnly yes\n UserKnownHostsFile " + dir + "/known_hosts\n BatchMode yes\n StrictHostKeyChecking yes\n LogLevel ERROR\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	output, err := exec.CommandContext(t.Context(), program, append([]string{"-F", dir + "/config"}, arguments...)...).CombinedOutput()
	return string(output), err
}

func TestOpenSSHBothEnds(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	targets := startSSHD(t, ca, "db1", "web1")
	db1, web1 := targets[0], targets[1]

	output, err := openssh(t, "ssh", ca, db1, []string{db1.Principal()}, "db1", "id -un; id -u; exit 5")
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 5 {
		t.Errorf("ended with %v", err)
	}
	if lines := strings.Fields(output); len(lines) != 2 || lines[0] != db1.Login.Name || lines[1] == "0" {
		t.Errorf("said %q", output)
	}
	if output, err := openssh(t, "ssh", ca, db1, []string{db1.Principal()}, "-tt", "db1", "tty; test -t 0 && test -w $(tty) && echo a terminal"); err != nil || !strings.Contains(output, "a terminal") {
		t.Errorf("a terminal: %v %q", err, output)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("through sftp\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	there := "stint-test-" + filepath.Base(db1.dir) + "-" + strings.ReplaceAll(filepath.Base(filepath.Dir(db1.dir)), " ", "-")
	for _, protocol := range []string{"-s", "-O"} {
		if output, err := openssh(t, "scp", ca, db1, []string{db1.Principal()}, protocol, file, "db1:"+there); err != nil {
			t.Errorf("scp %s: %v %s", protocol, err, output)
		}
		if output, err := openssh(t, "ssh", ca, db1, []string{db1.Principal()}, "db1", "cat "+there+"; rm "+there); err != nil || output != "through sftp\n" {
			t.Errorf("after scp %s: %v %q", protocol, err, output)
		}
	}

	// A certificate for one target opens no other, though both have the same login.
	for what, principals := range map[string][]string{
		"db1's certificate": {db1.Principal()}, "the bare login": {db1.Login.Name}, "nobody's": nil,
	} {
		if output, err := openssh(t, "ssh", ca, web1, principals, "web1", "true"); err == nil || !strings.Contains(output, "Permission denied") {
			t.Errorf("web1 with %s: %v %q", what, err, output)
		}
	}
	if output, err := openssh(t, "ssh", newAuthority(t), web1, []string{web1.Principal()}, "web1", "true"); err == nil {
		t.Errorf("another CA's certificate was let in: %q", output)
	}
	if output, err := openssh(t, "ssh", ca, web1, []string{web1.Principal()}, "web1", "true"); err != nil {
		t.Errorf("web1 refuses its own: %v %q", err, output)
	}
}
