//go:build e2e

package recorder_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stint/recorder/cast"
	"stint/recorder/recordertest"
	signer "stint/server/signer/wire"
)

// agent starts an ssh-agent that holds a key, and returns where it is.
func agent(t *testing.T, key string) (environment string) {
	t.Helper()
	socket := filepath.Join(sockets(t), "agent")
	command := exec.Command("ssh-agent", "-D", "-a", socket)
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	dialWhenThere(t, "unix", socket).Close()
	environment = "SSH_AUTH_SOCK=" + socket
	add := exec.Command("ssh-add", key)
	add.Env = append(os.Environ(), environment)
	if output, err := add.CombinedOutput(); err != nil {
		t.Fatalf("ssh-add: %v: %s", err, output)
	}
	return environment
}

// with runs ssh with something in its environment.
func (r *real) with(t *testing.T, environment string, arguments ...string) result {
	t.Helper()
	command := exec.Command("ssh", append([]string{"-F", r.config}, arguments...)...)
	command.Env = append(os.Environ(), environment)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	return result{stdout.String(), stderr.String(), err}
}

// From the target, the agent lists its keys and logs in to a second host; nothing in
// it can be changed from there. All of it is recorded.
func TestOpenSSHAgent(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	second := recordertest.NewSshd(t, r.Signer, "db2")
	environment := agent(t, second.DirectKey)
	port := second.Address[strings.LastIndex(second.Address, ":")+1:]
	onwards := "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -p " + port + " " + second.Login + "@127.0.0.1 id -un"
	list, err := exec.Command("ssh-keygen", "-lf", second.DirectKey).Output()
	must(t, err)
	key := strings.Fields(string(list))[1]
	for _, way := range ways {
		request := "r-agent-" + way
		r.as(t, request, signer.SessionRules{Channels: []string{"exec", "agent"}})
		got := r.with(t, environment, "-A", way, "ssh-add -l; "+onwards+"; ssh-add -D")
		if !strings.Contains(got.stdout, key) || !strings.Contains(got.stdout, second.Login+"\n") || !strings.Contains(got.stderr, "Failed to remove all identities") {
			t.Errorf("%s: %+v", way, got)
		}
		session := r.Broker.AwaitDelivered(t, request)
		tr := read(t, session.Recording)
		for _, want := range []string{"1 cast.Listen {Type:agent State:granted", "What:target agent request Why:stint: a target may have an agent list keys and sign, and nothing else"} {
			if !tr.holds(want) {
				t.Errorf("%s: the recording lacks %q: %q", way, want, tr.events)
			}
		}
		var states []cast.SignatureState
		bound := false
		for _, c := range connectionsOf(t, session.Recording) {
			bound = bound || strings.Contains(strings.Join(c.notes, ""), "the agent is told that it is used with the host whose key is SHA256:")
			for _, s := range c.signatures {
				states = append(states, s.State)
				if s.Key != key || s.Purpose != cast.SignAuthentication || s.Name != second.Login || len(s.Session) < 32 || s.Digest == "" {
					t.Errorf("%s: a signature is recorded as %+v", way, s)
				}
			}
		}
		if len(states) != 2 || states[0] != cast.SignatureAsked || states[1] != cast.SignatureGranted || !bound {
			t.Errorf("%s: signatures %v, bound %v: %q", way, states, bound, tr.events)
		}
		if got := r.with(t, environment, "-A", way, "ssh-add -l"); !strings.Contains(got.stdout, key) {
			t.Errorf("%s: the agent lost its key: %+v", way, got)
		}
	}
}
