package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stint/cmd/stint/internal/account"
	"stint/policies"
	"stint/server/api"
	"stint/server/evidence"
)

func rolesCommand(e *environment) *cobra.Command {
	return reading(e, &cobra.Command{
		Use:   "roles",
		Short: "What you may ask for",
		Args:  nothing,
	}, func(ctx context.Context, client *api.Client, _ []string) (api.Roles, error) {
		return client.Roles(ctx)
	}, func(roles api.Roles) error {
		if len(roles.Items) == 0 {
			fmt.Fprintln(e.out, "No role names a group of yours; ask your platform team which one you need.")
			return nil
		}
		var rows [][]string
		for _, role := range roles.Items {
			var targets []string
			for _, target := range role.Targets {
				targets = append(targets, target.Name)
			}
			rows = append(rows, []string{role.Name, strings.Join(targets, " "), strings.Join(role.Logins, " "), seconds(role.LongestSeconds), role.Description})
		}
		if err := table(e.out, []string{"ROLE", "TARGETS", "LOGINS", "LONGEST", "FOR"}, rows); err != nil {
			return err
		}
		for _, role := range roles.Items {
			if said := roleNotes(role); len(said) > 0 {
				fmt.Fprintf(e.out, "\n%s: %s\n", role.Name, plain(strings.Join(said, " ")))
			}
		}
		return nil
	})
}

// roleNotes are what a role asks beside who and where.
func roleNotes(role api.Role) []string {
	var notes []string
	if role.Ticket != nil && role.Ticket.Required {
		notes = append(notes, "It needs a ticket (--ticket).")
	}
	if role.Start.AheadSeconds > 0 {
		notes = append(notes, fmt.Sprintf("A start may be set up to %s ahead (--start).", seconds(role.Start.AheadSeconds)))
	}
	if role.Confirm != "" {
		notes = append(notes, "You confirm with your passkey.")
	}
	if role.BreakGlass != nil {
		notes = append(notes, fmt.Sprintf("In an emergency you may act alone for %s (--break-glass).", seconds(role.BreakGlass.LongestSeconds)))
	}
	if role.Renewals != "" {
		notes = append(notes, role.Renewals)
	}
	notes = append(notes, role.Windows...)
	notes = append(notes, role.Separations...)
	return append(notes, role.Device...)
}

func requestCommand(e *environment) *cobra.Command {
	var ask api.Ask
	var duration, start string
	var wait bool
	var output format
	command := &cobra.Command{
		Use:   "request ROLE --target TARGET [--login LOGIN] [--duration 1h] --reason REASON",
		Short: "Ask for access",
		Example: `  stint request production-shell --target db1 --duration 1h --reason "index rebuild" --ticket INC-4711 --wait
  stint request production-shell --target db1 --start "2026-11-24 02:00" --reason "the maintenance window"
  stint request production-shell --target db1 --break-glass --reason "production is down, nobody answers"`,
		Args: exactly(1, "name the role to ask for; see: stint roles"),
		RunE: func(command *cobra.Command, arguments []string) error {
			if err := output.check(); err != nil {
				return err
			}
			if duration != "" {
				asked, err := time.ParseDuration(duration)
				if err != nil || asked < time.Second || asked%time.Second != 0 {
					return &usageError{fmt.Errorf("--duration %q is not a duration such as 45m or 1h30m", duration)}
				}
				ask.DurationSeconds = int64(asked / time.Second)
			}
			if start != "" {
				begins, err := startTime(start)
				if err != nil {
					return &usageError{err}
				}
				ask.Start = &begins
			}
			if ask.Target == "" {
				return &usageError{errors.New("which host? Add --target TARGET; see: stint roles")}
			}
			ask.Role = arguments[0]
			_, client, err := signedIn(e)
			if err != nil {
				return err
			}
			request, err := client.Ask(command.Context(), ask)
			if err != nil {
				return err
			}
			if wait {
				if request, err = awaitAnswer(command.Context(), e, client, request); err != nil {
					return err
				}
			}
			if output == "json" {
				err = printJSON(e.out, request)
			} else {
				printRequest(e, request)
				printConfirm(e, client, request)
			}
			if err == nil && wait && request.State != "approved" && request.State != "active" {
				return &exitStatus{exitRefused}
			}
			return err
		},
	}
	flags := command.Flags()
	flags.StringVar(&ask.Target, "target", "", "the host to reach")
	flags.StringVar(&ask.Login, "login", "", "the login there (default: the role's first)")
	flags.StringVar(&duration, "duration", "", "for how long, such as 45m (default: the role's)")
	flags.StringVar(&ask.Reason, "reason", "", "why, in your words; approvers read it")
	flags.StringVar(&ask.Ticket, "ticket", "", "the ticket that it is for, where the role asks for one")
	flags.StringVar(&start, "start", "", `when it is to begin, such as "2026-11-24 02:00" by this machine's clock, or RFC 3339`)
	flags.BoolVar(&ask.BreakGlass, "break-glass", false, "act alone, in an emergency: you confirm with your passkey, everybody is told, and it is reviewed")
	flags.BoolVar(&wait, "wait", false, "wait until it is answered")
	formatFlag(command, &output)
	return command
}

