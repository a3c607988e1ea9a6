//go:build e2e && unix && !linux

package postgrestest

import "syscall"

// dieWithParent needs Linux; elsewhere a killed test leaves the server behind.
func dieWithParent(*syscall.SysProcAttr) {}
