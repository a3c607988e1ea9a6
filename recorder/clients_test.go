//go:build e2e

package recorder_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"

	"stint/recorder/recordertest"
)

var update = flag.Bool("update", false, "write the tables of docs/clients.md")

// A stockClient is a program as its makers ship it. What it can do is a function each, nil
// where it cannot; the table in docs/clients.md says which of them came out well.
type stockClient struct {
	name, how string
	command   func(t *testing.T, c *caller) runner
	copies    func(t *testing.T, c *caller) copier
	forward   func(t *testing.T, c *caller) piper
	// beside is what else it is checked for, in a clause, and the check.
	beside string
	check  func(t *testing.T, c *caller)
}

type (
	// A runner runs a command of a shell on the target.
	runner func(command string, stdin []byte) result
	// A copier copies a file to the target or from it; one of the two paths is there.
	copier struct{ put, get func(from, to string) result }
	// A piper connects to a port of the target's loopback address.
	piper func(port string, stdin []byte) result
)

// caller is one client's person: with a grant, a key and a home directory of its own.
type caller struct {
	*real
	key       string // its public half is in key.pub and its certificate in key-cert.pub
	agent     string // the socket of an agent that holds it, by itself and with the certificate
	home      string
	hostKey   string // the proxy's, in authorized_keys form, for clients that know no certificates
	knownFile string
}

func (c *caller) host() string { host, _, _ := net.SplitHostPort(c.address); return host }
func (c *caller) port() string { _, port, _ := net.SplitHostPort(c.address); return port }

// oneHop is the user name that reaches the target in one hop.
func (c *caller) oneHop() string { return c.grant.Login + "@db1" }

// clientPatience bounds what one program may take on a machine that stands still at times.
const clientPatience = 3 * time.Minute

// runs runs a program in the caller's home, with nothing of the tester's around it.
func (c *caller) runs(t *testing.T, stdin []byte, program string, arguments ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientPatience)
	defer cancel()
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir, command.Env = c.home, c.environment()
	command.WaitDelay = 10 * time.Second // what it started may hold its outputs
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	err := command.Run()
	return result{stdout.String(), stderr.String(), err}
}

func (c *caller) environment() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.home, "TMPDIR=" + c.home, "LC_ALL=C.UTF-8", "TERM=xterm", "SSH_AUTH_SOCK=" + c.agent,
		"STINT_HOST=" + c.host(), "STINT_PORT=" + c.port(), "STINT_USER=" + c.oneHop(),
		"STINT_CERTIFICATE=" + c.key + "-cert.pub", "STINT_KNOWN_HOSTS=" + c.knownFile, "STINT_HOST_KEY=" + c.hostKey,
		"STINT_LOGIN=" + c.grant.Login, "STINT_SSH_CONFIG=" + c.config,
	}
}

// newCaller gives a client a grant, and its key to an agent, which alone holds it, as with
// stint activate.
func newCaller(t *testing.T, r *real, request, hostKey string) *caller {
	t.Helper()
	one := *r
	one.grant.Request = request
	one.Signer.Allow(one.grant)
	c := &caller{real: &one, key: one.Signer.IdentityFile(t, one.grant), home: t.TempDir(), hostKey: hostKey}
	one.writeConfig(t, c.key)
	c.knownFile = filepath.Join(c.home, "known_hosts")
	must(t, os.WriteFile(c.knownFile, fmt.Appendf(nil, "@cert-authority * %s[%s]:%s %s\n",
		ssh.MarshalAuthorizedKey(r.Signer.HostCA.PublicKey()), c.host(), c.port(), hostKey), 0o600))

	c.agent = filepath.Join(shortDir(t), "agent")
	c.starts(t, nil, "ssh-agent", "-D", "-a", c.agent)
	connection := dialWhenThere(t, "unix", c.agent)
	defer connection.Close()
	agent := sshagent.NewClient(connection)
	private, certificate := parts(t, c.key)
	// The certificate first: some clients stand one refusal only.
	for _, shown := range []*ssh.Certificate{certificate, nil} {
		must(t, agent.Add(sshagent.AddedKey{PrivateKey: private, Certificate: shown}))
	}
	must(t, os.WriteFile(c.key+".pub", ssh.MarshalAuthorizedKey(certificate.Key), 0o600))
	must(t, os.Remove(c.key))
	return c
}

// parts are a key and its certificate, from their files.
func parts(t *testing.T, path string) (private any, certificate *ssh.Certificate) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	private, err = ssh.ParseRawPrivateKey(text)
	must(t, err)
	text, err = os.ReadFile(path + "-cert.pub")
	must(t, err)
	public, _, _, _, err := ssh.ParseAuthorizedKey(text)
	must(t, err)
	return private, public.(*ssh.Certificate)
}

// cells are what the table says of a client; those that were not run are missing.
type cells struct {
	mu  sync.Mutex
	set map[string]bool
}

func (c *cells) run(t *testing.T, client, column string, check func(t *testing.T)) {
	t.Run(column, func(t *testing.T) {
		check(t)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.set[client+"/"+column] = !t.Failed()
	})
}

