//go:build e2e

package recorder_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// python is Debian's, whose modules are Debian's packages.
const python = "/usr/bin/python3"

// library is a client that is a library: a script in testdata/clients uses it, which takes
// where to go from the environment and runs a command, puts or gets a file, or pipes.
type library struct {
	interpreter, script string
}

func (l library) run(t *testing.T, c *caller, stdin []byte, arguments ...string) result {
	t.Helper()
	script, err := filepath.Abs(filepath.Join("testdata", "clients", l.script))
	must(t, err)
	return c.runs(t, stdin, l.interpreter, append([]string{script}, arguments...)...)
}

func (l library) command(t *testing.T, c *caller) runner {
	return func(command string, stdin []byte) result { return l.run(t, c, stdin, "command", command) }
}

func (l library) copies(t *testing.T, c *caller) copier {
	return copier{
		put: func(from, to string) result { return l.run(t, c, nil, "put", from, to) },
		get: func(from, to string) result { return l.run(t, c, nil, "get", from, to) },
	}
}

func (l library) forward(t *testing.T, c *caller) piper {
	return func(port string, stdin []byte) result { return l.run(t, c, stdin, "pipe", port) }
}

var (
	paramiko = library{python, "with_paramiko.py"}
	asyncssh = library{python, "with_asyncssh.py"}
	ssh2     = library{"node", "with_ssh2.js"}
)

// putty gives PuTTY's tools the authority of hosts, as its own programs keep it, and
// returns the arguments that name the proxy. The agent holds the key.
func putty(t *testing.T, c *caller) []string {
	t.Helper()
	authorities := filepath.Join(c.home, ".putty", "sshhostcas")
	must(t, os.MkdirAll(authorities, 0o700))
	line := strings.Fields(string(ssh.MarshalAuthorizedKey(c.Signer.HostCA.PublicKey())))[1]
	must(t, os.WriteFile(filepath.Join(authorities, "stint"), []byte("PublicKey="+line+"\nValidity=*\n"), 0o600))
	return []string{"-batch", "-agent", "-P", c.port(), "-l", c.oneHop()}
}

func plink(t *testing.T, c *caller) runner {
	return func(command string, stdin []byte) result {
		return c.runs(t, stdin, "plink", append(putty(t, c), "-no-antispoof", c.host(), command)...)
	}
}

func plinkPipe(t *testing.T, c *caller) piper {
	return func(port string, stdin []byte) result {
		return c.runs(t, stdin, "plink", append(putty(t, c), "-nc", "127.0.0.1:"+port, c.host())...)
	}
}

func pscp(t *testing.T, c *caller) copier {
	copies := func(from, to string) result { return c.runs(t, nil, "pscp", append(putty(t, c), "-q", from, to)...) }
	return copier{
		put: func(from, to string) result { return copies(from, c.host()+":"+to) },
		get: func(from, to string) result { return copies(c.host()+":"+from, to) },
	}
}

func psftp(t *testing.T, c *caller) copier {
	batch := func(verb string) func(from, to string) result {
		return func(from, to string) result {
			script := filepath.Join(c.home, verb)
			must(t, os.WriteFile(script, fmt.Appendf(nil, "%s %s %s\n", verb, from, to), 0o600))
			return c.runs(t, nil, "psftp", append(putty(t, c), "-b", script, c.host())...)
		}
	}
	return copier{put: batch("put"), get: batch("get")}
}

func lftp(t *testing.T, c *caller) copier {
	does := func(format string) func(from, to string) result {
		return func(from, to string) result {
			return c.runs(t, nil, "lftp", "-c", fmt.Sprintf(
				`set net:max-retries 1; set sftp:connect-program "ssh -a -x -F %s"; open sftp://one-hop; `+format, c.config, from, to))
		}
	}
	return copier{put: does("put %s -o %s"), get: does("get %s -o %s")}
}

// sshfs copies through a mounted directory.
func sshfs(t *testing.T, c *caller) copier {
	mounted := func(copies func(directory string) result) result {
		directory, err := os.MkdirTemp(c.home, "mounted-")
		must(t, err)
		if got := c.runs(t, nil, "sshfs", "-F", c.config, "one-hop:"+c.sshd.Home, directory); got.err != nil {
			return got
		}
		copied := copies(directory)
		if got := c.runs(t, nil, "fusermount3", "-u", directory); got.err != nil {
			t.Errorf("unmounting: %+v", got)
		}
		return copied
	}
	return copier{
		put: func(from, to string) result {
			return mounted(func(directory string) result {
				return c.runs(t, nil, "cp", from, filepath.Join(directory, filepath.Base(to)))
			})
		},
		get: func(from, to string) result {
			return mounted(func(directory string) result {
				return c.runs(t, nil, "cp", filepath.Join(directory, filepath.Base(from)), to)
			})
		},
	}
}

