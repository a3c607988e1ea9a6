package signer

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"stint/policies"
	"stint/server/border"
	"stint/server/evidence"
	"stint/server/signer/wire"
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
	// Policy is the directory of the first policy bundle. Once the ledger has one, a
	// policy comes by a statement that a quorum of administrators signs, and the
	// directory means nothing to the signer.
	Policy string `json:"policy"`
	// Issuer is the identity provider.
	Issuer IssuerConfig `json:"issuer"`
	// RelyingParty is the WebAuthn relying-party id, the portal's exact host.
	RelyingParty string `json:"relying_party"`
	// Origins are the exact web origins whose passkey assertions count.
	Origins []string `json:"origins"`
	// Ceremony is how the first administrators join; it may be absent once they have.
	Ceremony *CeremonyConfig `json:"ceremony,omitempty"`
	// Witnesses cosign the ledger's checkpoints and remember them. Without any, the
	// broker's mirror is the only memory outside the data directory.
	Witnesses []WitnessConfig `json:"witnesses,omitempty"`
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
	// Labels are told to people who choose among proxies.
	Labels map[string]string `json:"labels,omitempty"`
	// Reach bounds the targets that it may open, and whose names its host certificate holds.
	Reach wire.Reach `json:"reach,omitzero"`
}

// IssuerConfig is the identity provider. Only tokens made for ClientID, the
// command line's own client, activate a grant.
type IssuerConfig struct {
	URL      string `json:"url"`
	ClientID string `json:"client_id"`
}

// CeremonyConfig is the page on which the first administrators join.
type CeremonyConfig struct {
	// Listen is host:port of the page; port 0 is not possible, since Origin names it.
	Listen string `json:"listen"`
	// Origin is the page's own, such as https://stint.example.com:8443. Its host is
	// the relying party: a passkey belongs to a host, on whatever port.
	Origin string `json:"origin"`
	// Certificate and Key are PEM files for TLS. Without them the page is served
	// in the clear, and only on this machine: whoever ends the TLS in front of it
	// is then believed.
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`
	// Administrators are who may join, each once. All of them are made
	// administrators, and are in the groups that they list besides.
	Administrators []policies.Person `json:"administrators"`
}

// ReadConfig reads and checks a configuration file; see [border.ReadConfig].
func ReadConfig(path string) (Config, error) {
	return border.ReadConfig(path, func(c Config) error { return c.check() })
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
		{"key_passphrase_file", c.KeyPassphraseFile, true},
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
	faults = slices.Concat(faults, c.checkCallers(), c.checkWitnesses())
	if c.Ceremony != nil {
		faults = append(faults, c.Ceremony.check(c.RelyingParty, c.Issuer.URL)...)
	}
	return errors.Join(faults...)
}

// anyTime is one that a statement can hold.
var anyTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// check names the faults of the ceremony.
func (c *CeremonyConfig) check(relyingParty, issuer string) (faults []error) {
	fault := func(format string, values ...any) {
		faults = append(faults, fmt.Errorf("ceremony."+format, values...))
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		fault("listen: %q is not host:port", c.Listen)
	}
	origin, err := url.Parse(c.Origin)
	switch {
	case err != nil || origin.Scheme+"://"+origin.Host != c.Origin || origin.Hostname() != relyingParty:
		fault("origin: %q is not an origin on the host %s, which passkeys belong to", c.Origin, relyingParty)
	case origin.Scheme != "https" && !(origin.Scheme == "http" && origin.Hostname() == "localhost"):
		fault("origin: %q is not https; browsers make passkeys in the clear on localhost only", c.Origin)
	}
	switch {
	case (c.Certificate == "") != (c.Key == ""):
		fault("certificate and ceremony.key go together")
	case c.Certificate == "" && !isLoopback(host):
		fault("listen: %q is not on this machine; give the ceremony a certificate", c.Listen)
	case c.Certificate != "" && (!filepath.IsAbs(c.Certificate) || !filepath.IsAbs(c.Key)):
		fault("certificate: %q and %q are not absolute paths", c.Certificate, c.Key)
	}
	if len(c.Administrators) == 0 {
		fault("administrators is empty")
	}
	var seen []policies.Subject
	for i, person := range c.Administrators {
		if err := person.Subject.Check(); err != nil {
			fault("administrators[%d]: %w", i, err)
		}
		if person.Issuer != issuer {
			fault("administrators[%d].issuer: %q is another provider than issuer.url", i, person.Issuer)
		}
		if slices.Contains(seen, person.Subject) {
			fault("administrators[%d]: %s is listed twice", i, person.Subject)
		}
		seen = append(seen, person.Subject)
		// Their enrolment names them as they stand here.
		if _, err := evidence.Encode(&evidence.RosterChange{
			Instance: "instance", Change: evidence.ChangeGroups, Person: person.Subject, Name: person.Name, Email: person.Email,
			Groups: asAdministrator(person).Groups, Issued: anyTime, Expires: anyTime, Nonce: evidence.NewNonce([16]byte{}),
		}); err != nil {
			fault("administrators[%d]: %w", i, err)
		}
	}
	return faults
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
		if err := policies.CheckLabels(proxy.Labels); err != nil {
			fault("proxies[%d].labels: %w", i, err)
		}
		if err := proxy.Reach.Check(); err != nil {
			fault("proxies[%d].reach.%w", i, err)
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
