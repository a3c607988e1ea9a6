package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/proof"
)

func trustCommand(e *environment) *cobra.Command {
	command := &cobra.Command{
		Use:   "trust",
		Short: "Whom to believe",
		Args:  exactly(0, "say export, sync or install; see: stint trust --help"),
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(trustExportCommand(e), trustSyncCommand(e), trustInstallCommand(e))
	return command
}

func trustExportCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Write what an auditor believes beforehand, and keep it beside your sign-in",
		Long: `Write what an auditor believes beforehand: the ledger's key, the first administrators
with their passkeys, the first policy, the portal and the identity provider. The
ledger proves everything later from there. The ledger's key is the one that your
first sign-in saw; compare it, and the passkeys, with what was written down when the
signer was set up.`,
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			who, client, err := signedIn(e)
			if err != nil {
				return err
			}
			_, trust, err := who.Trust(command.Context())
			if err != nil {
				return err
			}
			beginning, err := client.Beginning(command.Context())
			if err != nil {
				return err
			}
			anchor, err := proof.AnchorOf(beginning, trust)
			if err != nil {
				return &unprovenError{fmt.Errorf("what the broker tells of the ledger's beginning: %w", err)}
			}
			path, err := trustPath()
			if err != nil {
				return err
			}
			var text strings.Builder
			if err := printJSON(&text, anchor); err != nil {
				return err
			}
			if err := account.WriteFile(path, []byte(text.String()), 0o600); err != nil {
				return err
			}
			_, err = io.WriteString(e.out, text.String())
			return err
		},
	}
}
