package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stint/server/api"
)

// holdCommand sets or lifts the legal hold of a recording.
func holdCommand(e *environment, name, short string, change func(*api.Client, context.Context, string, api.Taking) (api.Session, error)) *cobra.Command {
	var taking api.Taking
	command := &cobra.Command{
		Use:   name + " ID --reason TEXT",
		Short: short,
		Args:  exactly(1, "name the session; see: stint sessions"),
		RunE: func(command *cobra.Command, arguments []string) error {
			if taking.Reason == "" {
				return &usageError{errors.New("say why with --reason: it is written into the audit log")}
			}
			_, client, err := signedIn(e)
			if err != nil {
				return err
			}
			id, err := sessionOf(command.Context(), client, arguments[0])
			if err != nil {
				return err
			}
			session, err := change(client, command.Context(), id, taking)
			if err != nil {
				return err
			}
			if hold := session.Hold; hold != nil {
				fmt.Fprintf(e.out, "The recording of session %s is under a legal hold by %s since %s.\n", session.ID, plain(hold.By.Name), clock(hold.At))
			} else {
				fmt.Fprintf(e.out, "The recording of session %s is under no legal hold.\n", session.ID)
			}
			return nil
		},
	}
	command.Flags().StringVar(&taking.Reason, "reason", "", "why, for the record")
	return command
}
