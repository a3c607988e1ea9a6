package signer

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/internal/journal"
	"stint/server/signer/internal/keys"
)

// How long a key signs, unless the configuration says otherwise. Clients pin the
// host CA, and those that do not use KnownHostsCommand are few and slow.
const (
	keyLife     = 7 * 24 * time.Hour
	hostKeyLife = 180 * 24 * time.Hour
	minKeyLife  = time.Second
	// A key that lives for years outlives whoever took a copy of it.
	maxKeyLife     = 31 * 24 * time.Hour
	maxHostKeyLife = 366 * 24 * time.Hour
)

// KeysConfig says how long keys sign and where they are kept.
type KeysConfig struct {
	// Life is how long the user CA, the target CA and the token key sign, as in
	// "168h", which it is where it is absent. At most 31 days.
	Life string `json:"life,omitempty"`
	// HostLife is the same for the host CA; "4320h" where it is absent. At most 366 days.
	HostLife string `json:"host_life,omitempty"`
	// PKCS11 keeps every key but the log's in a PKCS#11 token. It needs a build with
	// the tag pkcs11.
	PKCS11 *PKCS11Config `json:"pkcs11,omitempty"`
	// AWSKMS keeps every key but the log's in AWS KMS, in the region of that name. It
	// needs a build with the tag awskms.
	AWSKMS string `json:"awskms,omitempty"`
	// GCPKMS is the same for Google Cloud KMS: the full name of a key ring, as in
	// "projects/P/locations/L/keyRings/R". The tag is gcpkms.
	GCPKMS string `json:"gcpkms,omitempty"`
	// AzureKMS is the same for Azure Key Vault: the address of a vault of the Premium
	// tier or of a Managed HSM. The tag is azurekms.
	AzureKMS string `json:"azurekms,omitempty"`
}

// PKCS11Config is a token of a PKCS#11 module. Its PIN comes from a file or from a
// credential of systemd's.
type PKCS11Config struct {
	Module        string `json:"module"` // path of the shared library
	Token         string `json:"token"`  // label
	PINFile       string `json:"pin_file,omitempty"`
	PINCredential string `json:"pin_credential,omitempty"`
}

// services are the key services that are configured; there can be one.
func (c KeysConfig) services() (named []*keys.Service) {
	for _, s := range []keys.Service{{Name: "awskms", Place: c.AWSKMS}, {Name: "gcpkms", Place: c.GCPKMS}, {Name: "azurekms", Place: c.AzureKMS}} {
		if s.Place != "" {
			named = append(named, &s)
		}
	}
	return named
}

var (
	regionPattern  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+$`)
	keyRingPattern = regexp.MustCompile(`^projects/[a-z0-9:.-]+/locations/[a-z0-9-]+/keyRings/[A-Za-z0-9_-]+$`)
	vaultPattern   = regexp.MustCompile(`^https://[a-z0-9-]+(\.[a-z0-9-]+)+/?$`)
)

// checkPlaces refuses to keep keys in two places, or in one that cannot be.
func (c KeysConfig) checkPlaces() (faults []error) {
	if p := c.PKCS11; p != nil && (!filepath.IsAbs(p.Module) || p.Token == "" || (p.PINFile == "") == (p.PINCredential == "")) {
		faults = append(faults, errors.New("keys.pkcs11: it needs the absolute path of a module, the label of a token, and pin_file or pin_credential"))
	}
	if c.AWSKMS != "" && !regionPattern.MatchString(c.AWSKMS) {
		faults = append(faults, fmt.Errorf("keys.awskms: %q is no region such as eu-central-1", c.AWSKMS))
	}
	if c.GCPKMS != "" && !keyRingPattern.MatchString(c.GCPKMS) {
		faults = append(faults, fmt.Errorf("keys.gcpkms: %q is no key ring such as projects/P/locations/L/keyRings/R", c.GCPKMS))
	}
	if c.AzureKMS != "" && !vaultPattern.MatchString(c.AzureKMS) {
		faults = append(faults, fmt.Errorf("keys.azurekms: %q is no vault's address such as https://NAME.vault.azure.net", c.AzureKMS))
	}
	if named := len(c.services()); named > 1 || named == 1 && c.PKCS11 != nil {
		faults = append(faults, errors.New("keys: there can be one of pkcs11, awskms, gcpkms and azurekms"))
	}
	return faults
}

// lives are how long a key of each purpose signs.
func (c KeysConfig) lives() (map[string]time.Duration, error) {
	life, err := lifeOf("keys.life", c.Life, keyLife, maxKeyLife)
	hostLife, hostErr := lifeOf("keys.host_life", c.HostLife, hostKeyLife, maxHostKeyLife)
	return map[string]time.Duration{
		evidence.PurposeUserCA: life, evidence.PurposeTargetCA: life, evidence.PurposeHostCA: hostLife, evidence.PurposeToken: life,
	}, errors.Join(err, hostErr)
}

