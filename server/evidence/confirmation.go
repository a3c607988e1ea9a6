package evidence

import (
	"time"

	"stint/policies"
)

// Confirmation is the requester's word, by their own passkey, that they ask for this. It
// repeats the request in full, as an Approval does.
type Confirmation struct {
	Instance      string
	Request       string
	Revision      int
	RequestDigest string // Digest of the request statement
	Requester     policies.Subject
	RequesterName string
	Ask           policies.Ask
	Issued        time.Time
	Nonce         string
}

// Kind is KindConfirmation.
func (*Confirmation) Kind() Kind { return KindConfirmation }

func (o *Confirmation) walk(c *codec) {
	field(c, "instance", &o.Instance, nameForm)
	field(c, "request", &o.Request, requestForm)
	field(c, "revision", &o.Revision, numberForm)
	field(c, "request-digest", &o.RequestDigest, digestForm)
	field(c, "requester", &o.Requester, subjectForm)
	field(c, "requester-name", &o.RequesterName, personForm)
	walkAsk(c, &o.Ask)
	field(c, "issued", &o.Issued, timeForm)
	field(c, "nonce", &o.Nonce, hexForm)
}

// ConfirmationOf repeats a request, given as the text of its statement, as the
// confirmation that its requester is to sign. Verify accepts one only if it is word for
// word what this makes.
func ConfirmationOf(request string, issued time.Time, nonce string) (*Confirmation, error) {
	r, err := DecodeAs[*Request](request)
	if err != nil {
		return nil, err
	}
	return &Confirmation{
		Instance:      r.Instance,
		Request:       r.Request,
		Revision:      r.Revision,
		RequestDigest: Digest(request),
		Requester:     r.Requester,
		RequesterName: r.RequesterName,
		Ask:           r.Ask,
		Issued:        issued,
		Nonce:         nonce,
	}, nil
}

// verifyConfirmed checks that the requester's own passkey confirmed the request, and gives
// that as policy takes it.
func verifyConfirmed(signed SignedByPasskey, requestText string, request *Request, trust Trust, now time.Time) (*policies.Confirmation, error) {
	// 1. It is word for word this request.
	confirmation, err := DecodeAs[*Confirmation](signed.Statement)
	if err != nil {
		return nil, fail("statement", "%v", err)
	}
	expected, err := ConfirmationOf(requestText, confirmation.Issued, confirmation.Nonce)
	if err != nil {
		return nil, fail("statement", "%v", err)
	}
	if *expected != *confirmation {
		return nil, fail("repeats", "the confirmation is of something else than the request: %s differs", difference(confirmation, expected))
	}

	// 2. It was given in time.
	switch {
	case confirmation.Issued.After(now.Add(policies.Skew)):
		return nil, fail("issued", "the confirmation is dated in the future")
	case confirmation.Issued.Before(request.Issued):
		return nil, fail("issued", "the confirmation is older than the request")
	}

	// 3. A passkey of the requester's signed it.
	holder, err := activePasskey(trust, request.Requester, signed.Assertion.Credential, now)
	if err != nil {
		return nil, err
	}
	if err := VerifyAssertion(signed.Assertion, signed.Statement, holder.key, trust); err != nil {
		return nil, err
	}
	return &policies.Confirmation{Issued: confirmation.Issued, Attested: holder.key.Attested != ""}, nil
}
