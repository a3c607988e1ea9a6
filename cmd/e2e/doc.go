// Package e2e tests the whole of Stint as its users meet it: the real binaries
// started by stint-dev, a real Chromium with a virtual authenticator, and real
// OpenSSH on both ends. It has no code of its own beside tests, and they carry
// the build tag e2e; `make test` sets it.
//
// STINT_BIN names the directory of the binaries under test; without it they are
// built first. A missing part (Chromium, sshd, PostgreSQL, npm packages) fails
// the tests: none of them is skipped.
package e2e