func lifeOf(key, text string, absent, most time.Duration) (time.Duration, error) {
	if text == "" {
		return absent, nil
	}
	life, err := policies.ParseDuration(text)
	if err == nil && life < minKeyLife {
		err = fmt.Errorf("%s is too short a life", text)
	}
	if err == nil && life > most {
		err = fmt.Errorf("%s is too long a life: %s is the most", text, policies.FormatDuration(most))
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", key, err)
	}
	return life, nil
}

// checkKeys refuses what could only go wrong later.
func (c *Config) checkKeys() (faults []error) {
	if _, err := c.Keys.lives(); err != nil {
		faults = append(faults, err)
	}
	if c.KeyPassphraseFile != "" && c.KeyPassphraseCredential != "" {
		faults = append(faults, errors.New("key_passphrase_file and key_passphrase_credential: there can be one of them"))
	}
	return append(faults, c.Keys.checkPlaces()...)
}

// secret reads what a file holds, or a credential that systemd hands this process
// (systemd.exec, LoadCredential and LoadCredentialEncrypted). Nil where neither is named.
func secret(what, file, credential string) ([]byte, error) {
	path := file
	if credential != "" {
		directory := os.Getenv("CREDENTIALS_DIRECTORY")
		if directory == "" || credential != filepath.Base(credential) {
			return nil, fmt.Errorf("%s: there is no credential %q; name it in LoadCredential of the service", what, credential)
		}
		path = filepath.Join(directory, credential)
	}
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o007 != 0 {
		return nil, errors.Join(fmt.Errorf("%s in %s may be read by everybody: take that away (chmod 640), and think about another one", what, path), err)
	}
	// Line ends of editors are not part of it.
	if data = bytes.TrimRight(data, "\r\n"); len(data) == 0 {
		return nil, fmt.Errorf("%s in %s is empty", what, path)
	}
	return data, nil
}

// openKeys loads the keys, or begins them where there is no ledger yet, and says which
// of both. Keys that are gone are never replaced in silence: every target and every
// verifier knows the old ones.
func openKeys(config Config, lock *journal.Lock) (ring *keys.Ring, begun bool, err error) {
	passphrase, err := secret("the key passphrase", config.KeyPassphraseFile, config.KeyPassphraseCredential)
	if err != nil {
		return nil, false, err
	}
	settings := keys.Settings{
		Directory: filepath.Join(config.Data, "keys"), Instance: config.Instance, Passphrase: passphrase, Random: rand.Reader,
	}
	if p := config.Keys.PKCS11; p != nil {
		pin, err := secret("the PIN of the PKCS#11 token", p.PINFile, p.PINCredential)
		if err != nil {
			return nil, false, err
		}
		settings.Module = &keys.Module{Library: p.Module, Token: p.Token, PIN: string(pin)}
	}
	for _, service := range config.Keys.services() {
		settings.Service = service
	}
	ring, err = keys.Load(settings)
	if !errors.Is(err, keys.ErrNone) {
		return ring, false, err
	}
	ledger, err := lock.Begun()
	if err != nil {
		return nil, false, err
	}
	if ledger {
		return nil, false, fmt.Errorf("there is a ledger, but its keys in %s are gone: restore them", settings.Directory)
	}
	ring, err = keys.Generate(settings)
	return ring, true, err
}

// signing is what the ledger says of the keys that sign, by purpose. It belongs to
// the state and changes by fold alone.
type signing map[string]line

type line struct {
	Current string    // key
	Since   int64     // the entry that made it the current one
	Ends    time.Time // of the last certificate to end under it
}

// fold takes over what an entry says.
func (g signing) fold(index int64, e evidence.Entry) {
	switch {
	case e.Keys != nil:
		for _, key := range e.Keys.Keys {
			if key.State == evidence.KeyCurrent && g[key.Purpose].Current != key.Key {
				g[key.Purpose] = line{Current: key.Key, Since: index}
			}
		}
	case e.Session != nil:
		g.until(evidence.PurposeUserCA, e.Session.Ends)
	case e.Target != nil:
		g.until(evidence.PurposeTargetCA, e.Target.Ends)
	case e.Host != nil:
		g.until(evidence.PurposeHostCA, e.Host.Ends)
	}
}

func (g signing) until(purpose string, ends time.Time) {
	if l := g[purpose]; ends.After(l.Ends) {
		l.Ends = ends
		g[purpose] = l
	}
}

// signs tells whether the certificate of an entry is under the key that signs now.
func (g signing) signs(purpose string, index int64) bool { return index > g[purpose].Since }

// maxPast bounds how many keys of a purpose that count no longer stay on record: a
// client that was away for as many lives still finds the way from the key it knew.
const maxPast = 16

// withoutLongGone leaves out the oldest keys that count no longer.
func withoutLongGone(all []evidence.SigningKey, now time.Time) []evidence.SigningKey {
	past := map[string]int{}
	var left []evidence.SigningKey
	// The newest stand last.
	for _, key := range slices.Backward(all) {
		gone := !key.IsAccepted(now)
		if gone {
			past[key.Purpose]++
		}
		if !gone || past[key.Purpose] <= maxPast {
			left = append(left, key)
		}
	}
	slices.Reverse(left)
	return left
}
