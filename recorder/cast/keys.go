package cast

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
)

// Track divides a recording by who may read it. Every block is of one track.
type Track uint8

// The tracks.
const (
	SessionTrack Track = 1 // everything but what the client sent
	InputTrack   Track = 2 // what the client sent, passwords included; it takes two to open
)

// String is the track's name.
func (t Track) String() string {
	switch t {
	case SessionTrack:
		return "session"
	case InputTrack:
		return "input"
	}
	return fmt.Sprintf("track-%d", uint8(t))
}

// trackOf is the track on which an event stands.
func trackOf(b Body) Track {
	if bulk, ok := b.(Bulk); ok && bulk.Stream == KindInput || b.Kind() == KindInput {
		return InputTrack
	}
	return SessionTrack
}

// Recipients are those for whom a recording is encrypted, each list at least one.
// Any one of Session opens the session track. The input track takes one of Second
// and then one of First.
type Recipients struct {
	Session, First, Second []age.Recipient
}

// ParseRecipients reads recipients as age writes them: age1… or age1pq1….
func ParseRecipients(session, first, second []string) (Recipients, error) {
	var to Recipients
	for _, list := range []struct {
		what  string
		texts []string
		into  *[]age.Recipient
	}{
		{"the recording", session, &to.Session},
		{"the first reviewers of its input", first, &to.First},
		{"the second reviewers of its input", second, &to.Second},
	} {
		for _, text := range list.texts {
			parsed, err := age.ParseRecipients(strings.NewReader(text))
			if err != nil || len(parsed) != 1 {
				// What age says may repeat the text, which could be an identity.
				return Recipients{}, fmt.Errorf("a recipient of %s is not an age recipient (age1…)", list.what)
			}
			*list.into = append(*list.into, parsed[0])
		}
	}
	for _, both := range first {
		if slices.Contains(second, both) {
			return Recipients{}, fmt.Errorf("%s is among the first and the second reviewers of input: it takes two to open it", both)
		}
	}
	return to, to.check()
}

func (to Recipients) check() error {
	switch {
	case len(to.Session) == 0:
		return fmt.Errorf("%w: the recording has no recipient", ErrNoRecipients)
	case len(to.First) == 0 || len(to.Second) == 0:
		return fmt.Errorf("%w: the input has no first or no second reviewer", ErrNoRecipients)
	}
	return nil
}

// Keys are the secrets of a recording's tracks, each in its envelope.
type Keys struct {
	Session []byte `json:"session"` // an age file to Recipients.Session
	Input   []byte `json:"input"`   // an age file to Second, which holds an age file to First
}

// secret is what a track's keys are derived from, and each of these.
type secret [32]byte

// secrets are those of the two tracks. Whoever holds them reads all of a recording.
type secrets struct {
	session, input secret
}

func newSecrets() *secrets {
	s := new(secrets)
	_, _ = rand.Read(s.session[:]) // never fails (crypto/rand)
	_, _ = rand.Read(s.input[:])
	return s
}

// wrap puts the secrets into their envelopes.
func (s *secrets) wrap(to Recipients) (Keys, error) {
	if err := to.check(); err != nil {
		return Keys{}, err
	}
	session, err := envelope(s.session[:], to.Session)
	if err != nil {
		return Keys{}, err
	}
	inner, err := envelope(s.input[:], to.First)
	if err != nil {
		return Keys{}, err
	}
	input, err := envelope(inner, to.Second)
	return Keys{Session: session, Input: input}, err
}

func envelope(content []byte, to []age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err != nil {
		return nil, fmt.Errorf("wrapping a recording's key: %w", err)
	}
	if _, err := w.Write(content); err != nil {
		return nil, fmt.Errorf("wrapping a recording's key: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("wrapping a recording's key: %w", err)
	}
	return out.Bytes(), nil
}

// Opener opens recordings: [With] identities, or with what was [Revealed] of one.
type Opener interface {
	// open returns the secrets of the tracks, nil of one that it has no key for. It is
	// safe for concurrent use.
	open(Keys) (session, input *secret, err error)
}

// Identity opens what was encrypted for its recipient; an age identity.
type Identity = age.Identity

type identities []Identity

// With opens with any of these identities. One that a key service backs is an
// [age.Identity] too; it must be safe for concurrent use.
func With(of ...Identity) Opener { return identities(of) }

// ParseIdentities reads identities, one a line, as age-keygen writes them.
func ParseIdentities(text io.Reader) ([]Identity, error) {
	of, err := age.ParseIdentities(text)
	if err != nil {
		// What age says may repeat a line, which could be a secret.
		return nil, errors.New("it holds no age identities, each on a line that begins with AGE-SECRET-KEY-")
	}
	return of, nil
}

func (i identities) open(keys Keys) (session, input *secret, err error) {
	if session, err = i.unwrap(keys.Session, 1); err != nil {
		return nil, nil, err
	}
	input, err = i.unwrap(keys.Input, 2)
	return session, input, err
}

// unwrap opens one envelope after the other until the secret lies open; nil when one
// stays closed.
func (i identities) unwrap(content []byte, layers int) (*secret, error) {
	if len(i) == 0 {
		return nil, nil
	}
	for range layers {
		opened, err := age.Decrypt(bytes.NewReader(content), i...)
		if none := new(age.NoIdentityMatchError); errors.As(err, &none) {
			return nil, nil
		}
		if err == nil {
			content, err = io.ReadAll(io.LimitReader(opened, maxHeader))
		}
		if err != nil {
			return nil, fmt.Errorf("opening a recording's key: %w", err)
		}
	}
	return secretOf(content)
}

func secretOf(content []byte) (*secret, error) {
	if len(content) != len(secret{}) {
		return nil, fmt.Errorf("%w: the envelope of its key holds no key", ErrCorrupt)
	}
	return (*secret)(content), nil
}

type anyOf []Opener

// Any opens with what any of these have. Identities of both sides of input's reviewers
// belong into one [With]: one opens what the other left.
func Any(of ...Opener) Opener { return anyOf(of) }

func (a anyOf) open(keys Keys) (session, input *secret, err error) {
	for _, one := range a {
		s, i, err := one.open(keys)
		if err != nil {
			return nil, nil, err
		}
		if session == nil {
			session = s
		}
		if input == nil {
			input = i
		}
	}
	return session, input, nil
}

// Revealed are the secrets of one recording, for somebody who may read it and has no
// identity. It opens that recording and no other.
type Revealed struct {
	Session []byte `json:"session"`
	Input   []byte `json:"input,omitempty"` // nothing where the input stays closed
}

// Reveal gives the secrets of a recording that open gets at. It returns [ErrNoKey] when
// that has none for the session track.
func Reveal(header Header, open Opener) (Revealed, error) {
	session, input, err := open.open(header.Keys)
	if err != nil {
		return Revealed{}, err
	}
	if session == nil {
		return Revealed{}, ErrNoKey
	}
	r := Revealed{Session: session[:]}
	if input != nil {
		r.Input = input[:]
	}
	return r, nil
}

func (r Revealed) open(Keys) (session, input *secret, err error) {
	if len(r.Session) > 0 {
		session, err = secretOf(bytes.Clone(r.Session))
	}
	if len(r.Input) > 0 && err == nil {
		input, err = secretOf(bytes.Clone(r.Input))
	}
	return session, input, err
}
