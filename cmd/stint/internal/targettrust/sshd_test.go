//go:build e2e

package targettrust

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/server/evidence"
)

// sshd is a real OpenSSH server, configured by what stint trust install prints.
type sshd struct {
	host
	program, dir, login, log string
	address                  string
	hostKey                  string // file
	credential               *syscall.Credential
}

// newSSHD starts a server whose files a first sync has written. As root it runs
// as a fresh user, which the test removes; else as whoever runs the test.
func newSSHD(t *testing.T, o *origin, more ...string) *sshd {
	t.Helper()
	s := &sshd{host: *newHost(t, o), program: "/usr/sbin/sshd"}
	var err error
	if path, err := exec.LookPath("sshd"); err == nil {
		s.program = path
	}
	// Not t.TempDir: another user may not enter that.
	s.dir, err = os.MkdirTemp("", "stint-targettrust-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(s.dir) })
	must(t, os.Chmod(s.dir, 0o755))
	s.account()
	s.config.CA, s.config.KRL, s.config.State = s.path("ca.pub"), s.path("revoked.krl"), s.path("state")
	s.log, s.hostKey = s.path("log"), s.path("host_key")
	private := s.newHostKey()
	o.hostKey = private.PublicKey()
	s.mustSync()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s.address = listener.Addr().String()
	listener.Close()
	lines := strings.Replace(s.installation().Lines(), "CommandUser nobody", "CommandUser "+s.login, 1) // it can be nobody else
	must(t, os.WriteFile(s.path("config"), []byte("ListenAddress "+s.address+"\nHostKey "+s.hostKey+
		"\nPidFile none\nStrictModes no\nUsePAM no\n"+strings.Join(more, "")+lines), 0o644))
	s.start(private)
	return s
}

func (s *sshd) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sshd) installation() Installation {
	return Installation{Target: "db1", CA: s.config.CA, KRL: s.config.KRL, SSHD: s.program, Config: s.path("config")}
}

