package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFlags(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/state")
	config, err := parse(nil)
	if err != nil || config != (Config{Data: "/state/stint-dev", Listen: "localhost:8420"}) {
		t.Errorf("without flags: %+v, %v", config, err)
	}
	// Naming the default address is not the same as leaving it to the installation.
	config, err = parse([]string{"--listen", "localhost:8420", "--no-demo", "--data", "here"})
	if err != nil || !config.ListenGiven || !config.NoDemo || config.Data != "here" {
		t.Errorf("with flags: %+v, %v", config, err)
	}
	t.Setenv("XDG_STATE_HOME", "relative, so to be ignored")
	t.Setenv("HOME", "/home/alice")
	if got := defaultData(); got != "/home/alice/.local/state/stint-dev" {
		t.Errorf("default data: %s", got)
	}
}

func TestMissingBinariesAreNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range binaries {
		if err := checkBinaries(dir); err == nil || !strings.Contains(err.Error(), name+" in "+dir) {
			t.Errorf("without %s: %v", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := checkBinaries(dir); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheRunningProcessSaysReady(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ready.json")
	for _, step := range []struct {
		text  string
		ready bool
	}{{`{"pid": 41, "listen": "127.0.0.1:1"}`, false}, {`{"pid":`, false}, {`{"pid": 42, "listen": "127.0.0.1:1"}`, true}} {
		if err := saysReady(path, 42); err == nil {
			t.Errorf("before %s it is ready", step.text)
		}
		if err := os.WriteFile(path, []byte(step.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := saysReady(path, 42); (err == nil) != step.ready {
			t.Errorf("after %s: %v", step.text, err)
		}
	}
}
