// Package account keeps who is signed in on this machine: the broker, the bearer
// token, the login key and what ties the key to the person. One directory holds
// it, readable by its owner alone.
package account

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stint/server/api"
	"stint/server/evidence"
)

// ErrOther is returned where the signer behind the broker is not the pinned one.
var ErrOther = errors.New("the signer behind this broker, or its host authority, is not the one you first signed in to; ask your platform team, and if it was replaced on purpose run: stint logout && stint login")

// ErrSignedOut is returned where nobody is signed in, or no longer.
var ErrSignedOut = errors.New("you are not signed in; run: stint login")

// Account is one person's sign-in at one broker.
type Account struct {
	URL     string                `json:"url"`
	Person  api.Person            `json:"person"`
	Token   string                `json:"token"`   // asks and takes away; activates nothing
	Expires time.Time             `json:"expires"` // of the token
	Key     []byte                `json:"key"`     // Ed25519 seed of the login key
	Login   evidence.LoginBinding `json:"login"`
	Pins
}

// Pins are what the first sign-in to a broker saw of the signer behind it. The
// broker answers for the signer, and cannot later pass off another one, or a host
// key of its own, as the same. A host authority that follows a pinned one, by the
// word of that one's own key, takes its place.
type Pins struct {
	Log    string   `json:"log"`     // the ledger's key
	HostCA []string `json:"host_ca"` // who vouches for the proxies' host keys
}

// Directory is where the account and what belongs to it are kept: $STINT_HOME,
// or stint in the user's configuration directory. It is made if missing.
func Directory() (string, error) {
	dir := os.Getenv("STINT_HOME")
	if dir == "" {
		base, err := os.UserConfigDir()
		if err != nil {
			return "", fmt.Errorf("no home for the sign-in (set STINT_HOME): %w", err)
		}
		dir = filepath.Join(base, "stint")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the directory of the sign-in: %w", err)
	}
	return dir, nil
}

func file() (string, error) {
	dir, err := Directory()
	return filepath.Join(dir, "account.json"), err
}

// Load reads the account. It returns ErrSignedOut where there is none or its
// token has ended by now.
func Load(now time.Time) (*Account, error) {
	account, err := Last()
	if err != nil {
		return nil, err
	}
	if !now.Before(account.Expires) {
		return nil, ErrSignedOut
	}
	return account, nil
}

// Last reads the account of the last sign-in, be its token over or not: what it
// pins outlives the token. It returns ErrSignedOut where there is none.
func Last() (*Account, error) {
	path, err := file()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrSignedOut
	}
	if err != nil {
		return nil, fmt.Errorf("reading the sign-in: %w", err)
	}
	account := new(Account)
	if err := json.Unmarshal(data, account); err != nil || len(account.Key) != ed25519.SeedSize {
		return nil, fmt.Errorf("the sign-in in %s is damaged; run: stint login", path)
	}
	return account, nil
}

// Save writes the account, replacing the one before in one step.
func (a *Account) Save() error {
	path, err := file()
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(path, append(data, '\n'), 0o600)
}

// Remove forgets the account and everything that was derived from it.
func Remove() error {
	path, err := file()
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the sign-in: %w", err)
	}
	return nil
}

// WriteFile replaces a file in one step, so that a reader sees the old or the
// new one, whole.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close())
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(temp.Name(), path)
}

// Client is a client of the account's broker.
func (a *Account) Client() (*api.Client, error) {
	return api.NewClient(a.URL, a.Token, nil)
}

// Sign signs a statement with the login key.
func (a *Account) Sign(statement string) evidence.SignedByKey {
	return evidence.SignWithKey(statement, ed25519.NewKeyFromSeed(a.Key))
}

