package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"stint/cmd/stint-dev/internal/installation"
)

// ready is the content of the ready file.
type ready struct {
	Instance string      `json:"instance"`
	Data     string      `json:"data"`
	Portal   string      `json:"portal"`
	API      string      `json:"api"`
	Proxy    string      `json:"proxy"`   // host:port for ssh
	HostCA   string      `json:"host_ca"` // a line for known_hosts
	Issuer   string      `json:"issuer"`
	Users    []readyUser `json:"users"`
	Targets  []string    `json:"targets"`
	Login    string      `json:"login"` // the one login that the targets have
	// Ceremony is the first administrator's link to the signer's own page, until
	// they have joined.
	Ceremony string         `json:"ceremony,omitempty"`
	PIDs     map[string]int `json:"pids"`
}

type readyUser struct {
	Name     string   `json:"name"`
	Email    string   `json:"email"`
	Password string   `json:"password"`
	Groups   []string `json:"groups"`
}

// announce writes the ready file for the first time.
func (w *world) announce() error {
	w.readyMu.Lock()
	w.ready = true
	w.readyMu.Unlock()
	// It is there while everything is.
	w.onClose(func() {
		w.readyMu.Lock()
		defer w.readyMu.Unlock()
		w.ready = false
		if w.config.ReadyFile != "" {
			os.Remove(w.config.ReadyFile)
		}
	})
	if err := w.rewriteReady(); err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	return nil
}

// rewriteReady writes the ready file, once all was ready; later because a
// process was started again and has another id.
func (w *world) rewriteReady() error {
	w.readyMu.Lock()
	defer w.readyMu.Unlock()
	if !w.ready || w.config.ReadyFile == "" {
		return nil
	}
	i := w.installation
	ceremony, err := w.ceremonyLink()
	if err != nil {
		return err
	}
	content := ready{
		Instance: i.Instance, Data: i.Dir(), Portal: i.PortalURL(), API: i.PortalURL() + "/api", Proxy: w.proxyAddress(),
		HostCA: "@cert-authority * " + w.trust.Trust.HostCA[0], Issuer: i.Issuer(), Targets: targetNames(),
		Login: w.targets[0].Login.Name, Ceremony: ceremony, PIDs: maps.Clone(w.supervisor.PIDs()),
	}
	content.PIDs["stint-dev"] = os.Getpid()
	for _, user := range i.Users {
		content.Users = append(content.Users, readyUser{user.Name, user.Email, user.Password, user.Groups})
	}
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	return installation.WriteFile(w.config.ReadyFile, append(text, '\n'))
}

// ceremonyLink is the first administrator's link to the signer's own page, from the
// file where the signer keeps it until it is used; empty from then on.
func (w *world) ceremonyLink() (string, error) {
	text, err := os.ReadFile(w.path(signerName, "ceremony.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	var links []struct{ URL string }
	if err == nil {
		err = json.Unmarshal(text, &links)
	}
	if err == nil && len(links) != 1 {
		err = fmt.Errorf("there are %d", len(links))
	}
	if err != nil {
		return "", fmt.Errorf("reading the link to the signer's ceremony: %w", err)
	}
	return links[0].URL, nil
}

// greet tells the person at the terminal where to go.
func (w *world) greet(out io.Writer) {
	i := w.installation
	fmt.Fprintf(out, "\nStint is ready:  %s\n\nPeople who can sign in:\n", i.PortalURL())
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, user := range i.Users {
		if user.About != "" {
			fmt.Fprintf(table, "  %s\t%s\t%s\n", user.Name, user.Password, user.About)
		}
	}
	table.Flush()
	if link, err := w.ceremonyLink(); err != nil {
		w.log.Warn("the first administrator's link is not known", "error", err)
	} else if link != "" {
		fmt.Fprintf(out, "\nNobody can sign for anybody yet. As %s, open the signer's own page once, and make a passkey:\n  %s\n", installation.Administrator, link)
	}
	fmt.Fprintf(out, "\nOn the command line:\n  export STINT_URL=%s\n  %s login\n", i.PortalURL(), w.command())
	fmt.Fprintf(out, "\nTargets: %s (login %s)\n", strings.Join(targetNames(), ", "), w.targets[0].Login.Name)
	if !w.targets[0].Real() {
		fmt.Fprintln(out, "They are small built-in ones without sftp; install OpenSSH's server for real ones.")
	}
	if w.demo != nil && !w.demo.Done() {
		fmt.Fprintf(out, "A demo session is being recorded on %s; in about three minutes sign in as carol to replay it.\n", demoTarget)
	}
	fmt.Fprintf(out, "Data, logs and policy: %s\nCtrl-C stops everything; the data stays.\n\n", i.Dir())
}

// command is how to call the command line from the current directory.
func (w *world) command() string {
	path := filepath.Join(w.config.Bin, "stint")
	if here, err := os.Getwd(); err == nil {
		if relative, err := filepath.Rel(here, path); err == nil && !strings.HasPrefix(relative, "..") {
			return relative
		}
	}
	return path
}

// shower returns what shows a process's warnings and errors at the terminal,
// the same one not twice a minute.
func (w *world) shower(name string) func(line string) {
	var mu sync.Mutex
	shown := map[string]time.Time{}
	return func(line string) {
		var entry struct{ Level, Msg, Error string }
		if json.Unmarshal([]byte(line), &entry) != nil || (entry.Level != "WARN" && entry.Level != "ERROR") {
			return
		}
		text := entry.Msg
		if entry.Error != "" {
			text += ": " + entry.Error
		}
		mu.Lock()
		defer mu.Unlock()
		if time.Since(shown[text]) < time.Minute {
			return
		}
		if len(shown) > 1000 {
			clear(shown)
		}
		shown[text] = time.Now()
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, text)
	}
}
