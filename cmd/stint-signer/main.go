// Command stint-signer is the process that holds Stint's private keys.
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

	"stint/server/signer"
)

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("process", "signer"))
	if err := run(os.Args[1:]); err != nil {
		slog.Error("the signer stops", "cause", err.Error())
		os.Exit(1)
	}
}

func run(arguments []string) error {
	flags := flag.NewFlagSet("stint-signer", flag.ContinueOnError)
	configFile := flags.String("config", "", "`FILE` of the configuration (JSON)")
	readyFile := flags.String("ready-file", "", "`FILE` to write when calls are taken: one line of JSON with pid and listen")
	if err := flags.Parse(arguments); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *configFile == "" || flags.NArg() != 0 {
		return errors.New("usage: stint-signer --config FILE [--ready-file FILE]")
	}
	config, err := signer.LoadConfig(*configFile)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return signer.Run(ctx, config, func(listen string) error {
		if *readyFile == "" {
			return nil
		}
		return writeReady(*readyFile, listen)
	})
}

// writeReady makes the file appear whole or not at all.
func writeReady(path, listen string) error {
	line, err := json.Marshal(struct {
		PID    int    `json:"pid"`
		Listen string `json:"listen"`
	}{os.Getpid(), listen})
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