func (s *sshd) account() {
	s.t.Helper()
	own, err := user.Current()
	must(s.t, err)
	s.login = own.Username
	if os.Getuid() != 0 {
		return
	}
	s.login = fmt.Sprintf("stint%d", time.Now().UnixNano()%1e12)
	// '*' is no password that anybody has, and, unlike '!', no locked account.
	s.retry("useradd", "-p", "*", "-M", "-d", "/tmp", "-s", "/bin/sh", s.login)
	s.t.Cleanup(func() { s.retry("userdel", s.login) })
	made, err := user.Lookup(s.login)
	must(s.t, err)
	uid, err := strconv.Atoi(made.Uid)
	must(s.t, err)
	gid, err := strconv.Atoi(made.Gid)
	must(s.t, err)
	s.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// retry runs a command that may find the password file locked by another.
func (s *sshd) retry(name string, arguments ...string) {
	s.t.Helper()
	var output []byte
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if output, err = exec.Command(name, arguments...).CombinedOutput(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Errorf("%s %q: %v: %s", name, arguments, err, output)
}

func (s *sshd) own(path string) {
	if s.credential != nil {
		must(s.t, os.Chown(path, int(s.credential.Uid), int(s.credential.Gid)))
	}
}

func (s *sshd) newHostKey() ssh.Signer {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(s.t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	must(s.t, err)
	must(s.t, os.WriteFile(s.hostKey, pem.EncodeToMemory(block), 0o600))
	s.own(s.hostKey)
	signer, err := ssh.NewSignerFromKey(private)
	must(s.t, err)
	return signer
}

func (s *sshd) start(hostKey ssh.Signer) {
	s.t.Helper()
	must(s.t, os.WriteFile(s.log, nil, 0o644))
	s.own(s.log)
	command := exec.Command(s.program, "-D", "-f", s.path("config"), "-E", s.log)
	command.Dir, command.Env = s.dir, []string{"PATH=/usr/bin:/bin"}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	must(s.t, command.Start())
	s.t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		_ = command.Wait()
		if text, _ := os.ReadFile(s.log); s.t.Failed() {
			s.t.Logf("sshd said:\n%s", text)
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(s.log)
			s.t.Fatalf("sshd does not listen: %v\n%s", err, text)
		}
	}
}

// certify makes a key with a certificate under one of the origin's keys.
func (s *sshd) certify(ca string, serial uint64, principal string) ssh.Signer {
	s.t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(s.t, err)
	signer, err := ssh.NewSignerFromKey(private)
	must(s.t, err)
	certificate := &ssh.Certificate{
		Key: signer.PublicKey(), Serial: serial, CertType: ssh.UserCert, KeyId: fmt.Sprintf("r-%d", serial), ValidPrincipals: []string{principal},
		ValidAfter: uint64(time.Now().Add(-time.Hour).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
	}
	must(s.t, certificate.SignCert(rand.Reader, s.origin.ca(ca)))
	certified, err := ssh.NewCertSigner(certificate, signer)
	must(s.t, err)
	return certified
}

// lets tells whether sshd lets somebody in with a certificate.
func (s *sshd) lets(certified ssh.Signer) bool {
	s.t.Helper()
	client, err := ssh.Dial("tcp", s.address, &ssh.ClientConfig{
		User: s.login, Auth: []ssh.AuthMethod{ssh.PublicKeys(certified)}, Timeout: 30 * time.Second,
		HostKeyCallback: ssh.FixedHostKey(s.origin.hostKey),
	})
	if err != nil {
		if !strings.Contains(err.Error(), "unable to authenticate") {
			s.t.Fatalf("sshd is not well: %v", err)
		}
		return false
	}
	client.Close()
	return true
}

func (s *sshd) principal() string { return s.login + "@db1" }

func (s *sshd) expect(want bool, what, ca string) {
	s.t.Helper()
	if got := s.lets(s.certify(ca, 1, s.principal())); got != want {
		s.t.Errorf("%s is let in: %v", what, got)
	}
}

func TestSSHDFollowsTheSigner(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := newSSHD(t, o)
	first, second := o.current(), o.in(evidence.KeyNext)
	s.expect(true, "the current CA", first)
	s.expect(true, "the next CA", second)
	s.expect(false, "a CA from nowhere", o.newKey())
	if s.lets(s.certify(first, 1, s.login+"@db2")) || s.lets(s.certify(first, 1, s.login)) {
		t.Error("a certificate for another target is let in")
	}
	// Two rotations: nothing is restarted, and the first CA is forgotten.
	o.rotate()
	s.mustSync()
	s.expect(true, "the new CA", second)
	s.expect(true, "a retired CA", first)
	o.rotate()
	s.mustSync()
	s.expect(true, "the newest CA", o.current())
	s.expect(false, "a CA that is over", first)
	// The broker is away: what was trusted stays.
	o.set(func() { o.away = true })
	s.mustSync()
	s.expect(true, "the CA, while the broker is away", o.current())
	o.set(func() { o.away = false })
	// A withdrawal, and somebody who puts the key back by hand: the KRL speaks.
	gone := o.withdraw()
	s.mustSync()
	s.expect(false, "a withdrawn CA", gone)
	s.expect(true, "the CA that follows it", o.current())
	text, err := os.ReadFile(s.config.CA)
	must(t, err)
	must(t, os.WriteFile(s.config.CA, append(text, gone+"\n"...), 0o644))
	s.expect(false, "a withdrawn CA that was put back", gone)
	s.expect(true, "the CA beside it", o.current())
}

func TestSSHDsLogIsReported(t *testing.T) {
	t.Parallel()
	for _, hash := range []string{"sha256", "md5"} {
		t.Run(hash, func(t *testing.T) {
			t.Parallel()
			reportsWhatSSHDLogs(t, "FingerprintHash "+hash+"\n")
		})
	}
}

func reportsWhatSSHDLogs(t *testing.T, lines string) {
	o := newOrigin(t)
	s := newSSHD(t, o, lines)
	s.config.Report = &Report{Target: "db1", HostKey: s.hostKey, Log: s.log}
	if !s.lets(s.certify(o.current(), 41, s.principal())) || s.lets(s.certify(o.newKey(), 42, s.principal())) ||
		!s.lets(s.certify(o.in(evidence.KeyNext), 43, s.principal())) {
		t.Fatal("sshd does not do as it should")
	}
	// sshd may write its line just after it has let somebody in.
	reported := 0
	for deadline := time.Now().Add(time.Minute); reported < 2 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		reported += s.mustSync().Reported
	}
	if result := s.mustSync(); result.Reported != 0 || len(result.Warnings) != 0 {
		t.Errorf("reported again: %+v", result)
	}
	var serials []uint64
	for _, r := range o.reported {
		serials = append(serials, r.Serial)
		if r.Login != s.login || r.KeyID != fmt.Sprintf("r-%d", r.Serial) {
			t.Errorf("%+v", r)
		}
	}
	if !slices.Equal(serials, []uint64{41, 43}) {
		t.Errorf("reported %v", serials)
	}
	// One that no ledger holds is told here too; a broker that says no loses nothing.
	o.set(func() { o.unknown = []uint64{44} })
	s.lets(s.certify(o.current(), 44, s.principal()))
	o.set(func() { o.hostKey = s.certify(o.current(), 1, "x").PublicKey() })
	warned := ""
	for deadline := time.Now().Add(time.Minute); !strings.Contains(warned, "not signed by the target") && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		warned = strings.Join(s.mustSync().Warnings, "\n")
	}
	key, err := s.config.Report.key()
	must(t, err)
	o.set(func() { o.hostKey = key.PublicKey() })
	if result := s.mustSync(); len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], "never issued (serials [44])") || result.Reported != 1 {
		t.Errorf("%+v", result)
	}
}

