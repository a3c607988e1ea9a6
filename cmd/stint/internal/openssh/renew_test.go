package openssh

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/cmd/stint/internal/account"
	"stint/server/api"
	"stint/server/evidence"
)

// A broker cannot pass off another certificate, or another signer, as the one in whose
// place it stands.
func TestRenewTakesTheSameOnly(t *testing.T) {
	t.Setenv("STINT_HOME", t.TempDir())
	now := time.Now()
	held := credential(t, now.Add(time.Hour)).Certificate
	other := credential(t, now.Add(time.Hour)).Certificate
	again := func(change func(*ssh.Certificate)) string {
		return strings.TrimSpace(seed(2).certify(t, held.Key.(ssh.CryptoPublicKey).CryptoPublicKey().(ed25519.PublicKey), func(c *ssh.Certificate) {
			c.Serial, c.ValidBefore = held.Serial+1, held.ValidBefore
			change(c)
		}))
	}
	pinned := account.Pins{Log: "log", HostCA: []string{seed(3).authority()}}
	hosts := evidence.Trust{Log: "log", HostCA: pinned.HostCA}
	for name, test := range map[string]struct {
		certificate string
		hosts       evidence.Trust
		pins        account.Pins
		ok          bool
	}{
		"right":             {again(func(*ssh.Certificate) {}), hosts, pinned, true},
		"itself":            {line(held), hosts, pinned, true},
		"another key":       {line(other), hosts, pinned, false},
		"another target":    {again(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"demo@db2"} }), hosts, pinned, false},
		"two principals":    {again(func(c *ssh.Certificate) { c.ValidPrincipals = append(c.ValidPrincipals, "root@db1") }), hosts, pinned, false},
		"another grant":     {again(func(c *ssh.Certificate) { c.KeyId = "req-2" }), hosts, pinned, false},
		"longer":            {again(func(c *ssh.Certificate) { c.ValidBefore++ }), hosts, pinned, false},
		"for a host":        {again(func(c *ssh.Certificate) { c.CertType = ssh.HostCert }), hosts, pinned, false},
		"no certificate":    {line(held.Key), hosts, pinned, false},
		"rubbish":           {"hello", hosts, pinned, false},
		"another signer":    {line(held), evidence.Trust{Log: "other", HostCA: pinned.HostCA}, pinned, false},
		"another host key":  {line(held), evidence.Trust{Log: "log", HostCA: []string{seed(4).authority()}}, pinned, false},
		"nobody was pinned": {line(held), hosts, account.Pins{}, false},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var in api.Reissue
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Certificate != line(held) || r.Header.Get("Authorization") != "" {
				t.Errorf("%s: asked for %q, %v", name, in.Certificate, err)
			}
			trust, err := json.Marshal(test.hosts)
			if err != nil {
				t.Error(err)
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(api.Reissued{Certificate: api.Certificate{Certificate: test.certificate}, Hosts: trust})
		}))
		client, err := api.NewClient(server.URL, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := Renew(context.Background(), &account.Account{Pins: test.pins}, client, held)
		server.Close()
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
		if test.ok && (got.Login != "demo" || got.Target != "db1" || got.Request != "req-1" || got.Ends.Unix() != now.Add(time.Hour).Unix() || line(got.Certificate) != test.certificate) {
			t.Errorf("%s: it is %+v", name, got)
		}
		if name == "nobody was pinned" && !errors.Is(err, account.ErrSignedOut) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
