package target

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// demoUser is who the targets run as, and the one login they have, when
	// stint-dev runs as root: nobody should get a root shell out of a demo.
	demoUser = "stint-demo"
	// rootBase holds the targets' directories then: what belongs to root
	// elsewhere is often closed to others.
	rootBase = "/var/lib/stint-dev"
)

// Login is the operating system user that a target runs as. An unprivileged
// sshd can sign in its own user only, so it is also the one login there is.
type Login struct {
	Name string
	Home string
	// Credential is set when stint-dev is root and the target another user.
	Credential *syscall.Credential
}

// FindLogin returns the own user, or as root an unprivileged one that it makes
// if need be.
func FindLogin() (Login, error) {
	if os.Geteuid() != 0 {
		me, err := user.Current()
		if err != nil {
			return Login{}, fmt.Errorf("finding out who runs this: %w", err)
		}
		return Login{Name: me.Username, Home: me.HomeDir}, nil
	}
	account, err := user.Lookup(demoUser)
	if errors.As(err, new(user.UnknownUserError)) {
		if err := addUser(); err != nil {
			return Login{}, err
		}
		account, err = user.Lookup(demoUser)
	}
	if err != nil {
		return Login{}, fmt.Errorf("looking up the user %s: %w", demoUser, err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil || uid == 0 {
		return Login{}, fmt.Errorf("the user %s has the id %q, which no demo may run as", demoUser, account.Uid)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return Login{}, fmt.Errorf("the user %s has the group %q: %w", demoUser, account.Gid, err)
	}
	login := Login{Name: demoUser, Home: account.HomeDir, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{uint32(gid)}}}
	// Without this group an unprivileged sshd cannot hand over a terminal.
	if tty, err := user.LookupGroup("tty"); err == nil {
		if id, err := strconv.ParseUint(tty.Gid, 10, 32); err == nil {
			login.Credential.Groups = append(login.Credential.Groups, uint32(id))
		}
	}
	if err := os.MkdirAll(rootBase, 0o755); err != nil {
		return Login{}, err
	}
	if err := os.MkdirAll(login.Home, 0o700); err != nil {
		return Login{}, err
	}
	return login, login.own(login.Home)
}

// addUser makes the demo user. Its password is one that none can be ("*"): an
// account without one counts as locked, and sshd refuses those.
func addUser() error {
	home := filepath.Join(rootBase, "home")
	var output []byte
	var err error
	for range 20 {
		output, err = exec.Command("useradd", "--home-dir", home, "--create-home", "--shell", shell(), "--password", "*",
			"--groups", "tty", "--comment", "stint-dev demo target", demoUser).CombinedOutput()
		if err == nil || strings.Contains(string(output), "already exists") {
			return nil
		}
		if !strings.Contains(string(output), "lock") { // another useradd at work is worth waiting for
			break
		}
		time.Sleep(250 * time.Millisecond)
	}
	return fmt.Errorf("making the unprivileged user %s for the demo targets: %w %s", demoUser, err, strings.TrimSpace(string(output)))
}

func shell() string {
	if _, err := os.Stat("/bin/bash"); err == nil {
		return "/bin/bash"
	}
	return "/bin/sh"
}

// Base is where the targets of an instance keep their files: in dir, or as root
// in a directory that the demo user can reach.
func (l Login) Base(dir, instance string) (string, error) {
	base := filepath.Join(dir, "targets")
	if l.Credential != nil {
		base = filepath.Join(rootBase, instance)
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", fmt.Errorf("making the targets' directory: %w", err)
	}
	return base, nil
}

// own gives a file to the login.
func (l Login) own(path string) error {
	if l.Credential == nil {
		return nil
	}
	return os.Chown(path, int(l.Credential.Uid), int(l.Credential.Gid))
}
