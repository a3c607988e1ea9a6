// Package demo performs a short scenario at the first start of stint-dev, so
// that a newcomer finds something to look at: an engineer asks for the one role
// that nobody has to agree to, a few minutes of shell work are recorded, and the
// access is given back.
//
// Nothing is made up: it goes through the same API, the same command line and
// the same proxy as everybody, and is checked by the same signer.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"stint/cmd/stint-dev/internal/installation"
	"stint/server/api"
)

// Person is somebody who takes part.
type Person struct{ Name, Password string }

// Config says where and with whom; nothing in it has a default.
type Config struct {
	Dir      string // the demo's own: what it has done, and the engineer's home meanwhile
	Portal   string // URL, without a slash at the end
	Stint    string // path of the command line
	Engineer Person
	Role     string
	Target   string
	Pace     float64 // of the typing: 1 is a person's, smaller is faster
	Log      *slog.Logger
}

// progress is what the demo remembers between starts.
type progress struct {
	Request   string `json:"request,omitempty"`   // the newest of its requests
	Performed bool   `json:"performed,omitempty"` // the work is recorded
	Done      bool   `json:"done,omitempty"`      // and the engineer's sign-in is forgotten
}

// Demo is a scenario that is performed once for an installation.
type Demo struct {
	config   Config
	progress progress
	terminal *terminal
}

// Open reads how far the demo is.
func Open(config Config) (*Demo, error) {
	d := &Demo{config: config, terminal: &terminal{stint: config.Stint, portal: config.Portal, home: filepath.Join(config.Dir, "home")}}
	text, err := os.ReadFile(d.file("progress.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &d.progress)
	}
	if err != nil {
		return nil, fmt.Errorf("reading how far the demo is: %w", err)
	}
	return d, nil
}

// Done tells whether there is nothing left to perform.
func (d *Demo) Done() bool { return d.progress.Done }

func (d *Demo) file(name string) string { return filepath.Join(d.config.Dir, name) }

func (d *Demo) remember() error {
	text, err := json.Marshal(d.progress)
	if err != nil {
		return err
	}
	return installation.WriteFile(d.file("progress.json"), text)
}

// Run performs what is left of the scenario. Each step looks first at what is
// there, so that an interrupted demo goes on at the next start.
func (d *Demo) Run(ctx context.Context) error {
	if d.progress.Done {
		return nil
	}
	if err := os.MkdirAll(d.terminal.home, 0o700); err != nil {
		return err
	}
	if !d.progress.Performed {
		if err := d.perform(ctx); err != nil {
			return err
		}
		d.progress.Performed = true
		if err := d.remember(); err != nil {
			return err
		}
	}
	return d.cleanUp(ctx)
}

// perform asks, works and gives back.
func (d *Demo) perform(ctx context.Context) error {
	if err := d.terminal.login(ctx, d.config.Engineer); err != nil {
		return fmt.Errorf("the demo's engineer: %w", err)
	}
	if err := d.endEarlier(ctx); err != nil {
		return err
	}
	printed, err := d.terminal.run(ctx, "request", d.config.Role, "--target", d.config.Target, "--duration", "15m",
		"--reason", "customers report errors since noon, looking at the request log (demo)", "-o", "json")
	if err != nil {
		return err
	}
	var request api.Request
	if err := json.Unmarshal(printed, &request); err != nil {
		return fmt.Errorf("reading the answer of stint request: %w", err)
	}
	d.progress.Request = request.ID
	if err := d.remember(); err != nil {
		return err
	}
	if _, err := d.terminal.run(ctx, "ssh", d.config.Target, "uname -a"); err != nil {
		return err
	}
	if err := d.terminal.shell(ctx, d.config.Target, work(), d.config.Pace); err != nil {
		return err
	}
	_, err = d.terminal.run(ctx, "drop", d.progress.Request, "--reason", "done")
	return err
}

// endEarlier ends what an interrupted demo left open.
func (d *Demo) endEarlier(ctx context.Context) error {
	if d.progress.Request == "" {
		return nil
	}
	printed, err := d.terminal.run(ctx, "show", d.progress.Request, "-o", "json")
	if err != nil {
		return err
	}
	var request api.Request
	if err := json.Unmarshal(printed, &request); err != nil {
		return fmt.Errorf("reading the answer of stint show: %w", err)
	}
	for _, verb := range []string{"withdraw", "drop"} {
		if slices.Contains(request.May, verb) {
			_, err := d.terminal.run(ctx, verb, request.ID, "--reason", "the demo was interrupted")
			return err
		}
	}
	return nil
}

// cleanUp forgets the engineer's sign-in.
func (d *Demo) cleanUp(ctx context.Context) error {
	// It ends by itself; a failure here changes nothing that counts.
	if _, err := d.terminal.run(ctx, "logout"); err != nil {
		d.config.Log.Warn("the demo's engineer could not be signed out", "error", err)
	}
	if err := os.RemoveAll(d.terminal.home); err != nil {
		return err
	}
	d.progress.Done = true
	return d.remember()
}
