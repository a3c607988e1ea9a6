package openssh

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"

	"stint/server/api"
	"stint/server/evidence"
)

func TestParseDestination(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want Destination
		ok   bool
	}{
		{"db1", Destination{"", "db1"}, true},
		{"postgres@db1", Destination{"postgres", "db1"}, true},
		{"a@b@db1", Destination{"a@b", "db1"}, true},
		{"postgres@", Destination{}, false},
		{"", Destination{}, false},
		{"-oProxyCommand=true", Destination{}, false},
	}
	for _, test := range tests {
		got, err := ParseDestination(test.text)
		if (err == nil) != test.ok || got != test.want {
			t.Errorf("ParseDestination(%q) = %+v, %v; want %+v, ok %v", test.text, got, err, test.want, test.ok)
		}
	}
}

// seed is that of an installation's user authority.
type seed byte

// authority is its public half, as trust lists it.
func (s seed) authority() string {
	return evidence.FormatKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(s)}, ed25519.SeedSize)).Public().(ed25519.PublicKey))
}

// certify makes a certificate as the signer would, with one thing changed.
func (s seed) certify(t *testing.T, key ed25519.PublicKey, change func(*ssh.Certificate)) string {
	t.Helper()
	authority, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(s)}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := &ssh.Certificate{
		Key: public, CertType: ssh.UserCert, KeyId: "req-1", ValidPrincipals: []string{"demo@db1"},
		ValidAfter: 0, ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
	}
	change(certificate)
	if err := certificate.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	return string(ssh.MarshalAuthorizedKey(certificate))
}

func TestACertificateForSomethingElseIsNotUsed(t *testing.T) {
	t.Parallel()
	mine, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	asked := &evidence.Request{Request: "req-1"}
	asked.Ask.Login, asked.Ask.Target = "demo", "db1"
	tests := []struct {
		name string
		line string
		ok   bool
	}{
		{"right", seed(1).certify(t, mine, func(*ssh.Certificate) {}), true},
		{"another key", seed(1).certify(t, other, func(*ssh.Certificate) {}), false},
		{"a host certificate", seed(1).certify(t, mine, func(c *ssh.Certificate) { c.CertType = ssh.HostCert }), false},
		{"another target", seed(1).certify(t, mine, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"demo@db2"} }), false},
		{"two principals", seed(1).certify(t, mine, func(c *ssh.Certificate) { c.ValidPrincipals = append(c.ValidPrincipals, "root@db1") }), false},
		{"no principal", seed(1).certify(t, mine, func(c *ssh.Certificate) { c.ValidPrincipals = nil }), false},
		{"another grant", seed(1).certify(t, mine, func(c *ssh.Certificate) { c.KeyId = "req-2" }), false},
		{"no certificate", evidence.FormatKey(mine), false},
		{"rubbish", "hello", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := checked(test.line, mine, asked); (err == nil) != test.ok {
				t.Fatalf("checked: %v; want ok %v", err, test.ok)
			}
		})
	}
}

// credential is one that an agent can take.
func credential(t *testing.T, ends time.Time) Credential { return seed(1).credential(t, ends) }

func (s seed) credential(t *testing.T, ends time.Time) Credential {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	line := s.certify(t, public, func(c *ssh.Certificate) { c.ValidBefore = uint64(ends.Unix()) })
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	return Credential{Key: private, Certificate: key.(*ssh.Certificate), Request: "req-1", Login: "demo", Target: "db1", Ends: ends}
}

