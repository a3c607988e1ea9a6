// Package passkeys holds the WebAuthn registration ceremony, by which a browser
// makes a passkey for a person here. A passkey made is nothing yet: the flow
// enrols it, and the signer decides.
//
// Signatures over statements are no ceremonies: their challenge is the
// statement's SHA-256, and evidence.VerifyAssertion, which the signer runs too,
// checks them.
package passkeys

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"stint/policies"
	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/evidence"
)

// CeremonyLife is how long somebody has to make a passkey.
const CeremonyLife = 5 * time.Minute

// ceremonyKind names registrations among the store's ceremonies.
const ceremonyKind = "registration"

// ErrCeremony means that a registration is unknown, somebody else's, too old or
// used.
var ErrCeremony = errors.New("no such registration is open")

// ErrAnswer means that the authenticator's answer was not accepted.
var ErrAnswer = errors.New("the authenticator's answer does not fit")

// Ceremonies keeps a ceremony until it is answered, once.
type Ceremonies interface {
	PutCeremony(ctx context.Context, c store.Ceremony) error
	TakeCeremony(ctx context.Context, kind, id string, now time.Time) (store.Ceremony, error)
}

// People says what is known of the person who registers.
type People interface {
	Person(ctx context.Context, s policies.Subject) (access.KnownPerson, error)
	Passkeys(ctx context.Context, by policies.Person) ([]access.Passkey, error)
}

// Registrar makes registrations. It is safe for concurrent use.
type Registrar struct {
	webauthn   *webauthn.WebAuthn
	ceremonies Ceremonies
	people     People
	attested   func() bool
	now        func() time.Time
	random     io.Reader
}

// Config wires a Registrar; every field is required.
type Config struct {
	RelyingParty string // exact host
	Origins      []string
	Ceremonies   Ceremonies
	People       People
	// Attested says whether policy wants to know, of some enrolments, on which
	// authenticator the passkey lives.
	Attested func() bool
	Now      func() time.Time
	Random   io.Reader
}

// New checks the wiring.
func New(c Config) (*Registrar, error) {
	if c.Ceremonies == nil || c.People == nil || c.Attested == nil || c.Now == nil || c.Random == nil {
		return nil, errors.New("passkeys: the wiring is incomplete")
	}
	life := webauthn.TimeoutConfig{Enforce: true, Timeout: CeremonyLife, TimeoutUVD: CeremonyLife}
	library, err := webauthn.New(&webauthn.Config{
		RPID: c.RelyingParty, RPDisplayName: "Stint", RPOrigins: c.Origins,
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: life, Registration: life},
		// Some password managers report extensions that nobody asked for. None is used.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up WebAuthn: %w", err)
	}
	return &Registrar{webauthn: library, ceremonies: c.Ceremonies, people: c.People, attested: c.Attested, now: c.Now, random: c.Random}, nil
}

// ceremony is what is stored between the two calls.
type ceremony struct {
	Name    string               `json:"name"`
	Session webauthn.SessionData `json:"session"` // verbatim, as the library asks
}

// Begin returns the id of a registration and the options for
// navigator.credentials.create, as PublicKeyCredentialCreationOptionsJSON.
func (r *Registrar) Begin(ctx context.Context, by policies.Person, name string) (id string, options json.RawMessage, err error) {
	user, err := r.user(ctx, by)
	if err != nil {
		return "", nil, err
	}
	conveyance := protocol.PreferNoAttestation
	if r.attested() {
		conveyance = protocol.PreferDirectAttestation
	}
	creation, session, err := r.webauthn.BeginRegistration(user,
		webauthn.WithConveyancePreference(conveyance),
		webauthn.WithExclusions(webauthn.Credentials(user.credentials).CredentialDescriptors()),
		// What evidence.VerifyAssertion accepts, the best first.
		webauthn.WithCredentialParameters([]protocol.CredentialParameter{
			{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256},
			{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA},
			{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgRS256},
		}))
	if err != nil {
		return "", nil, fmt.Errorf("beginning a registration: %w", err)
	}
	data, err := json.Marshal(ceremony{Name: name, Session: *session})
	if err != nil {
		return "", nil, fmt.Errorf("encoding a registration: %w", err)
	}
	var random [16]byte
	if _, err := io.ReadFull(r.random, random[:]); err != nil {
		return "", nil, fmt.Errorf("drawing random bytes: %w", err)
	}
	id = base64.RawURLEncoding.EncodeToString(random[:])
	if err := r.ceremonies.PutCeremony(ctx, store.Ceremony{
		Kind: ceremonyKind, ID: id, Person: by.Subject, Data: data, Expires: r.now().Add(CeremonyLife),
	}); err != nil {
		return "", nil, fmt.Errorf("storing a registration: %w", err)
	}
	options, err = json.Marshal(creation.Response)
	if err != nil {
		return "", nil, fmt.Errorf("encoding the options of a registration: %w", err)
	}
	return id, options, nil
}