// Trust fetches whom to believe, refuses keys that neither are the pinned ones nor
// follow them, and writes known_hosts beside the account. What is not pinned yet it
// pins, in memory: see Save. It returns the evidence.Trust too.
func (a *Account) Trust(ctx context.Context) (api.Trust, evidence.Trust, error) {
	client, err := a.Client()
	if err != nil {
		return api.Trust{}, evidence.Trust{}, err
	}
	answer, err := client.Trust(ctx)
	if err != nil {
		return api.Trust{}, evidence.Trust{}, err
	}
	var trust evidence.Trust
	if err := json.Unmarshal(answer.Trust, &trust); err != nil {
		return api.Trust{}, evidence.Trust{}, fmt.Errorf("reading the signer's trust: %w", err)
	}
	if err := a.Follow(trust); err != nil {
		return api.Trust{}, evidence.Trust{}, err
	}
	return answer, trust, nil
}

// Follow does what Trust does with what it fetched, of which the log's key and the host
// authorities are enough.
func (a *Account) Follow(trust evidence.Trust) error {
	before := a.Pins
	if err := a.pin(trust); err != nil {
		return err
	}
	if before.Log != "" && !slices.Equal(before.HostCA, a.HostCA) {
		if err := a.savePins(); err != nil {
			return err
		}
	}
	return a.writeKnownHosts()
}

func (a *Account) pin(trust evidence.Trust) error {
	if trust.Log == "" {
		return errors.New("the signer behind this broker names no key of its log, so there is nothing to pin; ask your platform team")
	}
	if a.Log == "" {
		for _, authority := range trust.HostCA {
			// Each becomes a line of known_hosts, where a second word or line would act.
			if _, err := evidence.ParseAuthorityKey(authority); err != nil {
				return fmt.Errorf("the signer's host authority is not a key: %w", err)
			}
		}
		a.Pins = Pins{Log: trust.Log, HostCA: trust.HostCA}
	}
	if a.Log != trust.Log || !follows(a.HostCA, trust) {
		return ErrOther
	}
	a.HostCA = trust.HostCA
	return nil
}

// follows tells whether every host authority is pinned, or follows a pinned one by a
// chain of successions, each signed by the key in front.
func follows(pinned []string, trust evidence.Trust) bool {
	known := slices.Clone(pinned)
	for grown := true; grown; {
		grown = false
		for _, key := range trust.Keys {
			if key.Purpose != evidence.PurposeHostCA || key.Succession == nil || slices.Contains(known, key.Key) {
				continue
			}
			s, err := evidence.DecodeAs[*evidence.Succession](key.Succession.Statement)
			if err != nil || s.Instance != trust.Instance || s.Purpose != evidence.PurposeHostCA || s.Key != key.Key ||
				!slices.Contains(known, s.Predecessor) || !evidence.VerifySuccession(*key.Succession) {
				continue
			}
			known, grown = append(known, key.Key), true
		}
	}
	return len(trust.HostCA) > 0 && !slices.ContainsFunc(trust.HostCA, func(authority string) bool { return !slices.Contains(known, authority) })
}

// savePins keeps what the pins have become, beside the sign-in that there is by now.
func (a *Account) savePins() error {
	last, err := Last()
	if errors.Is(err, ErrSignedOut) || err == nil && last.URL != a.URL {
		return nil
	}
	if err != nil {
		return err
	}
	last.Pins = a.Pins
	return last.Save()
}

// KnownHosts is the path of the known_hosts file that trusts the host CA.
func KnownHosts() (string, error) {
	dir, err := Directory()
	return filepath.Join(dir, "known_hosts"), err
}

// KnownHostsLines are the lines of known_hosts that trust the pinned authorities.
func (p Pins) KnownHostsLines() string {
	var text strings.Builder
	for _, authority := range p.HostCA {
		text.WriteString("@cert-authority * " + authority + "\n")
	}
	return text.String()
}

func (p Pins) writeKnownHosts() error {
	path, err := KnownHosts()
	if err != nil {
		return err
	}
	text := p.KnownHostsLines()
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	return WriteFile(path, []byte(text), 0o600)
}
