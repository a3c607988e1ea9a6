package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"stint/server/api"
)

// reviewsCommand shows what nobody has reviewed. Closing a review takes a passkey, in the portal.
func reviewsCommand(e *environment) *cobra.Command {
	portal := ""
	return reading(e, &cobra.Command{
		Use:   "reviews",
		Short: "Emergencies that nobody has reviewed, and when the role locks",
		Args:  nothing,
	}, func(ctx context.Context, client *api.Client, _ []string) (api.Reviews, error) {
		portal = client.URL()
		return client.Reviews(ctx)
	}, func(open api.Reviews) error {
		if len(open.Items) == 0 {
			fmt.Fprintln(e.out, "No emergency waits for a review.")
			return nil
		}
		var rows [][]string
		for _, item := range open.Items {
			rows = append(rows, []string{item.Request.ID, item.Request.Role, called(item.Request.Requester), clock(item.Begun), lockWords(e, item)})
		}
		if err := table(e.out, []string{"REQUEST", "ROLE", "WHO", "BEGAN", "THE ROLE LOCKS"}, rows); err != nil {
			return err
		}
		first := true
		for _, item := range open.Items {
			if !item.May {
				continue
			}
			if first {
				fmt.Fprintln(e.out, "\nYou may close, with your passkey:")
				first = false
			}
			fmt.Fprintf(e.out, "  %s/requests/%s\n", portal, plain(item.Request.ID))
		}
		return nil
	})
}

// lockWords say when a role locks unless an emergency is reviewed.
func lockWords(e *environment, open api.OpenReview) string {
	if open.Locked {
		return "locked since " + clock(open.Due)
	}
	return clock(open.Due) + ", " + left(open.Due, e.now())
}
