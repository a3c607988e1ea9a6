package evidence

import (
	"slices"
	"time"

	"stint/policies"
)

// Review closes the review of an emergency. A passkey of the reviewer's signs it that
// speaks for a group which the role names.
type Review struct {
	Instance      string
	Request       string
	RequestDigest string // of the request statement, whose revision was used
	Role          string
	Requester     policies.Subject
	RequesterName string
	Reviewer      policies.Subject
	ReviewerName  string
	Finding       string // what they found; never empty
	Issued        time.Time
	Nonce         string
}

// Kind is KindReview.
func (*Review) Kind() Kind { return KindReview }

func (r *Review) walk(c *codec) {
	field(c, "instance", &r.Instance, nameForm)
	field(c, "request", &r.Request, requestForm)
	field(c, "request-digest", &r.RequestDigest, digestForm)
	field(c, "role", &r.Role, nameForm)
	field(c, "requester", &r.Requester, subjectForm)
	field(c, "requester-name", &r.RequesterName, personForm)
	field(c, "reviewer", &r.Reviewer, subjectForm)
	field(c, "reviewer-name", &r.ReviewerName, personForm)
	field(c, "finding", &r.Finding, findingForm)
	field(c, "issued", &r.Issued, timeForm)
	field(c, "nonce", &r.Nonce, hexForm)
}

// ReviewOf is the review of what was used under a request, given as the text of its
// statement, that reviewer is to sign.
func ReviewOf(request string, reviewer policies.Person, finding string, issued time.Time, nonce string) (*Review, error) {
	r, err := DecodeAs[*Request](request)
	if err != nil {
		return nil, err
	}
	return &Review{
		Instance:      r.Instance,
		Request:       r.Request,
		RequestDigest: Digest(request),
		Role:          r.Ask.Role,
		Requester:     r.Requester,
		RequesterName: r.RequesterName,
		Reviewer:      reviewer.Subject,
		ReviewerName:  reviewer.Name,
		Finding:       finding,
		Issued:        issued,
		Nonce:         nonce,
	}, nil
}

// Emergency is one use of a role by somebody who acted alone, as a verifier knows it.
type Emergency struct {
	Request   string
	Digest    string // of the request statement
	Role      string
	Requester policies.Person // as the provider attested them
	Begun     time.Time
	Ends      time.Time // of the grant, by the newest certificate of that revision
	Ended     time.Time // when the ledger had it that it ended, or that the next revision was used; zero: neither
}

// over is from when on it can be reviewed. The ledger has an ending later than whoever
// ended it, and by another clock: the review of what was ended may be as much older.
func (e Emergency) over() time.Time {
	if !e.Ended.IsZero() && e.Ended.Before(e.Ends) {
		return e.Ended.Add(-policies.Skew)
	}
	return e.Ends
}

// VerifiedReview is a review that VerifyReview found proven. Only it makes one that holds
// anything; the methods of any other panic.
type VerifiedReview struct{ held *verifiedReview }

type verifiedReview struct {
	review   Review
	evidence SignedByPasskey
}

func (v VerifiedReview) must() *verifiedReview {
	if v.held == nil {
		panic("evidence: a VerifiedReview that VerifyReview did not return")
	}
	return v.held
}

// Review is the statement.
func (v VerifiedReview) Review() Review { return v.must().review }

// Entry is what the ledger records of it.
func (v VerifiedReview) Entry() *ReviewEntry {
	return &ReviewEntry{Request: v.must().review.Request, Evidence: v.must().evidence}
}

// VerifyReview checks that somebody reviewed an emergency who may, as policy and roster
// are now, and who is not whoever acted alone. A refusal is a *Failure.
func VerifyReview(signed SignedByPasskey, of Emergency, trust Trust, now time.Time) (VerifiedReview, error) {
	none := VerifiedReview{}

	// 1. The statement is about this, and from after its end: whoever keeps an earlier one
	// would close by it what its signer has not seen.
	if trust.Version != 1 {
		return none, fail("version", "this version reads trust of version 1")
	}
	r, err := DecodeAs[*Review](signed.Statement)
	switch {
	case err != nil:
		return none, fail("review", "%v", err)
	case r.Instance != trust.Instance:
		return none, fail("instance", "the review is for another installation")
	case r.Request != of.Request, r.RequestDigest != of.Digest, r.Role != of.Role, r.Requester != of.Requester.Subject, r.RequesterName != of.Requester.Name:
		return none, fail("review-repeats", "the review is of something else than what was used")
	case r.Issued.After(now.Add(policies.Skew)):
		return none, fail("review-issued", "the review is dated in the future")
	case r.Issued.Before(of.Begun.Truncate(time.Second)):
		return none, fail("review-issued", "the review is older than what it is of")
	case r.Issued.Before(of.over().Truncate(time.Second)):
		return none, fail("review-issued", "the review was signed before the emergency was over; review all of it")
	}

	// 2. Its reviewer is in the roster under this name, with this passkey, and is another
	// person than whoever acted alone.
	holder, err := activePasskey(trust, r.Reviewer, signed.Assertion.Credential, now)
	if err != nil {
		return none, within("review", err)
	}
	policy, err := trust.Bundle(now)
	switch {
	case err != nil:
		return none, err
	case r.ReviewerName != holder.person.Person.Name:
		return none, fail("review-name", "the review calls its reviewer %q, the roster %q", r.ReviewerName, holder.person.Person.Name)
	case policy.Linked(of.Requester, holder.person.Person, trust.known(now)):
		return none, fail("review-self", "%s acted alone, and cannot review that", of.Requester.Name)
	}

	// 3. The passkey speaks for a group that reviews such uses of the role.
	speaking := holder.person.With(holder.key)
	if !slices.ContainsFunc(policy.ReviewRule(of.Role).Groups, func(g string) bool { return slices.Contains(speaking.Groups, g) }) {
		return none, fail("review-groups", "%s's passkey speaks for no group that reviews emergencies in %s", r.ReviewerName, of.Role)
	}

	// 4. The passkey signed it.
	if err := VerifyAssertion(signed.Assertion, signed.Statement, holder.key, trust); err != nil {
		return none, within("review", err)
	}
	return VerifiedReview{&verifiedReview{*r, signed}}, nil
}
