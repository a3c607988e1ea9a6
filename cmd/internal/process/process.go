// Package process is the frame that the three processes share: their flags, the
// log, the signals that end them, and the file by which they say that they serve.
package process

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
	"strings"
	"syscall"
)

// Command takes the word that says what to do off a process's arguments. Without
// one it is "run".
func Command(arguments []string) (command string, flags []string) {
	if len(arguments) > 0 && !strings.HasPrefix(arguments[0], "-") {
		return arguments[0], arguments[1:]
	}
	return "run", arguments
}

// Main is the whole of a process's main function; it does not return. read loads
// the configuration file, and run serves until its context ends, which SIGTERM
// and an interrupt do. What run says when it is ready becomes one line of JSON in
// the ready file. name is the process's, as in "broker".
func Main[Config, Ready any](name string, arguments []string, read func(path string) (Config, error), run func(context.Context, Config, *slog.Logger, func(Ready) error) error) {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("process", name)
	if err := serve(name, arguments, log, read, run); err != nil {
		log.Error("the "+name+" stops", "error", err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

func serve[Config, Ready any](name string, arguments []string, log *slog.Logger, read func(string) (Config, error), run func(context.Context, Config, *slog.Logger, func(Ready) error) error) error {
	flags := flag.NewFlagSet("stint-"+name, flag.ContinueOnError)
	configFile := flags.String("config", "", "`FILE` of the configuration (JSON)")
	readyFile := flags.String("ready-file", "", "`FILE` to write once it serves: one line of JSON with its pid and where it listens")
	if err := flags.Parse(arguments); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *configFile == "" || flags.NArg() != 0 {
		return fmt.Errorf("usage: stint-%s --config FILE [--ready-file FILE]", name)
	}
	config, err := read(*configFile)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return run(ctx, config, log, func(ready Ready) error {
		if *readyFile == "" {
			return nil
		}
		return writeReady(*readyFile, ready)
	})
}

// writeReady makes the file appear whole or not at all.
func writeReady(path string, ready any) error {
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
