package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/agent"
	"stint/cmd/stint/internal/openssh"
	"stint/server/api"
)

// A grant may outlive the sign-in under which it was activated. What an agent still holds
// of it opens sessions without a new one, also after the signer's key was withdrawn.

// heldBy finds what the agent at a socket holds for a destination, with the certificate
// that counts now in its place.
func heldBy(ctx context.Context, e *environment, socket string, to openssh.Destination) (openssh.Credential, []api.Proxy, error) {
	none := openssh.Credential{}
	who, err := account.Last()
	if err != nil {
		return none, nil, err
	}
	client, err := api.NewClient(who.URL, "", nil) // its token is over
	if err != nil {
		return none, nil, err
	}
	keys, connection, err := openAgent(ctx, socket)
	if err != nil {
		return none, nil, account.ErrSignedOut
	}
	defer connection.Close()
	held, err := openssh.Certificates(keys, to, e.now())
	if err != nil || len(held) == 0 {
		return none, nil, account.ErrSignedOut
	}
	var proxies []api.Proxy
	var credential openssh.Credential
	for _, certificate := range held {
		if credential, proxies, err = openssh.Renew(ctx, who, client, certificate); err == nil {
			return credential, proxies, nil
		}
	}
	if errors.Is(err, account.ErrOther) {
		return none, nil, err
	}
	return none, nil, fmt.Errorf("%w (your agent holds a certificate for %s, but: %v)", account.ErrSignedOut, to.Target, err)
}

func openAgent(ctx context.Context, socket string) (sshagent.ExtendedAgent, net.Conn, error) {
	connection, err := dialAgent(ctx, socket)
	if err != nil {
		return nil, nil, err
	}
	return sshagent.NewClient(connection), connection, nil
}

// sshWithHeld is sshInto for somebody whose sign-in is over.
func sshWithHeld(ctx context.Context, e *environment, to openssh.Destination, words []string) error {
	home, err := account.Directory()
	if err != nil {
		return err
	}
	err = account.ErrSignedOut
	for _, socket := range []string{os.Getenv("SSH_AUTH_SOCK"), agent.Socket(home)} {
		credential, proxies, heldErr := heldBy(ctx, e, socket, to)
		if heldErr != nil {
			if heldErr != account.ErrSignedOut {
				err = heldErr
			}
			continue
		}
		dir, err := os.MkdirTemp("", "stint-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		return connect(ctx, e, dir, credential, proxies, socket, words)
	}
	return err
}

// activateHeld is activate for somebody whose sign-in is over.
func activateHeld(ctx context.Context, e *environment, to openssh.Destination) (string, error) {
	home, err := account.Directory()
	if err != nil {
		return "", err
	}
	unlock, err := lockActivation(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	credential, _, err := heldBy(ctx, e, agent.Socket(home), to)
	if err != nil {
		return "", err
	}
	keys, connection, err := openAgent(ctx, agent.Socket(home))
	if err != nil {
		return "", err
	}
	defer connection.Close()
	if err := putInPlace(keys, credential); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s@%s is open for plain ssh: %s", credential.Login, credential.Target, left(credential.Ends, e.now())), nil
}

// replaceKey has Stint's agent hold the certificate that counts in the place of a void one.
func replaceKey(ctx context.Context, who *account.Account, client *api.Client, void *ssh.Certificate, keys sshagent.ExtendedAgent) error {
	credential, _, err := openssh.Renew(ctx, who, client, void)
	if err != nil {
		return err
	}
	return putInPlace(keys, credential)
}

// putInPlace writes what plain ssh reads, and has Stint's agent hold the same.
func putInPlace(keys sshagent.ExtendedAgent, credential openssh.Credential) error {
	dir, err := openssh.SharedDirectory()
	if err != nil {
		return err
	}
	if _, err := openssh.WriteFiles(dir, credential); err != nil {
		return err
	}
	return openssh.Replace(keys, credential)
}
