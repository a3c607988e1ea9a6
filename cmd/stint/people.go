package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"stint/server/api"
)

func peopleCommand(e *environment) *cobra.Command {
	var query api.PeopleQuery
	var everybody bool
	command := reading(e, &cobra.Command{
		Use:   "people",
		Short: "Who is in the signer's roster, or everybody who has signed in",
		Args:  nothing,
	}, func(ctx context.Context, client *api.Client, _ []string) (api.People, error) {
		query.View = "roster"
		if everybody {
			query.View = "all"
		}
		return client.People(ctx, query)
	}, func(page api.People) error {
		var rows [][]string
		for _, m := range page.Items {
			state := "in the roster"
			if !m.Pinned {
				state = "not in the roster"
			}
			if m.Suspension != nil {
				state = "suspended"
			}
			seen := ""
			if m.LastSeen != nil {
				seen = clock(*m.LastSeen)
			}
			rows = append(rows, []string{m.Person.Name, m.Person.Email, state, strings.Join(m.Groups, " "), fmt.Sprint(len(m.Passkeys)), seen})
		}
		return tablePage(e.out, []string{"NAME", "E-MAIL", "STATE", "GROUPS", "PASSKEYS", "LAST SIGN-IN"}, rows, page.Cursor)
	})
	command.Flags().BoolVar(&everybody, "everybody", false, "everybody who has signed in, not only the roster")
	command.Flags().StringVar(&query.Cursor, "cursor", "", "the page after this")
	return command
}

func lockCommand(e *environment) *cobra.Command {
	var draft api.SuspensionDraft
	command := &cobra.Command{
		Use:   "lock USER",
		Short: "Suspend somebody: all they hold ends now, and no passkey of theirs counts",
		Long: `Suspend somebody at once, without proof. Their grants are revoked, their sessions
close, their requests are withdrawn and they are signed out. USER is an e-mail
address or the subject that the identity provider gives. Lifting it takes
administrators' signatures.`,
		Args: exactly(1, "whom? Give the e-mail address or the subject; see: stint people"),
		RunE: func(command *cobra.Command, arguments []string) error {
			_, client, err := signedIn(e)
			if err != nil {
				return err
			}
			who, err := findPerson(command.Context(), client, arguments[0])
			if err != nil {
				return err
			}
			draft.Issuer, draft.Subject = who.Issuer, who.Subject
			member, err := client.Suspend(command.Context(), draft)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.out, "%s (%s) is suspended. Lifting it takes administrators' signatures.\n", plain(member.Person.Name), plain(who.Subject))
			return nil
		},
	}
	command.Flags().StringVar(&draft.Reason, "reason", "", "why; they read it")
	return command
}

// findPerson finds exactly one person by e-mail address or subject, among those who
// have signed in and those in the roster.
func findPerson(ctx context.Context, client *api.Client, name string) (api.Person, error) {
	known, err := client.People(ctx, api.PeopleQuery{View: "all", Person: name})
	if err != nil {
		return api.Person{}, err
	}
	roster, err := client.People(ctx, api.PeopleQuery{View: "roster", Person: name})
	if err != nil {
		return api.Person{}, err
	}
	type identity struct{ issuer, subject string }
	found := map[identity]api.Person{}
	for _, m := range append(known.Items, roster.Items...) {
		if m.Person.Subject == name || strings.EqualFold(m.Person.Email, name) {
			found[identity{m.Person.Issuer, m.Person.Subject}] = m.Person
		}
	}
	switch len(found) {
	case 0:
		return api.Person{}, &usageError{fmt.Errorf("nobody is known by %q; see: stint people --everybody", plain(name))}
	case 1:
		for _, person := range found {
			return person, nil
		}
	}
	return api.Person{}, &usageError{errors.New("several identities fit; give the subject of one of them: stint people --everybody -o json")}
}
