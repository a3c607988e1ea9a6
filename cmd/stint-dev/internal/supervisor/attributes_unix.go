//go:build unix && !linux

package supervisor

import "syscall"

// attributes puts a child into a process group of its own. Outside Linux the
// kernel offers nothing that ends the children of a killed supervisor.
func attributes(credential *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential}
}
