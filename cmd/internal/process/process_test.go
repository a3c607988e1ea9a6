package process

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type ready struct {
	Listen string `json:"listen"`
}

func TestServe(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	directory := t.TempDir()
	path := filepath.Join(directory, "ready.json")
	for name, c := range map[string]struct {
		line string
		run  error
		says string // of the error; none: it ends well
		file string
	}{
		"help":                   {line: "--help"},
		"no configuration":       {line: "--ready-file " + path, says: "usage: stint-proxy"},
		"something more":         {line: "--config c.json more", says: "usage: stint-proxy"},
		"an unknown flag":        {line: "--config c.json --fast", says: "fast"},
		"a faulty configuration": {line: "--config faulty", says: "faulty"},
		"no ready file":          {line: "--config c.json"},
		"a ready file nowhere":   {line: "--config c.json --ready-file " + directory + "/nowhere/ready.json", says: "writing the ready file"},
		"a process that fails":   {line: "--config c.json", run: broken, says: "broken"},
		"all is well":            {line: "--config c.json --ready-file " + path, file: `{"listen":"127.0.0.1:1"}` + "\n"},
	} {
		err := serve("proxy", strings.Fields(c.line), slog.New(slog.DiscardHandler), func(path string) (string, error) {
			if path == "faulty" {
				return "", errors.New("faulty")
			}
			return path, nil
		}, func(_ context.Context, config string, _ *slog.Logger, say func(ready) error) error {
			if config != "c.json" {
				t.Errorf("%s: the configuration is %q", name, config)
			}
			return errors.Join(say(ready{"127.0.0.1:1"}), c.run)
		})
		if (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		text, err := os.ReadFile(path)
		if string(text) != c.file || (err != nil) != (c.file == "") {
			t.Errorf("%s: the ready file holds %q", name, text)
		}
		_ = os.Remove(path)
	}
	if left, err := os.ReadDir(directory); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
