package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stint/server/api"
)

// delegationsCommand shows who approves on whose behalf. Letting somebody do so takes a
// passkey, in the portal; ending it takes nothing.
func delegationsCommand(e *environment) *cobra.Command {
	var over bool
	command := reading(e, &cobra.Command{
		Use:   "delegations",
		Short: "Who approves on your behalf, and on whose behalf you approve",
		Args:  nothing,
	}, func(ctx context.Context, client *api.Client, _ []string) (api.Delegations, error) {
		return client.Delegations(ctx)
	}, func(known api.Delegations) error {
		var rows [][]string
		row := func(d api.Delegation, approves, behalf string) {
			if isOver(d) == over {
				rows = append(rows, []string{shortDelegation(d.ID), delegationState(d, e.now()), approves, behalf, strings.Join(d.Groups, " "), clock(d.Ends)})
			}
		}
		for _, d := range known.Given {
			row(d, called(d.Delegate), "you")
		}
		for _, d := range known.Taken {
			row(d, "you", called(d.Delegator))
		}
		if len(rows) == 0 {
			fmt.Fprintln(e.out, "Nothing here. To let somebody approve on your behalf: stint delegations give")
			return nil
		}
		return table(e.out, []string{"ID", "STATE", "WHO APPROVES", "FOR", "IN", "UNTIL"}, rows)
	})
	command.Flags().BoolVar(&over, "over", false, "those that are over")
	command.AddCommand(delegateCommand(e), endDelegationCommand(e))
	return command
}

// isOver tells whether a delegation is nothing that anybody could end any more.
func isOver(d api.Delegation) bool { return !d.InForce && !slices.Contains(d.May, "end") }

// delegationState is what became of a delegation, in a word or two.
func delegationState(d api.Delegation, now time.Time) string {
	switch {
	case d.InForce:
		return "in force"
	case d.Ended != nil && d.EndedBy != nil:
		return "ended by " + called(*d.EndedBy)
	case d.Ended != nil:
		return "ended"
	case isOver(d):
		return "over"
	case now.Before(d.Begins):
		return "not begun"
	}
	return "counts for nothing" // somebody's passkey, groups or standing are others by now
}

// called is what a list calls somebody.
func called(p api.Person) string {
	for _, name := range []string{p.Name, p.Email} {
		if name != "" {
			return name
		}
	}
	return p.Subject
}

// Delegations are named by the digest of their statements, of which the beginning does.
const (
	delegationDigest = "sha256:"
	shownOfDigest    = 12
)

func shortDelegation(id string) string {
	short := strings.TrimPrefix(id, delegationDigest)
	return short[:min(len(short), shownOfDigest)]
}

func delegateCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "give",
		Short: "The portal's page where you sign a delegation with your passkey",
		Args:  nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			_, client, err := signedIn(e)
			if err != nil {
				return err
			}
			known, err := client.Delegations(command.Context())
			if err != nil {
				return err
			}
			if len(known.Groups) == 0 {
				return errors.New("you have nothing to delegate: what can be delegated are groups in which your own passkey approves")
			}
			fmt.Fprintf(e.out, "%s/approvals/delegations\n", client.URL())
			return nil
		},
	}
}

func endDelegationCommand(e *environment) *cobra.Command {
	var taking api.Taking
	command := &cobra.Command{
		Use:   "end ID",
		Short: "End a delegation that you gave or were given, now",
		Long: `End a delegation before its time, without proof. What was approved by it counts
no more either. ID may be the beginning of one.`,
		Args: exactly(1, "name the delegation; see: stint delegations"),
		RunE: func(command *cobra.Command, arguments []string) error {
			_, client, err := signedIn(e)
			if err != nil {
				return err
			}
			id, err := findDelegation(command.Context(), client, arguments[0])
			if err != nil {
				return err
			}
			ended, err := client.EndDelegation(command.Context(), id, taking)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.out, "%s approves no more on behalf of %s.\n", plain(called(ended.Delegate)), plain(called(ended.Delegator)))
			return nil
		},
	}
	command.Flags().StringVar(&taking.Reason, "reason", "", "why, for the record")
	return command
}

// findDelegation completes the beginning of a delegation's id. A whole one may be
// somebody else's, which reviewers and administrators end too.
func findDelegation(ctx context.Context, client *api.Client, name string) (string, error) {
	name = strings.TrimPrefix(name, delegationDigest)
	if len(name) == 64 {
		return delegationDigest + name, nil
	}
	known, err := client.Delegations(ctx)
	if err != nil {
		return "", err
	}
	var found []string
	for _, d := range slices.Concat(known.Given, known.Taken) {
		if name != "" && strings.HasPrefix(strings.TrimPrefix(d.ID, delegationDigest), name) {
			found = append(found, d.ID)
		}
	}
	switch len(found) {
	case 0:
		return "", &usageError{fmt.Errorf("no delegation of yours begins with %q; see: stint delegations", plain(name))}
	case 1:
		return found[0], nil
	}
	return "", &usageError{fmt.Errorf("several delegations begin with %q; give more of it", plain(name))}
}
