package signer

import (
	"context"
	"net/http"
	"slices"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// pin takes a passkey into the roster. The authority of the ceremony is the
// signer's own page's alone: evidence of it that comes over the wire is refused.
func (s *signer) pin(ctx context.Context, in wire.EnrolRequest) (wire.EnrolResult, error) {
	// 1. Parse strictly.
	statement, err := evidence.DecodeAs[*evidence.Enrolment](in.Evidence.Statement)
	if err != nil {
		return wire.EnrolResult{}, refuse(http.StatusForbidden, "evidence.enrolment", sentence(err.Error()))
	}
	// 2. The provider's keys, fetched by the signer itself.
	if login := in.Evidence.Login; login != nil {
		if err := s.needKeys(ctx, keyID(login.Binding.IDToken)); err != nil {
			return wire.EnrolResult{}, err
		}
	}
	// 3 to 6. Possession and authority; what the roster is afterwards.
	entry, err := s.settleChange(ctx, wire.PathEnrol, in.Evidence.Statement, func(b belief) (evidence.Entry, error) {
		verified, err := evidence.VerifyEnrolment(in.Evidence, b.trust, b.now)
		if err != nil {
			return evidence.Entry{}, err
		}
		return evidence.Entry{Enrolment: verified.Entry()}, nil
	})
	if err != nil {
		return wire.EnrolResult{}, err
	}
	return wire.EnrolResult{Person: statement.Enrolled(), Proof: entry.proof}, nil
}

// removePasskey takes a passkey out of the roster. It needs no proof and is not
// held up by the clock; but it leaves as many administrators as the policy
// demands, without whom nobody could ever give anything again.
func (s *signer) removePasskey(ctx context.Context, in wire.RemovePasskeyRequest) (wire.Done, error) {
	// 1. Parse strictly.
	if err := checkBy(in.By); err != nil {
		return wire.Done{}, err
	}
	index, err := s.book.decide(false, func(state *state, now time.Time, _ int64) (*evidence.Entry, int64, error) {
		// 2. The same once more: the caller missed the answer.
		if earlier, done := state.removed[in.Credential]; done {
			return nil, earlier, nil
		}
		// 3. There is such a passkey, and the ceremony can go on without it. That a quorum is
		// left, the book checks.
		people := state.beliefs.Roster().People
		i := slices.IndexFunc(people, func(p evidence.RosterPerson) bool {
			return slices.ContainsFunc(p.Passkeys, func(k evidence.Passkey) bool { return k.Credential == in.Credential && k.Removed == nil })
		})
		if i < 0 {
			return nil, 0, refuse(http.StatusNotFound, wire.CodeNoSuchPasskey, "The roster holds no such passkey.")
		}
		if err := s.keepForCeremony(state, people[i].Person, now); err != nil {
			return nil, 0, err
		}
		return &evidence.Entry{Removal: &evidence.RemovalEntry{Credential: in.Credential, By: in.By}}, 0, nil
	})
	// 4. It counts once it is on the disk.
	return s.done(ctx, index, err)
}

// suspend takes everything from a person: nothing that they sign counts, and
// nothing is signed for them. It needs no proof, holds for somebody whom the roster
// does not know, and is not held up by the clock; but it leaves as many
// administrators as the policy demands.
func (s *signer) suspend(ctx context.Context, in wire.SuspendRequest) (wire.Done, error) {
	// 1. Parse strictly.
	if in.Person.Check() != nil {
		return wire.Done{}, refuse(http.StatusBadRequest, "person", "The person is not a subject and its issuer.")
	}
	if in.Name == "" || policies.CheckText(in.Name, policies.MostName) != nil {
		return wire.Done{}, refuse(http.StatusBadRequest, "name", "The person's name is missing, or cannot be shown.")
	}
	if err := checkBy(in.By); err != nil {
		return wire.Done{}, err
	}
	index, err := s.book.decide(false, func(state *state, now time.Time, _ int64) (*evidence.Entry, int64, error) {
		// 2. The same once more.
		known, there := state.beliefs.Roster().Find(in.Person)
		if earlier, done := state.suspended[in.Person]; done && known.Suspended != nil {
			return nil, earlier, nil
		}
		// 3. The ceremony can go on without them. That a quorum is left, the book checks.
		person := known.Person
		if !there {
			person = policies.Person{Subject: in.Person, Name: in.Name}
		}
		if err := s.keepForCeremony(state, person, now); err != nil {
			return nil, 0, err
		}
		// 4. A stranger makes the roster longer: not without a bound.
		if !there && !s.strangers.allow("", now) {
			return nil, 0, refuse(http.StatusTooManyRequests, "rate-limited", "Too many people whom the roster does not know were suspended. Wait a minute.")
		}
		return &evidence.Entry{Suspension: &evidence.SuspensionEntry{Person: in.Person, Name: in.Name, By: in.By}}, 0, nil
	})
	// 5. It counts once it is on the disk.
	return s.done(ctx, index, err)
}

// done answers a call that leaves nothing but an entry.
func (s *signer) done(ctx context.Context, index int64, err error) (wire.Done, error) {
	if err != nil {
		return wire.Done{}, err
	}
	entry, err := s.book.settle(ctx, index)
	return wire.Done{Proof: entry.proof}, err
}

// quorum is how many administrators must sign a change. Without a policy that this
// version can read it is 0, and nothing is given anyway.
func (s *signer) quorum() (quorum int) {
	s.book.view(func(state *state) {
		if policy := state.beliefs.Policy(state.last); policy != nil {
			quorum = policy.Quorum()
		}
	})
	return quorum
}

// attested says whether the passkey of somebody in these groups has to say of which
// make it is.
func (s *signer) attested(groups []string) (needed bool) {
	s.book.view(func(state *state) {
		if policy := state.beliefs.Policy(state.last); policy != nil {
			needed = policy.NeedsAttestation(groups)
		}
	})
	return needed
}

// joined says whether the ceremony has brought somebody into the roster, or is
// over: then it brings nobody.
func (s *signer) joined(person policies.Subject) (joined bool) {
	s.book.view(func(state *state) {
		enrolled, over := state.beliefs.Ceremony()
		joined = over || slices.Contains(enrolled, person)
	})
	return joined
}