// startTime reads when something is to begin.
func startTime(text string) (time.Time, error) {
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if begins, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return begins.UTC().Truncate(time.Second), nil
		}
	}
	return time.Time{}, fmt.Errorf(`--start %q is not a time such as "2026-11-24 02:00" or 2026-11-24T02:00:00Z`, text)
}

// printConfirm says where the requester confirms, if they have to.
func printConfirm(e *environment, client *api.Client, r api.Request) {
	if slices.Contains(r.May, "confirm") {
		fmt.Fprintf(e.out, "Confirm it with your passkey: %s/requests/%s\n", client.URL(), plain(r.ID))
	}
}

// awaitAnswer polls a request until somebody has answered it, with a line on the
// terminal that says whom it waits for.
func awaitAnswer(ctx context.Context, e *environment, client *api.Client, request api.Request) (api.Request, error) {
	shown := ""
	for request.State == "pending" {
		line := fmt.Sprintf("%s: %s", request.ID, request.Decision.Summary)
		if line != shown {
			fmt.Fprintln(e.err, plain(line))
			shown = line
		}
		select {
		case <-ctx.Done():
			return request, fmt.Errorf("stopped waiting; the request goes on: stint show %s", request.ID)
		case <-time.After(time.Second):
		}
		next, err := client.Request(ctx, request.ID)
		if err != nil {
			// A broker that restarts must not end the wait; what it will not say later
			// either ends it.
			if exitCode(err) == exitAway && ctx.Err() == nil {
				continue
			}
			return request, err
		}
		request = next
	}
	return request, nil
}

// printRequest says in words what became of a request, and what to do next.
func printRequest(e *environment, r api.Request) {
	fmt.Fprintf(e.out, "%s  %s\n", plain(r.ID), plain(r.Summary))
	state := r.State
	if r.EndReason != "" {
		state += ", " + r.EndReason
	}
	fmt.Fprintf(e.out, "State: %s\n", plain(state))
	switch r.State {
	case "pending":
		fmt.Fprintf(e.out, "%s It is void after %s.\n", plain(r.Decision.Summary), clock(r.Expires))
	case "approved", "active":
		switch {
		case r.UseBy != nil:
			fmt.Fprintf(e.out, "For %s from its first use on, which must be by %s (%s)\n", seconds(r.DurationSeconds), clock(*r.UseBy), left(*r.UseBy, e.now()))
		case r.Begins != nil && r.Begins.After(e.now()) && r.Ends != nil:
			fmt.Fprintf(e.out, "Scheduled: from %s until %s; nothing can be used before.\n", clock(*r.Begins), clock(*r.Ends))
		case r.Ends != nil:
			fmt.Fprintf(e.out, "Until %s (%s)\n", clock(*r.Ends), left(*r.Ends, e.now()))
		}
		fmt.Fprintf(e.out, "Use it with: stint ssh %s@%s\n", plain(r.Login), plain(r.Target))
	}
}

func requestsCommand(e *environment) *cobra.Command {
	var query api.RequestsQuery
	command := reading(e, &cobra.Command{
		Use:   "requests",
		Short: "Requests: yours, or those that wait for you",
		Args:  nothing,
	}, func(ctx context.Context, client *api.Client, _ []string) (api.Requests, error) {
		return client.Requests(ctx, query)
	}, func(page api.Requests) error {
		if len(page.Items) == 0 {
			fmt.Fprintln(e.out, `Nothing here. Ask with: stint request ROLE --target TARGET --reason "…"`)
			return nil
		}
		var rows [][]string
		for _, item := range page.Items {
			state := item.State
			if item.EndReason != "" {
				state = item.EndReason
			} else if item.Ends != nil && (state == "approved" || state == "active") {
				state += ", " + left(*item.Ends, e.now())
			}
			rows = append(rows, []string{item.ID, state, item.Requester.Name, item.Role, item.Login + "@" + item.Target, item.Reason})
		}
		return tablePage(e.out, []string{"ID", "STATE", "WHO", "ROLE", "WHERE", "REASON"}, rows, page.Cursor)
	})
	flags := command.Flags()
	flags.StringVar(&query.View, "view", "mine", "mine, to-approve or all")
	flags.StringVar(&query.State, "state", "", "only this state: pending, approved, active, denied, withdrawn, expired or ended")
	flags.IntVar(&query.Limit, "limit", 50, "rows a page")
	flags.StringVar(&query.Cursor, "cursor", "", "the page after this")
	return command
}

