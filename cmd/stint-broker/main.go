// Command stint-broker is the process that people and proxies talk to: API,
// portal, sign-in and the flow. It holds no key that opens anything.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"stint/server/broker"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("process", "broker")
	if err := run(os.Args[1:], log); err != nil {
		log.Error("the broker stops", "error", err.Error())
		os.Exit(1)
	}
}

func run(arguments []string, log *slog.Logger) error {
	flags := flag.NewFlagSet("stint-broker", flag.ContinueOnError)
	configFile := flags.String("config", "", "`FILE` of the configuration (JSON)")
	readyFile := flags.String("ready-file", "", "`FILE` to write when calls are taken: one line of JSON with pid, listen and proxy_listen")
	if err := flags.Parse(arguments); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *configFile == "" || flags.NArg() != 0 {
		return errors.New("usage: stint-broker --config FILE [--ready-file FILE]")
	}
	config, err := broker.ReadConfig(*configFile)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return broker.Run(ctx, config, log, func(ready broker.Ready) error {
		if *readyFile == "" {
			return nil
		}
		return writeReady(*readyFile, ready)
	})
}

// writeReady makes the file appear whole or not at all.
func writeReady(path string, ready broker.Ready) error {
	line, err := json.Marshal(ready)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".ready-*")
	if err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	_, err = temporary.Write(append(line, '\n'))
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the ready file: %w", err), os.Remove(temporary.Name()))
	}
	return nil
}
