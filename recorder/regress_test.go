//go:build e2e

package recorder_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// regressFolder is where Debian's openssh-tests puts OpenSSH's own tests.
const regressFolder = "/usr/lib/openssh/regress"

// OpenSSH's own tests, as they are, with the proxy in sshd's place. What they start as sshd is
// a script that leads to the proxy; what they start as ssh is ssh with the name and the
// certificate that the proxy wants. Commands run behind the proxy, in the real sshd.
func TestOpenSSHRegress(t *testing.T) {
	t.Parallel()
	soak := os.Getenv("STINT_SOAK_REGRESS") != ""
	allJudged(t)
	r := newReal(t)
	base := regressBase(t, r)
	ran := &cells{set: map[string]bool{}}
	var ports sync.Mutex // some listen on ports that they name
	t.Run("script", func(t *testing.T) {
		for _, script := range regressScripts {
			if script.why != "" || script.soak && !soak {
				continue
			}
			t.Run(script.name, func(t *testing.T) {
				t.Parallel()
				if script.ports {
					ports.Lock()
					defer ports.Unlock()
				}
				ran.run(t, script.name, "result", func(t *testing.T) { runRegress(t, r, base, script) })
			})
		}
	})
	for _, script := range regressScripts {
		if _, done := ran.set[script.name+"/result"]; !done && script.why == "" && (soak || !script.soak) {
			return // -run chose some of them
		}
	}
	if !soak {
		golden(t, "openssh-tests", regressTable(ran))
	}
}

// A regressScript is one of OpenSSH's tests.
type regressScript struct {
	name  string
	soak  bool   // takes long: make soak runs it
	ports bool   // listens on ports that it names
	why   string // it does not apply; empty where it does
	// edits are pairs of what stands in it and what is to stand there, for what is no
	// promise of the proxy's; edited says so in a clause.
	edits  []string
	edited string
}

// allJudged wants every test that this release of OpenSSH has in the list.
func allJudged(t *testing.T) {
	t.Helper()
	makefile, err := os.ReadFile(regressFolder + "/Makefile")
	if err != nil {
		t.Fatalf("OpenSSH's tests are not here (Debian's package openssh-tests): %v", err)
	}
	_, rest, _ := strings.Cut(string(makefile), "\nLTESTS=")
	names, _, _ := strings.Cut(rest, "\n\n")
	if len(names) < 100 {
		t.Fatalf("the Makefile lists %q", names)
	}
	for _, name := range strings.Fields(strings.ReplaceAll(names, "\\", " ")) {
		if !slices.ContainsFunc(regressScripts, func(script regressScript) bool { return script.name == name }) {
			t.Errorf("nobody has said whether the test %s of this OpenSSH applies to the proxy", name)
		}
	}
}

func regressTable(ran *cells) string {
	var table strings.Builder
	table.WriteString("| test | result |\n|---|---|\n")
	for _, script := range regressScripts {
		result := "**fails**"
		switch {
		case script.why != "":
			result = "does not apply: " + script.why
		case script.soak:
			result = "passes; `make soak` runs it"
			if script.edited != "" {
				result += " (" + script.edited + ")"
			}
		case ran.set[script.name+"/result"]:
			result = "passes"
		}
		fmt.Fprintf(&table, "| %s | %s |\n", script.name, result)
	}
	return table.String()
}

// regressBase makes what every script's directory begins with: the scripts, their programs,
// keys, and the stand-ins for ssh, sshd and sftp-server.
func regressBase(t *testing.T, r *real) string {
	t.Helper()
	base := t.TempDir()
	names, err := filepath.Glob(regressFolder + "/*.sh")
	must(t, err)
	for _, name := range append(names, regressFolder+"/netcat", regressFolder+"/modpipe", regressFolder+"/mkdtemp", regressFolder+"/config.h") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatalf("OpenSSH's tests are not here (Debian's package openssh-tests): %v", err)
		}
		must(t, os.WriteFile(filepath.Join(base, filepath.Base(name)), text, 0o755))
	}
	// The one that stands for an ssh which runs scp here runs it on the target.
	replaceIn(t, filepath.Join(base, "scp-ssh-wrapper.sh"), `exec $SCP "$@"`, `exec $SSH -F ${SSH_PROXY} somehost scp "$@"`)

	key := r.Signer.IdentityFile(t, r.grant)
	for _, suffix := range []string{"", "-cert.pub"} {
		text, err := os.ReadFile(key + suffix)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(base, "stint-key"+suffix), text, 0o600))
	}
	must(t, os.WriteFile(filepath.Join(base, "stint-known"), []byte("@cert-authority * "+string(ssh.MarshalAuthorizedKey(r.Signer.HostCA.PublicKey()))), 0o600))
	offered := offeredAlgorithms(t, r)
	for _, kind := range []string{"kex", "cipher", "cipher-auth", "mac"} {
		known, err := exec.Command("ssh", "-Q", kind).Output()
		must(t, err)
		both := slices.DeleteFunc(strings.Fields(string(known)), func(name string) bool { return !offered[name] })
		if len(both) == 0 {
			t.Fatalf("ssh and the proxy have no %s together: %v", kind, offered)
		}
		must(t, os.WriteFile(filepath.Join(base, "stint-"+kind), []byte(strings.Join(both, "\n")+"\n"), 0o644))
	}
	for name, script := range regressStandIns {
		must(t, os.WriteFile(filepath.Join(base, name), []byte(script), 0o755))
	}
	for _, kind := range []string{"ed25519", "rsa", "ecdsa", "dsa"} { // as test-exec.sh calls its files
		file := map[string]string{"ed25519": "ssh-ed25519", "rsa": "ssh-rsa", "ecdsa": "ecdsa-sha2-nistp256", "dsa": "ssh-dss"}[kind]
		_ = exec.Command("ssh-keygen", "-q", "-N", "", "-t", kind, "-f", filepath.Join(base, file)).Run() // what fails here, the script says
	}
	return base
}

