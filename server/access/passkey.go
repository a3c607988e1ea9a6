package access

import (
	"context"
	"errors"
	"strings"

	"stint/policies"
)

// Passkeys lists the caller's own.
func (s *Service) Passkeys(ctx context.Context, by policies.Person) (passkeys []Passkey, err error) {
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		passkeys, err = r.Passkeys(by.Subject)
		for i, p := range passkeys {
			passkeys[i].Pinned = m.pinned(p.Credential)
		}
		return err
	})
	return passkeys, err
}

func ownPasskey(r PeopleReader, by policies.Person, credential string) (Passkey, error) {
	p, err := r.Passkey(credential)
	if errors.Is(err, ErrNoRow) || err == nil && p.Owner != by.Subject {
		return Passkey{}, fail(NotFound, CodePasskeyNotFound, "You have no such passkey.")
	}
	return p, err
}

// RenamePasskey changes what its owner calls a passkey.
func (s *Service) RenamePasskey(ctx context.Context, by policies.Person, credential, name string) error {
	name = strings.TrimSpace(name)
	if err := policies.CheckText(name, 64); err != nil || name == "" {
		return invalid("name", "A passkey's name has 1 to 64 visible characters.")
	}
	return s.write(ctx, func(c *change) error {
		p, err := ownPasskey(c, by, credential)
		if err != nil {
			return err
		}
		if err := c.Tx.RenamePasskey(credential, name); err != nil {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: EventPasskeyRenamed, Actor: ActorOf(by), Text: by.Name + " calls the passkey " + p.Name + " now " + name + ".",
		}, passkeyData{Credential: credential})
		return err
	})
}

type passkeyData struct {
	Credential string `json:"credential"`
}

// RemovePasskey takes a passkey of the caller out of the signer's roster and
// forgets it. From then on it signs nothing.
func (s *Service) RemovePasskey(ctx context.Context, by policies.Person, credential string) error {
	// 1. It is the caller's.
	err := s.read(ctx, func(r Reader, _ moment) error {
		_, err := ownPasskey(r, by, credential)
		return err
	})
	if err != nil {
		return err
	}
	// 2. The signer first: what it trusts is what counts.
	calling, cancel := context.WithTimeout(ctx, signerPatience)
	defer cancel()
	if err := s.config.Signer.RemovePasskey(calling, credential, by.Subject); err != nil {
		return err
	}
	// 3. Then our note of it, and an enrolment that still waits.
	return s.writeDown(ctx, func(c *change) error {
		p, err := ownPasskey(c, by, credential)
		if err != nil {
			return err
		}
		waiting, err := c.Tx.Enrolments(EnrolmentQuery{
			Person: by.Subject, States: []EnrolmentState{NeedsPossession, NeedsAuthority}, Limit: MaxPage,
		})
		if err != nil {
			return err
		}
		for _, e := range waiting {
			if e.Credential == credential {
				if _, err := c.reject(by, e, "The passkey was removed"); err != nil {
					return err
				}
			}
		}
		if err := c.Tx.RemovePasskey(credential); err != nil {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: EventPasskeyRemoved, Actor: ActorOf(by), Text: by.Name + " removed the passkey " + p.Name + ".",
		}, passkeyData{Credential: credential})
		return err
	})
}
