package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"stint/cmd/stint/internal/targettrust"
	"stint/server/api"
)

// Where a target keeps its files unless it is told otherwise.
const (
	defaultCA    = "/etc/ssh/stint/target_ca.pub"
	defaultKRL   = "/etc/ssh/stint/revoked.krl"
	defaultLines = "/etc/ssh/sshd_config.d/10-stint.conf"
)

const defaultMaxAge = 24 * time.Hour

// syncFlags are the flags of stint trust sync. Install has those that the timer's
// command line needs.
type syncFlags struct {
	broker, ca, krl, state, reload string
	maxAge, every                  time.Duration

	trust, logKey string
	targetCA      []string

	target, hostKey, log string
}

func (f *syncFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&f.broker, "broker", os.Getenv("STINT_URL"), "the portal's address; also STINT_URL")
	flags.StringVar(&f.ca, "write-ca", defaultCA, "file for sshd's TrustedUserCAKeys")
	flags.StringVar(&f.krl, "write-krl", defaultKRL, "file for sshd's RevokedKeys")
	flags.StringVar(&f.state, "state", "", "what was seen last (default: beside the file of --write-ca, ending in .state)")
	flags.StringVar(&f.reload, "reload", "", "a command to run when a file changed; OpenSSH needs none")
	flags.DurationVar(&f.maxAge, "max-age", defaultMaxAge, "how old the signer's last word may become")
	flags.StringVar(&f.log, "sshd-log", "", "report what sshd accepted, from this log file or from the journal (the word journal)")
	flags.StringVar(&f.hostKey, "host-key", "/etc/ssh/ssh_host_ed25519_key", "the SSH host key that signs the report")
	flags.StringVar(&f.target, "target", "", "this host's name in the policy")
}

// addOnce adds what is said at the first time, or by who needs no timer.
func (f *syncFlags) addOnce(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&f.trust, "trust", "", "whom to believe at the first time: the file that stint trust export wrote")
	flags.StringVar(&f.logKey, "log-key", "", "or the key of the signer's log, with --target-ca")
	flags.StringArrayVar(&f.targetCA, "target-ca", nil, "or a target CA key to begin with, as ssh-keygen writes it without a comment")
	flags.DurationVar(&f.every, "every", 0, "go on, and do it again each time this has passed (where there is no timer)")
}

func trustSyncCommand(e *environment) *cobra.Command {
	var f syncFlags
	command := &cobra.Command{
		Use:   "sync --broker URL",
		Short: "On a target: bring up to date whose certificates its sshd accepts",
		Long: `On a target: bring up to date whose certificates its sshd accepts. For a timer or
configuration management, as root or as whoever owns the files.

The broker hands over a document that the signer has signed. It is believed only
if the pinned key signed it, the signer's ledger continues the one that was seen
last, and each new key was named by one that this target trusts already. Anything
else changes nothing and ends with status 6. While the broker is away the last
good state stays; once the signer's last word is older than --max-age, the
command ends with status 7, and the files still stay.`,
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error { return f.sync(command.Context(), e) },
	}
	f.add(command)
	f.addOnce(command)
	return command
}

