package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stint/cmd/stint/internal/account"
	"stint/server/api"
)

// extendPatience is how long sessions may take to go on under an extension: proxies hear of
// it when they next renew their leases.
const extendPatience = 30 * time.Second

func extendCommand(e *environment) *cobra.Command {
	var ask api.Ask
	var duration string
	command := &cobra.Command{
		Use:   "extend [REQUEST|SESSION] [--for 1h] --reason REASON",
		Short: "Have live sessions of yours go on over the end of their grant",
		Long: `Have live sessions of yours go on over the end of their grant, without a new connection.

An extension is a request like any other, for the same role, target and login: the
same people have to agree, and its time runs from then on. Run this on the machine that
the sessions come from. With a request that you asked for elsewhere, in the portal for
instance, it waits for that one.`,
		Example: `  stint extend --for 30m --reason "the rebuild takes longer"
  stint extend req-7k2m9x4c1d --reason "the rebuild takes longer" --ticket INC-4711`,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) > 1 {
				return &usageError{errors.New("one request or session at a time: stint extend [REQUEST|SESSION]")}
			}
			return nil
		},
		RunE: func(command *cobra.Command, arguments []string) error {
			if duration != "" {
				asked, err := time.ParseDuration(duration)
				if err != nil || asked < time.Second || asked%time.Second != 0 {
					return &usageError{fmt.Errorf("--for %q is not a duration such as 45m or 1h30m", duration)}
				}
				ask.DurationSeconds = int64(asked / time.Second)
			}
			return extend(command.Context(), e, strings.Join(arguments, ""), ask)
		},
	}
	flags := command.Flags()
	flags.StringVar(&duration, "for", "", "for how long from the approval on, such as 45m (default: the role's)")
	flags.StringVar(&ask.Reason, "reason", "", "why, in your words; approvers read it")
	flags.StringVar(&ask.Ticket, "ticket", "", "the ticket that it is for, where the role asks for one")
	return command
}

// extend asks for an extension, waits until it is granted, and activates it here.
func extend(ctx context.Context, e *environment, id string, ask api.Ask) error {
	who, client, err := signedIn(e)
	if err != nil {
		return err
	}
	// 1. The grant to extend, or the request that is to extend one.
	request, err := extendable(ctx, client, id)
	if err != nil {
		return err
	}
	// 2. Asked for like any other, unless it was.
	if request.State == "active" {
		ask.Role, ask.Target, ask.Login = request.Role, request.Target, request.Login
		if request, err = client.Ask(ctx, ask); err != nil {
			return err
		}
		printConfirm(e, client, request)
	}
	if request, err = awaitAnswer(ctx, e, client, request); err != nil {
		return err
	}
	if request.State != "approved" && request.State != "active" {
		printRequest(e, request)
		return &exitStatus{exitRefused}
	}
	// 3. Activated, so that its requester, and no broker, lets sessions go on.
	before, err := liveSessions(ctx, client, request)
	if err != nil {
		return err
	}
	if err := activateFor(ctx, e, who, client, request); err != nil {
		return err
	}
	if len(before) == 0 {
		fmt.Fprintf(e.out, "%s is open until %s. No session of yours waited for it.\n", plain(request.ID), endOf(ctx, client, request))
		return nil
	}
	return awaitExtension(ctx, e, client, request, before)
}

// extendable finds what somebody means: a request, the one whose grant a session has, or
// their only live grant.
func extendable(ctx context.Context, client *api.Client, id string) (api.Request, error) {
	switch {
	case id == "":
		page, err := client.Requests(ctx, api.RequestsQuery{View: "mine", State: "active", Limit: 100})
		if err != nil {
			return api.Request{}, err
		}
		if len(page.Items) == 0 {
			return api.Request{}, &usageError{errors.New("no grant of yours is in use; open a session with: stint ssh TARGET")}
		}
		if len(page.Items) > 1 {
			return api.Request{}, &usageError{errors.New("several grants of yours are in use; name one: stint extend REQUEST (see: stint requests)")}
		}
		id = page.Items[0].ID
	case !strings.HasPrefix(id, "req-"):
		session, err := client.Session(ctx, id)
		if err != nil {
			return api.Request{}, err
		}
		if id = session.Extension; id == "" {
			id = session.Request
		}
	}
	request, err := client.Request(ctx, id)
	if err != nil {
		return request, err
	}
	if request.SingleUse {
		return request, fmt.Errorf("%s is for one session, which cannot be extended; ask again for another: stint request", request.ID)
	}
	switch request.State {
	case "active", "approved", "pending":
		return request, nil
	}
	return request, fmt.Errorf("%s is over; ask again: stint request", request.ID)
}

// activateFor has Stint's agent hold a key for a request's grant.
func activateFor(ctx context.Context, e *environment, who *account.Account, client *api.Client, request api.Request) error {
	ends := request.Ends
	if ends == nil {
		ends = request.UseBy
	}
	grant := api.RequestSummary{ID: request.ID, Role: request.Role, Target: request.Target, Login: request.Login, Ends: ends}
	_, err := activateGrant(ctx, e, who, client, grant)
	return err
}

// liveSessions are those that a request's grant could extend, by id.
func liveSessions(ctx context.Context, client *api.Client, request api.Request) (map[string]bool, error) {
	page, err := client.Sessions(ctx, api.SessionsQuery{Person: request.Requester.Subject, Target: request.Target, Live: true, Limit: 100})
	if err != nil {
		return nil, err
	}
	live := map[string]bool{}
	for _, s := range page.Items {
		if s.Role == request.Role && s.Login == request.Login && s.Request != request.ID && s.Extension != request.ID {
			live[s.ID] = true
		}
	}
	return live, nil
}

// awaitExtension waits until the sessions go on under a request's grant.
func awaitExtension(ctx context.Context, e *environment, client *api.Client, request api.Request, waiting map[string]bool) error {
	for deadline := time.Now().Add(extendPatience); ; {
		left, err := liveSessions(ctx, client, request)
		if err != nil {
			return err
		}
		missing := 0
		for id := range waiting {
			if left[id] {
				missing++
			}
		}
		if missing == 0 {
			fmt.Fprintf(e.out, "Extended by %s until %s.\n", plain(request.ID), endOf(ctx, client, request))
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d sessions were not extended by %s, and end with their own grant; their terminals say why", missing, len(waiting), request.ID)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// endOf is when a grant ends, which may have begun with its first use.
func endOf(ctx context.Context, client *api.Client, request api.Request) string {
	if now, err := client.Request(ctx, request.ID); err == nil {
		request = now
	}
	if request.Ends == nil {
		return "its end"
	}
	return clock(*request.Ends)
}
