package access

import (
	"slices"

	"stint/policies"
	"stint/server/evidence"
)

// CountedSignature is a signature with what it is worth now: an administrator
// who was suspended, or whose passkey was taken away, counts no more.
type CountedSignature struct {
	Signature
	Counts bool
}

// Gathered is how far a change or an enrolment is on its way to the quorum.
type Gathered struct {
	Signatures []CountedSignature
	Quorum     int // different administrators that it takes; 0 once it is over
}

// over is what was gathered for something that has ended: what counts today says
// nothing about it.
func (g Gathered) over() Gathered {
	for i := range g.Signatures {
		g.Signatures[i].Counts = true
	}
	g.Quorum = 0
	return g
}

// Missing is how many administrators have still to sign.
func (g Gathered) Missing() int {
	missing := g.Quorum
	for _, s := range g.Signatures {
		if s.Counts {
			missing--
		}
	}
	return max(missing, 0)
}

// assertions are those that count, no more than it takes.
func (g Gathered) assertions() []evidence.Assertion {
	var all []evidence.Assertion
	for _, s := range g.Signatures {
		if s.Counts && len(all) < g.Quorum {
			all = append(all, s.Assertion)
		}
	}
	return all
}

// gathered counts the signatures under a change or an enrolment. Whom it concerns
// never counts for it, and one person counts once, whatever their identities.
func (m moment) gathered(r ChangeReader, of string, concerned policies.Person) (Gathered, error) {
	g := Gathered{Quorum: m.policy.Quorum(), Signatures: []CountedSignature{}}
	signatures, err := r.Signatures(of)
	if err != nil {
		return g, err
	}
	var counted []policies.Person
	for _, s := range signatures {
		counts := m.countsAsAdministrator(s, concerned) &&
			!slices.ContainsFunc(counted, func(p policies.Person) bool { return m.linked(p, s.Signer) })
		if counts {
			counted = append(counted, s.Signer)
		}
		g.Signatures = append(g.Signatures, CountedSignature{Signature: s, Counts: counts})
	}
	return g, nil
}

// linked tells whether two identities belong to one person, as far as the roster
// and the policy know.
func (m moment) linked(p, q policies.Person) bool {
	return m.policy.Linked(p, q, m.trust.Roster.Known(m.now))
}

func (m moment) countsAsAdministrator(s Signature, concerned policies.Person) bool {
	holder := m.roster(s.Signer.Subject)
	passkey, ok := m.active(holder, s.Assertion.Credential)
	return ok &&
		slices.Contains(holder.With(passkey).Groups, policies.AdministratorsGroup) &&
		(concerned.Subject == policies.Subject{} || !m.linked(holder.Person, concerned))
}

// administratorsPasskeys are those with which a person signs as an administrator.
func (m moment) administratorsPasskeys(s policies.Subject) []string {
	return credentials(m.passkeysOf(s), func(v voice) bool { return slices.Contains(v.speaks.Groups, policies.AdministratorsGroup) })
}

// maySign says no, with the reason, to who cannot sign as an administrator, or
// has done so.
func (m moment) maySign(by policies.Person, g Gathered, concerned policies.Person) error {
	if len(m.administratorsPasskeys(by.Subject)) == 0 {
		return fail(Forbidden, CodeForbidden, "Only administrators sign this, with a passkey that the signer's roster has for them.")
	}
	if concerned.Subject != (policies.Subject{}) && m.linked(by, concerned) {
		return fail(Forbidden, CodeForbidden, "Nobody signs as an administrator what is about themselves; other administrators have to.")
	}
	for _, s := range g.Signatures {
		if s.Counts && m.linked(s.Signer, by) {
			return fail(Conflict, CodeSignedAlready, "You have signed this already; it waits for another administrator.")
		}
	}
	return nil
}

// sign checks an administrator's signature against the signer's roster and keeps
// it, so that a wrong passkey is told at once and not when the last one signs. Call
// maySign before.
func (c *change) sign(by policies.Person, of, statement string, assertion evidence.Assertion) error {
	passkey, err := c.verifyPasskey(evidence.SignedByPasskey{Statement: statement, Assertion: assertion}, by.Subject)
	if err != nil {
		return err
	}
	if !slices.Contains(c.administratorsPasskeys(by.Subject), assertion.Credential) {
		return fail(Forbidden, CodeForbidden, "This passkey of yours does not count for administrators. Sign with one that does.")
	}
	if err := c.PutSignature(Signature{
		Of: of, Signer: c.roster(by.Subject).Person, Assertion: assertion, Signed: c.now, PasskeyName: passkey.Name,
	}); err != nil {
		return err
	}
	return c.notePasskey(assertion.Credential)
}
