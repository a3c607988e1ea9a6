package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"stint/cmd/stint/internal/account"
	"stint/policies"
	"stint/server/api"
	"stint/server/evidence"
	"stint/server/ledger"
)

func evidenceCommand(e *environment) *cobra.Command {
	command := &cobra.Command{
		Use:   "evidence",
		Short: "What proves who agreed to what",
		Args:  exactly(0, "say export or verify; see: stint evidence --help"),
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(&cobra.Command{
		Use:   "export ID",
		Short: "Write a request's evidence to standard output, as one file that proves itself",
		Args:  exactly(1, "name the request; see: stint requests"),
		RunE: func(command *cobra.Command, arguments []string) error {
			_, client, err := signedIn(e)
			if err != nil {
				return err
			}
			found, err := client.Evidence(command.Context(), arguments[0])
			if err != nil {
				return err
			}
			return printJSON(e.out, found)
		},
	}, evidenceVerifyCommand(e))
	return command
}

func evidenceVerifyCommand(e *environment) *cobra.Command {
	var trustFile string
	command := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check evidence offline and say in words what it proves",
		Long: `Check evidence offline: each passkey signature over each text, the sign-in of the
requester, policy run again, and the place of each certificate in the signer's
ledger. Nothing is asked of any server; whom to believe is in the trust file
(stint trust export), which you keep from a time you trusted it.`,
		Args: exactly(1, "name the file that stint evidence export wrote"),
		RunE: func(_ *cobra.Command, arguments []string) error {
			trust, err := readTrust(trustFile)
			if err != nil {
				return err
			}
			var found api.Evidence
			if err := readJSON(arguments[0], &found); err != nil {
				return err
			}
			return verifyEvidence(e, found, trust)
		},
	}
	command.Flags().StringVar(&trustFile, "trust", "", "whom to believe (default: trust.json that stint trust export keeps beside your sign-in)")
	return command
}

// verifyEvidence checks every bundle of an export and prints what each proves.
func verifyEvidence(e *environment, found api.Evidence, trust evidence.Trust) error {
	if found.Version != 1 {
		return &unprovenError{fmt.Errorf("the file is of version %d; this program reads version 1", found.Version)}
	}
	if len(found.Bundles) == 0 {
		return &unprovenError{errors.New("the file holds no evidence")}
	}
	if len(found.Proofs) != 0 && len(found.Proofs) != len(found.Bundles) {
		return &unprovenError{errors.New("the file holds certificates without their proofs")}
	}
	for i, text := range found.Bundles {
		var bundle evidence.Bundle
		if err := strict([]byte(text), &bundle); err != nil {
			return &unprovenError{fmt.Errorf("bundle %d: %w", i+1, err)}
		}
		var err error
		if i < len(found.Proofs) {
			err = verifyIssued(e, bundle, found.Proofs[i], trust)
		} else {
			err = verifyAgreed(e, bundle, trust)
		}
		if err != nil {
			return &unprovenError{fmt.Errorf("bundle %d: %w", i+1, err)}
		}
	}
	return nil
}

// verifyIssued checks a bundle that led to a certificate, as the signer did, and
// the certificate's place in the ledger.
func verifyIssued(e *environment, bundle evidence.Bundle, proofText string, trust evidence.Trust) error {
	// 1. The ledger holds an entry for a certificate.
	var proof evidence.Proof
	if err := strict([]byte(proofText), &proof); err != nil {
		return fmt.Errorf("reading the proof: %w", err)
	}
	checkpoint, err := openCheckpoint(proof.Checkpoint, trust.Log)
	if err != nil {
		return err
	}
	if err := proof.Inclusion.Check(ledger.LeafHash([]byte(proof.Entry)), checkpoint); err != nil {
		return err
	}
	var entry evidence.Entry
	if err := strict([]byte(proof.Entry), &entry); err != nil {
		return fmt.Errorf("reading the ledger's entry: %w", err)
	}
	if entry.Session == nil {
		return errors.New("the ledger's entry is not about a certificate for a person")
	}

	// 2. That entry is about this very bundle.
	want, err := json.Marshal(entry.Session.Bundle)
	if err != nil {
		return err
	}
	have, err := json.Marshal(bundle)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, have) {
		return errors.New("the ledger's entry is about other evidence than this")
	}

	// 3. The evidence convinces us as it convinced the signer.
	verified, err := evidence.Verify(bundle, trust, entry.Session.Circumstances)
	if err != nil {
		return err
	}
	principal := verified.Principal()
	if principal != entry.Session.Principal || !verified.Ends().Equal(entry.Session.Ends) {
		return errors.New("the certificate in the ledger says something else than the evidence")
	}
	printAgreement(e, verified.Request(), verified.Approvals())
	fmt.Fprintf(e.out, "Certificate %d for %s was issued on %s, good until %s; it is entry %d of the ledger.\n",
		entry.Session.Serial, principal, entry.Time.UTC().Format(time.RFC3339), entry.Session.Ends.UTC().Format(time.RFC3339), proof.Inclusion.Index)
	return nil
}

