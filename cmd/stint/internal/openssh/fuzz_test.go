package openssh

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"stint/server/api"
	"stint/server/evidence"
)

// harmlessLine is a line of ssh's configuration as this package means it: what a
// broker names stands nowhere but as a plain word.
var harmlessLine = regexp.MustCompile(`^(#.*|` +
	`Host [A-Za-z0-9_. -]+|Host stint \*\.stint|` +
	`Match originalhost [A-Za-z0-9_.,-]+ exec "'/usr/bin/stint' activate --quiet -- '%r@%n'"|` +
	`    (HostName|HostKeyAlias) [A-Za-z0-9.:%-]+|    Port [0-9]+|` +
	`    (User stint|ProxyJump stint|ProxyJump %n\.stint|ProxyUseFdpass yes|GlobalKnownHostsFile none|StrictHostKeyChecking yes|IdentitiesOnly yes|PreferredAuthentications publickey,keyboard-interactive)|` +
	`    (UserKnownHostsFile|KnownHostsCommand|IdentityAgent|IdentityFile|CertificateFile) "[^"]*"( known-hosts %H)?|    ProxyCommand "[^"]*" dial %n|)$`)

// FuzzConfig: whatever a broker names, in ssh's configuration and among ssh's options
// stands nothing that would act.
func FuzzConfig(f *testing.F) {
	f.Setenv("STINT_HOME", f.TempDir())
	f.Fuzz(func(t *testing.T, data []byte) {
		var trust api.Trust
		if json.Unmarshal(data, &trust) != nil {
			return
		}
		if text, err := Config(trust, "/usr/bin/stint"); err == nil {
			lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			for _, line := range lines {
				if !harmlessLine.MatchString(line) {
					t.Errorf("%q would go into ssh's configuration", line)
				}
			}
			if len(lines) != 27 {
				t.Errorf("the configuration has %d lines", len(lines))
			}
		}
		for _, proxy := range trust.Proxies {
			if host, port, err := hostAndPort(proxy); err == nil && strings.ContainsAny(host+port, " \t\r\n\"'%=#\\") {
				t.Errorf("%q and %q would be options of ssh", host, port)
			}
		}
	})
}

// FuzzChecked: a certificate that is used is one for this key and this grant, whole.
func FuzzChecked(f *testing.F) {
	mine := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)).Public().(ed25519.PublicKey)
	public, err := ssh.NewPublicKey(mine)
	if err != nil {
		f.Fatal(err)
	}
	asked := &evidence.Request{Request: "req-1"}
	asked.Ask.Login, asked.Ask.Target = "demo", "db1"
	f.Fuzz(func(t *testing.T, line string) {
		c, err := checked(line, mine, asked)
		if err != nil {
			return
		}
		if !bytes.Equal(c.Key.Marshal(), public.Marshal()) || len(c.ValidPrincipals) != 1 || c.ValidPrincipals[0] != "demo@db1" || c.KeyId != "req-1" || c.CertType != ssh.UserCert {
			t.Errorf("%q is used as %+v", line, c)
		}
		again := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(c)))
		if second, err := checked(again, mine, asked); err != nil || !bytes.Equal(second.Marshal(), c.Marshal()) {
			t.Errorf("%q is another once it is written: %v", line, err)
		}
	})
}

// FuzzParseDestination: what a person types is taken apart so that it is the same
// again, and is no option of ssh.
func FuzzParseDestination(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		to, err := ParseDestination(text)
		if err != nil {
			return
		}
		if whole := to.Login + "@" + to.Target; whole != text && to.Target != text || strings.Contains(to.Target, "@") || strings.HasPrefix(text, "-") {
			t.Errorf("%q is %+v", text, to)
		}
	})
}
