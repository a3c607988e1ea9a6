// Package ceremony is the signer's own page, on which the first people join the
// roster: before anybody is in it there is nobody whose passkey could allow a
// passkey, and the portal's pages are the broker's, whose word counts for nothing.
//
// Whoever runs the signer lists the people, and hands each a link with a secret of
// their own. The page shows the person the exact text of their enrolment; the
// passkey that they make on it signs that text. The secret stands behind the
// link's hash sign, so that it reaches no log on the way.
//
//	link ─► page: who you are, what your passkey will count for
//	         │  begin: a challenge                  navigator.credentials.create
//	         ▼
//	        register: the statement's text, shown   navigator.credentials.get
//	         ▼
//	        enrol: the signer verifies it and pins the passkey
package ceremony

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

const (
	challengeLife = 10 * time.Minute // to make the passkey
	enrolmentLife = time.Hour        // to sign the statement
)

// Config wires a Ceremony. Every field but Portal, Random and Log is required.
type Config struct {
	Instance     string
	RelyingParty string // as the portal's passkeys have it
	Origin       string // of the page, exact
	Portal       string // where to go when it is done; may be empty
	// People are who may join here, with the groups that they will be in.
	People []policies.Person
	// LinksFile keeps the links, so that they outlive a restart. It is made for
	// its owner alone, and gone when everybody has joined.
	LinksFile string
	// Attested says that the passkey of somebody in these groups has to say of
	// which make it is.
	Attested func(groups []string) bool
	// Joined says whether the person has joined, or can join no more.
	Joined func(policies.Subject) bool
	// Enrol brings a passkey into the roster, or refuses with a *wire.Error.
	Enrol func(context.Context, evidence.EnrolmentEvidence) error
	// Refused gathers what is refused, and says whether it is the first of its kind:
	// whoever reaches the page, with a link or without, must not fill the log.
	Refused func(call string, problem wire.Error) (first bool)

	Now    func() time.Time
	Random io.Reader
	Log    *slog.Logger
}

// Ceremony is open until everybody has joined. It is safe for concurrent use.
type Ceremony struct {
	config Config
	links  []Link // of those who had not joined when it was opened
	done   chan struct{}

	mu      sync.Mutex
	pending map[policies.Subject]pending
	closed  bool
}

// pending is how far one person is.
type pending struct {
	challenge   string
	began       time.Time
	statement   string // once the passkey is made
	expires     time.Time
	passkey     evidence.Passkey
	attestation *evidence.Attestation
}

// New opens the ceremony and reads its links, or makes them.
func New(config Config) (*Ceremony, error) {
	if len(config.People) == 0 || config.LinksFile == "" || config.Attested == nil || config.Joined == nil || config.Enrol == nil || config.Refused == nil || config.Now == nil {
		return nil, errors.New("ceremony: the wiring is incomplete")
	}
	if config.Random == nil {
		config.Random = rand.Reader
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	links, err := openLinks(config)
	if err != nil {
		return nil, err
	}
	c := &Ceremony{config: config, links: links, done: make(chan struct{}), pending: map[policies.Subject]pending{}}
	return c, c.keepWaiting()
}

// Done is closed once everybody has joined.
func (c *Ceremony) Done() <-chan struct{} { return c.done }

// Waiting are the links of those who have not joined yet.
func (c *Ceremony) Waiting() []Link {
	return slices.DeleteFunc(slices.Clone(c.links), func(l Link) bool { return c.config.Joined(l.Person) })
}

// keepWaiting leaves nothing but the links of those who have not joined, and ends
// the ceremony when there are none.
func (c *Ceremony) keepWaiting() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := c.Waiting()
	if len(waiting) == 0 && !c.closed {
		c.closed = true
		close(c.done)
	}
	return keepLinks(c.config.LinksFile, waiting)
}

// find is the person that a link is for.
func (c *Ceremony) find(secret string) (policies.Person, error) {
	var found policies.Person
	given := sha256.Sum256([]byte(c.config.Origin + "/#" + secret))
	for _, person := range c.config.People {
		for _, link := range c.links {
			known := sha256.Sum256([]byte(link.URL))
			if subtle.ConstantTimeCompare(given[:], known[:]) == 1 && link.Person == person.Subject {
				found = person
			}
		}
	}
	if found.Subject == (policies.Subject{}) {
		return found, refuse(http.StatusForbidden, "ceremony-link", "This link is not one of this ceremony's. Open the link exactly as whoever runs the signer gave it to you.")
	}
	if c.config.Joined(found.Subject) {
		return found, refuse(http.StatusConflict, "ceremony-used", "This link is used up: either your passkey is in the roster, or the ceremony is over. Sign in to the portal, or ask an administrator.")
	}
	return found, nil
}

