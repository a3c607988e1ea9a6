// Package posture tells in what state this machine is: whether its disk is
// encrypted, its firewall on, its screen locked when nobody is there, its system
// up to date and booted from what its maker signed, and who watches it. It asks
// the system's own commands, and osquery where that is installed.
//
// What it collects is the machine's word about itself: whoever controls the
// machine can make it say anything.
package posture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Report is the state of this machine at a time. A fact that nobody could tell
// says why; the report as a whole never fails.
type Report struct {
	Version        int              `json:"version"` // 1
	Collected      time.Time        `json:"collected"`
	Platform       string           `json:"platform"`        // linux, darwin
	System         Fact[System]     `json:"system"`          // what runs
	UpdateAge      Fact[int]        `json:"update_age"`      // whole days since the system was last updated
	DiskEncryption Fact[bool]       `json:"disk_encryption"` // of the file system that the system is on
	Firewall       Fact[bool]       `json:"firewall"`        // something filters what comes in
	ScreenLock     Fact[ScreenLock] `json:"screen_lock"`     // of the person who asks
	SecureBoot     Fact[bool]       `json:"secure_boot"`     // on macOS: full security, and System Integrity Protection
	Agents         Fact[[]string]   `json:"agents"`          // detection and response, by product; none: an empty list
}

// Fact is one thing about the machine: a value and who said so, or why it is not known.
type Fact[T any] struct {
	Value   *T     `json:"value,omitempty"`
	Source  string `json:"source,omitempty"`
	Unknown string `json:"unknown,omitempty"`
}

// System is an operating system.
type System struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Build   string `json:"build,omitempty"`
}

// ScreenLock tells whether the screen locks by itself, and after how many seconds
// without input, if that is known.
type ScreenLock struct {
	On    bool `json:"on"`
	After *int `json:"after,omitempty"`
}

// Collect asks this machine. It takes as long as its slowest command may.
func Collect(ctx context.Context, now time.Time) Report {
	return collect(ctx, machine{
		system: runtime.GOOS, now: now, zone: time.Local, environment: os.Getenv, run: run, read: readFile,
	})
}

// machine is what is asked.
type machine struct {
	system      string // as runtime.GOOS
	now         time.Time
	zone        *time.Location
	environment func(string) string
	// run returns what a program says: its output, or its errors where it has none.
	// That a program ends with a status says nothing: each has its own.
	run func(ctx context.Context, program string, arguments ...string) ([]byte, error)
	// read returns the end of a file.
	read func(path string) ([]byte, error)
}

// sources are who is asked for each fact, in turn, until one knows.
type sources struct {
	system         []source[System]
	updated        []source[time.Time]
	diskEncryption []source[bool]
	firewall       []source[bool]
	screenLock     []source[ScreenLock]
	secureBoot     []source[bool]
	agents         []source[[]string]
}

// source is one way to learn a fact.
type source[T any] struct {
	name string
	ask  func(context.Context) (T, error)
}

func collect(ctx context.Context, m machine) Report {
	report := Report{Version: 1, Collected: m.now.UTC().Truncate(time.Second), Platform: m.system}
	var s sources
	switch m.system {
	case "linux":
		s = m.linux()
	case "darwin":
		s = m.darwin()
	}
	s.add(m.osquery())
	var updated Fact[time.Time]
	var all sync.WaitGroup
	all.Go(func() { report.System = learn(ctx, s.system) })
	all.Go(func() { updated = learn(ctx, s.updated) })
	all.Go(func() { report.DiskEncryption = learn(ctx, s.diskEncryption) })
	all.Go(func() { report.Firewall = learn(ctx, s.firewall) })
	all.Go(func() { report.ScreenLock = learn(ctx, s.screenLock) })
	all.Go(func() { report.SecureBoot = learn(ctx, s.secureBoot) })
	all.Go(func() { report.Agents = learn(ctx, s.agents) })
	all.Wait()
	report.UpdateAge = age(updated, m.now)
	return report
}

// add puts other sources behind those there are.
func (s *sources) add(o sources) {
	s.system = append(s.system, o.system...)
	s.diskEncryption = append(s.diskEncryption, o.diskEncryption...)
	s.firewall = append(s.firewall, o.firewall...)
	s.screenLock = append(s.screenLock, o.screenLock...)
	s.secureBoot = append(s.secureBoot, o.secureBoot...)
}

// maxWhy bounds, in bytes, why a fact is not known.
const maxWhy = 500

// learn asks one source after another.
func learn[T any](ctx context.Context, from []source[T]) Fact[T] {
	var why []string
	for _, s := range from {
		value, err := s.ask(ctx)
		if err == nil {
			return Fact[T]{Value: &value, Source: s.name}
		}
		why = append(why, s.name+": "+err.Error())
	}
	if len(why) == 0 {
		why = []string{"nothing on this system is known to tell"}
	}
	text := strings.Join(why, "; ")
	if len(text) > maxWhy {
		text = strings.ToValidUTF8(text[:maxWhy], "") + "…"
	}
	return Fact[T]{Unknown: text}
}

// age turns the time of the last update into days.
func age(updated Fact[time.Time], now time.Time) Fact[int] {
	if updated.Value == nil {
		return Fact[int]{Unknown: updated.Unknown}
	}
	// Clocks are set, and logs are in local time.
	if updated.Value.After(now.Add(24 * time.Hour)) {
		return Fact[int]{Unknown: updated.Source + ": the last update lies in the future"}
	}
	days := max(int(now.Sub(*updated.Value)/(24*time.Hour)), 0)
	return Fact[int]{Value: &days, Source: updated.Source}
}

// saying is a source that runs a program and parses what it says.
func saying[T any](m machine, parse func([]byte) (T, error), program string, arguments ...string) source[T] {
	return source[T]{name: program, ask: func(ctx context.Context) (T, error) {
		return say(ctx, m, parse, program, arguments...)
	}}
}

func say[T any](ctx context.Context, m machine, parse func([]byte) (T, error), program string, arguments ...string) (T, error) {
	text, err := m.run(ctx, program, arguments...)
	if err != nil {
		var none T
		return none, err
	}
	value, err := parse(text)
	if err != nil {
		return value, fmt.Errorf("%w: %s", err, firstLine(text))
	}
	return value, nil
}

// containing is a source that parses a file.
func containing[T any](m machine, parse func([]byte) (T, error), path string) source[T] {
	return source[T]{name: path, ask: func(context.Context) (T, error) {
		text, err := m.read(path)
		if err != nil {
			var none T
			return none, err
		}
		return parse(text)
	}}
}

// errUnclear is an answer that does not say what was asked.
var errUnclear = errors.New("its answer is not one that is known")

// firstLine is the beginning of an answer, plain, for people to recognize.
func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, line)
	if len(line) > 80 {
		line = line[:80]
	}
	return fmt.Sprintf("%q", line)
}
