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

	"stint/policies"
	"stint/server/api"
)

// changesCommand shows what administrators have to sign. Signing takes a passkey,
// in the portal.
func changesCommand(e *environment) *cobra.Command {
	var over bool
	var cursor string
	command := reading(e, &cobra.Command{
		Use:   "changes",
		Short: "What waits for administrators' signatures, or what became of it",
		Args:  nothing,
	}, func(ctx context.Context, client *api.Client, _ []string) (api.Changes, error) {
		return client.Changes(ctx, over, 0, cursor)
	}, func(page api.Changes) error {
		if len(page.Items) == 0 {
			fmt.Fprintln(e.out, "Nothing here.")
			return nil
		}
		var rows [][]string
		for _, c := range page.Items {
			signed := fmt.Sprint(len(c.Signed))
			if c.Quorum > 0 {
				signed = fmt.Sprintf("%d of %d", c.Quorum-c.Missing, c.Quorum)
			}
			rows = append(rows, []string{c.ID, c.State, signed, c.Proposer.Name, c.Headline})
		}
		return tablePage(e.out, []string{"ID", "STATE", "SIGNED", "PROPOSED BY", "WHAT"}, rows, page.Cursor)
	})
	command.Flags().BoolVar(&over, "over", false, "those that are over")
	command.Flags().StringVar(&cursor, "cursor", "", "the page after this")
	command.AddCommand(reading(e, &cobra.Command{
		Use:   "show ID",
		Short: "A change with the exact text that administrators sign",
		Args:  exactly(1, "name the change; see: stint changes"),
	}, func(ctx context.Context, client *api.Client, arguments []string) (api.Change, error) {
		return client.Change(ctx, arguments[0])
	}, func(change api.Change) error {
		printChange(e, change)
		for _, line := range strings.Split(strings.TrimSuffix(change.Statement, "\n"), "\n") {
			fmt.Fprintln(e.out, "  "+plain(line))
		}
		fmt.Fprintln(e.out, plain(change.Digest))
		return nil
	}), &cobra.Command{
		Use:   "sign-link ID",
		Short: "The portal's page where an administrator signs a change with a passkey",
		Args:  exactly(1, "name the change; see: stint changes"),
		RunE: func(command *cobra.Command, arguments []string) error {
			_, client, err := signedIn(e)
			if err != nil {
				return err
			}
			change, err := client.Change(command.Context(), arguments[0])
			if err != nil {
				return err
			}
			fmt.Fprintln(e.out, signLink(client, change))
			return nil
		},
	})
	return command
}

func signLink(client *api.Client, change api.Change) string {
	return client.URL() + "/changes/" + change.ID
}

// printChange says in words what a change is and how far.
func printChange(e *environment, c api.Change) {
	fmt.Fprintf(e.out, "%s  %s\n", plain(c.ID), plain(c.Headline))
	fmt.Fprintf(e.out, "State: %s, proposed by %s\n", plain(c.State), plain(c.Proposer.Name))
	if c.State == "pending" {
		fmt.Fprintf(e.out, "%d of %d administrators have signed; it is void after %s.\n", c.Quorum-c.Missing, c.Quorum, clock(c.Expires))
	}
	if c.EndReason != "" {
		fmt.Fprintln(e.out, plain(c.EndReason))
	}
	for _, text := range c.Words {
		fmt.Fprintln(e.out, "  - "+plain(text))
	}
	for _, s := range c.Signed {
		fmt.Fprintf(e.out, "Signed by %s, %s\n", plain(s.Person.Name), clock(s.Signed))
	}
}

func policyCommand(e *environment) *cobra.Command {
	command := &cobra.Command{
		Use:   "policy",
		Short: "The policy in force, and proposing another",
		Args:  exactly(0, "say show or propose; see: stint policy --help"),
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(policyShowCommand(e), policyProposeCommand(e))
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
		fmt.Fprintf(e.out, "%s\nA change takes %d administrators.\n", plain(policy.Digest), policy.Quorum)
		if policy.Warning != "" {
			fmt.Fprintln(e.out, plain(policy.Warning))
		}
		// The broker is not believed: what is written is what the digest names.
		bundle, err := policies.Parse(policy.Files)
		if err != nil || bundle.Digest() != policy.Digest {
			return &unprovenError{errors.New("the files that the broker gave are not those of the digest")}
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
		Short:   "Propose a directory of policy files; administrators sign it in the portal",
		Example: `  stint policy propose ./policy --reason "database admins may take four hours, INC-4711"`,
		Args:    exactly(1, "name the directory that holds the policy files"),
		RunE: func(command *cobra.Command, arguments []string) error {
			if err := output.check(); err != nil {
				return err
			}
			if strings.TrimSpace(reason) == "" {
				return &usageError{errors.New("why? Add --reason; administrators read it before they sign")}
			}
			bundle, err := policies.Load(os.DirFS(arguments[0]))
			if err != nil {
				return &usageError{err}
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
