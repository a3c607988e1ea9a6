//go:build awskms || gcpkms || azurekms

package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/server/evidence"
)

// What a fake does with every call.
const (
	works  = ""
	denies = "denies"
	hangs  = "hangs"
	lies   = "lies" // signs with another key
)

// fakeKeys are the keys behind a fake of a cloud's service. They are real, and the
// fake says what was wrong about requests in faults.
type fakeKeys struct {
	t *testing.T

	mu    sync.Mutex
	mode  string
	made  int
	keys  map[string]*fakeKey
	other *ecdsa.PrivateKey
}

type fakeKey struct {
	id, name string
	private  *ecdsa.PrivateKey
	pending  int  // how often it is not yet there
	ended    bool // disabled, or to be deleted
}

func newFakeKeys(t *testing.T) *fakeKeys {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &fakeKeys{t: t, keys: map[string]*fakeKey{}, other: other}
}

func (f *fakeKeys) set(mode string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mode = mode
}

// enter says what to do with a call. It waits for the end of one that hangs.
func (f *fakeKeys) enter(ctx context.Context) string {
	f.mu.Lock()
	mode := f.mode
	f.mu.Unlock()
	if mode == hangs {
		<-ctx.Done()
	}
	return mode
}

// want notes what is wrong about a request.
func (f *fakeKeys) want(what string, got, want any) {
	f.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		f.t.Errorf("%s is %v; want %v", what, got, want)
	}
}

// make makes a key; the caller holds the lock, as of all methods below.
func (f *fakeKeys) make(id, name string, pending int) *fakeKey {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	f.keys[id] = &fakeKey{id: id, name: name, private: private, pending: pending}
	return f.keys[id]
}

func (k *fakeKey) public() []byte {
	der, err := x509.MarshalPKIXPublicKey(&k.private.PublicKey)
	if err != nil {
		panic(err)
	}
	return der
}

func (f *fakeKeys) sign(key *fakeKey, digest []byte) []byte {
	private := key.private
	if f.mode == lies {
		private = f.other
	}
	signature, err := ecdsa.SignASN1(rand.Reader, private, digest)
	if err != nil {
		panic(err)
	}
	return signature
}

// left counts the keys that can sign.
func (f *fakeKeys) left() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range f.keys {
		if !key.ended {
			n++
		}
	}
	return n
}

const aLedger = "0a1b2c3d"

// testRemote is what every key service must do. open opens the service for a ledger of
// an instance.
func testRemote(t *testing.T, fake *fakeKeys, open func(instance, ledger string) *remote) {
	ring := func(instance, ledger string) *Ring {
		opened := &Ring{store: open(instance, ledger), open: map[string]*held{}}
		t.Cleanup(func() {
			if err := opened.Close(); err != nil {
				t.Error(err)
			}
		})
		return opened
	}

	// 1. Keys are made and sign. Other installations' names begin like a key's of this
	// one, and another ledger of this one is what an empty data directory begins.
	first := ring(instance, aLedger)
	foreign := map[[2]string]string{{instance + "-" + aLedger, aLedger}: "", {instance + "-user-ca", "4d3c2b1a"}: "", {instance, "4d3c2b1a"}: ""}
	for theirs := range foreign {
		foreign[theirs] = mustMake(t, ring(theirs[0], theirs[1]), evidence.PurposeUserCA)
	}
	publics := map[string]string{}
	var stay []string
	for _, purpose := range []string{evidence.PurposeUserCA, evidence.PurposeTargetCA, evidence.PurposeToken} {
		publics[purpose] = mustMake(t, first, purpose)
		stay = append(stay, publics[purpose])
		if !strings.HasPrefix(publics[purpose], "ecdsa-sha2-nistp256 ") || !signs(t, first, publics[purpose]) {
			t.Errorf("the key for %s: %s", purpose, publics[purpose])
		}
	}
	goes := mustMake(t, first, evidence.PurposeUserCA)

	// 2. What is not kept is gone, and nothing else is.
	before := fake.left()
	if err := first.Keep(stay); err != nil || signs(t, first, goes) {
		t.Errorf("a key that is not kept signs; %v", err)
	}
	if err := first.Keep(stay); err != nil {
		t.Errorf("keeping again: %v", err)
	}
	if left := fake.left(); left != before-1 {
		t.Errorf("of %d keys %d are left", before, left)
	}
	for theirs, public := range foreign {
		if err := ring(theirs[0], theirs[1]).Open(evidence.PurposeUserCA, public); err != nil {
			t.Errorf("the key of %v is gone: %v", theirs, err)
		}
		if err := first.Open(evidence.PurposeUserCA, public); !errors.Is(err, ErrMissing) {
			t.Errorf("the key of %v opens: %v", theirs, err)
		}
	}

	// 3. The next start finds them.
	again := ring(instance, aLedger)
	for purpose, public := range publics {
		if err := again.Open(purpose, public); err != nil || !signs(t, again, public) {
			t.Errorf("the key for %s was not kept: %v", purpose, err)
		}
	}
	for purpose, public := range map[string]string{evidence.PurposeUserCA: goes, evidence.PurposeHostCA: publics[evidence.PurposeTargetCA]} {
		if err := ring(instance, aLedger).Open(purpose, public); !errors.Is(err, ErrMissing) {
			t.Errorf("%s opens: %v", purpose, err)
		}
	}

	// 4. What the service must not get away with.
	key, err := again.Signer(publics[evidence.PurposeUserCA])
	if err != nil {
		t.Fatal(err)
	}
	digest := bytes.Repeat([]byte{7}, 32)
	for mode, says := range map[string]string{lies: "not this key's", denies: "permissions", works: ""} {
		fake.set(mode)
		if signature, err := key.Sign(nil, digest, crypto.SHA256); says != "" && (err == nil || signature != nil || !strings.Contains(err.Error(), says)) || says == "" && err != nil {
			t.Errorf("a service that %s: %v", mode, err)
		}
	}
	if _, err := key.Sign(nil, append(digest, digest...), crypto.SHA512); err == nil {
		t.Error("it signs another digest")
	}

	// 5. Nothing waits for a service for ever, nor takes its silence for a key that is gone.
	slow := ring(instance, aLedger)
	slow.store.(*remote).deadline = 300 * time.Millisecond
	fake.set(hangs)
	defer fake.set(works)
	if err := slow.Open(evidence.PurposeUserCA, publics[evidence.PurposeUserCA]); err == nil || errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "did not finish") {
		t.Errorf("a service that hangs: %v", err)
	}
	fake.set(denies)
	if _, err := slow.Make(evidence.PurposeUserCA); err == nil || !strings.Contains(err.Error(), "permissions") {
		t.Errorf("a service that denies: %v", err)
	}
	if err := slow.Keep(nil); err == nil || fake.left() != before-1 {
		t.Errorf("keeping with a service that denies: %v", err)
	}
}
