package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"stint/cmd/stint/internal/account"
	"stint/policies"
	"stint/server/api"
	"stint/server/evidence"
)

// knownHostsPatience is how long ssh waits for KnownHostsCommand before it goes by
// what this machine knew last.
const knownHostsPatience = 3 * time.Second

func keysCommand(e *environment) *cobra.Command {
	var output format
	command := &cobra.Command{
		Use:   "keys",
		Short: "The signer's keys: which signs, which follows, and how old they are",
		Args:  nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := output.check(); err != nil {
				return err
			}
			return showKeys(command.Context(), e, output)
		},
	}
	formatFlag(command, &output)
	command.AddCommand(rotateCommand(e))
	return command
}

func rotateCommand(e *environment) *cobra.Command {
	var now bool
	in := api.KeyRotation{}
	command := &cobra.Command{
		Use:   "rotate --now --reason TEXT",
		Short: "Replace keys of the signer's at once (administrators)",
		Long: `Replace keys of the signer's at once: the next one signs, and nothing under the
old one is accepted any more. Sessions that are open stay up, and the certificates
of live grants are issued once more: nobody signs in or approves again.

Keys change by themselves at the end of their life: this is for a key that may
have been stolen. If the next key may have been stolen too, run it twice.`,
		Example: `  stint keys rotate --now --purpose user-ca --reason "a backup of the signer is missing"`,
		Args:    nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			if !now {
				return &usageError{errors.New("keys rotate by themselves; to replace one at once, say --now")}
			}
			_, client, err := signedIn(e)
			if err != nil {
				return err
			}
			rotated, err := client.RotateKeys(command.Context(), in)
			if err != nil {
				return err
			}
			sayReissued(e, rotated)
			return showKeys(command.Context(), e, "table")
		},
	}
	command.Flags().BoolVar(&now, "now", false, "at once; what was signed under the old key counts no longer")
	command.Flags().StringVar(&in.Purpose, "purpose", "all", "user-ca, target-ca, host-ca, token or all")
	command.Flags().StringVar(&in.Reason, "reason", "", "why; it is kept in the signer's ledger")
	return command
}

// sayReissued tells what became of live grants.
func sayReissued(e *environment, r api.KeysRotated) {
	switch {
	case r.Reissued == 1:
		fmt.Fprintln(e.err, "stint: the certificate of 1 live grant was issued once more")
	case r.Reissued > 1:
		fmt.Fprintf(e.err, "stint: the certificates of %d live grants were issued once more\n", r.Reissued)
	}
	for _, failed := range r.Failed {
		fmt.Fprintf(e.err, "stint: not that of %s (%s), which has to be activated anew: %s\n", plain(failed.Request), plain(failed.Principal), plain(failed.Why))
	}
	if r.More {
		fmt.Fprintln(e.err, "stint: there are more; they follow, and the broker's log names those that fail")
	}
}

// showKeys prints the keys as the signer states them.
func showKeys(ctx context.Context, e *environment, output format) error {
	who, _, err := signedIn(e)
	if err != nil {
		return err
	}
	_, trust, err := who.Trust(ctx)
	if err != nil {
		return err
	}
	if output == "json" {
		return printJSON(e.out, trust.Keys)
	}
	var rows [][]string
	for _, key := range trust.Keys {
		rows = append(rows, []string{key.Purpose, key.State, since(key, e.now()), fingerprint(key.Key)})
	}
	return table(e.out, []string{"PURPOSE", "STATE", "SINCE", "KEY"}, rows)
}

// since says how long a key has been what it is, and what that means where it ends.
func since(key evidence.SigningKey, now time.Time) string {
	at := key.Made
	switch {
	case key.Retired != nil:
		at = *key.Retired
	case key.Current != nil:
		at = *key.Current
	}
	text := age(now.Sub(at))
	switch {
	case key.Accepted == nil:
		return text
	case now.Before(*key.Accepted):
		return text + ", accepted until " + clock(*key.Accepted)
	default:
		return text + ", accepted no longer"
	}
}

// age is a length of time in its greatest unit.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	default:
		return policies.FormatDuration(max(0, d))
	}
}

func fingerprint(text string) string {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return "?"
	}
	return ssh.FingerprintSHA256(key)
}

// knownHostsCommand is what ssh runs for KnownHostsCommand: it answers with the
// authorities of host certificates as they are now.
func knownHostsCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:    "known-hosts HOST",
		Short:  "Print whose host certificates to believe (ssh runs it)",
		Hidden: true,
		Args:   exactly(1, "whose? stint known-hosts HOST"),
		RunE: func(command *cobra.Command, arguments []string) error {
			who, err := account.Last()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(command.Context(), knownHostsPatience)
			defer cancel()
			// Without the broker, or once the sign-in is over, what is pinned counts. An
			// authority that does not follow a pinned one must stop ssh.
			if _, _, err := who.Trust(ctx); err != nil && errors.Is(err, account.ErrOther) {
				return err
			}
			_, err = fmt.Fprint(e.out, strings.ReplaceAll(who.KnownHostsLines(), "@cert-authority *", "@cert-authority "+hostPattern(arguments[0])))
			return err
		},
	}
}

// hostPattern is the name that ssh asks for, where it can stand in known_hosts.
func hostPattern(host string) string {
	if strings.ContainsAny(host, " ,*?!\t\r\n|#") || host == "" {
		return "*"
	}
	return host
}
