// Command stint-proxy is the recording proxy: people's ssh goes to it, and it
// goes to the targets.
package main

import (
	"os"

	"stint/cmd/internal/process"
	"stint/recorder"
)

func main() { process.Main("proxy", os.Args[1:], recorder.ReadConfig, recorder.Run) }
