package target

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func startBuiltin(t *testing.T) (*Target, authority) {
	t.Helper()
	login, base := findLogin(t)
	made := newTarget(t, login, base, "db1")
	made.sshd = ""
	ca := newAuthority(t)
	if err := made.Start(t.Context(), nil, ca.trust(t, login), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made, ca
}

func dial(t *testing.T, to *Target, user string, auth ssh.AuthMethod) (*ssh.Client, error) {
	t.Helper()
	return ssh.Dial("tcp", to.Address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{auth}, Timeout: time.Minute, HostKeyCallback: ssh.FixedHostKey(to.key.PublicKey()),
	})
}

func certified(t *testing.T, ca authority, principals ...string) ssh.AuthMethod {
	t.Helper()
	private, certificate := ca.certify(t, principals...)
	signer, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	if signer, err = ssh.NewCertSigner(certificate, signer); err != nil {
		t.Fatal(err)
	}
	return ssh.PublicKeys(signer)
}

func TestBuiltinRunsCommands(t *testing.T) {
	t.Parallel()
	made, ca := startBuiltin(t)
	client, err := dial(t, made, made.Login.Name, certified(t, ca, made.Principal()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	var out, complaint bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = strings.NewReader("typed"), &out, &complaint
	err = session.Run("id -un; cat; echo oops >&2; exit 3")
	var exit *ssh.ExitError
	if !errors.As(err, &exit) || exit.ExitStatus() != 3 {
		t.Errorf("ended with %v", err)
	}
	if out.String() != made.Login.Name+"\ntyped" || complaint.String() != "oops\n" {
		t.Errorf("out %q, err %q", &out, &complaint)
	}

	session, err = client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.RequestPty("xterm", 24, 80, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	stdin, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out.Reset()
	session.Stdout = &out
	if err := session.Shell(); err != nil {
		t.Fatal(err)
	}
	if err := session.WindowChange(50, 132); err != nil {
		t.Fatal(err)
	}
	// The new size and what is typed come by different ways; the shell waits for the one.
	io.WriteString(stdin, `for i in $(seq 200); do [ "$(stty size)" = "50 132" ] && break; sleep 0.05; done; echo size $(stty size); echo $TERM; exit 4`+"\n")
	err = session.Wait()
	if !errors.As(err, &exit) || exit.ExitStatus() != 4 {
		t.Errorf("the shell ended with %v: %s", err, &out)
	}
	for _, want := range []string{"size 50 132", "xterm"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %q", want, &out)
		}
	}
	if session, err = client.NewSession(); err != nil {
		t.Fatal(err)
	}
	reason, err := session.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.RequestSubsystem("sftp"); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(reason); err != nil || !strings.Contains(string(text), "has no sftp: use scp -O") {
		t.Errorf("asked for sftp it says %q (%v)", text, err)
	}
}

func TestBuiltinEndsWhatRunsWithTheConnection(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]string{
		"what heeds the hanging up":    "echo $$; sleep 600",
		"what would have to be killed": "trap '' HUP; echo $$; sleep 600",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made, ca := startBuiltin(t)
			client, err := dial(t, made, made.Login.Name, certified(t, ca, made.Principal()))
			if err != nil {
				t.Fatal(err)
			}
			session, err := client.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			out, err := session.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := session.Start(command); err != nil {
				t.Fatal(err)
			}
			var group int
			if _, err := fmt.Fscan(out, &group); err != nil {
				t.Fatal(err)
			}
			made.Close()
			for patience := time.Now().Add(time.Minute); syscall.Kill(-group, 0) == nil; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(patience) {
					t.Fatal("the command goes on")
				}
			}
		})
	}
}

func TestBuiltinRefuses(t *testing.T) {
	t.Parallel()
	made, ca := startBuiltin(t)
	private, _ := ca.certify(t, made.Principal())
	plain, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	for what, attempt := range map[string]struct {
		user string
		auth ssh.AuthMethod
	}{
		"another target's certificate": {made.Login.Name, certified(t, ca, made.Login.Name+"@db2")},
		"the bare login":               {made.Login.Name, certified(t, ca, made.Login.Name)},
		"no principal":                 {made.Login.Name, certified(t, ca)},
		"another CA":                   {made.Login.Name, certified(t, newAuthority(t), made.Principal())},
		"another login":                {"root", certified(t, ca, made.Principal())},
		"a plain key":                  {made.Login.Name, ssh.PublicKeys(plain)},
		"the CA's own key":             {made.Login.Name, ssh.PublicKeys(ca)},
		"a password":                   {made.Login.Name, ssh.Password("secret")},
	} {
		if client, err := dial(t, made, attempt.user, attempt.auth); err == nil {
			client.Close()
			t.Errorf("%s was let in", what)
		}
	}
}

func TestHostKeyIsKept(t *testing.T) {
	t.Parallel()
	login, base := findLogin(t)
	first, again := newTarget(t, login, base, "db1"), newTarget(t, login, base, "db1")
	other := newTarget(t, login, base, "db2")
	if first.HostKey() != again.HostKey() || first.HostKey() == other.HostKey() {
		t.Errorf("host keys: %s, %s, other %s", first.HostKey(), again.HostKey(), other.HostKey())
	}
}
