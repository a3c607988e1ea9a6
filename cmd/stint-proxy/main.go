// Command stint-proxy is the recording proxy: people's ssh goes to it, and it
// goes to the targets.
//
//	stint-proxy [run] --config FILE        serve
//	stint-proxy take-over --config FILE    serve in the place of the process that does, which
//	                                       carries the sessions it has to their end
//	stint-proxy drain --config FILE        have the process that serves let no session start,
//	                                       and end when its last one does
package main

import (
	"fmt"
	"os"

	"stint/cmd/internal/process"
	"stint/recorder"
)

func main() {
	command, flags := process.Command(os.Args[1:])
	switch command {
	case "run":
		process.Main("proxy", flags, recorder.ReadConfig, recorder.Run)
	case "take-over":
		process.Main("proxy", flags, recorder.ReadConfig, recorder.TakeOver)
	case "drain":
		process.Main("proxy", flags, recorder.ReadConfig, recorder.Drain)
	default:
		fmt.Fprintf(os.Stderr, "stint-proxy has no command %q: it is run, take-over or drain\n", command)
		os.Exit(2)
	}
}