func TestAnAgentHoldsOneKeyAGrant(t *testing.T) {
	t.Parallel()
	agent := sshagent.NewKeyring().(sshagent.ExtendedAgent)
	now := time.Now()
	authorities := []string{seed(1).authority()}
	held := func(request string, now time.Time) bool {
		certificate, void, err := Held(agent, request, "demo", "db1", "", authorities, now)
		if err != nil || certificate != nil && void != nil {
			t.Fatal(void, err)
		}
		return certificate != nil && certificate.KeyId == request
	}
	if held("req-1", now) {
		t.Fatal("an empty agent holds nothing")
	}
	for range 3 {
		if err := Add(agent, credential(t, now.Add(time.Hour)), now); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := agent.List()
	if err != nil || len(keys) != 2 {
		t.Fatalf("the agent holds %d keys (%v), want the plain one and the certificate", len(keys), err)
	}
	// Another installation may have a login and target of the same names.
	if err := Add(agent, seed(2).credential(t, now.Add(time.Hour)), now); err != nil {
		t.Fatal(err)
	}
	if keys, err := agent.List(); err != nil || len(keys) != 4 {
		t.Fatalf("with two installations the agent holds %d keys (%v)", len(keys), err)
	}
	if !held("req-1", now) || held("req-2", now) {
		t.Fatal("the agent's key is for req-1 alone")
	}
	if held("req-1", now.Add(2*time.Hour)) {
		t.Fatal("a certificate that has ended counts as held")
	}
	// Once the authority was replaced, a new certificate is needed.
	if authorities = []string{seed(3).authority()}; held("req-1", now) {
		t.Fatal("a certificate under an authority that counts no longer is held")
	}
	if _, void, err := Held(agent, "req-1", "demo", "db1", "", authorities, now); err != nil || void == nil || void.KeyId != "req-1" {
		t.Fatalf("what could take its place is not found: %v, %v", void, err)
	}
	if err := Add(agent, credential(t, now.Add(-time.Second)), now); err == nil {
		t.Fatal("an ended grant was added")
	}
}

// A certificate stands on the device that activated it: another one, or none, may not do
// for the role any more, and would be refused again and again.
func TestHeldIsThisDevices(t *testing.T) {
	t.Parallel()
	agent := sshagent.NewKeyring().(sshagent.ExtendedAgent)
	now := time.Now()
	held := func(device string) bool {
		certificate, _, err := Held(agent, "req-1", "demo", "db1", device, []string{seed(1).authority()}, now)
		if err != nil {
			t.Fatal(err)
		}
		return certificate != nil
	}
	for _, device := range []string{"", "dev-1", "dev-2", ""} {
		c := credential(t, now.Add(time.Hour))
		c.Device = device
		if err := Add(agent, c, now); err != nil {
			t.Fatal(err)
		}
		if keys, err := agent.List(); err != nil || len(keys) != 2 {
			t.Fatalf("the agent holds %d keys, %v", len(keys), err)
		}
		for _, asking := range []string{"dev-1", "dev-2", "dev"} {
			if held(asking) != (asking == device) {
				t.Errorf("activated by %q: %q is told %v", device, asking, held(asking))
			}
		}
		// Where this machine has no device, what is held is as good as anything.
		if !held("") {
			t.Errorf("activated by %q, and nothing is held", device)
		}
	}
}

func TestFindGrantTakesTheOneThatEndsLast(t *testing.T) {
	t.Parallel()
	soon, late := time.Now().Add(time.Minute).UTC(), time.Now().Add(time.Hour).UTC()
	pages := map[string][]api.RequestSummary{
		"active": {
			{ID: "req-a", State: "active", Target: "db1", Login: "demo", Ends: &soon}, {ID: "req-b", State: "active", Target: "db2", Login: "demo", Ends: &late},
			{ID: "req-f", State: "ended", Target: "db9", Login: "demo", Ends: &soon}, // by time, which nobody wrote down yet
		},
		"approved": {{ID: "req-c", State: "approved", Target: "db1", Login: "demo", Ends: &late}, {ID: "req-d", State: "approved", Target: "db1", Login: "root", Ends: &late}},
		"pending":  {{ID: "req-e", State: "pending", Target: "web", Login: "demo", WaitsFor: "Waits for Bob."}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(api.Requests{Items: pages[r.URL.Query().Get("state")]})
	}))
	defer server.Close()
	client, err := api.NewClient(server.URL, "token", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := FindGrant(context.Background(), client, Destination{"demo", "db1"})
	if err != nil || got.ID != "req-c" {
		t.Fatalf("FindGrant = %s, %v; want req-c", got.ID, err)
	}
	_, err = FindGrant(context.Background(), client, Destination{"", "web"})
	if err == nil || !strings.Contains(err.Error(), "Waits for Bob.") {
		t.Fatalf("a pending request is not named: %v", err)
	}
	_, err = FindGrant(context.Background(), client, Destination{"", "db9"})
	if err == nil || !strings.Contains(err.Error(), "stint request") {
		t.Fatalf("the next step is not named: %v", err)
	}
}

func TestFindGrantMissesNoneThatMoves(t *testing.T) {
	t.Parallel()
	late := time.Now().Add(time.Hour).UTC()
	states := []string{"pending", "approved", "active"}
	var asked int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// With each answer the request moves on.
		page := api.Requests{Items: []api.RequestSummary{}}
		if asked < len(states) && r.URL.Query().Get("state") == states[asked] {
			page.Items = append(page.Items, api.RequestSummary{ID: "req-a", State: states[asked], Target: "db1", Login: "demo", Ends: &late})
		}
		asked++
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(page)
	}))
	defer server.Close()
	client, err := api.NewClient(server.URL, "token", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := FindGrant(t.Context(), client, Destination{"", "db1"}); err != nil || got.ID != "req-a" {
		t.Errorf("FindGrant = %s, %v; want req-a", got.ID, err)
	}
}

