// Command stint-signer is the process that holds Stint's private keys.
package main

import (
	"stint/cmd/internal/process"
	"stint/server/signer"
)

func main() { process.Main("signer", signer.ReadConfig, signer.Run) }
