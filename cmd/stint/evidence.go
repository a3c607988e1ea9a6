package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/proof"
	"stint/cmd/stint/internal/report"
	"stint/server/api"
	"stint/server/border"
)

func evidenceCommand(e *environment) *cobra.Command {
	command := &cobra.Command{
		Use:   "evidence",
		Short: "What proves who agreed to what",
		Args:  exactly(0, "say export or verify; see: stint evidence --help"),
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(evidenceExportCommand(e), evidenceVerifyCommand(e))
	return command
}

func evidenceExportCommand(e *environment) *cobra.Command {
	var file, trustFile string
	var asPage bool
	command := &cobra.Command{
		Use:   "export ID",
		Short: "Write a request's evidence as one file that proves itself",
		Long: `Write a request's evidence as one file: every certificate with the approvals behind
it and its place in the signer's ledger, how the request ended, and everything since
the ledger's beginning that decided whom the signer believed. That history, which
shows who let whom in, is for reviewers and administrators; a file that anybody else
makes is without it, and proves less.

With --html it is a page that an auditor opens in a browser, without a network: it
tells the story and checks the signatures itself. stint evidence verify reads both.`,
		Args: exactly(1, "name the request; see: stint requests"),
		RunE: func(command *cobra.Command, arguments []string) error {
			_, client, err := signedIn(e)
			if err != nil {
				return err
			}
			found, err := client.Evidence(command.Context(), arguments[0])
			if err != nil {
				return err
			}
			data, err := json.Marshal(found)
			if err != nil {
				return fmt.Errorf("encoding the evidence: %w", err)
			}
			data = append(data, '\n')
			if asPage {
				anchor, err := readTrust(trustFile)
				if err != nil {
					return err
				}
				if data, err = report.Page(found, anchor); err != nil {
					return err
				}
			}
			if file == "" {
				_, err = e.out.Write(data)
				return err
			}
			return account.WriteFile(file, data, 0o600)
		},
	}
	command.Flags().BoolVar(&asPage, "html", false, "a page for a browser that checks itself")
	command.Flags().StringVar(&trustFile, "trust", "", "with --html: whom the page is to believe (default: trust.json that stint trust export keeps beside your sign-in)")
	command.Flags().StringVarP(&file, "output", "o", "", "the file to write (default: standard output)")
	return command
}

func evidenceVerifyCommand(e *environment) *cobra.Command {
	var trustFile string
	var output format
	command := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check evidence offline and say in words what it proves",
		Long: `Check evidence offline: each passkey signature over each text, the sign-in of the
requester, policy run again, the place of everything in the signer's ledger, and who
let the people in who agreed. Nothing is asked of any server; whom to believe is in
the trust file (stint trust export), which you keep from a time you trusted it.`,
		Args: exactly(1, "name the file that stint evidence export wrote"),
		RunE: func(_ *cobra.Command, arguments []string) error {
			if err := output.check(); err != nil {
				return err
			}
			anchor, err := readTrust(trustFile)
			if err != nil {
				return err
			}
			file, err := readEvidence(arguments[0])
			if err != nil {
				return err
			}
			return verifyEvidence(e, file, anchor, output)
		},
	}
	command.Flags().StringVar(&trustFile, "trust", "", "whom to believe (default: trust.json that stint trust export keeps beside your sign-in)")
	formatFlag(command, &output)
	return command
}

// verifyEvidence prints what a file proves. A file without the history does not
// prove who the people in it are: it is told, and the command fails.
func verifyEvidence(e *environment, file api.Evidence, anchor proof.Anchor, output format) error {
	found, err := proof.Verify(file, anchor)
	if err != nil {
		return &unprovenError{err}
	}
	told := found.Report()
	if output == "json" {
		err = printJSON(e.out, told)
	} else {
		for _, line := range told.Words() {
			fmt.Fprintln(e.out, plain(line))
		}
	}
	if err == nil && !told.Proven {
		return &unprovenError{errors.New("the file does not hold the history, so it does not prove who agreed; ask a reviewer or an administrator to export it")}
	}
	return err
}

// readEvidence reads an export file, or the page that carries one.
func readEvidence(path string) (api.Evidence, error) {
	data, err := readBounded(path, proof.MaxFile)
	if err != nil {
		return api.Evidence{}, err
	}
	if data, err = report.Evidence(data); err == nil {
		var file api.Evidence
		if file, err = proof.Read(data); err == nil {
			return file, nil
		}
	}
	return api.Evidence{}, &unprovenError{fmt.Errorf("reading %s: %w", path, err)}
}

// readBounded reads a file that is no longer than it may be.
func readBounded(path string, most int) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := border.ReadAtMost(file, most)
	if errors.Is(err, border.ErrTooLong) {
		return nil, &unprovenError{fmt.Errorf("%s is longer than %d bytes", path, most)}
	} else if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}
