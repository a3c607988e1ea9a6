// Command stint is what people type: sign in, ask for access, use it, give it
// back, and check afterwards what happened.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/openssh"
	"stint/cmd/stint/internal/targettrust"
	"stint/server/api"
	"stint/server/evidence"
)

// Exit codes, as docs/cli.md lists them. stint ssh ends with ssh's own.
const (
	exitFailed    = 1
	exitUsage     = 2
	exitRefused   = 3 // policy, an approver or the state of the request said no
	exitSignedOut = 4
	exitAway      = 5 // the broker does not answer
	exitUnproven  = 6 // evidence, audit log, recording or what targets trust did not verify
	exitStale     = 7 // what this target trusts is out of date
)

// environment is what a command works with; a test gives its own.
type environment struct {
	out, err io.Writer
	in       io.Reader
	now      func() time.Time
	random   io.Reader
	terminal bool // out is a terminal: live lines and colours are welcome
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e := &environment{out: os.Stdout, err: os.Stderr, in: os.Stdin, now: time.Now, random: rand.Reader, terminal: isTerminal(os.Stdout)}
	os.Exit(run(ctx, e, os.Args[1:]))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, e *environment, arguments []string) int {
	root := &cobra.Command{
		Use:           "stint",
		Short:         "Ask for access, use it, give it back",
		Long:          "Stint gives privileged access for a spell: ask, have it approved, work through a recording proxy, and it is gone.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) > 0 {
				return &usageError{fmt.Errorf("there is no command %q; see: stint --help", arguments[0])}
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	root.SetOut(e.out)
	root.SetErr(e.err)
	root.SetIn(e.in)
	root.SetArgs(arguments)
	root.SetFlagErrorFunc(func(command *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w; see: %s --help", err, command.CommandPath())}
	})
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "Flags.FlagUsages", fmt.Sprintf("Flags.FlagUsagesWrapped %d", helpWidth)))
	root.AddCommand(
		loginCommand(e), logoutCommand(e), whoamiCommand(e),
		rolesCommand(e), requestCommand(e), requestsCommand(e), showCommand(e), extendCommand(e), reauthenticateCommand(e),
		takingCommand(e, "drop", "I'm done: end a grant of yours now", evidence.EndDropped, (*api.Client).Drop),
		takingCommand(e, "withdraw", "Take back a request of yours that nobody has answered", evidence.EndWithdrawn, (*api.Client).Withdraw),
		takingCommand(e, "deny", "Say no to a request that waits for you", evidence.EndDenied, (*api.Client).Deny),
		takingCommand(e, "revoke", "End somebody's grant now; live sessions close", evidence.EndRevoked, (*api.Client).Revoke),
		peopleCommand(e), lockCommand(e), delegationsCommand(e), reviewsCommand(e), changesCommand(e), policyCommand(e), inventoryCommand(e),
		sshCommand(e), sshConfigCommand(e), activateCommand(e), agentCommand(),
		sessionsCommand(e), playCommand(e), exportCommand(e),
		holdCommand(e, "hold", "Keep a recording from being removed, whatever its time", (*api.Client).Hold),
		holdCommand(e, "release", "Lift the legal hold of a recording", (*api.Client).Release),
		evidenceCommand(e), auditCommand(e), trustCommand(e),
		deviceCommand(e),
		keysCommand(e), knownHostsCommand(e), proxiesCommand(e), dialCommand(e),
	)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var status *exitStatus
	if errors.As(err, &status) {
		return status.code
	}
	explain(e, err)
	return exitCode(err)
}

// helpWidth is how wide the lists of flags in a help text are, in characters.
const helpWidth = 80

// usageError is a command line that does not fit.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// unprovenError is evidence that did not verify.
type unprovenError struct{ error }

func (e *unprovenError) Unwrap() error { return e.error }

// exitStatus ends the program with a child's exit status, saying nothing more.
type exitStatus struct{ code int }

func (e *exitStatus) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// exitCode maps an error to the documented code.
func exitCode(err error) int {
	var usage *usageError
	var problem *api.Error
	var noGrant *openssh.NoGrantError
	var unproven *unprovenError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &unproven):
		return exitUnproven
	case errors.Is(err, account.ErrSignedOut):
		return exitSignedOut
	case errors.Is(err, targettrust.ErrStale):
		return exitStale
	case errors.As(err, &noGrant):
		return exitRefused
	case errors.As(err, &problem):
		switch {
		case problem.Status == 0:
			return exitAway
		case problem.Status == 401:
			return exitSignedOut
		case problem.Status == 403 || problem.Status == 409:
			return exitRefused
		case problem.Status == 400 || problem.Status == 422:
			return exitUsage
		}
	}
	return exitFailed
}

// explain prints an error as one sentence, then whatever else was wrong.
func explain(e *environment, err error) {
	var problem *api.Error
	if !errors.As(err, &problem) {
		before := "stint: "
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(e.err, before+plain(strings.TrimSuffix(line, "\n")))
			before = "  "
		}
		return
	}
	fmt.Fprintln(e.err, "stint:", plain(problem.Title))
	if problem.Detail != "" {
		fmt.Fprintln(e.err, "  "+plain(problem.Detail))
	}
	for _, field := range problem.Fields {
		fmt.Fprintln(e.err, "  "+plain(field.Field)+": "+plain(field.Message))
	}
	if problem.Status == 401 {
		fmt.Fprintln(e.err, "  Sign in again with: stint login")
	}
}

// signedIn loads the account and a client of its broker.
func signedIn(e *environment) (*account.Account, *api.Client, error) {
	who, err := account.Load(e.now())
	if err != nil {
		return nil, nil, err
	}
	client, err := who.Client()
	return who, client, err
}
