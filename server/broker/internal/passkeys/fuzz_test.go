package passkeys

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/broker/internal/store"
)

// desk is where one registration lies, for as often as a test takes it.
type desk struct{ begun store.Ceremony }

func (d *desk) PutCeremony(_ context.Context, c store.Ceremony) error {
	d.begun = c
	return nil
}

func (d *desk) TakeCeremony(context.Context, string, string, time.Time) (store.Ceremony, error) {
	return d.begun, nil
}

func (d *desk) Person(context.Context, policies.Subject) (access.KnownPerson, error) {
	return access.KnownPerson{Handle: []byte("handle")}, nil
}

func (d *desk) Passkeys(context.Context, policies.Person) ([]access.Passkey, error) { return nil, nil }

// FuzzFinish: whatever a browser answers, a passkey comes of it that can be pinned, or
// an ErrAnswer. The challenge is always the same one.
func FuzzFinish(f *testing.F) {
	d := &desk{}
	person := policies.Person{Subject: policies.Subject{Issuer: "https://id.example.com", Subject: "alice"}, Name: "Alice"}
	registrar, err := New(Config{
		RelyingParty: "localhost", Origins: []string{"http://localhost:8420"}, Ceremonies: d, People: d,
		Attested: func() bool { return false }, Now: time.Now, Random: bytes.NewReader(make([]byte, 16)),
	})
	if err != nil {
		f.Fatal(err)
	}
	id, _, err := registrar.Begin(f.Context(), person, "a key")
	if err != nil {
		f.Fatal(err)
	}
	var begun ceremony
	if err := json.Unmarshal(d.begun.Data, &begun); err != nil {
		f.Fatal(err)
	}
	begun.Session.Challenge = base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	begun.Session.Expires = time.Now().Add(24 * time.Hour) // a long run is no late answer
	if d.begun.Data, err = json.Marshal(begun); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		made, err := registrar.Finish(t.Context(), person, id, answer)
		if err != nil {
			if !errors.Is(err, ErrAnswer) || made.Credential != "" {
				t.Fatalf("%s: %v", answer, err)
			}
			return
		}
		credential, err := base64.RawURLEncoding.DecodeString(made.Credential)
		if err != nil || len(credential) == 0 || made.PublicKey == "" {
			t.Fatalf("%s makes %+v", answer, made)
		}
		if aaguid, err := hex.DecodeString(made.AAGUID); err != nil || len(aaguid) != 16 || (made.Attestation == nil) != bytes.Contains(made.Record, []byte(`"attestationFormat":"none"`)) || !json.Valid(made.Record) {
			t.Fatalf("%s makes %+v", answer, made)
		}
	})
}
