package signer

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"stint/server/border"
)

// Config is everything a signer is told. Paths are absolute. Unknown keys in
// the file are refused, so that a misspelt one does not silently count for
// nothing.
type Config struct {
	// Instance is the installation's id; statements name it, so that nothing
	// signed for one installation counts in another.
	Instance string `json:"instance"`
	// Data is the signer's own directory: ledger and keys, 0700.
	Data string `json:"data"`
	// Listen is host:port for mutual TLS; port 0 picks one.
	Listen string `json:"listen"`
	// TLS is the signer's certificate, its key, and who signs the callers'.
	TLS TLSFiles `json:"tls"`
	// Broker is the broker's key, see [border.KeyOf].
	Broker string `json:"broker"`
	// Proxies are the recording proxies.
	Proxies []ProxyConfig `json:"proxies"`
	// Policy is the directory of the policy bundle.
	Policy string `json:"policy"`
	// Issuer is the identity provider.
	Issuer IssuerConfig `json:"issuer"`
	// RelyingParty is the WebAuthn relying-party id, the portal's exact host.
	RelyingParty string `json:"relying_party"`
	// Origins are the exact web origins whose passkey assertions count.
	Origins []string `json:"origins"`
	// Bootstrap is a file of one-time codes; it may be absent.
	Bootstrap string `json:"bootstrap,omitempty"`
	// KeyPassphraseFile holds the passphrase that the key files are encrypted
	// under; without it they are not.
	KeyPassphraseFile string `json:"key_passphrase_file,omitempty"`
	// KeyPassphraseCredential is the same as a credential of systemd's, by its name.
	KeyPassphraseCredential string `json:"key_passphrase_credential,omitempty"`
	// Keys says how long keys sign and where they are.
	Keys KeysConfig `json:"keys,omitzero"`
}

// TLSFiles are PEM files.
type TLSFiles struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	Authority   string `json:"authority"`
}

// ProxyConfig is one recording proxy: the key it calls with and, beside every
// target's name, the names that its host certificate holds.
type ProxyConfig struct {
	Name  string   `json:"name"`
	Key   string   `json:"key"`
	Names []string `json:"names"`
}

// IssuerConfig is the identity provider. Only tokens made for ClientID, the
// command line's own client, activate a grant.
type IssuerConfig struct {
	URL      string `json:"url"`
	ClientID string `json:"client_id"`
}

// ReadConfig reads and checks a configuration file.
func ReadConfig(path string) (Config, error) {
	var c Config
	data, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("reading the configuration: %w", err)
	}
	if err := border.DecodeStrict(data, &c); err != nil {
		return c, fmt.Errorf("the configuration %s: %w", path, err)
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("the configuration %s: %w", path, err)
	}
	return c, nil
}

var (
	instancePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{3,31}$`)
	namePattern     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,252}$`)
)

// check refuses what could only go wrong later. It names every fault.
func (c *Config) check() error {
	faults := c.checkKeys()
	fault := func(format string, values ...any) { faults = append(faults, fmt.Errorf(format, values...)) }

	if !instancePattern.MatchString(c.Instance) {
		fault("instance: %q is not 4 to 32 lower-case letters, digits and hyphens", c.Instance)
	}
	for _, file := range []struct {
		key, path string
		optional  bool
	}{
		{"data", c.Data, false}, {"policy", c.Policy, false},
		{"tls.certificate", c.TLS.Certificate, false}, {"tls.key", c.TLS.Key, false}, {"tls.authority", c.TLS.Authority, false},
		{"bootstrap", c.Bootstrap, true}, {"key_passphrase_file", c.KeyPassphraseFile, true},
	} {
		if !filepath.IsAbs(file.path) && !(file.optional && file.path == "") {
			fault("%s: %q is not an absolute path", file.key, file.path)
		}
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		fault("listen: %q is not host:port", c.Listen)
	}
	if err := checkURL(c.Issuer.URL); err != nil {
		fault("issuer.url: %w", err)
	}
	if c.Issuer.ClientID == "" {
		fault("issuer.client_id is missing")
	}
	if c.RelyingParty == "" {
		fault("relying_party is missing")
	}
	if len(c.Origins) == 0 {
		fault("origins is empty")
	}
	for _, origin := range c.Origins {
		if u, err := url.Parse(origin); err != nil || u.Scheme+"://"+u.Host != origin || u.Host == "" {
			fault("origins: %q is not an origin such as https://stint.example.com", origin)
		}
	}
	return errors.Join(append(faults, c.checkCallers()...)...)
}

// checkCallers makes sure that one key stands for one caller.
func (c *Config) checkCallers() (faults []error) {
	fault := func(format string, values ...any) { faults = append(faults, fmt.Errorf(format, values...)) }
	keys, names := []string{}, []string{"broker", "unknown"} // the ledger's names of other callers
	pin := func(where, key string) {
		if sum, err := hex.DecodeString(key); err != nil || len(sum) != 32 || hex.EncodeToString(sum) != key {
			fault("%s: %q is not the lower-case hex SHA-256 of a public key", where, key)
		}
		if slices.Contains(keys, key) {
			fault("%s: the key %s is another caller's too", where, key)
		}
		keys = append(keys, key)
	}
	pin("broker", c.Broker)
	for i, proxy := range c.Proxies {
		pin(fmt.Sprintf("proxies[%d].key", i), proxy.Key)
		if !namePattern.MatchString(proxy.Name) || slices.Contains(names, proxy.Name) {
			fault("proxies[%d].name: %q is not a name, or another caller's", i, proxy.Name)
		}
		names = append(names, proxy.Name)
		for _, name := range proxy.Names {
			// A comma or a star in a principal means more than one host to OpenSSH.
			if !namePattern.MatchString(name) {
				fault("proxies[%d].names: %q is not a host name or address", i, name)
			}
		}
	}
	return faults
}

// checkURL allows https anywhere and plain http on this machine only: who can
// change what the provider's address answers chooses who everybody is.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is not the address of an identity provider", text)
	}
	if u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%q is not https; plain http is for this machine only", text)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address := net.ParseIP(host)
	return address != nil && address.IsLoopback()
}
