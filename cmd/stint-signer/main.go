// Command stint-signer is the process that holds Stint's private keys.
//
//	stint-signer [run] --config FILE       serve
//	stint-signer init --config FILE        let the first administrators join, and end
//	stint-signer witness --config FILE     remember, elsewhere, what the ledger held
package main

import (
	"fmt"
	"os"

	"stint/cmd/internal/process"
	"stint/server/signer"
	"stint/server/signer/witness"
)

func main() {
	command, flags := process.Command(os.Args[1:])
	switch command {
	case "run":
		process.Main("signer", flags, signer.ReadConfig, signer.Run)
	case "init":
		process.Main("signer", flags, signer.ReadConfig, signer.Init)
	case "witness":
		process.Main("signer witness", flags, witness.ReadConfig, witness.Run)
	default:
		fmt.Fprintf(os.Stderr, "stint-signer has no command %q: it is run, init or witness\n", command)
		os.Exit(2)
	}
}