func TestConfigRefusesWhatItCannotWrite(t *testing.T) {
	t.Setenv("STINT_HOME", t.TempDir())
	proxies := []api.Proxy{{Name: "p", Address: "localhost:2222"}}
	targets := []api.Target{{Name: "db1"}}
	if _, err := Config(api.Trust{Targets: targets}, "/bin/stint"); err == nil {
		t.Error("a configuration without a proxy was written")
	}
	if _, err := Config(api.Trust{Proxies: proxies}, "/bin/stint"); err == nil {
		t.Error("a configuration without targets was written")
	}
	for _, hostile := range []string{"db1\n    ProxyCommand sh", "*", "a b", "!db1", "a,b", ""} {
		if _, err := Config(api.Trust{Proxies: proxies, Targets: []api.Target{{Name: hostile}}}, "/bin/stint"); err == nil {
			t.Errorf("a target named %q was written into ssh_config", hostile)
		}
	}
	for _, hostile := range []string{"localhost\n x:22", "-oProxyCommand=x:22", "host:ssh", "a b:22"} {
		if _, err := Config(api.Trust{Proxies: []api.Proxy{{Address: hostile}}, Targets: targets}, "/bin/stint"); err == nil {
			t.Errorf("a proxy at %q was written into ssh_config", hostile)
		}
		if _, err := Options(credential(t, time.Now().Add(time.Hour)), api.Proxy{Address: hostile}, Files{}, "/s"); err == nil {
			t.Errorf("a proxy at %q was given to ssh", hostile)
		}
	}
}

func TestFilesStayInTheirDirectory(t *testing.T) {
	t.Setenv("STINT_HOME", t.TempDir())
	dir, err := SharedDirectory()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("the directory is %v, %v; want 0700", info.Mode(), err)
	}
	c := credential(t, time.Now().Add(time.Hour))
	for _, name := range []string{"../x", "a/b", "", "."} {
		other := c
		other.Login = name
		if _, err := WriteFiles(dir, other); err == nil {
			t.Errorf("files for login %q", name)
		}
		other = c
		other.Target = name
		if _, err := WriteFiles(dir, other); err == nil {
			t.Errorf("files for target %q", name)
		}
	}
	files, err := WriteFiles(dir, c)
	if err != nil || filepath.Dir(files.Public) != dir || filepath.Dir(files.Certificate) != dir {
		t.Fatalf("WriteFiles = %+v, %v", files, err)
	}
}
