// Command stint-proxy is the recording proxy: people's ssh goes to it, and it
// goes to the targets.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"stint/recorder"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "stint-proxy:", err)
		os.Exit(1)
	}
}

func run() error {
	path := flag.String("config", "", "configuration `file` (JSON)")
	readyFile := flag.String("ready-file", "", "`file` to write, as JSON, once SSH is accepted")
	flag.Parse()
	if *path == "" || flag.NArg() != 0 {
		flag.Usage()
		return fmt.Errorf("it needs --config FILE, and nothing else but --ready-file FILE")
	}
	config, err := recorder.ReadConfig(*path)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("process", "stint-proxy")
	return recorder.Run(ctx, config, log, func(ready recorder.Ready) error {
		if *readyFile == "" {
			return nil
		}
		return writeReady(*readyFile, ready)
	})
}

// writeReady puts the file in place whole: who waits for it never reads half.
func writeReady(path string, ready recorder.Ready) error {
	text, err := json.Marshal(ready)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
