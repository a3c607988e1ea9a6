package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// maxTrust bounds a trust file, in bytes.
const maxTrust = 1 << 20

// trustPath is where stint trust export keeps the trust file.
func trustPath() (string, error) {
	dir, err := account.Directory()
	return filepath.Join(dir, "trust.json"), err
}

// readTrust reads a trust file; an empty path means the one that is kept beside the
// sign-in.
func readTrust(path string) (proof.Anchor, error) {
	if path == "" {
		kept, err := trustPath()
		if err != nil {
			return proof.Anchor{}, err
		}
		if _, err := os.Stat(kept); err != nil {
			return proof.Anchor{}, &usageError{errors.New("whom to believe? Give --trust FILE, or fetch it once with: stint trust export")}
		}
		path = kept
	}
	data, err := readBounded(path, maxTrust)
	if err != nil {
		return proof.Anchor{}, err
	}
	anchor, err := proof.ReadAnchor(data)
	if err != nil {
		return proof.Anchor{}, &unprovenError{fmt.Errorf("reading %s: %w", path, err)}
	}
	return anchor, nil
}
