package openssh

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"

	"stint/cmd/stint/internal/account"
)

// comment marks an agent's key as ours, and as the device's that activated it.
func comment(login, target, device string) string {
	return strings.TrimSuffix("stint "+login+"@"+target+" "+device, " ")
}

// ours tells whether a comment marks a key as ours for a login and target, and gives the
// device that activated it; empty for none.
func ours(text, login, target string) (device string, ok bool) {
	rest, ok := strings.CutPrefix(text, comment(login, target, ""))
	device, spaced := strings.CutPrefix(rest, " ")
	return device, ok && (spaced || rest == "")
}

// Add puts a credential into an agent until the grant ends, in place of what the
// agent held for the same login and target.
func Add(agent sshagent.ExtendedAgent, c Credential, now time.Time) error {
	left := c.Ends.Sub(now)
	if left <= 0 {
		return errors.New("the grant has just ended")
	}
	if err := removeOld(agent, c); err != nil {
		return err
	}
	// As with ssh-add, the key goes in by itself and with its certificate: ssh shows
	// the certificate and asks the agent to sign with the plain key. The certificate is
	// first in the list: after a refusal some clients (paramiko) get no further.
	for _, certificate := range []*ssh.Certificate{c.Certificate, nil} {
		err := agent.Add(sshagent.AddedKey{
			PrivateKey: c.Key, Certificate: certificate, Comment: comment(c.Login, c.Target, c.Device),
			LifetimeSecs: uint32(left/time.Second) + 1, // rounded up: the certificate itself is exact
		})
		if err != nil {
			return fmt.Errorf("the SSH agent did not take the key: %w", err)
		}
	}
	return nil
}

// removeOld removes the keys that an agent holds for what a credential is for.
// Those of another authority are not ours to remove: another installation's stay, and
// one that was under an authority of ours that was replaced ends with its grant.
func removeOld(agent sshagent.ExtendedAgent, c Credential) error {
	keys, err := agent.List()
	if err != nil {
		return fmt.Errorf("asking the SSH agent for its keys: %w", err)
	}
	old := map[string]bool{} // public keys
	for _, key := range keys {
		_, is := ours(key.Comment, c.Login, c.Target)
		if certificate := certificateOf(key); is && certificate != nil &&
			bytes.Equal(certificate.SignatureKey.Marshal(), c.Certificate.SignatureKey.Marshal()) {
			old[string(certificate.Key.Marshal())] = true
		}
	}
	for _, key := range keys {
		public := key.Blob
		if certificate := certificateOf(key); certificate != nil {
			public = certificate.Key.Marshal()
		}
		if old[string(public)] {
			if err := agent.Remove(key); err != nil {
				return fmt.Errorf("removing an old key from the SSH agent: %w", err)
			}
		}
	}
	return nil
}

// certificateOf is the certificate that an agent lists, or nil for a plain key.
func certificateOf(key *sshagent.Key) *ssh.Certificate {
	public, err := ssh.ParsePublicKey(key.Blob)
	if err != nil {
		return nil
	}
	certificate, _ := public.(*ssh.Certificate)
	return certificate
}

// Held returns the certificate that an agent holds for this grant and that is
// still good, under one of the authorities that proxies accept, or nil: a second ssh
// needs no second certificate. A device, if one is named, wants what it activated itself:
// what another did, or none, the role may not take. Where there is none, void is one whose authority was
// withdrawn, if there is one: see Renew. An error says that the agent does not answer.
func Held(agent sshagent.ExtendedAgent, request, login, target, device string, authorities []string, now time.Time) (good, void *ssh.Certificate, err error) {
	all, err := certificates(agent, Destination{Login: login, Target: target}, device, now)
	for _, certificate := range all {
		switch {
		case certificate.KeyId != request:
		case slices.Contains(authorities, line(certificate.SignatureKey)):
			return certificate, nil, nil
		case void == nil:
			void = certificate
		}
	}
	return nil, void, err
}

// Certificates are what an agent holds for a destination and what has not ended, the one
// that ends last first. An error says that the agent does not answer.
func Certificates(agent sshagent.ExtendedAgent, to Destination, now time.Time) ([]*ssh.Certificate, error) {
	return certificates(agent, to, "", now)
}

// certificates are those that a device activated, or any where none is named.
func certificates(agent sshagent.ExtendedAgent, to Destination, device string, now time.Time) ([]*ssh.Certificate, error) {
	keys, err := agent.List()
	if err != nil {
		return nil, fmt.Errorf("asking the SSH agent for its keys: %w", err)
	}
	var all []*ssh.Certificate
	for _, key := range keys {
		certificate := certificateOf(key)
		if certificate == nil || len(certificate.ValidPrincipals) != 1 || uint64(now.Unix()) >= certificate.ValidBefore {
			continue
		}
		given, err := ParseDestination(certificate.ValidPrincipals[0])
		if err != nil || given.Target != to.Target || to.Login != "" && given.Login != to.Login {
			continue
		}
		if by, ok := ours(key.Comment, given.Login, given.Target); ok && (device == "" || device == by) {
			all = append(all, certificate)
		}
	}
	slices.SortStableFunc(all, func(a, b *ssh.Certificate) int { return cmp.Compare(b.ValidBefore, a.ValidBefore) })
	return all, nil
}

func line(key ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) }

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
