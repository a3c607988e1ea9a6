package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"stint/server/api"
)

func deviceWatchCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "Keep saying in what state this machine is, for sessions of plain ssh",
		Long: `Keep saying in what state this machine is, signed by its key, until interrupted.
stint ssh does so by itself while it runs; plain ssh does not. It is meant for a
user unit of systemd, or a launch agent.`,
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			return watchDevice(command.Context(), e)
		},
	}
}

func watchDevice(ctx context.Context, e *environment) error {
	find := func(ctx context.Context) (*machine, *api.Client, error) {
		who, client, err := signedIn(e)
		if err != nil {
			return nil, nil, err
		}
		m, err := findMachine(ctx, who, client)
		if err == nil && m.within == 0 {
			err = errors.New("no role asks in what state a machine is; there is nothing to watch")
		}
		return m, client, err
	}
	m, client, err := find(ctx)
	if err != nil {
		return err
	}
	device, err := m.report(ctx, e, client)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "Saying every %s in what state this machine is.\n", max(m.within, shortestReport).Round(time.Second))
	tell := func(text string) { fmt.Fprintln(e.out, plain(text)) }
	text := against(device, "")
	if text != "" {
		tell(text)
	}
	watch{find: find, within: m.within, told: text, tell: tell}.run(ctx, e)
	return nil
}

// shortestReport keeps a machine from asking itself all the time.
const shortestReport = 5 * time.Second

// finder finds this machine anew for each report: its key may have been replaced, the
// person may have signed in again, and the roles may ask more often.
type finder func(context.Context) (*machine, *api.Client, error)

// watch is over this machine: it says in what state that is, again and again.
type watch struct {
	find   finder
	within time.Duration // until the first report
	role   string        // which role's rules count; empty: all of them
	told   string        // what was told already
	tell   func(string)
}

// run watches until ctx is done. What a role has against the machine, and what went
// wrong, is told once each time it changes.
func (w watch) run(ctx context.Context, e *environment) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(w.within, shortestReport)):
		}
		var said api.SignedByDevice
		m, client, err := w.find(ctx)
		if err == nil {
			w.within = m.within
			said, err = m.say(ctx, e)
		}
		if ctx.Err() != nil {
			return
		}
		// The answer may be why the session ended: its end does not cut it short.
		var device api.Device
		if err == nil {
			device, err = m.send(ctx, client, said)
		}
		text := against(device, w.role)
		if err != nil {
			text = explanation(err)
		}
		if text != w.told && text != "" {
			w.tell(text)
		}
		w.told = text
	}
}

// keepReporting watches this machine beside a session until stop is called. The session
// stands on the key that activated it, even if another takes that one's place.
func keepReporting(ctx context.Context, e *environment, m *machine, client *api.Client, role string) (stop func()) {
	if m == nil || m.within == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		same := func(context.Context) (*machine, *api.Client, error) { return m, client, nil }
		tell := func(text string) {
			// ssh has the terminal in raw mode.
			fmt.Fprintf(e.err, "\r\nstint: %s\r\n", plain(text))
		}
		watch{find: same, within: m.within, role: role, tell: tell}.run(ctx, e)
	})
	return func() {
		cancel()
		watching.Wait()
	}
}