func TestKeygenReadsTheKRL(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := &sshd{host: *newHost(t, o), login: "postgres"}
	query := func(arguments ...string) (string, error) {
		output, err := exec.Command("ssh-keygen", append([]string{"-Q"}, arguments...)...).CombinedOutput()
		return string(output), err
	}
	s.mustSync()
	if output, err := query("-l", "-f", s.config.KRL); err != nil || !strings.Contains(output, "KRL version 0") || strings.Contains(output, "hash:") {
		t.Errorf("an empty one: %v %s", err, output)
	}
	gone := o.withdraw()
	s.mustSync()
	output, err := query("-l", "-f", s.config.KRL)
	if err != nil || !strings.Contains(output, "KRL version 1") || !strings.Contains(output, gone) && !strings.Contains(output, fingerprint(gone)) {
		t.Errorf("with a key: %v %s", err, output)
	}
	for ca, revoked := range map[string]bool{gone: true, o.current(): false} {
		file := filepath.Join(t.TempDir(), "key-cert.pub")
		must(t, os.WriteFile(file, ssh.MarshalAuthorizedKey(s.certify(ca, 9, s.principal()).PublicKey()), 0o600))
		output, err := query("-f", s.config.KRL, file)
		if (err != nil) != revoked || strings.Contains(output, "REVOKED") != revoked {
			t.Errorf("under %s: %v %s", fingerprint(ca), err, output)
		}
	}
}

func TestSSHDIsChecked(t *testing.T) {
	t.Parallel()
	s := newSSHD(t, newOrigin(t))
	i := s.installation()
	if os.Getuid() == 0 {
		must(t, os.MkdirAll("/run/sshd", 0o755)) // where the service runs, systemd makes it
	}
	wrong := func() (all []string) {
		t.Helper()
		findings, err := i.Check(t.Context())
		must(t, err)
		for _, f := range findings {
			if !f.Good && !strings.Contains(f.Text, "CommandUser") { // an unprivileged sshd's is its own
				all = append(all, fmt.Sprintf("%v %s %s", f.Warning, f.Login, f.Text))
			}
		}
		return all
	}
	if found := wrong(); len(found) != 0 {
		t.Errorf("the printed lines: %q", found)
	}
	config, err := os.ReadFile(i.Config)
	must(t, err)
	for name, c := range map[string]struct {
		front, back string
		login       string
		want        string
	}{
		"a CA that stands before":         {"TrustedUserCAKeys /elsewhere\n", "", "", "false  TrustedUserCAKeys is /elsewhere and should be " + i.CA},
		"no KRL":                          {"RevokedKeys none\n", "", "", "false  RevokedKeys is missing"},
		"keys that lead round":            {"AuthorizedKeysFile .ssh/authorized_keys\n", "", "", "true  AuthorizedKeysFile is .ssh/authorized_keys and should be none"},
		"a log that names no certificate": {"LogLevel ERROR\n", "", "", "false  LogLevel is ERROR and should be INFO"},
		"fingerprints that collide":       {"FingerprintHash md5\n", "", "", "true  FingerprintHash is MD5 and should be SHA256"},
		"a quiet log for a login":         {"", "Match User root\n LogLevel QUIET\n", "root", "false root LogLevel is SILENT"},
		"a Match block, not looked":       {"", "Match User root\n AuthorizedKeysFile .ssh/authorized_keys\n", "", "true  " + i.Config + " has Match blocks"},
		"a Match block for a login":       {"", "Match User root\n PasswordAuthentication yes\n", "root", "true root PasswordAuthentication is yes"},
	} {
		must(t, os.WriteFile(i.Config, []byte(c.front+string(config)+c.back), 0o644))
		if i.Logins = nil; c.login != "" {
			i.Logins = []string{c.login}
		}
		if found := wrong(); len(found) != 1 || !strings.HasPrefix(found[0], c.want) {
			t.Errorf("%s: %q", name, found)
		}
	}
	i.Logins = nil
	must(t, os.WriteFile(i.Config, []byte("LogLevel VERBOSE\n"+string(config)), 0o644))
	if found := wrong(); len(found) != 0 {
		t.Errorf("a log that says more than it must: %q", found)
	}
	// A file of principals is as good as the command, if it says as little.
	without := strings.Replace(string(config), "AuthorizedPrincipalsCommand", "AuthorizedPrincipalsFile "+s.path("principals")+"\n#", 1)
	without = strings.Replace(without, "\nAuthorizedPrincipalsCommandUser", "\n#", 1)
	must(t, os.WriteFile(i.Config, []byte(without), 0o644))
	for text, want := range map[string]int{s.principal() + "\n": 0, "": 2, "# none\n": 2, s.login + "\n": 2, s.principal() + "\nroot@db2\n": 2} {
		must(t, os.WriteFile(s.path("principals"), []byte(text), 0o644))
		if found := wrong(); len(found) != want {
			t.Errorf("principals %q: %q", text, found)
		}
	}
	// Lines that sshd does not accept do not stay; nor does it write without the files.
	i.Logins = nil
	extra := s.path("extra.conf")
	must(t, os.WriteFile(i.Config, append([]byte("Include "+extra+"\n"), config...), 0o644))
	must(t, i.Write(t.Context(), extra))
	if text, err := os.ReadFile(extra); err != nil || string(text) != i.Lines() {
		t.Errorf("written %v %s", err, text)
	}
	must(t, os.WriteFile(extra, []byte("# before\n"), 0o644))
	broken := i
	broken.Target = "db1\nNonsense yes"
	if err := broken.Write(t.Context(), extra); err == nil {
		t.Error("nonsense stayed")
	}
	if text, err := os.ReadFile(extra); err != nil || string(text) != "# before\n" {
		t.Errorf("after nonsense %v %s", err, text)
	}
	must(t, os.Remove(i.KRL))
	if err := i.Write(t.Context(), extra); err == nil || !strings.Contains(err.Error(), "refuse everybody") {
		t.Errorf("without a KRL: %v", err)
	}
	if found := wrong(); len(found) != 1 || !strings.Contains(found[0], i.KRL+" is not there yet") {
		t.Errorf("without a KRL: %q", found)
	}
}

