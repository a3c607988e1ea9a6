package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// SignedIn stores a sign-in, and the person as the identity provider described
// them. Began is set to now.
func (s *Service) SignedIn(ctx context.Context, in SignIn) (known KnownPerson, err error) {
	handle, err := s.newHandle()
	if err != nil {
		return KnownPerson{}, err
	}
	err = s.write(ctx, func(c *change) (err error) {
		known, err = c.signIn(in, handle)
		return err
	})
	return known, err
}

// CommandLineSignedIn is SignedIn for a command line, whose ID token is taken
// for one login key only. With confirm, after a device-flow sign-in, that key and
// this sign-in wait for the person's passkey: see Confirm.
func (s *Service) CommandLineSignedIn(ctx context.Context, in SignIn, token IDToken, confirm bool) (known KnownPerson, confirmation Confirmation, err error) {
	if _, err := evidence.ParseKey(in.LoginKey); err != nil {
		return known, confirmation, invalid("login.login_key", "The login key cannot be used: %v.", err).because(err)
	}
	handle, err := s.newHandle()
	if err != nil {
		return known, confirmation, err
	}
	code, err := s.newID("con-", 13)
	if err != nil {
		return known, confirmation, err
	}
	err = s.write(ctx, func(c *change) (err error) {
		// 1. Whoever is suspended is told why. A browser is let in, and told at each
		// page: see Authenticate.
		if suspended, is, err := c.suspension(c, in.Person); err != nil {
			return err
		} else if is {
			return suspended.told()
		}
		// 2. Nobody signs in with a token that they read somewhere.
		if err := c.BindIDToken(token, in.LoginKey); errors.Is(err, ErrRowExists) {
			return fail(Forbidden, CodeTokenUsed, "Another machine has signed in with this ID token. Sign in anew.")
		} else if err != nil {
			return err
		}
		// 3. A key that the token does not commit to waits.
		if confirm {
			in.Confirmation = code
		}
		if known, err = c.signIn(in, handle); err != nil || !confirm {
			return err
		}
		confirmation = Confirmation{
			Code: code, Person: in.Person, LoginKey: in.LoginKey, Requested: c.now, Expires: c.now.Add(confirmationLife),
		}
		if err := c.AddConfirmation(confirmation); err != nil {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: EventLoginRequested, Actor: ActorOf(in.Person), Text: "A login key of " + in.Person.Name + " waits for a passkey.",
		}, confirmationData{Code: code, LoginKey: in.LoginKey})
		return err
	})
	return known, confirmation, err
}

func (s *Service) newHandle() ([]byte, error) {
	handle := make([]byte, 32)
	if _, err := io.ReadFull(s.config.Random, handle); err != nil {
		return nil, fmt.Errorf("reading randomness: %w", err)
	}
	return handle, nil
}

// signIn stores a sign-in; handle is for somebody who is new.
func (c *change) signIn(in SignIn, handle []byte) (known KnownPerson, err error) {
	in.Began = c.now
	in.Ends = in.Ends.UTC().Truncate(time.Microsecond)
	if !in.Ends.After(in.Began) {
		return known, fail(Unauthenticated, CodeSignInNeeded, "The sign-in is over already. Sign in again.")
	}
	fresh := KnownPerson{Person: in.Person, Handle: handle, FirstSeen: c.now, LastSeen: c.now}
	if err := c.PutPerson(fresh); err != nil {
		return known, err
	}
	if known, err = c.Person(in.Person.Subject); err != nil {
		return known, err
	}
	if err := c.AddSignIn(in); err != nil {
		return known, err
	}
	_, err = c.record(AuditEvent{
		Kind: EventSignedIn, Actor: ActorOf(in.Person), Text: in.Person.Name + " signed in (" + string(in.Kind) + ").",
	}, signInData{Kind: in.Kind, Groups: in.Person.Groups, LoginKey: in.LoginKey, Ends: in.Ends})
	return known, err
}

type signInData struct {
	Kind     SignInKind `json:"kind"`
	Groups   []string   `json:"groups"`
	LoginKey string     `json:"login_key,omitempty"`
	Ends     time.Time  `json:"ends"`
}

// Authenticate says who holds a token, by its SHA-256. A sign-in that waits for
// its person's passkey is refused, unless unconfirmed is enough.
func (s *Service) Authenticate(ctx context.Context, token [32]byte, kind SignInKind, unconfirmed bool) (SignIn, error) {
	var in SignIn
	err := s.read(ctx, func(r Reader, m moment) (err error) {
		in, err = r.SignIn(token)
		if errors.Is(err, ErrNoRow) || err == nil && (in.Kind != kind || !m.now.Before(in.Ends)) {
			return fail(Unauthenticated, CodeSignInNeeded, "You are not signed in, or your sign-in is over. Sign in again.")
		}
		if err != nil {
			return err
		}
		// Whoever is suspended does nothing, and what they were signed in to before
		// stays over when they no longer are.
		suspended, is, err := m.suspension(r, in.Person)
		switch {
		case err != nil:
			return err
		case is:
			return suspended.told()
		case !in.Began.After(suspended.At):
			return fail(Unauthenticated, CodeSignInNeeded, "Your sign-in ended when you were suspended. Sign in again.")
		case in.Confirmation == "" || unconfirmed:
			return nil
		}
		confirmation, err := r.Confirmation(in.Confirmation)
		if err == nil && confirmation.Signed == nil {
			err = fail(Forbidden, CodeSignInUnconfirmed, "This sign-in waits for your passkey. Confirm it on the page that stint login named.")
		}
		return err
	})
	if err != nil {
		return SignIn{}, err
	}
	return in, nil
}