// begin tells the person of a link who they are to the ceremony, and what their
// browser needs to make a passkey.
func (c *Ceremony) begin(secret string) (beginning, error) {
	person, err := c.find(secret)
	if err != nil {
		return beginning{}, err
	}
	challenge, err := c.random(32)
	if err != nil {
		return beginning{}, err
	}
	handle, err := c.random(32)
	if err != nil {
		return beginning{}, err
	}
	c.mu.Lock()
	c.pending[person.Subject] = pending{challenge: challenge, began: c.config.Now()}
	c.mu.Unlock()
	return c.beginning(person, challenge, handle), nil
}

// register takes the passkey that was made, and returns the statement that it is
// to sign.
func (c *Ceremony) register(in registration) (statementText, error) {
	none := statementText{}
	// 1. The link, and the challenge that was given to it: used up by the attempt.
	person, err := c.find(in.Secret)
	if err != nil {
		return none, err
	}
	now := c.config.Now()
	c.mu.Lock()
	begun := c.pending[person.Subject]
	delete(c.pending, person.Subject)
	c.mu.Unlock()
	if begun.challenge == "" || now.Sub(begun.began) > challengeLife {
		return none, refuse(http.StatusConflict, "ceremony-begun", "This took too long, or was begun in another window. Begin again.")
	}
	// 2. The passkey was made here, for this challenge, with its user verified.
	made, err := parsePasskey(in.Credential, begun.challenge, c.config.RelyingParty, c.config.Origin)
	if err != nil {
		return none, because(refuse(http.StatusForbidden, "ceremony-passkey", "The passkey cannot be used. Make another one, or use another device."), err)
	}
	// 3. The statement.
	var random [16]byte
	if _, err := io.ReadFull(c.config.Random, random[:]); err != nil {
		return none, err
	}
	issued := now.UTC().Truncate(time.Second)
	expires := issued.Add(enrolmentLife)
	text, err := evidence.Encode(&evidence.Enrolment{
		Instance: c.config.Instance, Person: person.Subject, Name: person.Name, Email: person.Email, Groups: person.Groups,
		Credential: made.credential, PublicKey: made.publicKey, AAGUID: made.aaguid, PasskeyName: in.Name,
		Issued: issued, Expires: expires, Nonce: evidence.NewNonce(random),
	})
	if err != nil {
		return none, because(refuse(http.StatusBadRequest, "ceremony-name", "A passkey's name has 1 to 64 visible characters. Begin again with another one."), err)
	}
	next := pending{statement: text, expires: expires, passkey: evidence.Passkey{Credential: made.credential, PublicKey: made.publicKey}}
	if c.config.Attested(person.Groups) {
		next.attestation = &made.attestation
	}
	c.mu.Lock()
	c.pending[person.Subject] = next
	c.mu.Unlock()
	return statementText{Statement: text, Digest: evidence.Digest(text), Credential: made.credential}, nil
}

// enrol takes the new passkey's signature over the statement to the signer, who
// verifies everything.
func (c *Ceremony) enrol(ctx context.Context, in signature) (joining, error) {
	person, err := c.find(in.Secret)
	if err != nil {
		return joining{}, err
	}
	c.mu.Lock()
	made := c.pending[person.Subject]
	c.mu.Unlock()
	if made.statement == "" || !c.config.Now().Before(made.expires) {
		return joining{}, refuse(http.StatusConflict, "ceremony-begun", "This took too long, or was begun in another window. Begin again.")
	}
	// Of which page it comes is for this page to know; the rest is the signer's.
	here := evidence.Trust{RelyingParty: c.config.RelyingParty, Origins: []string{c.config.Origin}}
	if err := evidence.VerifyAssertion(in.Assertion, made.statement, made.passkey, here); err != nil {
		return joining{}, because(refuse(http.StatusForbidden, "ceremony-signature", "The passkey's signature does not fit the text. Begin again."), err)
	}
	err = c.config.Enrol(ctx, evidence.EnrolmentEvidence{
		Statement: made.statement, Possession: in.Assertion, Ceremony: true, Attestation: made.attestation,
	})
	if err != nil {
		return joining{}, err
	}
	c.config.Log.Info("somebody joined the roster in the ceremony", "person", person.Name, "groups", person.Groups)
	if err := c.keepWaiting(); err != nil {
		c.config.Log.Warn("a link of the ceremony that is of no use any more is still there", "file", c.config.LinksFile, "error", err)
	}
	return joining{Portal: c.config.Portal, People: c.people()}, nil
}

// people are who is listed, and who of them has joined.
func (c *Ceremony) people() (people []listed) {
	for _, person := range c.config.People {
		people = append(people, listed{person.Name, person.Groups, c.config.Joined(person.Subject)})
	}
	return people
}

func (c *Ceremony) random(size int) (string, error) {
	data := make([]byte, size)
	if _, err := io.ReadFull(c.config.Random, data); err != nil {
		return "", fmt.Errorf("drawing random bytes: %w", err)
	}
	return encode(data), nil
}

// refuse is a no that the page shows.
func refuse(status int, code, title string) *wire.Error {
	return &wire.Error{Status: status, Code: code, Title: title}
}

// because adds to a no what only the log is told.
func because(no *wire.Error, cause error) error { return fmt.Errorf("%w (%w)", no, cause) }
