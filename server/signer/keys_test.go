package signer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stint/server/evidence"
)

func TestWhereSecretsComeFrom(t *testing.T) {
	directory := t.TempDir()
	file := filepath.Join(directory, "passphrase")
	write(t, file, "correct horse\r\n")
	write(t, filepath.Join(directory, "empty"), "\n")
	write(t, filepath.Join(directory, "open"), "correct horse")
	must(t, os.Chmod(filepath.Join(directory, "open"), 0o644))
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := secret("it", "", "passphrase"); err == nil {
		t.Error("a credential without systemd")
	}
	t.Setenv("CREDENTIALS_DIRECTORY", directory)
	for name, c := range map[string]struct{ file, credential, want, says string }{
		"none":       {"", "", "", ""},
		"file":       {file, "", "correct horse", ""},
		"credential": {"", "passphrase", "correct horse", ""},
		"empty":      {"", "empty", "", "is empty"},
		"missing":    {"", "other", "", "reading it"},
		"open":       {filepath.Join(directory, "open"), "", "", "everybody"},
		"elsewhere":  {"", "../" + filepath.Base(directory) + "/passphrase", "", "no credential"},
	} {
		got, err := secret("it", c.file, c.credential)
		if string(got) != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestHowKeysAreConfigured(t *testing.T) {
	t.Parallel()
	var c Config
	lives, err := c.Keys.lives()
	if err != nil || lives[evidence.PurposeUserCA] != 7*24*time.Hour || lives[evidence.PurposeHostCA] != 180*24*time.Hour || len(lives) != len(purposes) {
		t.Errorf("lives %v, %v", lives, err)
	}
	for name, test := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"life":        {func(c *Config) { c.Keys.Life = "7d" }, "keys.life"},
		"host life":   {func(c *Config) { c.Keys.HostLife = "0s" }, "keys.host_life"},
		"years":       {func(c *Config) { c.Keys.Life = "43800h" }, "744h is the most"},
		"host years":  {func(c *Config) { c.Keys.HostLife = "43800h" }, "8784h is the most"},
		"two of them": {func(c *Config) { c.KeyPassphraseFile, c.KeyPassphraseCredential = "/p", "p" }, "one of them"},
		"module":      {func(c *Config) { c.Keys.PKCS11 = &PKCS11Config{Module: "lib.so", Token: "t", PINFile: "/pin"} }, "pkcs11"},
		"no token":    {func(c *Config) { c.Keys.PKCS11 = &PKCS11Config{Module: "/lib.so", PINFile: "/pin"} }, "pkcs11"},
		"no PIN":      {func(c *Config) { c.Keys.PKCS11 = &PKCS11Config{Module: "/lib.so", Token: "t"} }, "pkcs11"},
		"a PIN too many": {func(c *Config) {
			c.Keys.PKCS11 = &PKCS11Config{Module: "/lib.so", Token: "t", PINFile: "/pin", PINCredential: "pin"}
		}, "pkcs11"},
		"no region":     {func(c *Config) { c.Keys.AWSKMS = "Frankfurt" }, "region"},
		"no key ring":   {func(c *Config) { c.Keys.GCPKMS = "projects/p/locations/l/keyRings/r/cryptoKeys/k" }, "key ring"},
		"no TLS":        {func(c *Config) { c.Keys.AzureKMS = "http://stint.vault.azure.net" }, "vault"},
		"a vault's key": {func(c *Config) { c.Keys.AzureKMS = "https://stint.vault.azure.net/keys/k" }, "vault"},
		"two services":  {func(c *Config) { c.Keys.AWSKMS, c.Keys.AzureKMS = "eu-central-1", "https://stint.vault.azure.net" }, "one of"},
		"and a token": {func(c *Config) {
			c.Keys = KeysConfig{AWSKMS: "eu-central-1", PKCS11: &PKCS11Config{Module: "/lib.so", Token: "t", PINFile: "/pin"}}
		}, "one of"},
	} {
		c := Config{}
		test.change(&c)
		if faults := c.checkKeys(); len(faults) != 1 || !strings.Contains(faults[0].Error(), test.says) {
			t.Errorf("%s: %v", name, faults)
		}
	}
	for name, good := range map[string]KeysConfig{
		"module": {Life: "1h30m", HostLife: "24h", PKCS11: &PKCS11Config{Module: "/lib.so", Token: "t", PINCredential: "pin"}},
		"AWS":    {AWSKMS: "us-gov-east-1"},
		"Google": {GCPKMS: "projects/example.com:p-1/locations/europe-west3/keyRings/stint_1"},
		"Azure":  {AzureKMS: "https://stint.managedhsm.azure.net/"},
	} {
		if faults := (&Config{Keys: good}).checkKeys(); len(faults) != 0 {
			t.Errorf("%s: %v", name, faults)
		}
	}
}