// Every program that people reach a server with goes through the proxy as it is, and the
// recording holds what its command said.
func TestClients(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	hostKey := plainHostKey(t, r)
	ran := &cells{set: map[string]bool{}}
	t.Run("client", func(t *testing.T) {
		for number, client := range stockClients {
			t.Run(client.name, func(t *testing.T) {
				t.Parallel()
				c := newCaller(t, r, fmt.Sprintf("r-client-%d", number), hostKey)
				if client.command != nil {
					ran.run(t, client.name, "command", func(t *testing.T) { checkCommand(t, c, client.command(t, c)) })
				}
				if client.copies != nil {
					ran.run(t, client.name, "copies", func(t *testing.T) { checkCopies(t, c, client.copies(t, c)) })
				}
				if client.forward != nil {
					ran.run(t, client.name, "forward", func(t *testing.T) { checkForward(t, client.forward(t, c)) })
				}
				if client.check != nil {
					ran.run(t, client.name, "beside", func(t *testing.T) { client.check(t, c) })
				}
			})
		}
	})
	for _, client := range stockClients {
		for column, has := range map[string]bool{
			"command": client.command != nil, "copies": client.copies != nil, "forward": client.forward != nil, "beside": client.check != nil,
		} {
			if _, done := ran.set[client.name+"/"+column]; has && !done {
				return // -run chose some of them
			}
		}
	}
	golden(t, "clients", clientTable(ran))
}

// plainHostKey is the proxy's host key as a client sees it that knows no certificates.
func plainHostKey(t *testing.T, r *real) string {
	t.Helper()
	var seen ssh.PublicKey
	_, err := ssh.Dial("tcp", r.address, &ssh.ClientConfig{
		User: "anybody", HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}, Timeout: patience,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error { seen = key; return nil },
	})
	if seen == nil {
		t.Fatalf("the proxy shows no plain host key: %v", err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(seen)))
}

// checkCommand wants every byte both ways, the status, and both in the recording.
func checkCommand(t *testing.T, c *caller, run runner) {
	t.Helper()
	sent := make([]byte, 100_000)
	_, _ = rand.Read(sent)
	got := run("cat; echo to-stderr >&2; exit 42", sent)
	if got.stdout != string(sent) || !strings.Contains(got.stderr, "to-stderr\n") || status(got.err) != 42 {
		t.Fatalf("%d bytes came back of %d, or others; status %d (%v), standard error %q", len(got.stdout), len(sent), status(got.err), got.err, got.stderr)
	}
	c.Broker.Await(t, "a recording of what the command said", func(s *recordertest.Session) bool {
		return s.Start.Request == c.grant.Request && s.End != nil && int64(len(s.Recording)) == s.End.Bytes &&
			strings.Contains(read(t, s.Recording).output, string(sent))
	})
}

// checkCopies wants a file whole in both directions.
func checkCopies(t *testing.T, c *caller, copies copier) {
	t.Helper()
	data := make([]byte, 1<<20+7)
	_, _ = rand.Read(data)
	local, back := filepath.Join(c.home, "local"), filepath.Join(c.home, "back")
	remote := filepath.Join(c.sshd.Home, "copied-"+c.grant.Request)
	must(t, os.WriteFile(local, data, 0o600))
	for _, step := range []struct {
		what     string
		copy     func(from, to string) result
		from, to string
	}{{"to the target", copies.put, local, remote}, {"from the target", copies.get, remote, back}} {
		got := step.copy(step.from, step.to)
		if there, err := os.ReadFile(step.to); got.err != nil || err != nil || !bytes.Equal(there, data) {
			t.Fatalf("%s: %d bytes of %d, or others (%v); it said %+v", step.what, len(there), len(data), err, got)
		}
	}
}

// checkForward wants every byte both ways through a connection that the target makes.
func checkForward(t *testing.T, pipe piper) {
	t.Helper()
	sent := make([]byte, 300_000)
	_, _ = rand.Read(sent)
	got := pipe(echoing(t), sent)
	if got.stdout != string(sent) || got.err != nil {
		t.Fatalf("%d bytes came back of %d, or others; %v, standard error %q", len(got.stdout), len(sent), got.err, got.stderr)
	}
}

// echoing is the port of a server that says back what it hears.
func echoing(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// clientTable is the table as it is in docs/clients.md.
func clientTable(ran *cells) string {
	say := func(client, column string, has bool) string {
		switch {
		case !has:
			return "–"
		case ran.set[client+"/"+column]:
			return "yes"
		}
		return "**no**"
	}
	var table strings.Builder
	table.WriteString("| client | how it gets in | command | copies | forward | and |\n|---|---|---|---|---|---|\n")
	for _, client := range stockClients {
		beside := ""
		if client.check != nil {
			beside = client.beside + ": " + say(client.name, "beside", true)
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s | %s |\n", client.name, client.how,
			say(client.name, "command", client.command != nil), say(client.name, "copies", client.copies != nil),
			say(client.name, "forward", client.forward != nil), beside)
	}
	return table.String()
}

// golden compares a table with the one that docs/clients.md has between its marks, or, with
// -update, writes it there.
func golden(t *testing.T, name, table string) {
	t.Helper()
	const path = "../docs/clients.md"
	text, err := os.ReadFile(path)
	must(t, err)
	begin, end := "<!-- "+name+": written by go test -update -->\n", "<!-- end of "+name+" -->"
	before, rest, found := strings.Cut(string(text), begin)
	was, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the table %s", path, name)
	}
	if *update {
		must(t, os.WriteFile(path, []byte(before+begin+table+end+after), 0o644))
		return
	}
	if was != table {
		t.Errorf("%s says otherwise than what ran; go test -tags e2e ./recorder -run '%s' -update writes it. What ran:\n%s", path, t.Name(), table)
	}
}
