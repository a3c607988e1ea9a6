package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

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
