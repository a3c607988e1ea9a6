package evidence

import (
	"crypto/hmac"
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

// VerifiedEnrolment is an enrolment that VerifyEnrolment found proven. Only it
// makes one that holds anything; the methods of any other panic.
type VerifiedEnrolment struct{ held *verifiedEnrolment }

type verifiedEnrolment struct {
	enrolment Enrolment
	authority string
	by        policies.Subject
}

func (v VerifiedEnrolment) must() *verifiedEnrolment {
	if v.held == nil {
		panic("evidence: a VerifiedEnrolment that VerifyEnrolment did not return")
	}
	return v.held
}

// Enrolment is the statement.
func (v VerifiedEnrolment) Enrolment() Enrolment { return v.must().enrolment }

// Authority is who allowed it, in a word: see EnrolmentEntry.
func (v VerifiedEnrolment) Authority() string { return v.must().authority }

// By is the person who allowed it; the enrolled themselves where no other
// person's signature was needed.
func (v VerifiedEnrolment) By() policies.Subject { return v.must().by }

// Codes finds a one-time bootstrap code that is unused: its BootstrapSecret, and
// the groups that an enrolment under it may grant at most.
type Codes = func(id string) (secret []byte, groups []string, ok bool)

// VerifyEnrolment checks that a new passkey may join the roster: that whoever
// enrols it holds it, and that somebody who may allow it does. Using up a
// bootstrap code is the caller's. A refusal is a *Failure.
func VerifyEnrolment(e EnrolmentEvidence, trust Trust, now time.Time, codes Codes) (VerifiedEnrolment, error) {
	none := VerifiedEnrolment{}

	// 1. The statement, and its time.
	enrolment, err := DecodeAs[*Enrolment](e.Statement)
	switch {
	case trust.Version != 1:
		return none, fail("version", "this version reads trust of version 1")
	case err != nil:
		return none, fail("enrolment", "%v", err)
	case enrolment.Instance != trust.Instance:
		return none, fail("instance", "the enrolment is for another installation")
	case enrolment.Issued.After(now.Add(policies.Skew)):
		return none, fail("enrolment-issued", "the enrolment is dated in the future")
	case !enrolment.Expires.After(enrolment.Issued) || enrolment.Expires.Sub(enrolment.Issued) > LongestEnrolment:
		return none, fail("enrolment-expires", "an enrolment expires after it is made, and within %s", policies.FormatDuration(LongestEnrolment))
	case !now.Before(enrolment.Expires):
		return none, fail("enrolment-expires", "the enrolment is over; begin again")
	}

	// 2. The passkey is new, and of a kind that counts.
	if err := checkNewPasskey(enrolment, trust.Roster, now); err != nil {
		return none, err
	}

	// 3. Whoever enrols holds it.
	passkey := Passkey{Credential: enrolment.Credential, PublicKey: enrolment.PublicKey}
	if err := VerifyAssertion(e.Possession, e.Statement, passkey, trust); err != nil {
		return none, within("possession", err)
	}

	// 4. One authority allows it.
	v := &verifiedEnrolment{enrolment: *enrolment, by: enrolment.Person}
	switch {
	case e.Passkey != nil && e.Bootstrap == nil && e.Login == nil:
		v.authority, v.by, err = allowedByPasskey(e, enrolment, trust, now)
	case e.Passkey == nil && e.Bootstrap != nil && e.Login == nil:
		v.authority, err = allowedByCode(e, enrolment, trust, codes)
	case e.Passkey == nil && e.Bootstrap == nil && e.Login != nil:
		v.authority, err = allowedByLogin(e, enrolment, trust, now)
	default:
		err = fail("authority", "an enrolment is allowed by a passkey, a bootstrap code or a login key, and by one of them only")
	}
	if err != nil {
		return none, err
	}
	return VerifiedEnrolment{v}, nil
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

// allowedByPasskey takes an administrator's passkey for anybody else; or the
// person's own, for one more that grants what theirs already has and makes
// nobody an administrator.
func allowedByPasskey(e EnrolmentEvidence, enrolment *Enrolment, trust Trust, now time.Time) (string, policies.Subject, error) {
	none := policies.Subject{}
	holder, key, ok := trust.Roster.Holder(e.Passkey.Credential, now)
	if !ok {
		return "", none, fail("authority-passkey", "the passkey that allows this is not in the roster, or was removed")
	}
	if err := VerifyAssertion(*e.Passkey, e.Statement, key, trust); err != nil {
		return "", none, within("authority", err)
	}
	by, speaking := holder.Person.Subject, holder.With(key)

	if by != enrolment.Person {
		if !slices.Contains(speaking.Groups, policies.AdministratorsGroup) {
			return "", none, fail("authority-administrator", "only an administrator's passkey enrols somebody else")
		}
		return "administrator", by, nil
	}
	unchanged := sameGroups(enrolment.Groups, holder.Person.Groups) && sameGroups(enrolment.Groups, speaking.Groups) &&
		enrolment.Name == holder.Person.Name && enrolment.Email == holder.Person.Email
	switch {
	case slices.Contains(enrolment.Groups, policies.AdministratorsGroup):
		return "", none, fail("authority-own", "an administrator's further passkey is enrolled by another administrator")
	case !unchanged:
		return "", none, fail("authority-own", "one's own passkey enrols another for the same name, e-mail address and groups only")
	}
	return "passkey", by, nil
}

// allowedByCode takes a bootstrap code for what the code may grant. It must not
// touch a person who is in more groups than that: their new passkey would speak
// under a name that was given more trust than the code has.
func allowedByCode(e EnrolmentEvidence, enrolment *Enrolment, trust Trust, codes Codes) (string, error) {
	secret, reach, ok := codes(e.Bootstrap.Code)
	if !ok || len(secret) == 0 {
		return "", fail("authority-code", "there is no such bootstrap code, or it was used")
	}
	if !hmac.Equal([]byte(e.Bootstrap.MAC), []byte(BootstrapMAC(secret, e.Statement))) {
		return "", fail("authority-code", "the bootstrap code was not typed as it was shown")
	}
	groups := enrolment.Groups
	if person, known := trust.Roster.Find(enrolment.Person); known {
		groups = append(slices.Clone(groups), person.Person.Groups...)
	}
	for _, g := range groups {
		if !slices.Contains(reach, g) {
			return "", fail("authority-code-groups", "the bootstrap code does not reach to the group %q", g)
		}
	}
	return "bootstrap:" + e.Bootstrap.Code, nil
}

// allowedByLogin takes the person's own login key for a passkey that grants
// nothing, to a person who was granted nothing. It confirms logins.
func allowedByLogin(e EnrolmentEvidence, enrolment *Enrolment, trust Trust, now time.Time) (string, error) {
	person, err := VerifyLogin(e.Login.Binding, trust, now)
	if err != nil {
		return "", within("authority", err)
	}
	known, _ := trust.Roster.Find(enrolment.Person)
	switch {
	case person.Subject != enrolment.Person:
		return "", fail("authority-person", "a login key enrols a passkey of its own person only")
	case person.Name != enrolment.Name || person.Email != enrolment.Email:
		return "", fail("authority-person", "the enrolment names the person otherwise than the provider does")
	case len(enrolment.Groups) > 0 || len(known.Person.Groups) > 0:
		return "", fail("authority-login-groups", "a login key enrols no passkey for somebody with groups; ask an administrator")
	}
	key, err := ParseKey(e.Login.Binding.LoginKey)
	if err != nil || !verifyKey(e.Statement, e.Login.Signature, key) {
		return "", fail("authority-signature", "the login key did not sign the enrolment")
	}
	return "login", nil
}

// sameGroups compares two lists of groups without their order.
func sameGroups(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}