// Finish takes the authenticator's answer, RegistrationResponseJSON, and returns
// the passkey that was made. A registration is used up by the attempt.
func (r *Registrar) Finish(ctx context.Context, by policies.Person, id string, answer json.RawMessage) (access.NewPasskey, error) {
	// 1. The registration: taken away before anything is looked at, so that an
	// answer can be tried once.
	stored, err := r.ceremonies.TakeCeremony(ctx, ceremonyKind, id, r.now())
	if errors.Is(err, access.ErrNoRow) || err == nil && stored.Person != by.Subject {
		return access.NewPasskey{}, ErrCeremony
	}
	if err != nil {
		return access.NewPasskey{}, fmt.Errorf("reading a registration: %w", err)
	}
	var begun ceremony
	if err := json.Unmarshal(stored.Data, &begun); err != nil {
		return access.NewPasskey{}, fmt.Errorf("reading a registration: %w", err)
	}
	// 2. The answer: challenge, origin, relying party, user present and verified.
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return access.NewPasskey{}, fmt.Errorf("%w: %s", ErrAnswer, detailOf(err))
	}
	user, err := r.user(ctx, by)
	if err != nil {
		return access.NewPasskey{}, err
	}
	made, err := r.webauthn.CreateCredential(user, begun.Session, parsed)
	if err != nil {
		return access.NewPasskey{}, fmt.Errorf("%w: %s", ErrAnswer, detailOf(err))
	}
	// 3. What the flow keeps.
	record, err := json.Marshal(made)
	if err != nil {
		return access.NewPasskey{}, fmt.Errorf("encoding a passkey: %w", err)
	}
	aaguid := made.Authenticator.AAGUID
	if len(aaguid) != 16 {
		aaguid = make([]byte, 16)
	}
	passkey := access.NewPasskey{
		Credential: base64.RawURLEncoding.EncodeToString(made.ID),
		PublicKey:  base64.RawURLEncoding.EncodeToString(made.PublicKey),
		AAGUID:     hex.EncodeToString(aaguid),
		Name:       begun.Name,
		Record:     record,
	}
	// Whoever asks the browser not to tell sends an attestation of nothing, which is none.
	if parsed.Response.AttestationObject.Format != string(protocol.AttestationFormatNone) {
		passkey.Attestation = &evidence.Attestation{
			Object:     base64.RawURLEncoding.EncodeToString(parsed.Raw.AttestationResponse.AttestationObject),
			ClientData: base64.RawURLEncoding.EncodeToString(parsed.Raw.AttestationResponse.ClientDataJSON),
		}
	}
	return passkey, nil
}

// detailOf is the library's whole story, for the log.
func detailOf(err error) string {
	var refusal *protocol.Error
	if errors.As(err, &refusal) {
		return fmt.Sprintf("%s (%s)", refusal.Details, refusal.DevInfo)
	}
	return err.Error()
}

func (r *Registrar) user(ctx context.Context, by policies.Person) (user, error) {
	known, err := r.people.Person(ctx, by.Subject)
	if err != nil {
		return user{}, fmt.Errorf("reading who registers a passkey: %w", err)
	}
	passkeys, err := r.people.Passkeys(ctx, by)
	if err != nil {
		return user{}, fmt.Errorf("reading the passkeys of who registers one: %w", err)
	}
	u := user{handle: known.Handle, person: by}
	for _, p := range passkeys {
		if len(p.Record) == 0 {
			continue // from the signer's own ceremony
		}
		var credential webauthn.Credential
		if err := json.Unmarshal(p.Record, &credential); err != nil {
			return user{}, fmt.Errorf("reading the record of passkey %s: %w", p.Credential, err)
		}
		u.credentials = append(u.credentials, credential)
	}
	return u, nil
}

// user is a person as the library sees one. The handle is random and says
// nothing of the person.
type user struct {
	handle      []byte
	person      policies.Person
	credentials []webauthn.Credential
}

func (u user) WebAuthnID() []byte { return u.handle }

func (u user) WebAuthnName() string {
	if u.person.Email != "" {
		return u.person.Email
	}
	return u.person.Name
}

func (u user) WebAuthnDisplayName() string { return u.person.Name }

func (u user) WebAuthnCredentials() []webauthn.Credential { return u.credentials }