// verifyAgreed checks the approvals of a request without a certificate.
func verifyAgreed(e *environment, bundle evidence.Bundle, trust evidence.Trust) error {
	agreed, err := evidence.VerifyApprovals(bundle, trust, evidence.Circumstances{Now: e.now()})
	if err != nil {
		return err
	}
	printAgreement(e, agreed.Request(), agreed.Approvals())
	fmt.Fprintln(e.out, "No certificate was issued for it.")
	return nil
}

func printAgreement(e *environment, request evidence.Request, approvals []evidence.Approval) {
	fmt.Fprintf(e.out, "%s (%s) asked for %s on %s as %s for %s, on %s, because: %s\n",
		plain(request.RequesterName), plain(request.Requester.String()), request.Ask.Role, request.Ask.Target, request.Ask.Login,
		policies.FormatDuration(request.Ask.Duration), request.Issued.Format(time.RFC3339), plain(request.Ask.Reason))
	for _, approval := range approvals {
		fmt.Fprintf(e.out, "%s (%s) agreed with a passkey to %s, on %s.\n",
			plain(approval.ApproverName), plain(approval.Approver.String()), policies.FormatDuration(approval.Ask.Duration), approval.Issued.Format(time.RFC3339))
	}
	if len(approvals) == 0 {
		fmt.Fprintln(e.out, "Nobody agreed to it in writing.")
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

// strict decodes JSON in which nothing is unknown and nothing follows.
func strict(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON")
	}
	return nil
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := strict(data, into); err != nil {
		return &unprovenError{fmt.Errorf("reading %s: %w", path, err)}
	}
	return nil
}

// trustPath is where stint trust export keeps the trust file.
func trustPath() (string, error) {
	dir, err := account.Directory()
	return filepath.Join(dir, "trust.json"), err
}

func readTrust(path string) (evidence.Trust, error) {
	var trust evidence.Trust
	if path == "" {
		kept, err := trustPath()
		if err != nil {
			return trust, err
		}
		if _, err := os.Stat(kept); err != nil {
			return trust, &usageError{errors.New("whom to believe? Give --trust FILE, or fetch it once with: stint trust export")}
		}
		path = kept
	}
	return trust, readJSON(path, &trust)
}

func trustCommand(e *environment) *cobra.Command {
	command := &cobra.Command{
		Use:   "trust",
		Short: "Whom to believe",
		Args:  exactly(0, "say export, sync or install; see: stint trust --help"),
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(&cobra.Command{
		Use:   "export",
		Short: "Write the signer's trust to standard output, and keep it beside your sign-in",
		Args:  nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			who, _, err := signedIn(e)
			if err != nil {
				return err
			}
			_, trust, err := who.Trust(command.Context())
			if err != nil {
				return err
			}
			path, err := trustPath()
			if err != nil {
				return err
			}
			var text strings.Builder
			if err := printJSON(&text, trust); err != nil {
				return err
			}
			if err := account.WriteFile(path, []byte(text.String()), 0o600); err != nil {
				return err
			}
			_, err = io.WriteString(e.out, text.String())
			return err
		},
	}, trustSyncCommand(e), trustInstallCommand(e))
	return command
}

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
	if data, err := os.ReadFile(seenPath); err == nil {
		if err := strict(data, &seen); err != nil {
			return &unprovenError{fmt.Errorf("reading %s: %w", seenPath, err)}
		}
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
