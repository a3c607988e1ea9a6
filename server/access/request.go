package access

import (
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// State is where a request is in its life.
type State string

// The states of a request. Denied, Withdrawn, Expired and Ended are final.
const (
	Pending   State = "pending"   // waits for approvals until Request.Expires
	Approved  State = "approved"  // a grant, not used yet
	Active    State = "active"    // a grant for which a certificate was issued
	Denied    State = "denied"    // an approver said no
	Withdrawn State = "withdrawn" // its requester took it back before approval
	Expired   State = "expired"   // nobody decided in time
	Ended     State = "ended"     // the grant is over, see EndReason
)

// Live says whether the state is that of a grant. A live state alone gives
// nothing: the grant's end counts too, see Request.Due.
func (s State) Live() bool { return s == Approved || s == Active }

// Final says whether nothing can follow.
func (s State) Final() bool { return s != Pending && !s.Live() }

// EndReason says why a grant ended.
type EndReason string

const (
	// EndCompleted: it was used and its time is over.
	EndCompleted EndReason = "completed"
	// EndExpired: its time is over and no certificate was ever issued for it.
	EndExpired EndReason = "expired"
	// EndDropped: its requester was done.
	EndDropped EndReason = "dropped"
	// EndRevoked: an approver, a reviewer or an administrator ended it.
	EndRevoked EndReason = "revoked"
)

// Request is an ask with all that became of it; once approved it is a grant
// under the same id.
type Request struct {
	ID string // "req-" and 10 characters of lower-case Crockford base32
	// Number orders requests: the leaf of the audit log that records the asking.
	Number int64

	Revision  Revision
	Requester policies.Person // as signed in when it was asked
	State     State
	EndReason EndReason // set in state Ended

	// Decision is what policy said when the request last changed by it.
	Decision policies.Decision
	// Begins and Ends bound the grant; zero before approval. A grant that is scheduled
	// begins in the future. One whose clock starts at its first use has no Begins until
	// then, and Ends is when it lapses. When a grant ends early Ends stays what was
	// granted, and EndedAt says when it was over.
	Begins, Ends time.Time
	// Used is when the first certificate was issued under it, by the signer's clock;
	// zero: not yet.
	Used time.Time
	// Confirmation is the requester's own word; nil where there is none.
	Confirmation *AskConfirmation
	// Asserted are the facts of the outside that it was last decided by.
	Asserted []policies.Assertion
	// Review closes an emergency; nil while nobody has. OpenReview: it was used, and one
	// is missing.
	Review     *Review
	OpenReview bool
	// Tell is when somebody is to be told of it next; zero: never.
	Tell time.Time
	// EndedAt and EndedBy are set in every final state. EndedBy is zero when
	// nobody did it, but time.
	EndedAt time.Time
	EndedBy policies.Person
}

// Revision is what is approved: the ask in full, as one statement. Editing a
// request would make the next revision and void earlier approvals.
type Revision struct {
	Number    int
	Ask       policies.Ask
	Statement string // text of the request statement
	Digest    string // of the statement
	Asked     time.Time
	Expires   time.Time // pending no longer than this
}

// Due says whether time has ended the request, though nobody may have written
// it down yet.
func (r Request) Due(now time.Time) bool {
	return r.State == Pending && !now.Before(r.Revision.Expires) || r.State.Live() && !now.Before(r.Ends)
}

// Duration is what was agreed, or, before that, what was asked for.
func (r Request) Duration() time.Duration {
	switch {
	case !r.Begins.IsZero():
		return r.Ends.Sub(r.Begins)
	case !r.Ends.IsZero():
		return r.Decision.Duration
	}
	return r.Revision.Ask.Duration
}

// UseBy is when a grant is over that was not used by then; zero where that is Ends.
func (r Request) UseBy() time.Time {
	if r.Begins.IsZero() && r.State.Live() {
		return r.Ends
	}
	return time.Time{}
}

// AskConfirmation is a requester's own word, by passkey, that they ask for a revision.
type AskConfirmation struct {
	Revision    int                      `json:"revision"`
	Issued      time.Time                `json:"issued"`
	Signed      evidence.SignedByPasskey `json:"signed"`
	PasskeyName string                   `json:"passkey_name"`
}

// Review is what a reviewer found of an emergency.
type Review struct {
	By          policies.Person          `json:"by"`
	At          time.Time                `json:"at"`
	Finding     string                   `json:"finding"`
	Signed      evidence.SignedByPasskey `json:"signed"`
	PasskeyName string                   `json:"passkey_name"`
}

// Approval is one approver's signature over a revision.
type Approval struct {
	Request  string
	Revision int
	Approver policies.Person // as in the signer's roster then
	// For is on whose behalf they approve, by a delegation; nil: in their own right.
	For      *policies.Person
	Duration time.Duration
	Issued   time.Time
	Signed   evidence.SignedByPasskey
	// PasskeyName is what its owner called the passkey then.
	PasskeyName string
}

// Certificate is a certificate that the signer issued under a grant.
type Certificate struct {
	Serial      uint64
	Request     string
	Principal   string // login@target
	Certificate string // authorized_keys form
	Issued      time.Time
	Ends        time.Time
	Bundle      evidence.Bundle // what proved it to the signer
	Proof       evidence.Proof  // its place in the signer's ledger
	// Withheld says that the grant had ended when the signer's answer came: the
	// certificate was handed to nobody and opens no session.
	Withheld bool
}

// Challenge is a text that a person may sign for a purpose, once: the attempt
// uses it up, whatever comes of it. A person may have several, since a phone and
// a laptop may show the same request.
type Challenge struct {
	Purpose   string // purposeApproval and so on
	About     string // request id, confirmation code, or empty for a delegation
	Person    policies.Subject
	Statement string
	Expires   time.Time
}

// ChallengeLife is how long a person has to sign.
const ChallengeLife = 5 * time.Minute

// MostChallenges is how many texts for the same thing a person may have open.
const MostChallenges = 8

// Ending is a request's end on its way to the signer and the proxies.
type Ending struct {
	Request string
	Reason  string // denied, withdrawn, or an EndReason
	By      policies.Person
	At      time.Time
	// Attempts counts deliveries to the signer that failed; Next is when the
	// next one is due.
	Attempts int
	Next     time.Time
	// Evidence, where there is some, is By's own word for it: an end statement that
	// their login key signed. Taking away never needs it.
	Evidence *evidence.SignedByKey
}
