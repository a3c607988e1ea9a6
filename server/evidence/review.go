package evidence

import (
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
