package supervisor

import "syscall"

// attributes puts a child into a process group of its own, and has the kernel
// kill it when the thread that started it ends (see keep).
func attributes(credential *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: credential}
}
