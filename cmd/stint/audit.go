package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"stint/cmd/stint/internal/account"
	"stint/server/api"
	"stint/server/border"
	"stint/server/ledger"
)

func auditCommand(e *environment) *cobra.Command {
	command := &cobra.Command{
		Use:   "audit",
		Short: "The log of everything that happened",
		Args:  exactly(0, "say verify; see: stint audit --help"),
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(&cobra.Command{
		Use:   "verify",
		Short: "Fetch the whole audit log, compute its tree again, and name the first break",
		Long: `Fetch the whole audit log, compute its Merkle tree again and compare it with the
signed checkpoint, and with the checkpoint of the last time you verified: an
entry that was altered, dropped or reordered since is named.`,
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			return verifyAudit(command.Context(), e)
		},
	})
	return command
}

// verifyAudit checks the broker's audit log from its first leaf on.
func verifyAudit(ctx context.Context, e *environment) error {
	who, client, err := signedIn(e)
	if err != nil {
		return err
	}
	page, err := client.AuditLog(ctx, 0)
	if err != nil {
		return err
	}

	// 1. The key and the checkpoint of the last time bind this one.
	dir, err := account.Directory()
	if err != nil {
		return err
	}
	seenPath := filepath.Join(dir, "audit.json")
	var seen seenAudit
	if err := readJSON(seenPath, &seen); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if seen.URL != who.URL {
		seen = seenAudit{}
	}
	if seen.Key != "" && seen.Key != page.Key {
		return &unprovenError{errors.New("the audit log is signed by another key than when you last verified it")}
	}
	head, err := openCheckpoint(page.Checkpoint, page.Key)
	if err != nil {
		return &unprovenError{err}
	}
	checkpoints := []ledger.Checkpoint{head}
	if seen.Checkpoint != "" {
		before, err := openCheckpoint(seen.Checkpoint, page.Key)
		if err != nil {
			return &unprovenError{err}
		}
		if before.Size > head.Size {
			return &unprovenError{fmt.Errorf("the audit log had %d entries when you last verified it and has %d now; entries were dropped", before.Size, head.Size)}
		}
		checkpoints = []ledger.Checkpoint{before, head}
	}

	// 2. Every leaf, in order, gives that tree again.
	if err := ledger.VerifyAll(leaves(ctx, client, page, head.Size), checkpoints...); err != nil {
		return &unprovenError{err}
	}
	data, err := json.Marshal(seenAudit{URL: who.URL, Key: page.Key, Checkpoint: page.Checkpoint})
	if err != nil {
		return err
	}
	if err := account.WriteFile(seenPath, data, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "The audit log is whole: %d entries, none altered, dropped or reordered.\n", head.Size)
	return nil
}

// seenAudit is what the last verification saw.
type seenAudit struct {
	URL        string `json:"url"`
	Key        string `json:"key"`
	Checkpoint string `json:"checkpoint"`
}

// leaves pages through the audit log up to size, beginning with the page that
// came with the checkpoint.
func leaves(ctx context.Context, client *api.Client, page api.AuditLog, size int64) func(func(ledger.Leaf, error) bool) {
	return func(yield func(ledger.Leaf, error) bool) {
		for index := int64(0); index < size; {
			if len(page.Leaves) == 0 {
				return // VerifyAll names the first one missing
			}
			for _, leaf := range page.Leaves {
				if index == size {
					return
				}
				var hash ledger.Hash
				if err := hash.UnmarshalJSON([]byte(`"` + leaf.Hash + `"`)); err != nil {
					yield(ledger.Leaf{}, fmt.Errorf("its hash is unreadable: %w", err))
					return
				}
				if !yield(ledger.Leaf{Data: []byte(leaf.Data), Hash: hash}, nil) {
					return
				}
				index++
			}
			if index < size {
				next, err := client.AuditLog(ctx, index)
				if err != nil {
					yield(ledger.Leaf{}, err)
					return
				}
				page = next
			}
		}
	}
}

// openCheckpoint checks a checkpoint's signature by the key that is trusted.
func openCheckpoint(text, key string) (ledger.Checkpoint, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return ledger.Checkpoint{}, fmt.Errorf("reading the log's key: %w", err)
	}
	return ledger.Open([]byte(text), verifier.Name(), verifier)
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := border.DecodeStrict(data, into); err != nil {
		return &unprovenError{fmt.Errorf("reading %s: %w", path, err)}
	}
	return nil
}