// The stand-ins, which the environment tells where the proxy is.
var regressStandIns = map[string]string{
	"ssh": `#!/bin/sh
# ssh, by the name and with the certificate that the proxy wants. Of algorithms it lists
# those that the proxy has too.
for word; do
  [ "$last" != -Q ] || { [ ! -e "$STINT/stint-$word" ] || exec cat "$STINT/stint-$word"; }
  last=$word
done
exec ssh -o User="$STINT_NAME" -o HostKeyAlias=stint -o UserKnownHostsFile="$STINT/stint-known" -o IdentityFile="$STINT/stint-key" "$@"
`,
	"sshd": `#!/bin/sh
# Leads to the proxy: one connection with -i; otherwise the proxy listens already.
for word; do
  case $word in
  -t) exit 0 ;;
  -i) exec "$STINT/netcat" 127.0.0.1 "$TEST_SSH_PORT" ;;
  esac
done
(
  trap 'rm -f "$STINT/pidfile"; exit' TERM
  while :; do sleep 1 & wait; done
) >/dev/null 2>&1 </dev/null &
echo $! >"$STINT/pidfile"
`,
	"sftp-server": `#!/bin/sh
# The target's, through the proxy.
exec "$STINT/ssh" -F "$STINT/ssh_proxy" somehost -s sftp
`,
}

// offeredAlgorithms are those that the proxy offers, as ssh hears them.
func offeredAlgorithms(t *testing.T, r *real) map[string]bool {
	t.Helper()
	got := r.run(t, nil, "ssh", "-vv", "one-hop", "true")
	_, proposal, found := strings.Cut(got.stderr, "peer server KEXINIT proposal")
	if !found {
		t.Fatalf("%+v", got)
	}
	all := map[string]bool{}
	for line := range strings.Lines(proposal) {
		for _, kind := range []string{"KEX algorithms: ", "ciphers ctos: ", "MACs ctos: "} {
			if _, names, is := strings.Cut(line, kind); is {
				for _, name := range strings.Split(strings.TrimSpace(names), ",") {
					all[name] = true
				}
			}
		}
		if strings.Contains(line, "MACs ctos") {
			break
		}
	}
	return all
}

func replaceIn(t *testing.T, path, old, with string) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q", path, old)
	}
	must(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, with)), 0o755))
}

// runRegress runs one script, as the account of the target, in a directory of its own.
func runRegress(t *testing.T, r *real, base string, script regressScript) {
	t.Helper()
	name := script.name
	directory := filepath.Join(r.sshd.Home, name)
	must(t, os.CopyFS(directory, os.DirFS(base)))
	for i := 0; i < len(script.edits); i += 2 {
		replaceIn(t, filepath.Join(directory, name+".sh"), script.edits[i], script.edits[i+1])
	}
	must(t, filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(entry.Name(), "stint-") || strings.HasSuffix(entry.Name(), "ssh-rsa") {
			err = os.Chmod(path, 0o600)
		}
		if err == nil && r.sshd.Credential != nil {
			err = os.Chown(path, int(r.sshd.Credential.Uid), int(r.sshd.Credential.Gid))
		}
		return err
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "test-exec.sh", directory, filepath.Join(directory, name+".sh"))
	_, port, _ := strings.Cut(r.address, ":")
	command.Dir = directory
	command.Env = []string{
		"PATH=" + os.Getenv("PATH") + ":/usr/sbin", "HOME=" + directory, "TMPDIR=" + shortDirFor(t, r), "USER=" + r.sshd.Login, "LOGNAME=" + r.sshd.Login,
		"STINT=" + directory, "STINT_NAME=" + r.grant.Login + "@db1", "SSH_PROXY=" + directory + "/ssh_proxy",
		"BUILDDIR=" + directory, "OBJ=" + directory, "TEST_SHELL=sh", "TEST_SSH_UNSAFE_PERMISSIONS=1", "TEST_SSH_PORT=" + port,
		"TEST_SSH_SSH=" + directory + "/ssh", "TEST_SSH_SSHD=" + directory + "/sshd", "TEST_SSH_SFTPSERVER=" + directory + "/sftp-server",
	}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: r.sshd.Credential, Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	// A file: what it left running holds a pipe open.
	output, err := os.Create(filepath.Join(t.TempDir(), "said"))
	must(t, err)
	defer output.Close()
	command.Stdout, command.Stderr = output, output
	began := time.Now()
	err = command.Run()
	_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) // what it left running
	t.Logf("%s: %v", name, time.Since(began).Round(100*time.Millisecond))
	text, readErr := os.ReadFile(output.Name())
	must(t, readErr)
	if said := "\n" + string(text); err != nil || strings.Contains(said, "\nfailed ") || strings.Contains(said, "SKIPPED") {
		log, _ := os.ReadFile(filepath.Join(directory, "failed-ssh.log"))
		t.Errorf("%v\n%s\n%s", err, tail(said, 3000), tail(string(log), 3000))
	}
}

func tail(text string, most int) string { return text[max(0, len(text)-most):] }

// shortDirFor is shortDir for the target's account.
func shortDirFor(t *testing.T, r *real) string {
	t.Helper()
	directory := shortDir(t)
	if c := r.sshd.Credential; c != nil {
		must(t, os.Chown(directory, int(c.Uid), int(c.Gid)))
	}
	return directory
}
