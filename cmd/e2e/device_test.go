//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDevices: a role asks for an enrolled device on which an agent runs. Alice
// enrols her machine, whose key is in a TPM; when the agent stops, or the machine
// falls silent, her sessions end within the role's period; and when dana blocks it,
// at once. The role can be used from this machine's network only.
func TestDevices(t *testing.T) {
	t.Parallel()
	s := beginStory(t)
	s.looking = true
	administrator := s.openTerminal()
	administrator.signIn("dana")
	page := s.proposePolicy(administrator, "longest: 4h\nreason: required\nsession:\n",
		"longest: 4h\nreason: required\ndevice: {required: true, posture: {period: 20s, protection: [Wazuh]}}\nsession:\n  networks: [127.0.0.0/8, \"::1/128\"]\n", "Machines are looked after, and here")
	s.signChange(s.dana, page, "In force")
	request := s.grant("web-1", "30m")

	// 1. Not without a device.
	s.alice.refused([]string{"stint device enroll"}, "stint", "ssh", "web-1", "true")
	if out := s.alice.must("stint", "device", "enroll", "--tpm", startTPM(t), "--name", "Alice's laptop"); !strings.Contains(out, "the TPM can prove it") || !strings.Contains(out, "Enrolled as Alice's laptop") {
		t.Errorf("enrolling said\n%s", out)
	}
	s.alice.refused([]string{"None of Wazuh runs on this machine"}, "stint", "ssh", "web-1", "true")

	// 2. With its agent it may, until the agent stops.
	stop := startAgent(t)
	s.alice.exits(0, "hello\n", "", "stint", "ssh", "web-1", "echo hello")
	shell := s.alice.open("stint", "ssh", "web-1")
	shell.enter(`echo "at"-work`)
	shell.sees("at-work")
	stop()
	shell.wait()
	for _, want := range []string{"None of Wazuh runs on this machine", "this machine no longer does what the role asks of machines"} {
		if text := shell.screen.String(); !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	s.eventually("the proxy has said why it ended", func() error {
		if last := s.alice.lastSession("web-1"); last.EndReason != "device" {
			return fmt.Errorf("the session ended as %q", last.EndReason)
		}
		return nil
	})
	s.alice.refused([]string{"None of Wazuh runs on this machine"}, "stint", "ssh", "web-1", "true")

	// 3. Plain ssh says once how the machine is; then it falls silent.
	startAgent(t)
	config := s.alice.useConfig()
	began := time.Now()
	plain := s.alice.open("ssh", "-F", config, s.Login+"@web-1", "echo 'at'-work; cat")
	plain.sees("at-work")
	plain.wait()
	if text := plain.screen.String(); !strings.Contains(text, "this machine no longer does what the role asks of machines") {
		t.Errorf("plain ssh does not say why it ended:\n%s", text)
	}
	t.Logf("the silent session ended %s after it began", plain.endedAt.Sub(began))

	// 4. Everybody sees what it said; dana blocks it, and the session ends at once.
	shell = s.alice.open("stint", "ssh", "web-1")
	shell.enter(`echo "at"-work`)
	shell.sees("at-work")
	alice := s.signIn("alice", "/devices", arguments{"width": 390, "height": 844, "scheme": "dark", "touch": true})
	alice.see(`role=article[name="Alice's laptop"] >> text=does what production-shell asks`)
	s.accessible(alice)
	s.look(alice, "devices-own")
	s.dana.open(s.Portal + "/devices?everybody=true")
	s.dana.see(`role=article[name="Alice's laptop"] >> text=its key is in a TPM that no maker in the policy certified`)
	s.accessible(s.dana)
	s.look(s.dana, "devices")
	s.dana.click(`role=button[name="Block Alice's laptop"]`)
	s.dana.fill(`role=alertdialog >> textarea`, "Left on a train")
	s.accessible(s.dana)
	s.look(s.dana, "device-block")
	s.dana.click(`role=alertdialog >> role=button[name="Block Alice's laptop"]`)
	s.dana.see("text=Blocked")
	shell.wait()
	s.alice.refused([]string{"this device was blocked"}, "stint", "ssh", "web-1", "true")
	s.dana.see("text=Left on a train")
	s.look(s.dana, "device-blocked")

	// 5. Certificates for certain networks are what the ledger says, to everybody who looks.
	trust, file := filepath.Join(s.carol.home, "trust.json"), filepath.Join(s.carol.home, "evidence.json")
	if err := os.WriteFile(trust, []byte(s.carol.must("stint", "trust", "export")), 0o600); err != nil {
		t.Fatal(err)
	}
	s.carol.must("stint", "evidence", "export", request.ID, "-o", file)
	s.carol.must("stint", "evidence", "verify", file, "--trust", trust)
	s.dana.open(s.Portal + "/alarms")
	s.dana.see("text=No alarm is open")
}

// startAgent runs a program by the name of an agent until stop, or the test's end.
func startAgent(t *testing.T) (stop func()) {
	t.Helper()
	program, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(t.TempDir(), "wazuh-agentd")
	if err := os.WriteFile(own, text, 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(own, "600")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			command.Process.Kill()
			command.Wait()
		}
	}
	t.Cleanup(stop)
	return stop
}

// startTPM runs a new TPM in software until the test ends, and returns its socket.
func startTPM(t *testing.T) string { return startTPMWith(t, t.TempDir()) }

// startTPMWith runs it with the state in a directory.
func startTPMWith(t *testing.T, state string) string {
	t.Helper()
	// Socket names are short; a test's directory may be long.
	dir := shortDirectory(t)
	socket := filepath.Join(dir, "tpm")
	command := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+state,
		"--server", "type=unixio,path="+socket, "--flags", "not-need-init,startup-clear")
	var said lockedBuffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatalf("swtpm does not start: %v", err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if connection, err := net.Dial("unix", socket); err == nil {
			connection.Close()
			return socket
		}
		if time.Now().After(deadline) {
			t.Fatalf("swtpm does not listen:\n%s", said.String())
		}
	}
}
