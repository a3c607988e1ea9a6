package demo

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestProgressIsRemembered(t *testing.T) {
	t.Parallel()
	config := Config{Dir: t.TempDir()}
	d, err := Open(config)
	if err != nil || d.Done() {
		t.Fatalf("a new demo: %v, done %v", err, d.Done())
	}
	d.progress = progress{Request: "req-1", Performed: true, Done: true}
	if err := d.remember(); err != nil {
		t.Fatal(err)
	}
	if again, err := Open(config); err != nil || again.progress != d.progress {
		t.Errorf("it remembers %+v, %v", again.progress, err)
	}
	// What is done needs nobody: there is no portal in this configuration.
	if err := d.Run(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(d.file("progress.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(config); err == nil {
		t.Error("a damaged file was read")
	}
}

// A shell here takes the place of the target; the whole of the work is done by
// the end to end tests.
func TestWorkIsTypedToItsEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// In the place of stint, so that "stint ssh target" is a shell.
	script := filepath.Join(dir, "stint")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec /bin/sh -i 2>&1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := &terminal{stint: script, home: dir}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	steps := work()
	if err := c.shell(ctx, "demo", append(steps[:4:4], steps[len(steps)-1]), 0.01); err != nil {
		t.Error(err)
	}
	err := c.shell(ctx, "demo", []step{{"exit 7\r", 0}}, 0.01)
	if err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("a session that ends badly: %v", err)
	}
}