// SignOut ends a sign-in. One that is over already is no error.
func (s *Service) SignOut(ctx context.Context, token [32]byte) error {
	return s.write(ctx, func(c *change) error {
		in, err := c.SignIn(token)
		if errors.Is(err, ErrNoRow) {
			return nil
		} else if err != nil {
			return err
		}
		if removed, err := c.RemoveSignIn(token); err != nil || !removed {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: EventSignedOut, Actor: ActorOf(in.Person), Text: in.Person.Name + " signed out (" + string(in.Kind) + ").",
		}, nil)
		return err
	})
}

// Person reads what is known of somebody who has signed in.
func (s *Service) Person(ctx context.Context, subject policies.Subject) (known KnownPerson, err error) {
	err = s.config.Store.Read(ctx, func(r Reader) (err error) {
		known, err = r.Person(subject)
		return err
	})
	if errors.Is(err, ErrNoRow) {
		err = fail(NotFound, "person.not-found", "Nobody with this identity has signed in.")
	}
	return known, err
}

// Standing is what a person is to this installation.
type Standing struct {
	Roster        []string // groups for which they have a passkey in the signer's roster
	Approver      bool     // one of them is asked for by some role
	Administrator bool
	Reviewer      bool
	// Ceremony says that the first administrators are still being enrolled, at the
	// signer's own page.
	Ceremony bool
}

// Standing says what a person is. While the signer has not been heard they are nothing.
func (s *Service) Standing(ctx context.Context, by policies.Person) Standing {
	standing := Standing{Roster: []string{}}
	_ = s.read(ctx, func(_ Reader, m moment) error {
		for _, v := range m.passkeysOf(by.Subject) {
			standing.Roster = append(standing.Roster, v.speaks.Groups...)
			standing.Approver = standing.Approver || v.in(m.policy.ApproverGroups())
		}
		slices.Sort(standing.Roster)
		standing.Roster = slices.Compact(standing.Roster)
		standing.Administrator = m.isAdministrator(by.Subject)
		standing.Reviewer = m.isReviewer(by)
		standing.Ceremony = m.trust.Ceremony
		return nil
	})
	return standing
}

type confirmationData struct {
	Code      string                    `json:"code"`
	LoginKey  string                    `json:"login_key"`
	Confirmed *evidence.SignedByPasskey `json:"confirmed,omitempty"`
}

// ownConfirmation reads one that is this person's.
func (m moment) ownConfirmation(r PeopleReader, by policies.Person, code string) (Confirmation, error) {
	c, err := r.Confirmation(code)
	if errors.Is(err, ErrNoRow) || err == nil && (c.Person.Subject != by.Subject || c.Signed == nil && !m.now.Before(c.Expires)) {
		return Confirmation{}, fail(NotFound, CodeConfirmation,
			"There is no login %q of yours that waits for confirmation. It may have waited too long: run stint login again.", clip(code))
	}
	return c, err
}

// Confirmation reads a login key that waits, for its own person only.
func (s *Service) Confirmation(ctx context.Context, by policies.Person, code string) (confirmation Confirmation, err error) {
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		confirmation, err = m.ownConfirmation(r, by, code)
		return err
	})
	return confirmation, err
}

// ConfirmationChallenge makes the statement by which a person's passkey confirms
// a login key.
func (s *Service) ConfirmationChallenge(ctx context.Context, by policies.Person, code string) (SigningChallenge, error) {
	nonce, err := s.newNonce()
	if err != nil {
		return SigningChallenge{}, err
	}
	var challenge SigningChallenge
	err = s.write(ctx, func(c *change) error {
		if err := c.mayGive(); err != nil {
			return err
		}
		confirmation, err := c.ownConfirmation(c, by, code)
		if err != nil {
			return err
		}
		if confirmation.Signed != nil {
			return fail(Conflict, CodeConfirmed, "This login is confirmed already.")
		}
		with := credentials(c.passkeysOf(by.Subject), anyVoice)
		if len(with) == 0 {
			return fail(Forbidden, CodeNotPinned, "You have no passkey in the signer's roster to confirm this with. Enrol one first.")
		}
		text, err := evidence.Encode(&evidence.Login{
			Instance: s.config.Instance, Person: by.Subject, LoginKey: confirmation.LoginKey,
			Issued: seconds(c.now), Expires: seconds(c.now.Add(loginLife)), Nonce: evidence.NewNonce(nonce),
		})
		if err != nil {
			return err
		}
		challenge, err = c.handOut(purposeLogin, code, by.Subject, text, with)
		return err
	})
	return challenge, err
}

// Confirm stores the passkey's signature; the holder of the login key puts it
// into its login binding.
func (s *Service) Confirm(ctx context.Context, by policies.Person, code string, signed evidence.SignedByPasskey) (Confirmation, error) {
	if err := s.takeChallenge(ctx, purposeLogin, code, by.Subject, signed.Statement); err != nil {
		return Confirmation{}, err
	}
	var confirmation Confirmation
	err := s.write(ctx, func(c *change) (err error) {
		if err := c.mayGive(); err != nil {
			return err
		}
		if confirmation, err = c.ownConfirmation(c, by, code); err != nil {
			return err
		}
		if _, err := c.verifyPasskey(signed, by.Subject); err != nil {
			return err
		}
		confirmation.Signed = &signed
		if err := c.ConfirmLogin(confirmation); errors.Is(err, ErrRaced) {
			return fail(Conflict, CodeConfirmed, "This login is confirmed already.")
		} else if err != nil {
			return err
		}
		if err := c.notePasskey(signed.Assertion.Credential); err != nil {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: EventLoginConfirmed, Actor: ActorOf(by), Text: by.Name + " confirmed a login key with a passkey.",
		}, confirmationData{Code: code, LoginKey: confirmation.LoginKey, Confirmed: &signed})
		return err
	})
	return confirmation, err
}
