package evidence

import (
	"slices"
	"time"

	"stint/policies"
)

const (
	// LongestEnrolment is how long after its making an authority may still
	// sign an enrolment. One that states more is refused.
	LongestEnrolment = 24 * time.Hour
	// MostPasskeys bounds the active passkeys of one person.
	MostPasskeys = 20
)

// VerifiedEnrolment is an enrolment that VerifyEnrolment or VerifyCeremony found
// proven. Only they make one that holds anything; the methods of any other panic.
type VerifiedEnrolment struct{ held *verifiedEnrolment }

type verifiedEnrolment struct {
	enrolment Enrolment
	evidence  EnrolmentEvidence
	authority string
	by        []policies.Subject
	attested  string
}

func (v VerifiedEnrolment) must() *verifiedEnrolment {
	if v.held == nil {
		panic("evidence: a VerifiedEnrolment that VerifyEnrolment did not return")
	}
	return v.held
}

// Enrolment is the statement.
func (v VerifiedEnrolment) Enrolment() Enrolment { return v.must().enrolment }

// Authority is who allowed it, in a word: AuthorityCeremony and so on.
func (v VerifiedEnrolment) Authority() string { return v.must().authority }

// By are the people who allowed it; the enrolled themselves where no other
// person's signature was needed.
func (v VerifiedEnrolment) By() []policies.Subject { return slices.Clone(v.must().by) }

// Attested is the make of the authenticator, as the policy names it; empty where
// the evidence holds no attestation.
func (v VerifiedEnrolment) Attested() string { return v.must().attested }

// Entry is what the ledger records of it.
func (v VerifiedEnrolment) Entry() *EnrolmentEntry {
	held := v.must()
	return &EnrolmentEntry{Evidence: held.evidence, Authority: held.authority, By: slices.Clone(held.by), Attested: held.attested}
}

// VerifyEnrolment checks that a new passkey may join the roster: that whoever
// enrols it holds it, and that somebody who may allow it does. It takes no evidence
// of the ceremony. A refusal is a *Failure.
func VerifyEnrolment(e EnrolmentEvidence, trust Trust, now time.Time) (VerifiedEnrolment, error) {
	if e.Ceremony {
		return VerifiedEnrolment{}, fail("authority-ceremony", "the first administrators enrol at the signer's own page only")
	}
	return verifyEnrolment(e, trust, now)
}

// VerifyCeremony checks an enrolment of one of the first administrators. That it
// came from the signer's own page, and for whom, is the caller's to know; that the
// ceremony is still open, Beliefs.Check's. A refusal is a *Failure.
func VerifyCeremony(e EnrolmentEvidence, trust Trust, now time.Time) (VerifiedEnrolment, error) {
	if !e.Ceremony {
		return VerifiedEnrolment{}, fail("authority-ceremony", "this is no evidence of the ceremony")
	}
	// The page's origin is the signer's to know, and counts for nothing afterwards.
	trust.Origins = []string{clientOrigin(e.Possession)}
	return verifyEnrolment(e, trust, now)
}

func verifyEnrolment(e EnrolmentEvidence, trust Trust, now time.Time) (VerifiedEnrolment, error) {
	none := VerifiedEnrolment{}

	// 1. The statement, and its time.
	enrolment, err := openEnrolment(e.Statement, trust, now)
	if err != nil {
		return none, err
	}

	// 2. The passkey is new, and of a kind that counts; its owner is not suspended, and
	// nothing that was decided of them since the statement was made is undone by it.
	if err := checkNewPasskey(enrolment, trust.Roster, now); err != nil {
		return none, err
	}
	if err := trust.checkSuspended(enrolment.Enrolled(), now); err != nil {
		return none, within("enrolment", err)
	}
	if known, _ := trust.Roster.Find(enrolment.Person); known.isStale(enrolment.Issued) {
		return none, fail("enrolment-stale", "the person's standing changed since this enrolment was made; begin again")
	}

	// 3. Whoever enrols holds it, on an authenticator of a make that the policy
	// accepts where it cares.
	passkey := Passkey{Credential: enrolment.Credential, PublicKey: enrolment.PublicKey}
	if err := VerifyAssertion(e.Possession, e.Statement, passkey, trust); err != nil {
		return none, within("possession", err)
	}
	v := &verifiedEnrolment{enrolment: *enrolment, evidence: e}
	if v.attested, err = checkAttested(e.Attestation, enrolment, trust, now); err != nil {
		return none, err
	}

	// 4. One authority allows it.
	given := 0
	for _, is := range []bool{len(e.Administrators) > 0, e.Own != nil, e.Login != nil, e.Ceremony} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		err = fail("authority", "an enrolment is allowed by administrators, by a passkey of one's own or by a login key, and by one of them only")
	case e.Own != nil:
		v.authority, v.by, err = AuthorityPasskey, []policies.Subject{enrolment.Person}, allowedByOwn(e, enrolment, trust, now)
	case e.Login != nil:
		v.authority, v.by, err = AuthorityLogin, []policies.Subject{enrolment.Person}, allowedByLogin(e, enrolment, trust, now)
	case e.Ceremony:
		v.authority, v.by, err = AuthorityCeremony, []policies.Subject{enrolment.Person}, allowedByCeremony(enrolment, trust, now)
	default:
		enrolled := enrolment.Enrolled()
		v.authority = AuthorityAdministrators
		v.by, err = verifyQuorum(e.Administrators, e.Statement, &enrolled, trust, now)
		err = within("authority", err)
	}
	if err != nil {
		return none, err
	}

	// 5. It leaves enough administrators: an enrolment can take groups away too.
	after := trust
	after.Roster = trust.Roster.Enrol(*enrolment, v.attested, now)
	if err := checkLeft(trust, after, now); err != nil {
		return none, err
	}
	return VerifiedEnrolment{v}, nil
}

