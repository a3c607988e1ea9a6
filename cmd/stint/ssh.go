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
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"
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
	if errors.Is(err, account.ErrSignedOut) {
		return sshWithHeld(ctx, e, to, words)
	}
	if err != nil {
		return err
	}
	trust, believed, err := who.Trust(ctx)
	if err != nil {
		return err
	}
	grant, err := openssh.FindGrant(ctx, client, to)
	if err != nil {
		return err
	}
	machine, err := ready(ctx, e, who, client, grant.Role)
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
	open := opening{
		grant: grant, device: machine.device(), authorities: believed.UserCA,
		certify: func() (openssh.Credential, error) {
			return openssh.Activate(ctx, who, client, grant, machine.proof(e), e.random, e.now)
		},
		renew: func(void *ssh.Certificate) (openssh.Credential, error) {
			credential, _, err := openssh.Renew(ctx, who, client, void)
			return credential, err
		},
	}
	socket := os.Getenv("SSH_AUTH_SOCK")
	credential, held, err := open.credential(ctx, e, socket)
	if err != nil {
		return err
	}
	if !held {
		socket = filepath.Join(dir, "agent")
		stop, err := serveKey(ctx, e, socket, credential)
		if err != nil {
			return err
		}
		defer stop()
	}
	defer keepReporting(ctx, e, machine, client, grant.Role)()
	return connect(ctx, e, dir, credential, openssh.ProxiesOf(trust, credential.Target), socket, words)
}

// connect runs ssh with a credential whose key an agent holds. Its public half goes
// into dir.
func connect(ctx context.Context, e *environment, dir string, credential openssh.Credential, proxies []api.Proxy, socket string, words []string) error {
	files, err := openssh.WriteFiles(dir, credential)
	if err != nil {
		return err
	}
	proxy, err := openssh.Pick(ctx, proxies)
	if err != nil {
		return err
	}
	options, err := openssh.Options(credential, proxy, files, socket)
	if err != nil {
		return err
	}
	if e.terminal {
		fmt.Fprintf(e.err, "stint: %s@%s, %s, recorded\n", credential.Login, credential.Target, left(credential.Ends, e.now()))
	}
	return runSSH(append(append(options, "--", credential.Target), words...))
}

// opening is a session that is about to be opened by a grant.
type opening struct {
	grant       api.RequestSummary
	device      string   // whose certificates serve; empty where the grant asks for none
	authorities []string // whose certificates count
	certify     func() (openssh.Credential, error)
	renew       func(void *ssh.Certificate) (openssh.Credential, error)
}

// credential has the person's ssh-agent hold a key for the grant: the one that it holds
// already, with a certificate that takes the place of a void one, or a new one.
// It is not held where no agent runs, or none that answers and takes the key.
func (o opening) credential(ctx context.Context, e *environment, socket string) (credential openssh.Credential, held bool, err error) {
	connection, err := dialAgent(ctx, socket)
	if err != nil {
		credential, err = o.certify()
		return credential, false, err
	}
	defer connection.Close()
	keys := sshagent.NewClient(connection)
	unlock, err := lockActivation(ctx)
	if err != nil {
		return credential, false, err
	}
	defer unlock()
	// Each answer has its time: one that comes late would be taken for the next.
	var certificate, void *ssh.Certificate
	if err = connection.SetDeadline(time.Now().Add(agentPatience)); err == nil {
		certificate, void, err = openssh.Held(keys, o.grant.ID, o.grant.Login, o.grant.Target, o.device, o.authorities, e.now())
	}
	if err != nil {
		unlock() // with an agent that does not answer, there is nothing to share
		credential, err = o.certify()
		return credential, false, err
	}
	if certificate != nil {
		return openssh.Credential{
			Certificate: certificate, Request: o.grant.ID, Login: o.grant.Login, Target: o.grant.Target, Ends: *o.grant.Ends,
		}, true, nil
	}
	if void != nil {
		if credential, err = o.renew(void); err == nil {
			return credential, true, nil
		}
	}
	if credential, err = o.certify(); err != nil {
		return credential, false, err
	}
	held = connection.SetDeadline(time.Now().Add(agentPatience)) == nil && openssh.Add(keys, credential, e.now()) == nil
	return credential, held, nil
}

// serveKey serves an agent of our own, with one key, on a socket until stop.
func serveKey(ctx context.Context, e *environment, socket string, credential openssh.Credential) (stop func(), err error) {
	keyring := sshagent.NewKeyring().(sshagent.ExtendedAgent)
	if err := openssh.Add(keyring, credential, e.now()); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("opening a socket for the session key: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var served sync.WaitGroup
	served.Go(func() { agent.ServeListener(ctx, listener, keyring) })
	return func() {
		cancel()
		listener.Close()
		served.Wait()
	}, nil
}

// lockActivation lets one stint at a time look into an agent and add a key.
func lockActivation(ctx context.Context) (unlock func(), err error) {
	dir, err := account.Directory()
	if err != nil {
		return nil, err
	}
	return agent.Lock(ctx, dir)
}

// agentPatience is how long the person's ssh-agent may take for each answer: a
// forwarded one may have lost its other end, and never answers.
const agentPatience = 3 * time.Second

func dialAgent(ctx context.Context, socket string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, agentPatience)
	defer cancel()
	return new(net.Dialer).DialContext(ctx, "unix", socket)
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
	if errors.Is(err, account.ErrSignedOut) {
		return activateHeld(ctx, e, to)
	}
	if err != nil {
		return "", err
	}
	grant, err := openssh.FindGrant(ctx, client, to)
	if err != nil {
		return "", err
	}
	return activateGrant(ctx, e, who, client, grant)
}

// activateGrant makes sure that Stint's agent holds a key for a grant.
func activateGrant(ctx context.Context, e *environment, who *account.Account, client *api.Client, grant api.RequestSummary) (string, error) {
	_, trust, err := who.Trust(ctx)
	if err != nil {
		return "", err
	}
	machine, err := ready(ctx, e, who, client, grant.Role)
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
	unlock, err := lockActivation(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	keys, connection, err := agent.Connect(ctx, dir, executable)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	certificate, void, err := openssh.Held(keys, grant.ID, grant.Login, grant.Target, machine.device(), trust.UserCA, e.now())
	if err != nil {
		return "", err
	}
	if certificate == nil && (void == nil || replaceKey(ctx, who, client, void, keys) != nil) {
		if err := addKey(ctx, e, who, client, grant, machine, keys); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s@%s is open for plain ssh: %s", grant.Login, grant.Target, left(*grant.Ends, e.now())), nil
}

func addKey(ctx context.Context, e *environment, who *account.Account, client *api.Client, grant api.RequestSummary, machine *machine, keys sshagent.ExtendedAgent) error {
	credential, err := openssh.Activate(ctx, who, client, grant, machine.proof(e), e.random, e.now)
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
