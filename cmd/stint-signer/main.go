// Command stint-signer is the process that holds Stint's private keys. Its
// subcommand witness is another process: it remembers, outside the signer's
// storage, what the signer's ledger held.
package main

import (
	"os"

	"stint/cmd/internal/process"
	"stint/server/signer"
	"stint/server/signer/witness"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "witness" {
		os.Args = append([]string{"stint-signer witness"}, os.Args[2:]...)
		process.Main("signer witness", witness.ReadConfig, witness.Run)
	}
	process.Main("signer", signer.ReadConfig, signer.Run)
}
