package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"stint/server/api"
)

func reauthenticateCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "reauthenticate [SESSION]",
		Short: "Confirm with your passkey that you are there, so that live sessions go on",
		Long: `Confirm with your passkey that you are there, so that live sessions go on.

A role may ask for that again and again while a session lasts. This says where to
confirm, and waits until you have.`,
		Example: "  stint reauthenticate",
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) > 1 {
				return &usageError{errors.New("one session at a time: stint reauthenticate [SESSION]")}
			}
			return nil
		},
		RunE: func(command *cobra.Command, arguments []string) error {
			return reauthenticate(command.Context(), e, arguments)
		},
	}
}

// reauthenticate says where to confirm, for each session that asks, and waits for it.
func reauthenticate(ctx context.Context, e *environment, ids []string) error {
	_, client, err := signedIn(e)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		if ids, err = ownSessions(ctx, client); err != nil {
			return err
		}
	}
	asked := 0
	for _, id := range ids {
		session, err := client.Session(ctx, id)
		if err != nil {
			return err
		}
		if !slices.Contains(session.May, "reauthenticate") {
			continue
		}
		asked++
		if err := awaitPresence(ctx, e, client, session); err != nil {
			return err
		}
	}
	if asked == 0 {
		fmt.Fprintln(e.out, "No live session of yours asks whether you are there.")
	}
	return nil
}

func ownSessions(ctx context.Context, client *api.Client) (ids []string, err error) {
	me, err := client.Me(ctx)
	if err != nil {
		return nil, err
	}
	page, err := client.Sessions(ctx, api.SessionsQuery{Person: me.Person.Subject, Live: true, Limit: 100})
	for _, session := range page.Items {
		ids = append(ids, session.ID)
	}
	return ids, err
}

// awaitPresence waits until somebody confirmed later than by when they had to.
func awaitPresence(ctx context.Context, e *environment, client *api.Client, session api.Session) error {
	by := *session.ReauthenticateBy
	fmt.Fprintf(e.out, "%s on %s asks you by %s. Confirm with your passkey: %s/sessions/%s\n",
		plain(session.Login), plain(session.Target), clock(by), client.URL(), plain(session.ID))
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped waiting; the session ends at %s unless you confirm", clock(by))
		case <-time.After(time.Second):
		}
		now, err := client.Session(ctx, session.ID)
		if err != nil {
			return err
		}
		if !now.Live || now.ReauthenticateBy == nil {
			return fmt.Errorf("the session as %s on %s is over", plain(session.Login), plain(session.Target))
		}
		if now.ReauthenticateBy.After(by) {
			fmt.Fprintf(e.out, "Confirmed. You are asked again by %s.\n", clock(*now.ReauthenticateBy))
			return nil
		}
	}
}