// A sync that is killed at any moment leaves each file whole: as it was, or as it
// was to become.
func TestKillLeavesWholeFiles(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	h := newHost(t, o)
	h.mustSync()
	whole := map[string]bool{}
	remember := func() {
		document := evidence.TargetTrust{}
		o.set(func() { document.Keys = slices.Clone(o.keys) })
		text := ""
		for _, state := range []string{evidence.KeyCurrent, evidence.KeyNext, evidence.KeyRetired} {
			for _, k := range document.Keys {
				if k.State == state {
					text += k.Key + "\n"
				}
			}
		}
		whole[text] = true
	}
	remember()
	killed := 0
	for cycle := range 40 {
		o.withdraw()
		remember()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		command := exec.CommandContext(ctx, os.Args[0], "-test.run", "^TestHelperSync$")
		command.Env = append(os.Environ(), "STINT_TEST_BROKER="+o.broker.URL, "STINT_TEST_DIRECTORY="+filepath.Dir(h.config.CA))
		output, err := command.StdoutPipe()
		must(t, err)
		must(t, command.Start())
		// It says when it begins; then some time between none and all of it passes.
		if _, err := output.Read(make([]byte, 1)); err != nil {
			t.Fatalf("the child said nothing: %v", err)
		}
		time.Sleep(time.Duration(cycle%20) * 400 * time.Microsecond)
		_ = command.Process.Kill()
		if command.Wait() != nil {
			killed++
		}
		cancel()
		text, err := os.ReadFile(h.config.CA)
		must(t, err)
		if !whole[strings.Join(keyLines(text), "\n")+"\n"] {
			t.Fatalf("after kill %d: %q", cycle, text)
		}
		if output, err := exec.Command("ssh-keygen", "-Q", "-l", "-f", h.config.KRL).CombinedOutput(); err != nil {
			t.Fatalf("after kill %d: %v %s", cycle, err, output)
		}
		if _, err := Load(h.config.State); err != nil {
			t.Fatalf("after kill %d: %v", cycle, err)
		}
	}
	if killed == 0 {
		t.Error("no sync was killed in time")
	}
	h.mustSync()
	if h.trusts()[0] != o.current() {
		t.Error("the next sync does not bring all up to date")
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(h.config.CA), ".*")); err != nil || len(left) != 0 {
		t.Errorf("left over: %q", left)
	}
}

// TestHelperSync is the child that is killed.
func TestHelperSync(t *testing.T) {
	broker, dir := os.Getenv("STINT_TEST_BROKER"), os.Getenv("STINT_TEST_DIRECTORY")
	if broker == "" {
		return // not a child
	}
	h := hostAt(t, broker, dir)
	fmt.Println("begin")
	if _, err := Sync(t.Context(), h); err != nil {
		t.Fatal(err)
	}
}
