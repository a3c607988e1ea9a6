package openssh

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"

	"stint/cmd/stint/internal/account"
)

// comment marks an agent's key as ours, for one grant.
func comment(login, target string) string { return "stint " + login + "@" + target }

// Add puts a credential into an agent until the grant ends, in place of what the
// agent held for the same login and target.
func Add(agent sshagent.ExtendedAgent, c Credential, now time.Time) error {
	left := c.Ends.Sub(now)
	if left <= 0 {
		return errors.New("the grant has just ended")
	}
	if err := removeOld(agent, comment(c.Login, c.Target)); err != nil {
		return err
	}
	// As ssh-add does, the key goes in by itself and with its certificate: ssh shows
	// the certificate and asks the agent to sign with the plain key.
	for _, certificate := range []*ssh.Certificate{nil, c.Certificate} {
		err := agent.Add(sshagent.AddedKey{
			PrivateKey: c.Key, Certificate: certificate, Comment: comment(c.Login, c.Target),
			LifetimeSecs: uint32(left/time.Second) + 1, // rounded up: the certificate itself is exact
		})
		if err != nil {
			return fmt.Errorf("the SSH agent did not take the key: %w", err)
		}
	}
	return nil
}

func removeOld(agent sshagent.ExtendedAgent, name string) error {
	keys, err := agent.List()
	if err != nil {
		return fmt.Errorf("asking the SSH agent for its keys: %w", err)
	}
	for _, key := range keys {
		if key.Comment == name {
			if err := agent.Remove(key); err != nil {
				return fmt.Errorf("removing an old key from the SSH agent: %w", err)
			}
		}
	}
	return nil
}

// Held returns the certificate that an agent holds for this grant and that is
// still good, or nil: a second ssh needs no second certificate.
func Held(agent sshagent.ExtendedAgent, request, login, target string, now time.Time) *ssh.Certificate {
	keys, err := agent.List()
	if err != nil {
		return nil
	}
	for _, key := range keys {
		if key.Comment != comment(login, target) {
			continue
		}
		public, err := ssh.ParsePublicKey(key.Blob)
		if err != nil {
			continue
		}
		certificate, ok := public.(*ssh.Certificate)
		if ok && certificate.KeyId == request && uint64(now.Unix()) < certificate.ValidBefore {
			return certificate
		}
	}
	return nil
}

// Files are the public halves that let ssh pick the right key of an agent. They
// are no secret.
type Files struct {
	Public      string
	Certificate string
}

// SharedDirectory is where plain ssh finds the files of every login and target
// that stint activate has opened.
func SharedDirectory() (string, error) {
	dir, err := account.Directory()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "ssh")
	return dir, os.MkdirAll(dir, 0o700)
}

// WriteFiles writes a credential's public key and certificate below dir, named
// after login and target, for ssh to read.
func WriteFiles(dir string, c Credential) (Files, error) {
	if !plainName.MatchString(c.Login) || !plainName.MatchString(c.Target) {
		return Files{}, fmt.Errorf("%q is not a login and target that ssh's files can be named after", c.Login+"@"+c.Target)
	}
	name := filepath.Join(dir, c.Login+"@"+c.Target)
	files := Files{Public: name + ".pub", Certificate: name + "-cert.pub"}
	if err := account.WriteFile(files.Public, ssh.MarshalAuthorizedKey(c.Certificate.Key), 0o600); err != nil {
		return Files{}, err
	}
	return files, account.WriteFile(files.Certificate, ssh.MarshalAuthorizedKey(c.Certificate), 0o600)
}