// playbook is Ansible with modules, a copy and a fetch, over its shared connection.
func playbook(t *testing.T, c *caller) {
	local, fetched := filepath.Join(c.home, "local"), filepath.Join(c.home, "fetched")
	remote := filepath.Join(c.sshd.Home, "by-ansible")
	content := strings.Repeat("a line that Ansible copies\n", 10_000)
	must(t, os.WriteFile(local, []byte(content), 0o600))
	book := filepath.Join(c.home, "book.yml")
	must(t, os.WriteFile(book, fmt.Appendf(nil, `
- hosts: all
  gather_facts: false
  tasks:
    - copy: {src: %q, dest: %q, mode: "0600"}
    - command: wc -c %q
      register: counted
    - assert:
        that: counted.stdout.split()[0] == "%d"
    - fetch: {src: %q, dest: %q, flat: true}
    - shell: exit 7
      register: failed
      failed_when: failed.rc != 7
`, local, remote, remote, len(content), remote, fetched), 0o600))
	got := c.runs(t, nil, "env", "ANSIBLE_SSH_ARGS=-F "+c.config+" -o ControlMaster=auto -o ControlPersist=60s",
		"ANSIBLE_SSH_CONTROL_PATH_DIR="+shortDir(t), "ANSIBLE_REMOTE_TMP="+filepath.Join(c.sshd.Home, ".ansible"),
		"ANSIBLE_LOCAL_TEMP="+c.home, "ANSIBLE_PYTHON_INTERPRETER="+python, "ANSIBLE_HOST_KEY_CHECKING=True",
		"ansible-playbook", "-i", "one-hop,", book)
	if got.err != nil {
		t.Fatalf("%+v", got)
	}
	for _, path := range []string{remote, fetched} {
		if text, err := os.ReadFile(path); err != nil || string(text) != content {
			t.Errorf("%s holds %d bytes of %d, or others (%v)", path, len(text), len(content), err)
		}
	}
}

// codeScript is what VS Code's Remote-SSH runs: ssh with no command but a shell, whose
// input is the script that starts the server.
func codeScript(t *testing.T, c *caller) runner {
	return func(command string, stdin []byte) result {
		script := "eval '" + strings.ReplaceAll(command, "'", `'\''`) + "'; exit $?\n"
		return c.runs(t, append([]byte(script), stdin...), "ssh", "-F", c.config, "-T", "-o", "ConnectTimeout=15", "one-hop", "bash")
	}
}

// codeServer starts a server the way that VS Code does, over the connection whose SOCKS
// port then reaches it.
func codeServer(t *testing.T, c *caller) piper {
	return func(port string, stdin []byte) result {
		socks := lowPort(t)
		script := fmt.Sprintf("echo listeningOn==%s==\nwhile :; do sleep 0.2; done\n", port)
		_, output := c.starts(t, strings.NewReader(script), "ssh", "-F", c.config, "-T", "-D", "127.0.0.1:"+socks, "one-hop", "bash")
		marker := make([]byte, len("listeningOn==")+len(port))
		if _, err := output.Read(marker); err != nil || string(marker) != "listeningOn=="+port {
			t.Fatalf("the script said %q, %v", marker, err)
		}
		conn := dialWhenThere(t, "tcp", "127.0.0.1:"+socks)
		throughSOCKS(t, conn, port)
		return exchange(t, conn, stdin)
	}
}

// throughSOCKS asks for a connection to a port of the far loopback (RFC 1928).
func throughSOCKS(t *testing.T, conn net.Conn, port string) {
	t.Helper()
	number, err := net.LookupPort("tcp", port)
	must(t, err)
	_, err = conn.Write([]byte{5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, byte(number >> 8), byte(number)})
	must(t, err)
	answer := make([]byte, 12)
	for got := 0; got < len(answer); {
		n, err := conn.Read(answer[got:])
		must(t, err)
		got += n
	}
	if answer[0] != 5 || answer[1] != 0 || answer[3] != 0 {
		t.Fatalf("SOCKS answered %v", answer)
	}
}

// dbclient knows no certificates: ssh opens the way with one.
func dbclient(t *testing.T, c *caller) func(stdin []byte, arguments ...string) result {
	must(t, os.MkdirAll(filepath.Join(c.home, ".ssh"), 0o700))
	must(t, os.WriteFile(filepath.Join(c.home, ".ssh", "known_hosts"), []byte("db1 "+c.hostKey+"\n"), 0o600))
	return func(stdin []byte, arguments ...string) result {
		return c.runs(t, stdin, "dbclient", append([]string{"-J", "ssh -F " + c.config + " -W db1:22 stint", "-l", c.grant.Login}, arguments...)...)
	}
}

func dbclientRun(t *testing.T, c *caller) runner {
	run := dbclient(t, c)
	return func(command string, stdin []byte) result { return run(stdin, "db1", command) }
}

func dbclientPipe(t *testing.T, c *caller) piper {
	run := dbclient(t, c)
	return func(port string, stdin []byte) result { return run(stdin, "-B", "127.0.0.1:"+port, "db1") }
}