func openEnrolment(statement string, trust Trust, now time.Time) (*Enrolment, error) {
	if trust.Version != 1 {
		return nil, fail("version", "this version reads trust of version 1")
	}
	enrolment, err := DecodeAs[*Enrolment](statement)
	if err != nil {
		return nil, fail("enrolment", "%v", err)
	}
	if enrolment.Instance != trust.Instance {
		return nil, fail("instance", "the enrolment is for another installation")
	}
	return enrolment, within("enrolment", checkSpan(enrolment.Issued, enrolment.Expires, LongestEnrolment, now))
}

// checkSpan checks the times of a statement that may be signed for a while.
func checkSpan(issued, expires time.Time, longest time.Duration, now time.Time) error {
	switch {
	case issued.After(now.Add(policies.Skew)):
		return fail("issued", "it is dated in the future")
	case !expires.After(issued) || expires.Sub(issued) > longest:
		return fail("expires", "it expires after it is made, and within %s", policies.FormatDuration(longest))
	case !now.Before(expires):
		return fail("expires", "its time is over; begin again")
	}
	return nil
}

// checkNewPasskey refuses a passkey that the roster knows, under whomever, even
// if it was removed: two people behind one key could approve for each other.
func checkNewPasskey(e *Enrolment, roster Roster, now time.Time) error {
	if _, err := parsePasskeyKey(e.PublicKey); err != nil {
		return fail("enrolment-key", "the passkey's public key cannot be used: %v", err)
	}
	identity := keyIdentity(e.PublicKey)
	for _, p := range roster.People {
		active := 0
		for _, k := range p.Passkeys {
			if k.Credential == e.Credential || keyIdentity(k.PublicKey) == identity {
				return fail("enrolment-known", "the roster already knows this passkey; make a new one")
			}
			if k.Active(now) {
				active++
			}
		}
		if p.Person.Subject == e.Person && active >= MostPasskeys {
			return fail("enrolment-many", "a person has at most %d passkeys; remove one first", MostPasskeys)
		}
	}
	return nil
}

// allowedByOwn takes the person's own earlier passkey for one more that grants what
// theirs already has, and makes nobody an administrator.
func allowedByOwn(e EnrolmentEvidence, enrolment *Enrolment, trust Trust, now time.Time) error {
	holder, key, err := trust.signatory(e.Own.Credential, now)
	if err != nil {
		return within("authority", err)
	}
	if err := VerifyAssertion(*e.Own, e.Statement, key, trust); err != nil {
		return within("authority", err)
	}
	unchanged := sameGroups(enrolment.Groups, holder.Person.Groups) && sameGroups(enrolment.Groups, holder.With(key).Groups) &&
		enrolment.Name == holder.Person.Name && enrolment.Email == holder.Person.Email
	switch {
	case holder.Person.Subject != enrolment.Person:
		return fail("authority-own", "one's own passkey enrols nobody else")
	case slices.Contains(holder.Person.Groups, policies.AdministratorsGroup), slices.Contains(enrolment.Groups, policies.AdministratorsGroup):
		return fail("authority-own", "an administrator's further passkey is enrolled by other administrators")
	case !unchanged:
		return fail("authority-own", "one's own passkey enrols another for the same name, e-mail address and groups only")
	}
	return nil
}

// allowedByLogin takes the person's own login key for a passkey that grants
// nothing, to a person who was granted nothing. It confirms logins.
func allowedByLogin(e EnrolmentEvidence, enrolment *Enrolment, trust Trust, now time.Time) error {
	person, err := VerifyLogin(e.Login.Binding, trust, now)
	if err != nil {
		return within("authority", err)
	}
	known, _ := trust.Roster.Find(enrolment.Person)
	switch {
	case person.Subject != enrolment.Person:
		return fail("authority-person", "a login key enrols a passkey of its own person only")
	case person.Name != enrolment.Name || person.Email != enrolment.Email:
		return fail("authority-person", "the enrolment names the person otherwise than the provider does")
	case len(enrolment.Groups) > 0 || len(known.Person.Groups) > 0:
		return fail("authority-login-groups", "a login key enrols no passkey for somebody with groups; ask the administrators")
	case known.isKnown(now) && (known.Person.Name != enrolment.Name || known.Person.Email != enrolment.Email):
		// Their e-mail address links them to other identities of theirs.
		return fail("authority-known", "the roster knows this person under another name or e-mail address; ask the administrators to change it")
	}
	key, err := ParseKey(e.Login.Binding.LoginKey)
	if err != nil || !verifyKey(e.Statement, e.Login.Signature, key) {
		return fail("authority-signature", "the login key did not sign the enrolment")
	}
	return nil
}

// allowedByCeremony takes nobody's word: the signer's own page is the authority. It
// makes an administrator out of somebody who is none.
func allowedByCeremony(enrolment *Enrolment, trust Trust, now time.Time) error {
	known, _ := trust.Roster.Find(enrolment.Person)
	switch {
	case !slices.Contains(enrolment.Groups, policies.AdministratorsGroup):
		return fail("authority-ceremony", "the ceremony enrols administrators only")
	case slices.ContainsFunc(known.Passkeys, func(k Passkey) bool {
		return k.Active(now) && slices.Contains(known.With(k).Groups, policies.AdministratorsGroup)
	}):
		return fail("authority-ceremony", "this administrator is enrolled already")
	}
	return nil
}

// sameGroups compares two lists of groups without their order.
func sameGroups(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}
