//go:build e2e

package postgrestest

import "syscall"

// dieWithParent has the server shut down when the test is killed.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGINT }
