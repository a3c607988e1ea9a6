//go:build e2e

package recordertest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// Sshd is a real OpenSSH server that runs as an unprivileged user.
type Sshd struct {
	Target
	Login string // the one account that it has: the user it runs as
	Home  string // a directory that the account may write to
	// DirectKey is the file of a key that the server admits without a
	// certificate, to compare with.
	DirectKey string
	// Credential is the account's, for what is to run as it; nil when it is the tester's own.
	Credential *syscall.Credential
}

// NewSshd starts sshd as a target that trusts the signer's target authority for
// login@name, and puts it into the policy. As root it runs as a fresh user, which
// the test removes; otherwise as the user who runs the test.
func NewSshd(t testing.TB, signer *Signer, name string) *Sshd {
	t.Helper()
	program, err := exec.LookPath("sshd")
	if err != nil {
		program = "/usr/sbin/sshd"
	}
	account := newAccount(t)
	// Not t.TempDir: other users may not enter that.
	directory, err := os.MkdirTemp("", "stint-sshd-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	must(t, os.Chmod(directory, 0o755))
	home := filepath.Join(directory, "home")
	must(t, os.Mkdir(home, 0o755))

	host, hostFile := keyFile(t, directory, "host")
	direct, directFile := keyFile(t, t.TempDir(), "direct")
	authorized := filepath.Join(directory, "authorized")
	must(t, os.WriteFile(authorized, ssh.MarshalAuthorizedKey(direct), 0o644))
	authority := filepath.Join(directory, "ca.pub")
	must(t, os.WriteFile(authority, ssh.MarshalAuthorizedKey(signer.TargetCA.PublicKey()), 0o644))
	principals := filepath.Join(directory, "principals")
	must(t, os.WriteFile(principals, []byte(account.name+"@"+name+"\n"), 0o644))

	port := freePort(t)
	config := filepath.Join(directory, "config")
	// With both families, a port that a client lets it choose is free on ::1 alone:
	// on 127.0.0.1 somebody else may answer there.
	must(t, os.WriteFile(config, fmt.Appendf(nil, `AddressFamily inet
ListenAddress 127.0.0.1
Port %d
HostKey %s
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
AuthorizedKeysFile %s
TrustedUserCAKeys %s
AuthorizedPrincipalsFile %s
X11Forwarding yes
SetEnv XAUTHORITY=%s/.Xauthority
AcceptEnv LANG LC_* COLORTERM
PrintMotd no
PrintLastLog no
MaxStartups 100
Subsystem sftp internal-sftp
`, port, hostFile, authorized, authority, principals, home), 0o644))
	if account.credential != nil {
		for _, path := range []string{home, hostFile} {
			must(t, os.Chown(path, int(account.credential.Uid), int(account.credential.Gid)))
		}
	}

	var log bytes.Buffer
	command := exec.Command(program, "-D", "-e", "-f", config)
	command.Stderr = &log
	command.Dir = home
	command.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + home}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: account.credential, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("sshd said:\n%s", log.String())
		}
	})
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("sshd does not listen: %v\n%s", err, log.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
	target := Target{Address: address, HostKey: host}
	signer.AddTarget(name, target)
	return &Sshd{Target: target, Login: account.name, Home: home, DirectKey: directFile, Credential: account.credential}
}

type account struct {
	name       string
	credential *syscall.Credential // nil when it is our own
}

// newAccount makes a user for an sshd.
func newAccount(t testing.TB) account {
	t.Helper()
	if os.Getuid() != 0 {
		own, err := user.Current()
		must(t, err)
		return account{name: own.Username}
	}
	name := fmt.Sprintf("stint%d", time.Now().UnixNano()%1e12)
	// '*' is no password that anybody has, and, unlike '!', no locked account,
	// which sshd would refuse.
	retry(t, "useradd", "-p", "*", "-M", "-d", "/tmp", "-s", "/bin/bash", name)
	t.Cleanup(func() {
		_ = exec.Command("pkill", "-KILL", "-u", name).Run() // what it left running; the name is ours alone
		retry(t, "userdel", name)
	})
	made, err := user.Lookup(name)
	must(t, err)
	uid, err := strconv.Atoi(made.Uid)
	must(t, err)
	gid, err := strconv.Atoi(made.Gid)
	must(t, err)
	credential := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	// Without the group an unprivileged sshd cannot give a terminal to its owner.
	if tty, err := user.LookupGroup("tty"); err == nil {
		id, err := strconv.Atoi(tty.Gid)
		must(t, err)
		credential.Groups = []uint32{uint32(id)}
	}
	return account{name: name, credential: credential}
}

// retry runs a command that may find the password file locked by another.
func retry(t testing.TB, name string, arguments ...string) {
	t.Helper()
	var output []byte
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if output, err = exec.Command(name, arguments...).CombinedOutput(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("%s %s: %v: %s", name, strings.Join(arguments, " "), err, output)
}

func keyFile(t testing.TB, directory, name string) (ssh.PublicKey, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	must(t, err)
	path := filepath.Join(directory, name)
	must(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	key, err := ssh.NewSignerFromKey(private)
	must(t, err)
	return key.PublicKey(), path
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}
