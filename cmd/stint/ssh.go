package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"
	sshagent "golang.org/x/crypto/ssh/agent"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/agent"
	"stint/cmd/stint/internal/openssh"
	"stint/server/api"
)

func sshCommand(e *environment) *cobra.Command {
	command := &cobra.Command{
		Use:   "ssh [login@]target [command...]",
		Short: "Activate your grant and open a session",
		Long: `Activate your grant for the target and run OpenSSH through the recording proxy.

The session key is made for this grant, lives in your ssh-agent where one runs
(else in memory of this process), and ends with the grant. The exit status is
ssh's own.`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) == 0 {
				return &usageError{errors.New("where to? stint ssh [login@]target [command...]")}
			}
			return nil
		},
		RunE: func(command *cobra.Command, arguments []string) error {
			return sshInto(command.Context(), e, arguments[0], arguments[1:])
		},
	}
	command.Flags().SetInterspersed(false)
	return command
}

// sshInto activates the grant for a destination and runs ssh.
func sshInto(ctx context.Context, e *environment, destination string, words []string) error {
	to, err := openssh.ParseDestination(destination)
	if err != nil {
		return &usageError{err}
	}
	who, client, err := signedIn(e)
	if err != nil {
		return err
	}
	if _, _, err := who.Trust(ctx); err != nil {
		return err
	}
	grant, err := openssh.FindGrant(ctx, client, to)
	if err != nil {
		return err
	}
	credential, err := openssh.Activate(ctx, who, client, grant, e.random, e.now)
	if err != nil {
		return err
	}
	// A directory of its own, closed to others and short enough for a socket's
	// path: the shared one belongs to the keys in Stint's agent.
	dir, err := os.MkdirTemp("", "stint-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	files, err := openssh.WriteFiles(dir, credential)
	if err != nil {
		return err
	}
	socket, stop, err := keyHolder(ctx, e, dir, credential)
	if err != nil {
		return err
	}
	defer stop()
	options, err := openssh.Options(credential, files, socket)
	if err != nil {
		return err
	}
	if e.terminal {
		fmt.Fprintf(e.err, "stint: %s@%s, %s, recorded\n", credential.Login, credential.Target, left(credential.Ends, e.now()))
	}
	return runSSH(append(append(options, "--", to.Target), words...))
}

// keyHolder puts the key into the person's ssh-agent, or into one of our own
// below dir that lives as long as this process, and returns the socket to use.
func keyHolder(ctx context.Context, e *environment, dir string, credential openssh.Credential) (socket string, stop func(), err error) {
	if socket := os.Getenv("SSH_AUTH_SOCK"); socket != "" {
		if connection, err := net.Dial("unix", socket); err == nil {
			defer connection.Close()
			if openssh.Add(sshagent.NewClient(connection), credential, e.now()) == nil {
				return socket, func() {}, nil
			}
		}
	}
	keyring := sshagent.NewKeyring().(sshagent.ExtendedAgent)
	if err := openssh.Add(keyring, credential, e.now()); err != nil {
		return "", nil, err
	}
	socket = filepath.Join(dir, "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return "", nil, fmt.Errorf("opening a socket for the session key: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var served sync.WaitGroup
	served.Go(func() { agent.ServeListener(ctx, listener, keyring) })
	return socket, func() {
		cancel()
		listener.Close()
		served.Wait()
	}, nil
}

// runSSH runs OpenSSH on this terminal and ends with its exit status. Signals of
// the terminal reach ssh by themselves; this process only waits.
func runSSH(arguments []string) error {
	path, err := exec.LookPath("ssh")
	if err != nil {
		return errors.New("OpenSSH's ssh is not installed, or not on PATH")
	}
	command := exec.Command(path, arguments...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code := exit.ExitCode()
		if code < 0 {
			code = exitFailed
		}
		return &exitStatus{code}
	}
	return err
}

func sshConfigCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "ssh-config",
		Short: "Print the block for ~/.ssh/config that lets plain ssh, scp, sftp, rsync and git work",
		Example: `  stint ssh-config > ~/.ssh/stint.conf
  then put this line at the top of ~/.ssh/config:  Include ~/.ssh/stint.conf`,
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			who, _, err := signedIn(e)
			if err != nil {
				return err
			}
			trust, _, err := who.Trust(command.Context())
			if err != nil {
				return err
			}
			executable, err := os.Executable()
			if err != nil {
				return err
			}
			text, err := openssh.Config(trust, executable)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(e.out, text)
			return err
		},
	}
}

func activateCommand(e *environment) *cobra.Command {
	var quiet bool
	command := &cobra.Command{
		Use:   "activate [login@]target",
		Short: "Put a key for your grant into Stint's agent, for plain ssh",
		Long:  "Put a key for your grant into Stint's agent, for plain ssh. The configuration of stint ssh-config does this by itself.",
		Args:  exactly(1, "which target? stint activate [login@]target"),
		RunE: func(command *cobra.Command, arguments []string) error {
			to, err := openssh.ParseDestination(arguments[0])
			if err != nil {
				return &usageError{err}
			}
			ends, err := activate(command.Context(), e, to)
			if err != nil {
				return err
			}
			if !quiet {
				fmt.Fprintln(e.out, plain(ends))
			}
			return nil
		},
	}
	command.Flags().BoolVar(&quiet, "quiet", false, "say nothing when all is well")
	return command
}

// activate makes sure that Stint's agent holds a key for a destination.
func activate(ctx context.Context, e *environment, to openssh.Destination) (string, error) {
	who, client, err := signedIn(e)
	if err != nil {
		return "", err
	}
	grant, err := openssh.FindGrant(ctx, client, to)
	if err != nil {
		return "", err
	}
	dir, err := account.Directory()
	if err != nil {
		return "", err
	}
	executable, err := os.Executable()
	if err != nil {
		return "", err
	}
	keys, connection, err := agent.Connect(ctx, dir, executable)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	if !openssh.Holds(keys, grant.ID, grant.Login, grant.Target, e.now()) {
		if err := addKey(ctx, e, who, client, grant, keys); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s@%s is open for plain ssh: %s", grant.Login, grant.Target, left(*grant.Ends, e.now())), nil
}

func addKey(ctx context.Context, e *environment, who *account.Account, client *api.Client, grant api.RequestSummary, keys sshagent.ExtendedAgent) error {
	if _, _, err := who.Trust(ctx); err != nil {
		return err
	}
	credential, err := openssh.Activate(ctx, who, client, grant, e.random, e.now)
	if err != nil {
		return err
	}
	dir, err := openssh.SharedDirectory()
	if err != nil {
		return err
	}
	if _, err := openssh.WriteFiles(dir, credential); err != nil {
		return err
	}
	return openssh.Add(keys, credential, e.now())
}

func agentCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "agent",
		Short:  "Hold session keys in memory for plain ssh (started by itself)",
		Hidden: true,
		Args:   nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			dir, err := account.Directory()
			if err != nil {
				return err
			}
			return agent.Serve(command.Context(), dir)
		},
	}
}
