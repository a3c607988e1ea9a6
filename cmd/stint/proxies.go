package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/agent"
	"stint/cmd/stint/internal/openssh"
	"stint/server/api"
)

func proxiesCommand(e *environment) *cobra.Command {
	var output format
	command := &cobra.Command{
		Use:   "proxies",
		Short: "The recording proxies: how they are, and what they open",
		Args:  nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := output.check(); err != nil {
				return err
			}
			_, client, err := signedIn(e)
			if err != nil {
				return err
			}
			list, err := client.Proxies(command.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(e.out, list.Items)
			}
			var rows [][]string
			for _, proxy := range list.Items {
				heard := "never"
				if proxy.Heard != nil {
					heard = age(e.now().Sub(*proxy.Heard)) + " ago"
				}
				rows = append(rows, []string{
					proxy.Name, proxy.State, strconv.Itoa(proxy.Sessions), heard, proxy.Version, proxy.Address, labelled(proxy.Labels), strconv.Itoa(len(proxy.Targets)),
				})
			}
			return table(e.out, []string{"NAME", "STATE", "SESSIONS", "HEARD", "VERSION", "ADDRESS", "LABELS", "TARGETS"}, rows)
		},
	}
	formatFlag(command, &output)
	return command
}

// labelled is labels as one word.
func labelled(labels map[string]string) string {
	words := make([]string, 0, len(labels))
	for key, value := range labels {
		words = append(words, key+"="+value)
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}

func dialCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "dial target",
		Short: "Connect ssh to a proxy that opens a target (ssh runs it by itself)",
		Long: `Connect to the first proxy that opens the target and answers, and hand the
connection to ssh, as its ProxyCommand with ProxyUseFdpass. The configuration of
stint ssh-config runs it.`,
		Hidden: true,
		Args:   exactly(1, "which target? stint dial target"),
		RunE: func(command *cobra.Command, arguments []string) error {
			ctx := command.Context()
			proxies, err := proxiesTo(ctx, e, openssh.TargetOf(arguments[0]))
			if err != nil {
				return err
			}
			connection, _, err := openssh.Dial(ctx, proxies)
			if err != nil {
				return err
			}
			defer connection.Close()
			return handOver(connection)
		},
	}
}

// proxiesTo are the proxies that open a target, also for somebody whose sign-in is over.
func proxiesTo(ctx context.Context, e *environment, target string) ([]api.Proxy, error) {
	who, _, err := signedIn(e)
	if err == nil {
		trust, _, err := who.Trust(ctx)
		if err != nil {
			return nil, err
		}
		return openssh.ProxiesOf(trust, target), nil
	}
	home, homeErr := account.Directory()
	if !errors.Is(err, account.ErrSignedOut) || homeErr != nil {
		return nil, errors.Join(err, homeErr)
	}
	_, proxies, err := heldBy(ctx, e, agent.Socket(home), openssh.Destination{Target: target})
	return proxies, err
}

// handOver passes a connection to ssh over standard output, a socket on which it waits for a
// message with one descriptor (ssh_config(5), ProxyUseFdpass).
func handOver(connection net.Conn) error {
	file, err := connection.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	defer file.Close()
	if err := syscall.Sendmsg(int(os.Stdout.Fd()), []byte{0}, syscall.UnixRights(int(file.Fd())), nil, 0); err != nil {
		return fmt.Errorf("handing the connection to ssh, which is to run this with ProxyUseFdpass: %w", err)
	}
	return nil
}
