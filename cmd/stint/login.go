package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"github.com/spf13/cobra"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/login"
	"stint/server/api"
)

func loginCommand(e *environment) *cobra.Command {
	var url string
	var noBrowser bool
	command := &cobra.Command{
		Use:   "login",
		Short: "Sign in through your identity provider",
		Long: `Sign in through your identity provider, in a browser on this machine.

A key is made that stays on this machine; the sign-in is bound to it. With
--no-browser you sign in on any other device, and your passkey then confirms
this machine in the portal.`,
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			return signIn(command.Context(), e, url, noBrowser)
		},
	}
	command.Flags().StringVar(&url, "url", os.Getenv("STINT_URL"), "the portal's address; also STINT_URL, else that of the last sign-in")
	command.Flags().BoolVar(&noBrowser, "no-browser", false, "sign in on another device")
	return command
}

func signIn(ctx context.Context, e *environment, url string, noBrowser bool) error {
	if url == "" {
		if last, err := account.Last(); err == nil {
			url = last.URL
		}
	}
	if url == "" {
		return &usageError{fmt.Errorf("where to? Give the portal's address: stint login --url https://stint.example.com (or set STINT_URL)")}
	}
	client, err := api.NewClient(url, "", nil)
	if err != nil {
		return &usageError{err}
	}
	flow := login.Flow{
		Client: client, Random: e.random, Now: e.now,
		Show: func(text string) { fmt.Fprintln(e.err, text) },
		Open: func(url string) {
			fmt.Fprintf(e.err, "Sign in in your browser. If it does not open, go to\n\n  %s\n\n", url)
			openBrowser(ctx, url)
		},
	}
	signIn := flow.Browser
	if noBrowser {
		signIn = flow.Device
	}
	who, err := signIn(ctx)
	if err != nil {
		return err
	}
	if last, err := account.Last(); err == nil && last.URL == who.URL {
		who.Pins = last.Pins
	}
	if _, _, err := who.Trust(ctx); err != nil {
		return err
	}
	if err := who.Save(); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "Signed in as %s until %s.\n", plain(who.Person.Name), clock(who.Expires))
	return nil
}

// openBrowser tries the person's browser; that it may fail is why the URL is
// printed too.
func openBrowser(ctx context.Context, url string) {
	name := os.Getenv("BROWSER")
	if name == "" {
		name = "xdg-open"
		if runtime.GOOS == "darwin" {
			name = "open"
		}
	}
	command := exec.CommandContext(ctx, name, url)
	if command.Start() == nil {
		// Some browsers stay in the foreground; nobody waits for them.
		go func() { _ = command.Wait() }()
	}
}

func logoutCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Forget the sign-in of this machine",
		Args:  nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			if _, client, err := signedIn(e); err == nil {
				if err := client.Logout(command.Context()); err != nil {
					fmt.Fprintln(e.err, "stint: the broker was not told; the token ends by itself:", plain(err.Error()))
				}
			}
			if err := account.Remove(); err != nil {
				return err
			}
			fmt.Fprintln(e.out, "Signed out. Grants you hold go on until you drop them: stint requests")
			return nil
		},
	}
}

func whoamiCommand(e *environment) *cobra.Command {
	var output format
	command := &cobra.Command{
		Use:   "whoami",
		Short: "Who is signed in here",
		Args:  nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := output.check(); err != nil {
				return err
			}
			who, client, err := signedIn(e)
			if err != nil {
				return err
			}
			me, err := client.Me(command.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(e.out, me)
			}
			return table(e.out, []string{"NAME", "IDENTITY", "GROUPS", "UNTIL"}, [][]string{{
				me.Person.Name, me.Person.Subject + " @ " + me.Person.Issuer, fmt.Sprint(me.Groups), clock(who.Expires),
			}})
		},
	}
	formatFlag(command, &output)
	return command
}
