// Package target runs the demo hosts of stint-dev: a real sshd where OpenSSH is
// installed, else a small one of our own that knows shell and exec.
//
// A target trusts certificates of the signer's target CA that name it
// (login@target), and nothing else: no password, no plain key, no other
// target's certificate.
package target

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/cmd/stint-dev/internal/supervisor"
)

// Target is one demo host. Its host key and files lie in a directory that its
// login may read, and are kept from start to start.
type Target struct {
	Name    string
	Address string // 127.0.0.1:PORT
	Login   Login

	dir     string
	sshd    string // path of OpenSSH's sshd, empty without one
	key     ssh.Signer
	builtin *builtin // what serves without an sshd, once started
}

// New prepares a target in a directory of its own below base.
func New(base, name, address string, login Login) (*Target, error) {
	t := &Target{Name: name, Address: address, Login: login, dir: filepath.Join(base, name), sshd: findSSHD()}
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of target %s: %w", name, err)
	}
	if err := login.own(t.dir); err != nil {
		return nil, err
	}
	var err error
	if t.key, err = t.hostKey(); err != nil {
		return nil, fmt.Errorf("host key of target %s: %w", name, err)
	}
	return t, nil
}

// HostKey is the public host key in authorized_keys form, without a comment.
func (t *Target) HostKey() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(t.key.PublicKey())))
}

// Principal is the one name in a certificate that this target accepts.
func (t *Target) Principal() string { return t.Login.Name + "@" + t.Name }

// Real tells whether OpenSSH's sshd serves this target.
func (t *Target) Real() bool { return t.sshd != "" }

func (t *Target) file(name string) string { return filepath.Join(t.dir, name) }

// write puts a file in place in one step, readable by the login alone.
func (t *Target) write(name, text string) error {
	next := t.file(name + ".next")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return err
	}
	if err := t.Login.own(next); err != nil {
		return err
	}
	return os.Rename(next, t.file(name))
}

func (t *Target) hostKey() (ssh.Signer, error) {
	text, err := os.ReadFile(t.file("host_key"))
	if errors.Is(err, fs.ErrNotExist) {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		block, err := ssh.MarshalPrivateKey(private, "")
		if err != nil {
			return nil, err
		}
		text = pem.EncodeToMemory(block)
		if err := t.write("host_key", string(text)); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	return ssh.ParsePrivateKey(text)
}

// Trust is the files that say whose certificates open a target. Somebody else
// keeps them up to date; they are read at each sign-in.
type Trust struct {
	CA  string // keys in authorized_keys form, a line each
	KRL string // OpenSSH's list of revoked keys; must be there
}

// Start serves, by what the files of trust say: under the supervisor where there
// is an sshd, else inside this process until Close.
func (t *Target) Start(ctx context.Context, sup *supervisor.Supervisor, trust Trust, log *slog.Logger) error {
	if !t.Real() {
		var err error
		t.builtin, err = t.serve(trust.CA, log)
		return err
	}
	if err := t.configure(trust); err != nil {
		return fmt.Errorf("writing the configuration of target %s: %w", t.Name, err)
	}
	return sup.Start(ctx, supervisor.Child{
		Name: "target-" + t.Name, Path: t.sshd,
		Args:       []string{"-D", "-e", "-f", t.file("sshd_config")},
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Dir:        t.dir,
		Credential: t.Login.Credential,
		Healthy:    func(ctx context.Context, _ int) error { return greets(ctx, t.Address) },
	})
}

// Close ends a target that runs inside this process; the supervisor ends the others.
func (t *Target) Close() {
	if t.builtin != nil {
		t.builtin.close()
		t.builtin = nil
	}
}

// configure writes what sshd reads at its start.
func (t *Target) configure(trust Trust) error {
	if err := t.write("principals", t.Principal()+"\n"); err != nil {
		return err
	}
	options := []string{
		"ListenAddress " + t.Address,
		"HostKey " + quote(t.file("host_key")),
		"PidFile none",
		"AllowUsers " + t.Login.Name,
		"AuthenticationMethods publickey",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"AuthorizedKeysFile none",
		"TrustedUserCAKeys " + quote(trust.CA),
		"RevokedKeys " + quote(trust.KRL),
		"AuthorizedPrincipalsFile " + quote(t.file("principals")),
		// The files belong to the login in a directory that was made for them;
		// what lies above it is not the target's business.
		"StrictModes no",
		"UsePAM no",
		"UseDNS no",
		"PrintMotd no",
		"PrintLastLog no",
		"AcceptEnv LANG LC_*",
		"Subsystem sftp internal-sftp",
		"MaxStartups 200:30:400",
		"MaxSessions 100",
		"LogLevel VERBOSE",
	}
	// All of the proxy's connections come from one address; newer sshd would
	// hold that against it, older ones do not know the option.
	if exec.Command(t.sshd, "-t", "-f", os.DevNull, "-h", t.file("host_key"), "-o", "PerSourcePenalties=no").Run() == nil {
		options = append(options, "PerSourcePenalties no")
	}
	return t.write("sshd_config", strings.Join(options, "\n")+"\n")
}

// quote protects spaces in a path of sshd_config, whose quoting knows no escapes.
func quote(path string) string { return `"` + path + `"` }

// greets is nil when an SSH server answers at address.
func greets(ctx context.Context, address string) error {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	if deadline, ok := ctx.Deadline(); ok {
		connection.SetDeadline(deadline)
	} else {
		connection.SetDeadline(time.Now().Add(5 * time.Second))
	}
	greeting := make([]byte, 4)
	if _, err := io.ReadFull(connection, greeting); err != nil {
		return err
	}
	if string(greeting) != "SSH-" {
		return fmt.Errorf("what answers at %s is no SSH server", address)
	}
	return nil
}

// findSSHD finds OpenSSH's server, which is in no ordinary user's PATH.
func findSSHD() string {
	if path, err := exec.LookPath("sshd"); err == nil && filepath.IsAbs(path) {
		return path
	}
	for _, path := range []string{"/usr/sbin/sshd", "/usr/local/sbin/sshd", "/opt/homebrew/sbin/sshd"} {
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}
