package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stint/server/api"
)

func policyCommand(e *environment) *cobra.Command {
	command := &cobra.Command{
		Use:   "policy",
		Short: "Write, test and understand policies; show and propose them",
		Long: `Write, test and understand policies. All but show, propose and what asks the
broker work offline, on a folder of policy files: the folder policies where
there is one, else the current one. Test cases stand in its folder tests.`,
		Args: exactly(0, "there is no such command; see: stint policy --help"),
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(
		policyLintCommand(e), policyTestCommand(e), policyExplainCommand(e), policySimulateCommand(e),
		policyWhoCanCommand(e), policyWhatCanCommand(e), policyCollusionCommand(e),
		policyDiffCommand(e), policySchemaCommand(e),
		policyShowCommand(e), policyProposeCommand(e),
	)
	return command
}

func policyShowCommand(e *environment) *cobra.Command {
	var directory string
	command := reading(e, &cobra.Command{
		Use:   "show [--write DIRECTORY]",
		Short: "The policy that the signer decides by",
		Args:  nothing,
	}, func(ctx context.Context, client *api.Client, _ []string) (api.Policy, error) {
		return client.Policy(ctx)
	}, func(policy api.Policy) error {
		fmt.Fprintf(e.out, "%s\nA change takes %s.\n", plain(policy.Digest), number(policy.Quorum, "administrator"))
		if policy.Warning != "" {
			fmt.Fprintln(e.out, plain(policy.Warning))
		}
		// The broker is not believed: what is written is what the digest names.
		bundle, err := provenPolicy(policy)
		if err != nil {
			return err
		}
		files := bundle.Files() // no others: the digest does not name them
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if directory == "" {
				fmt.Fprintln(e.out, "  "+plain(name))
				continue
			}
			if err := writePolicy(directory, name, files[name]); err != nil {
				return err
			}
			fmt.Fprintln(e.out, "  wrote "+plain(filepath.Join(directory, name)))
		}
		return nil
	})
	command.Flags().StringVar(&directory, "write", "", "write the files into this directory, which is made if missing")
	command.PreRunE = func(command *cobra.Command, _ []string) error {
		if directory != "" && command.Flags().Changed("output") {
			return &usageError{errors.New("--write writes the files, and --output says how to print them; give one")}
		}
		return nil
	}
	return command
}

// writePolicy writes one file; its name comes from elsewhere and must stay inside.
func writePolicy(directory, name, text string) error {
	if !filepath.IsLocal(name) || filepath.Base(name) != name {
		return fmt.Errorf("the policy names a file %q outside of its directory", plain(name))
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644)
}

func policyProposeCommand(e *environment) *cobra.Command {
	var reason string
	var output format
	command := &cobra.Command{
		Use:     "propose DIRECTORY --reason REASON",
		Short:   "Propose a folder of policy files for administrators to sign",
		Example: `  stint policy propose ./policy --reason "database admins may take four hours, INC-4711"`,
		Args:    exactly(1, "name the directory that holds the policy files"),
		RunE: func(command *cobra.Command, arguments []string) error {
			if err := output.check(); err != nil {
				return err
			}
			if strings.TrimSpace(reason) == "" {
				return &usageError{errors.New("why? Add --reason; administrators read it before they sign")}
			}
			bundle, _, err := readBundle(e, arguments[0])
			if err != nil {
				return err
			}
			_, client, err := signedIn(e)
			if err != nil {
				return err
			}
			change, err := client.ProposePolicy(command.Context(), api.PolicyDraft{Files: bundle.Files(), Reason: reason})
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(e.out, change)
			}
			printChange(e, change)
			fmt.Fprintf(e.out, "Administrators sign it at %s\n", signLink(client, change))
			return nil
		},
	}
	command.Flags().StringVar(&reason, "reason", "", "why, in your words; administrators read it")
	formatFlag(command, &output)
	return command
}
