package access

import (
	"context"
	"errors"
	"slices"
	"strings"

	"stint/policies"
	"stint/server/evidence"
)

// Passkeys lists the caller's own: those registered here, and those that the
// signer's roster has from its own ceremony, which have no Record.
func (s *Service) Passkeys(ctx context.Context, by policies.Person) (passkeys []Passkey, err error) {
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		passkeys, err = r.Passkeys(by.Subject)
		for i, p := range passkeys {
			passkeys[i].Pinned = m.pinned(p.Credential)
		}
		for _, k := range m.roster(by.Subject).Passkeys {
			if k.Active(m.now) && !slices.ContainsFunc(passkeys, func(p Passkey) bool { return p.Credential == k.Credential }) {
				passkeys = append(passkeys, pinnedPasskey(by.Subject, k))
			}
		}
		return err
	})
	return passkeys, err
}

// pinnedPasskey is one that only the signer's roster knows.
func pinnedPasskey(owner policies.Subject, k evidence.Passkey) Passkey {
	return Passkey{Credential: k.Credential, Owner: owner, Name: k.Name, Groups: k.Groups, Created: k.Enrolled, Pinned: true}
}

func (m moment) ownPasskey(r PeopleReader, by policies.Person, credential string) (Passkey, error) {
	p, err := r.Passkey(credential)
	if errors.Is(err, ErrNoRow) {
		if k, ok := m.roster(by.Subject).Active(credential, m.now); ok {
			return pinnedPasskey(by.Subject, k), nil
		}
	}
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
		p, err := c.ownPasskey(c, by, credential)
		if err != nil {
			return err
		}
		if err := c.Tx.RenamePasskey(credential, name); errors.Is(err, ErrRaced) {
			return fail(Conflict, CodePasskeyNotFound, "This passkey was registered at the signer's own page, and keeps the name that it got there.")
		} else if err != nil {
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
	var p Passkey
	err := s.read(ctx, func(r Reader, m moment) (err error) {
		p, err = m.ownPasskey(r, by, credential)
		return err
	})
	if err != nil {
		return err
	}
	// 2. The signer first: what it trusts is what counts.
	calling, cancel := heldOpen(ctx)
	defer cancel()
	if err := s.config.Signer.RemovePasskey(calling, credential, by.Subject); err != nil {
		return err
	}
	// 3. Then our note of it, and an enrolment that still waits.
	return s.writeDown(ctx, func(c *change) error {
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
