package broker

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func validConfig() Config {
	key := strings.Repeat("ab", 32)
	return Config{
		Instance: "test1234", Data: "/d", Listen: "localhost:0", URL: "http://localhost:8420", ProxyListen: "127.0.0.1:0",
		TLS: TLS{"/c", "/k", "/a"}, Proxies: []Proxy{{"proxy-1", key, "localhost:2222"}}, Signer: Signer{"https://127.0.0.1:1", strings.Repeat("cd", 32)},
		Database: "sqlite:/d/stint.db", Policy: "/p", Issuer: Issuer{"http://localhost:1/dex", "stint-portal", "/s", "stint-cli"},
		RelyingParty: "localhost", Origins: []string{"http://localhost:8420"},
	}
}

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	if err := validConfig().Check(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		alter func(*Config)
		names string // what the error must name
	}{
		"instance":            {func(c *Config) { c.Instance = "A B" }, "instance"},
		"relative data":       {func(c *Config) { c.Data = "data" }, "data"},
		"listen":              {func(c *Config) { c.Listen = "8420" }, "listen"},
		"proxy key":           {func(c *Config) { c.Proxies[0].Key = "ab" }, "proxies[0].key"},
		"same proxy twice":    {func(c *Config) { c.Proxies = append(c.Proxies, c.Proxies[0]) }, "proxies[1].name"},
		"signer without tls":  {func(c *Config) { c.Signer.URL = "http://127.0.0.1:1" }, "signer.url"},
		"one client for both": {func(c *Config) { c.Issuer.CommandLineClientID = "stint-portal" }, "two clients"},
		"issuer without tls":  {func(c *Config) { c.Issuer.URL = "http://idp.example.com" }, "issuer.url"},
		"url is no origin":    {func(c *Config) { c.URL = "http://localhost:1" }, "origins"},
		"origin with a path":  {func(c *Config) { c.Origins = append(c.Origins, "http://localhost:8420/x") }, "origins[1]"},
		"origin without tls":  {func(c *Config) { c.Origins = append(c.Origins, "http://stint.example.com") }, "origins[1]"},
		"parent relying party": {func(c *Config) {
			c.URL, c.Origins, c.RelyingParty = "https://stint.example.com", []string{"https://stint.example.com"}, "example.com"
		}, "relying_party"},
		"balancers":              {func(c *Config) { c.Balancers = []string{"10.0.0.7", "10.0.0.0/24", "balancer"} }, "balancers[2]"},
		"everybody a balancer":   {func(c *Config) { c.Balancers = []string{"::/0"} }, "balancers[0]"},
		"a balancer with a zone": {func(c *Config) { c.Balancers = []string{"fe80::1%eth0"} }, "balancers[0]"},
		"fleet without tls":      {func(c *Config) { c.Fleet = &Fleet{URL: "http://fleet.example.com", TokenFile: "/t"} }, "fleet.url"},
		"fleet is no origin":     {func(c *Config) { c.Fleet = &Fleet{URL: "https://fleet.example.com/x", TokenFile: "/t"} }, "fleet.url"},
		"fleet without a token":  {func(c *Config) { c.Fleet = &Fleet{URL: "https://fleet.example.com"} }, "token_file"},
		"facts without tls":      {func(c *Config) { c.Facts = &Facts{URL: "http://facts.example.com", TokenFile: "/t"} }, "facts.url"},
		"facts without a token":  {func(c *Config) { c.Facts = &Facts{URL: "https://facts.example.com/x"} }, "token_file"},
		"facts that take long": {func(c *Config) {
			c.Facts = &Facts{URL: "https://facts.example.com/x", TokenFile: "/t", TimeoutSeconds: 4}
		}, "timeout_seconds"},
		"fleet's relative roots":  {func(c *Config) { c.Fleet = &Fleet{URL: "https://fleet.example.com", TokenFile: "/t", RootsFile: "r"} }, "roots_file"},
		"a store that is no URL":  {func(c *Config) { c.Recordings.Store = "recordings" }, "recordings.store"},
		"a store of another kind": {func(c *Config) { c.Recordings.Store = "gs://recordings" }, "recordings.store"},
		"a lock on files": {func(c *Config) {
			c.Recordings = Recordings{Store: "file:///r", Lock: &ObjectLock{Mode: "governance", Days: 1}}
		}, "object_lock"},
		"a lock of another kind": {func(c *Config) {
			c.Recordings = Recordings{Store: "s3://r", Lock: &ObjectLock{Mode: "hard", Days: 1}}
		}, "object_lock.mode"},
		"a lock beyond retention": {func(c *Config) {
			c.Recordings = Recordings{Store: "s3://r", Lock: &ObjectLock{Mode: "compliance", Days: 2}, RetentionDays: 1}
		}, "object_lock.days"},
		"kept for less than nothing": {func(c *Config) { c.Recordings.RetentionDays = -1 }, "retention_days"},
		"database":                   {func(c *Config) { c.Database = "mysql://x" }, "database"},
	} {
		config := validConfig()
		c.alter(&config)
		if err := config.Check(); err == nil || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadConfig(f *testing.F) {
	text, err := json.Marshal(validConfig())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(append(bytes.TrimSuffix(text, []byte("}")), []byte(`,"extra":1}`)...))
	f.Add(append(text, text...))
	withFleet := validConfig()
	withFleet.Facts = &Facts{URL: "https://facts.example.com/stint", TokenFile: "/t", RootsFile: "/r", TimeoutSeconds: 2}
	withFleet.Fleet = &Fleet{URL: "https://fleet.example.com", TokenFile: "/t", RootsFile: "/r"}
	if text, err = json.Marshal(withFleet); err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		config, err := ReadConfig(path)
		if err != nil {
			return
		}
		if err := config.Check(); err != nil {
			t.Errorf("a configuration was read that does not hold: %v", err)
		}
		if bytes.Contains(text, []byte(`"extra"`)) {
			t.Error("an unknown field was read over")
		}
	})
}

func TestAuditKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.key")
	made, err := openAuditKey(path, "stint-broker/a", rand.Reader)
	must(t, err)
	again, err := openAuditKey(path, "stint-broker/a", rand.Reader)
	must(t, err)
	if made.Verifier != again.Verifier || made.Signer.KeyHash() != again.Signer.KeyHash() {
		t.Error("the key is another one after a restart")
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file is %v", info.Mode())
	}
	if _, err := openAuditKey(path, "stint-broker/b", rand.Reader); err == nil {
		t.Error("another log's key is taken")
	}
	must(t, os.Chmod(path, 0o644))
	if _, err := openAuditKey(path, "stint-broker/a", rand.Reader); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others can read: %v", err)
	}
	must(t, os.Chmod(path, 0o600))
	must(t, os.WriteFile(path, []byte("{}"), 0o600))
	if _, err := openAuditKey(path, "stint-broker/a", rand.Reader); err == nil {
		t.Error("an empty key is taken")
	}
}
