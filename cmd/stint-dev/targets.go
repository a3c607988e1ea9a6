package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"stint/cmd/stint-dev/internal/installation"
	"stint/cmd/stint-dev/internal/target"
	"stint/policies/bundle"
)

// The host of the demo scenario, and the role of the default policies that
// reaches it.
const (
	demoTarget = "demo"
	demoRole   = "demo-shell"
)

// hosts are the demo targets: one for each role of the default policies.
var hosts = []struct {
	name   string
	labels map[string]string
}{
	{"web-1", map[string]string{"env": "production"}},
	{"customers-db", map[string]string{"env": "restricted", "data": "customers"}},
	{"vault", map[string]string{"env": "restricted", "data": "keys"}},
	{demoTarget, map[string]string{"env": "demo"}},
}

func targetNames() (names []string) {
	for _, host := range hosts {
		names = append(names, host.name)
	}
	return names
}

// prepareTargets makes the targets' keys and, at the first start, the policy.
func (w *world) prepareTargets() error {
	login, err := target.FindLogin()
	if err != nil {
		return err
	}
	base, err := login.Base(w.installation.Dir(), w.installation.Instance)
	if err != nil {
		return err
	}
	for _, host := range hosts {
		one, err := target.New(base, host.name, w.installation.TargetAddress(host.name), login)
		if err != nil {
			return err
		}
		w.targets = append(w.targets, one)
	}
	w.targetBase = base
	return w.writePolicy(login.Name)
}

// writePolicy writes the policy once; from then on it is the reader's to edit, and
// to propose.
func (w *world) writePolicy(login string) error {
	var entries []bundle.Target
	for i, one := range w.targets {
		entries = append(entries, bundle.Target{Name: one.Name, Address: one.Address, HostKey: one.HostKey(), Labels: hosts[i].labels})
	}
	kept, err := os.ReadFile(w.path("policy", "targets.yaml"))
	if err == nil {
		organization, err := os.ReadFile(w.path("policy", "organization.yaml"))
		if err == nil && !strings.Contains(string(organization), w.recordings.Recipients[0]) {
			w.log.Warn("the policy does not name the key with which this broker opens recordings; name it under recordings.recipients and propose that",
				"key", w.recordings.Recipients[0], "policy", w.path("policy", "organization.yaml"))
		}
		for _, entry := range entries {
			if !strings.Contains(string(kept), entry.HostKey) || !strings.Contains(string(kept), entry.Address) {
				w.log.Warn("the policy names another host key or address than the demo target has; sessions to it will be refused",
					"target", entry.Name, "policy", w.path("policy", "targets.yaml"))
			}
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the policy: %w", err)
	}
	files, err := bundle.Write(login, 1, w.recordings, entries)
	if err != nil {
		return fmt.Errorf("writing the policy: %w", err)
	}
	// In a folder of its own until it is complete.
	next := w.path("policy.next")
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	if err := os.Mkdir(next, 0o700); err != nil {
		return err
	}
	for name, text := range files {
		if err := installation.WriteFile(next+"/"+name, []byte(text)); err != nil {
			return fmt.Errorf("writing the policy: %w", err)
		}
	}
	return os.Rename(next, w.path("policy"))
}

// comparePolicy says where the files differ from the policy in force: the signer
// read them once, and a change of them counts when administrators have signed it.
func (w *world) comparePolicy() error {
	written := map[string]string{}
	names, err := filepath.Glob(w.path("policy", "*.yaml"))
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("reading the policy: %w", err)
		}
		written[filepath.Base(name)] = string(text)
	}
	if !maps.Equal(written, w.trust.Trust.Policy) {
		w.log.Warn("the policy in the files is not the one in force; an administrator proposes it with `stint policy propose`", "files", w.path("policy"))
	}
	return nil
}
