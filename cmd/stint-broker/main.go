// Command stint-broker is the process that people and proxies talk to: API,
// portal, sign-in and the flow. It holds no key that opens anything.
package main

import (
	"os"

	"stint/cmd/internal/process"
	"stint/server/broker"
)

func main() { process.Main("broker", os.Args[1:], broker.ReadConfig, broker.Run) }
