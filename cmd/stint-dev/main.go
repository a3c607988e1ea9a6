// Stint-dev runs a whole Stint on one machine: broker, signer and proxy as
// processes of their own with mutual TLS between them, a local OpenID provider
// and demo targets, all on loopback. It is for newcomers, tests and the demo;
// the topology is that of production, the secrets are not.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	config, err := parse(os.Args[1:])
	if err != nil {
		os.Exit(2) // flag has said why
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends it at once; the kernel then ends the children.
	context.AfterFunc(ctx, stop)
	if err := Run(ctx, config); err != nil {
		fmt.Fprintln(os.Stderr, "stint-dev:", err)
		os.Exit(1)
	}
}

func parse(arguments []string) (Config, error) {
	var config Config
	flags := flag.NewFlagSet("stint-dev", flag.ContinueOnError)
	flags.StringVar(&config.Data, "data", defaultData(), "directory that holds everything; made at the first start")
	flags.StringVar(&config.Listen, "listen", "localhost:8420", "host and port of the portal; port 0 picks one at the first start")
	flags.StringVar(&config.ReadyFile, "ready-file", "", "write where things are, and who can sign in, to this file as JSON once all is up")
	flags.BoolVar(&config.NoDemo, "no-demo", false, "do not perform the demo scenario at the first start")
	flags.StringVar(&config.Database, "database", "", "postgres:// URL for the broker (default: SQLite in the data directory)")
	flags.StringVar(&config.Bin, "bin", "", "directory of the other binaries (default: that of this one)")
	if err := flags.Parse(arguments); err != nil {
		return Config{}, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("%q is too much: stint-dev takes flags only", flags.Arg(0))
		fmt.Fprintln(os.Stderr, err)
		return Config{}, err
	}
	flags.Visit(func(f *flag.Flag) { config.ListenGiven = config.ListenGiven || f.Name == "listen" })
	return config, nil
}

// defaultData follows the XDG base directory specification.
func defaultData() string {
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "stint-dev")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "stint-dev")
	}
	return ".stint-dev"
}
