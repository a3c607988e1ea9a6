package access

import (
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// ChangeKind says what a change is about; it is the kind of its statement.
type ChangeKind string

const (
	// RosterChange changes somebody's standing in the signer's roster.
	RosterChange ChangeKind = "roster"
	// PolicyChange puts another policy bundle into force.
	PolicyChange ChangeKind = "policy"
)

// ChangeState is where a change is in its life. All but the first are final.
type ChangeState string

const (
	// ChangePending: it waits for administrators' signatures.
	ChangePending ChangeState = "pending"
	// ChangeInForce: the signer has taken it.
	ChangeInForce ChangeState = "in-force"
	// ChangeRejected: an administrator, or who proposed it, said no.
	ChangeRejected ChangeState = "rejected"
	// ChangeExpired: too few administrators signed in time.
	ChangeExpired ChangeState = "expired"
	// ChangeSuperseded: what it starts from is no longer so.
	ChangeSuperseded ChangeState = "superseded"
)

// Change is something that a quorum of administrators has to sign: a change of
// the roster or of the policy. An enrolment has a life of its own; its
// signatures are kept the same way.
type Change struct {
	ID     string // "chg-" and 10 characters of lower-case Crockford base32
	Number int64  // leaf of the audit log that records the proposal; orders them
	Kind   ChangeKind
	State  ChangeState
	// Statement is what everybody signs.
	Statement string
	Reason    string // why, as its proposer says
	Proposer  policies.Person
	Created   time.Time
	Expires   time.Time // as in the statement
	// Before and After are the bundles of a policy change, by file name.
	Before, After map[string]string
	// Ended, EndedBy and EndReason are set in every final state; EndedBy is zero
	// where nobody did it, but time.
	Ended     time.Time
	EndedBy   policies.Person
	EndReason string
}

// Signature is an administrator's yes to a change, or to an enrolment.
type Signature struct {
	Of        string          // id of the change or the enrolment
	Signer    policies.Person // as in the signer's roster then
	Assertion evidence.Assertion
	Signed    time.Time
	// PasskeyName is what its owner called the passkey then.
	PasskeyName string
}

// Suspension says that somebody was suspended. It stays when they no longer are:
// what they were signed in to before it is over for good.
type Suspension struct {
	Person policies.Person
	By     policies.Person
	Reason string
	At     time.Time
	// Attempts counts deliveries to the signer that failed; Next is when the next
	// one is due, zero once the signer has it.
	Attempts int
	Next     time.Time
}

const (
	// changeLife is how long administrators have to sign a change.
	changeLife = 24 * time.Hour
	// mostPending bounds the changes that wait at a time.
	mostPending = 50
)

// ChangeReader reads changes and the signatures under them.
type ChangeReader interface {
	Change(id string) (Change, error)
	// Changes lists by falling Number, without Before and After.
	Changes(q ChangeQuery) ([]Change, error)
	// Signatures lists those of a change or an enrolment, in the order in which
	// they were given.
	Signatures(of string) ([]Signature, error)
}

// ChangeWriter changes changes.
type ChangeWriter interface {
	AddChange(c Change) error
	// MoveChange stores state and end if the row is still in state from; else ErrRaced.
	MoveChange(c Change, from ChangeState) error
	// PutSignature takes the place of an earlier one by the same person, whose
	// passkey may have been taken away since.
	PutSignature(s Signature) error
}

// ChangeQuery selects changes. Zero fields select everything.
type ChangeQuery struct {
	States []ChangeState
	Before int64 // only numbers below; 0: from the newest
	Limit  int   // 1 to MaxPage
}
