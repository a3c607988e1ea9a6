//go:build e2e && pkcs11

package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"

	"stint/server/evidence"
)

// softhsm makes a token of its own and returns the settings that open it.
func softhsm(t *testing.T) Settings {
	t.Helper()
	directory := t.TempDir()
	tokens, conf := filepath.Join(directory, "tokens"), filepath.Join(directory, "softhsm2.conf")
	if err := errors.Join(os.Mkdir(tokens, 0o700), os.WriteFile(conf, []byte("directories.tokendir = "+tokens+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	output, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "stint", "--pin", "1234", "--so-pin", "5678").CombinedOutput()
	if err != nil {
		t.Fatalf("softhsm2-util: %v: %s", err, output)
	}
	libraries, err := filepath.Glob("/usr/lib/*/softhsm/libsofthsm2.so")
	if err != nil || len(libraries) == 0 {
		libraries = []string{"/usr/lib/softhsm/libsofthsm2.so"}
	}
	s := settings(filepath.Join(directory, "keys"))
	s.Module = &Module{Library: libraries[0], Token: "stint", PIN: "1234"}
	return s
}

func TestKeysInAToken(t *testing.T) {
	s := softhsm(t)
	ring, err := Generate(s)
	if err != nil {
		t.Fatal(err)
	}
	publics := map[string]string{}
	for _, purpose := range []string{evidence.PurposeUserCA, evidence.PurposeTargetCA, evidence.PurposeToken} {
		publics[purpose] = mustMake(t, ring, purpose)
		if !strings.HasPrefix(publics[purpose], "ecdsa-sha2-nistp256 ") || !signs(t, ring, publics[purpose]) {
			t.Errorf("the key for %s: %s", purpose, publics[purpose])
		}
	}
	goes := mustMake(t, ring, evidence.PurposeUserCA)
	if files, err := filepath.Glob(filepath.Join(s.Directory, "*")); err != nil || len(files) != 1 {
		t.Errorf("beside the log key there are files: %v, %v", files, err)
	}
	var stay []string
	for _, public := range publics {
		stay = append(stay, public)
	}
	if err := ring.Keep(stay); err != nil || signs(t, ring, goes) {
		t.Errorf("a key that is not kept signs; %v", err)
	}
	if err := ring.Close(); err != nil {
		t.Fatal(err)
	}

	again, err := Load(s)
	if err != nil {
		t.Fatal(err)
	}
	for purpose, public := range publics {
		if err := again.Open(purpose, public); err != nil || !signs(t, again, public) {
			t.Errorf("the key for %s was not kept: %v", purpose, err)
		}
	}
	for purpose, public := range map[string]string{evidence.PurposeUserCA: goes, evidence.PurposeHostCA: publics[evidence.PurposeTargetCA]} {
		fresh, err := Load(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := fresh.Open(purpose, public); !errors.Is(err, ErrMissing) {
			t.Errorf("%s opens: %v", purpose, err)
		}
		if err := fresh.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}

	s.Module.PIN = "9999"
	if _, err := Load(s); err == nil {
		t.Error("a wrong PIN opens the token")
	}
	s.Module.Token = "another"
	if _, err := Load(s); err == nil {
		t.Error("another token was found")
	}
}

// TestKeysInATokenBesideALie: an object that somebody put into the token beside a key,
// under its name, must not make the signer delete the key.
func TestKeysInATokenBesideALie(t *testing.T) {
	s := softhsm(t)
	lies := 0
	for n := range 16 { // which of two public halves is found first is the token's choice
		s.Directory = filepath.Join(t.TempDir(), "keys")
		ring, err := Generate(s)
		if err != nil {
			t.Fatal(err)
		}
		public := mustMake(t, ring, evidence.PurposeUserCA)
		plant(t, ring.store.(*module))
		if err := ring.Close(); err != nil {
			t.Fatal(err)
		}
		if ring, err = Load(s); err != nil {
			t.Fatal(err)
		}
		if err := ring.Open(evidence.PurposeUserCA, public); err != nil {
			lies++
		}
		if err := ring.Keep([]string{public}); err != nil {
			t.Error(err)
		}
		if err := ring.Open(evidence.PurposeUserCA, public); err != nil || !signs(t, ring, public) {
			t.Errorf("%d: the key is gone: %v", n, err)
		}
		if err := ring.Close(); err != nil {
			t.Error(err)
		}
	}
	if lies == 0 {
		t.Error("the token always finds the right one first; this proves nothing")
	}
}

// plant puts another key pair under the name of the one user CA that there is.
func plant(t *testing.T, m *module) {
	t.Helper()
	label := m.label(evidence.PurposeUserCA)
	found, err := m.context.FindKeyPairs(nil, label)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	id, err := m.context.GetAttribute(found[0], crypto11.CkaId)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("softhsm2-util", "--import", path, "--force", "--token", "stint", "--pin", "1234",
		"--label", string(label), "--id", hex.EncodeToString(id.Value)).CombinedOutput(); err != nil {
		t.Fatalf("softhsm2-util: %v: %s", err, output)
	}
}

// TestKeysInATokenThatWasAway: a token that was restarted has forgotten who was signed in.
func TestKeysInATokenThatWasAway(t *testing.T) {
	s := softhsm(t)
	ring, err := Generate(s)
	if err != nil {
		t.Fatal(err)
	}
	stays, goes := mustMake(t, ring, evidence.PurposeUserCA), mustMake(t, ring, evidence.PurposeUserCA)
	m := ring.store.(*module)
	for name, use := range map[string]func() error{
		"signing":  func() error { signs(t, ring, stays); return nil },
		"making":   func() error { _, err := ring.Make(evidence.PurposeHostCA); return err },
		"deleting": func() error { return ring.Keep([]string{stays}) },
	} {
		library := pkcs11.New(s.Module.Library)
		if err := library.Finalize(); err != nil {
			t.Fatal(err)
		}
		library.Destroy()
		// Not at once: a token that is away for long is not to be asked all the time.
		m.opened = time.Now()
		if key, err := ring.Signer(stays); err != nil {
			t.Fatal(err)
		} else if _, err := evidence.SignWithAuthority("text", key); err == nil {
			t.Errorf("%s: the token is not away; this proves nothing", name)
		}
		m.opened = time.Time{}
		if err := use(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !signs(t, ring, stays) {
			t.Errorf("%s: the key signs no more", name)
		}
	}
	if signs(t, ring, goes) {
		t.Error("a key that is not kept signs")
	}
	// A token that does not come back ends nothing.
	m.settings.Token, m.opened = "another", time.Time{}
	library := pkcs11.New(s.Module.Library)
	if err := library.Finalize(); err != nil {
		t.Fatal(err)
	}
	library.Destroy()
	for range 2 {
		if err := ring.Keep([]string{stays}); err == nil {
			t.Error("it deletes in a token that is not there")
		}
		m.opened = time.Time{}
	}
	m.settings.Token = "stint"
	if !signs(t, ring, stays) {
		t.Error("the key signs no more")
	}
	if err := ring.Close(); err != nil {
		t.Error(err)
	}
}