// sync does it once, or again and again until ctx ends; then it says what it did
// or what went wrong when that is something new.
func (f *syncFlags) sync(ctx context.Context, e *environment) error {
	config, err := f.config(e)
	if err != nil {
		return err
	}
	if f.every == 0 {
		result, err := targettrust.Sync(ctx, config)
		warn(e, result)
		if err == nil {
			f.tell(e, result)
		}
		return unproven(err)
	}
	ticker := time.NewTicker(f.every)
	defer ticker.Stop()
	said := ""
	for {
		result, err := targettrust.Sync(ctx, config)
		if ctx.Err() != nil {
			return nil
		}
		if trouble := fmt.Sprint(result.Warnings, err); trouble != said {
			said = trouble
			warn(e, result)
			if err != nil {
				explain(e, err)
			}
		}
		if result.Changed || result.Reported > 0 {
			f.tell(e, result)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func warn(e *environment, result targettrust.Result) {
	for _, warning := range result.Warnings {
		fmt.Fprintln(e.err, "stint: warning:", plain(warning))
	}
}

// unproven gives a document that did not convince its exit code.
func unproven(err error) error {
	if refused, ok := errors.AsType[*targettrust.RefusedError](err); ok {
		return &unprovenError{refused}
	}
	return err
}

func (f *syncFlags) tell(e *environment, result targettrust.Result) {
	did := "Nothing changed"
	if result.Changed {
		did = "The files were written"
	}
	fmt.Fprintf(e.out, "%s: %s and %s, by the signer's word of %s.\n", did, count(len(result.Document.Keys), "key is trusted", "keys are trusted"),
		count(len(result.Document.Withdrawn), "is withdrawn", "are withdrawn"), clock(result.Document.Issued))
	if f.log != "" {
		fmt.Fprintf(e.out, "%s to the broker.\n", count(result.Reported, "accepted certificate was reported", "accepted certificates were reported"))
	}
}

// count puts a number before what there is so many of.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// config checks the flags, as far as that can be done without asking anybody.
func (f *syncFlags) config(e *environment) (targettrust.Config, error) {
	fail := func(format string, arguments ...any) (targettrust.Config, error) {
		return targettrust.Config{}, &usageError{fmt.Errorf(format, arguments...)}
	}
	if f.broker == "" {
		return fail("where to? Give the portal's address: --broker https://stint.example.com (or set STINT_URL)")
	}
	client, err := api.NewClient(f.broker, "", nil)
	if err != nil {
		return fail("%w", err)
	}
	if f.maxAge <= 0 || f.every < 0 {
		return fail("--max-age and --every are lengths of time, such as 24h and 1m")
	}
	config := targettrust.Config{
		Broker: client, CA: f.ca, KRL: f.krl, State: f.state, Reload: f.reload, MaxAge: f.maxAge, Now: e.now,
	}
	if config.State == "" {
		config.State = f.ca + ".state"
	}
	if config.Pins, err = f.pins(); err != nil {
		return fail("%w", err)
	}
	if f.log != "" {
		if f.target == "" {
			return fail("--sshd-log needs --target, this host's name in the policy")
		}
		config.Report = &targettrust.Report{Target: f.target, HostKey: f.hostKey, Log: f.log}
	}
	for _, path := range []string{config.CA, config.KRL, config.State} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return targettrust.Config{}, err
		}
	}
	return config, nil
}

// pins is whom the operator says to believe; nil where they say nothing.
func (f *syncFlags) pins() (*targettrust.State, error) {
	logKey, authorities := f.logKey, f.targetCA
	switch {
	case f.trust != "" && (logKey != "" || len(authorities) > 0):
		return nil, errors.New("give --trust, or --log-key and --target-ca, not both")
	case f.trust != "":
		trust, err := readTrust(f.trust)
		if err != nil {
			return nil, err
		}
		logKey, authorities = trust.Log, trust.TargetCA
	case logKey == "" && len(authorities) == 0:
		return nil, nil
	case logKey == "" || len(authorities) == 0:
		return nil, errors.New("--log-key and --target-ca are given together")
	}
	pins, err := targettrust.Pin(logKey, authorities)
	return &pins, err
}

func trustInstallCommand(e *environment) *cobra.Command {
	var f syncFlags
	var write bool
	var file string
	i := targettrust.Installation{}
	command := &cobra.Command{
		Use:   "install --target NAME",
		Short: "On a target: the lines for sshd_config, a timer, and a check of what sshd makes of them",
		Long: `On a target: print the lines for sshd_config and a systemd timer, then ask sshd
itself (sshd -T) what it does, and name what is missing or overridden. With
--write the lines are put into a file that sshd's configuration includes; sshd is
not reloaded.`,
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			if f.target == "" {
				return &usageError{errors.New("which target is this? Give its name in the policy: --target NAME")}
			}
			i.Target, i.CA, i.KRL = f.target, f.ca, f.krl
			i.Sync = f.command()
			return install(command.Context(), e, i, write, file)
		},
	}
	f.add(command)
	flags := command.Flags()
	flags.StringVar(&i.SSHD, "sshd", "/usr/sbin/sshd", "the server to ask")
	flags.StringVar(&i.Config, "sshd-config", "", "its configuration (default: the server's own)")
	flags.StringArrayVar(&i.Logins, "login", nil, "a login for which Match blocks are looked at; may be repeated")
	flags.BoolVar(&write, "write", false, "write the lines to --lines")
	flags.StringVar(&file, "lines", defaultLines, "the file for --write")
	return command
}

// command is the command line of the timer.
func (f *syncFlags) command() []string {
	program, err := os.Executable()
	if err != nil {
		program = "/usr/local/bin/stint"
	}
	broker := f.broker
	if broker == "" {
		broker = "https://stint.example.com"
	}
	words := []string{program, "trust", "sync", "--broker", broker, "--write-ca", f.ca, "--write-krl", f.krl}
	for _, flag := range []struct{ name, value string }{{"--state", f.state}, {"--reload", f.reload}} {
		if flag.value != "" {
			words = append(words, flag.name, flag.value)
		}
	}
	if f.maxAge != defaultMaxAge {
		words = append(words, "--max-age", f.maxAge.String())
	}
	log := f.log
	if log == "" {
		log = targettrust.Journal
	}
	return append(words, "--sshd-log", log, "--host-key", f.hostKey, "--target", f.target)
}

func install(ctx context.Context, e *environment, i targettrust.Installation, write bool, file string) error {
	service, timer := i.Units()
	fmt.Fprintf(e.out, "# %s\n%s\n# /etc/systemd/system/stint-trust.service\n%s\n# /etc/systemd/system/stint-trust.timer\n%s\n", file, i.Lines(), service, timer)
	if write {
		if err := i.Write(ctx, file); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "The lines are in %s. Once a second session is open, let sshd read them: systemctl reload ssh\n\n", plain(file))
	}
	findings, err := i.Check(ctx)
	if err != nil {
		return err
	}
	bad := 0
	fmt.Fprintln(e.out, "What sshd makes of its configuration:")
	for _, f := range findings {
		word := "ok     "
		switch {
		case f.Warning:
			word = "warning"
		case !f.Good:
			word = "wrong  "
			bad++
		}
		login := ""
		if f.Login != "" {
			login = "for " + f.Login + ": "
		}
		fmt.Fprintf(e.out, "  %s  %s%s\n", word, plain(login), plain(f.Text))
	}
	if bad > 0 {
		return fmt.Errorf("sshd does not trust Stint as it should: %d of these are wrong", bad)
	}
	return nil
}