func showCommand(e *environment) *cobra.Command {
	return reading(e, &cobra.Command{
		Use:   "show ID",
		Short: "A request with all that became of it",
		Args:  exactly(1, "name the request; see: stint requests"),
	}, func(ctx context.Context, client *api.Client, arguments []string) (api.Request, error) {
		return client.Request(ctx, arguments[0])
	}, func(request api.Request) error {
		printRequest(e, request)
		fmt.Fprintf(e.out, "Reason: %s\n", plain(request.Reason))
		if request.Ticket != "" {
			fmt.Fprintf(e.out, "Ticket: %s\n", plain(request.Ticket))
		}
		if request.BreakGlass {
			fmt.Fprintln(e.out, "Alone, in an emergency.")
		}
		if r := request.Review; r != nil && r.Closed != nil && r.By != nil {
			fmt.Fprintf(e.out, "Reviewed by %s: %s\n", plain(r.By.Name), plain(r.Finding))
		} else if r != nil && r.Due != nil {
			fmt.Fprintf(e.out, "To be reviewed by %s, or the role is locked.\n", clock(*r.Due))
		}
		for _, reason := range request.Decision.Reasons {
			mark := "no "
			if reason.Met {
				mark = "yes"
			}
			fmt.Fprintf(e.out, "  %s  %s\n", mark, plain(strings.TrimSpace(reason.Text+" "+reason.Remedy)))
		}
		for _, entry := range request.Timeline {
			fmt.Fprintf(e.out, "%s  %s\n", clock(entry.Time), plain(entry.Text))
		}
		return nil
	})
}

// takingCommand is a command that takes access away: it needs no proof. The login
// key signs that the person did it, so that the signer's ledger says so in their
// own word.
func takingCommand(e *environment, name, short, change string, take func(*api.Client, context.Context, string, api.Taking) (api.Request, error)) *cobra.Command {
	var taking api.Taking
	command := &cobra.Command{
		Use:   name + " ID",
		Short: short,
		Args:  exactly(1, "name the request; see: stint requests"),
		RunE: func(command *cobra.Command, arguments []string) error {
			who, client, err := signedIn(e)
			if err != nil {
				return err
			}
			if taking.Evidence, err = endEvidence(command.Context(), e, who, client, arguments[0], change, taking.Reason); err != nil {
				return err
			}
			request, err := take(client, command.Context(), arguments[0], taking)
			if err != nil {
				return err
			}
			printRequest(e, request)
			return nil
		},
	}
	command.Flags().StringVar(&taking.Reason, "reason", "", "why, for the record")
	return command
}

// endEvidence signs that this person ends a request. What cannot be put into a
// statement is left to the broker to refuse.
func endEvidence(ctx context.Context, e *environment, who *account.Account, client *api.Client, request, change, reason string) (*api.EndEvidence, error) {
	configuration, err := client.Configuration(ctx)
	if err != nil {
		return nil, err
	}
	var nonce [16]byte
	if _, err := io.ReadFull(e.random, nonce[:]); err != nil {
		return nil, err
	}
	text, err := evidence.Encode(&evidence.End{
		Instance: configuration.Instance, Request: request, Change: change,
		Person: policies.Subject{Issuer: who.Person.Issuer, Subject: who.Person.Subject},
		Reason: reason, Issued: e.now().UTC().Truncate(time.Second), Nonce: evidence.NewNonce(nonce),
	})
	if err != nil {
		return nil, nil
	}
	signed := who.Sign(text)
	return &api.EndEvidence{Statement: signed.Statement, Signature: signed.Signature}, nil
}

// exactly wants n arguments and says what is missing.
func exactly(n int, hint string) cobra.PositionalArgs {
	return func(_ *cobra.Command, arguments []string) error {
		if len(arguments) != n {
			return &usageError{fmt.Errorf("%s", hint)}
		}
		return nil
	}
}

// nothing wants no arguments.
var nothing = exactly(0, "this command takes no arguments; see its --help")
