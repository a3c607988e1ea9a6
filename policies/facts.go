package policies

import (
	"strings"
	"time"
)

// Subject is the identity of a person: the OpenID Connect issuer and the
// subject it gave (OpenID Connect Core 1.0, section 2). An e-mail address is
// never an identity.
type Subject struct {
	Issuer  string `json:"issuer" yaml:"issuer"`
	Subject string `json:"subject" yaml:"subject"`
}

// Person is a subject with what was attested about it. For a requester Name,
// Email and Groups come from the ID token; for an approver from the roster.
type Person struct {
	Subject
	Name   string   `json:"name"`
	Email  string   `json:"email,omitempty"`
	Groups []string `json:"groups,omitempty"`
}

// Ask is what a person wants, in full.
type Ask struct {
	Role     string        `json:"role"`
	Target   string        `json:"target"`
	Login    string        `json:"login"`
	Duration time.Duration `json:"duration"`
	Reason   string        `json:"reason"`
	// Ticket is empty where none is given.
	Ticket string `json:"ticket,omitempty"`
	// Start is a time that was set for the beginning, in whole seconds; zero: as soon as it may.
	Start time.Time `json:"start,omitzero"`
	// BreakGlass: the requester acts alone, see Role.BreakGlass.
	BreakGlass bool `json:"break_glass,omitempty"`
}

// Approval is one approver's verified agreement to an Ask.
type Approval struct {
	Approver Person        `json:"approver"`
	Duration time.Duration `json:"duration"` // never longer than asked; an approver may shorten
	Issued   time.Time     `json:"issued"`
	// For is on whose behalf they approve, by a delegation that was in force: with its
	// groups, and none of the approver's own. Nil: in their own right.
	For *Person `json:"for,omitempty"`
	// Attested: the passkey is of a make that the organization lists.
	Attested bool `json:"attested,omitempty"`
}

// Held is a live grant of the requester, for rules about conflicting roles.
type Held struct {
	Request string `json:"request"`
	Role    string `json:"role"`
}

// Confirmation is a requester's verified word, by their own passkey, that they ask.
type Confirmation struct {
	Issued   time.Time `json:"issued"`
	Attested bool      `json:"attested"`
}

// History is what happened before that the role's rules look at (Bundle.Needs), for the
// requester under any of their identities. Each list is in the order of its times.
type History struct {
	Grants  []PastGrant    `json:"grants,omitempty"`
	Agreed  []PastApproval `json:"agreed,omitempty"`
	Reviews []OpenReview   `json:"reviews,omitempty"`
}

// PastGrant is a grant of the requester's that was used, live or over.
type PastGrant struct {
	Request string    `json:"request"`
	Role    string    `json:"role"`
	Begun   time.Time `json:"begun"`
	Ended   time.Time `json:"ended"` // or will end
}

// PastApproval is one that the requester gave, for somebody who used it.
type PastApproval struct {
	Request   string    `json:"request"`
	Requester Subject   `json:"requester"` // whose request it was
	At        time.Time `json:"at"`
}

// OpenReview is an emergency in this role, of anybody's, that nobody has reviewed.
type OpenReview struct {
	Request string    `json:"request"`
	Begun   time.Time `json:"begun"`
}

// PolicyChange is a change of the policy that was signed.
type PolicyChange struct {
	At    time.Time `json:"at"`
	By    []Subject `json:"by"`
	Roles []string  `json:"roles"` // whose rules it changed (ChangedRoles)
}

// Assertion is the broker's word on one asserted fact, as text: "true" or "false", a whole
// number in decimal, or the text itself.
type Assertion struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Facts are everything a decision may depend on. All of them but Asserted are attested:
// the signer can check each by itself.
type Facts struct {
	Now       time.Time  `json:"now"`
	Asked     time.Time  `json:"asked"` // when the revision that is decided on was asked for
	Requester Person     `json:"requester"`
	Ask       Ask        `json:"ask"`
	Approvals []Approval `json:"approvals"`
	Held      []Held     `json:"held"` // the requester's other live grants, under any of their identities
	// Used is when the grant was first used; zero: not yet.
	Used time.Time `json:"used,omitzero"`
	// Confirmed is nil where the requester's passkey did not confirm the ask.
	Confirmed *Confirmation  `json:"confirmed,omitempty"`
	History   History        `json:"history,omitzero"`
	Changes   []PolicyChange `json:"changes,omitempty"` // in the order of their times
	Asserted  []Assertion    `json:"asserted,omitempty"`
	// Known are identities that may show that two others are one person's: an alias
	// of the first that has the e-mail address of the second.
	Known *People `json:"-"`
}

// Outcome says what a decision comes to.
type Outcome string

const (
	// Refused: no approval could change it.
	Refused Outcome = "refused"
	// NeedsApproval: allowed once the open stages are filled and, where the role asks for
	// it, the requester has confirmed.
	NeedsApproval Outcome = "needs-approval"
	// Scheduled: every rule is satisfied, and it begins at Decision.Begins. Nothing may be used yet.
	Scheduled Outcome = "scheduled"
	// Allowed: every rule is satisfied.
	Allowed Outcome = "allowed"
)

// Decision is the answer to Facts, with its reasons in words.
type Decision struct {
	Outcome Outcome       `json:"outcome"`
	Stages  []StageResult `json:"stages"` // those that are asked for; one that is spared, or whose condition does not hold, is not among them
	Reasons []Reason      `json:"reasons"`
	// Confirm is of which strength the passkey must be with which the requester has yet
	// to confirm; empty where nothing is to be confirmed.
	Confirm string `json:"confirm,omitempty"`
	// Duration is what may be granted: the shortest of what was asked and what
	// the counted approvals agreed to. Zero when refused.
	Duration time.Duration `json:"duration"`
	// Begins and Ends bound the grant; zero unless Allowed or Scheduled. A grant whose
	// clock starts at its first use and that was not used begins now.
	Begins time.Time `json:"begins,omitzero"`
	Ends   time.Time `json:"ends"`
	// UseBy is when a grant is over that was not used by then; zero where that is Ends.
	UseBy time.Time `json:"use_by,omitzero"`
	// Digest names the policy bundle that decided (Bundle.Digest).
	Digest string `json:"digest"`
}

// StageResult is the state of one approver stage of the role.
type StageResult struct {
	Name   string    `json:"name"`
	Groups []string  `json:"groups"` // members of any of these may approve; escalated ones and those of relations too
	Count  int       `json:"count"`  // how many distinct people must
	Given  []Subject `json:"given"`  // who has, counted once each over all stages
	// After names stages that are not full yet: until they are, this one takes no approval.
	After []string `json:"after,omitempty"`
}

// Reason is one sentence of the decision: which rule spoke, and what it said.
type Reason struct {
	Rule string `json:"rule"` // stable, for example "requester-group", "separation:keys-or-data", "stage:lead"
	Met  bool   `json:"met"`
	Text string `json:"text"`
	// Remedy says what would change it, where it is not met and something would.
	Remedy string `json:"remedy,omitempty"`
}

// OfBreakGlass says whether the rule for emergencies spoke.
func (r Reason) OfBreakGlass() bool { return r.Rule == "break-glass" }

// OfFleet says whether it is of what Fleet says of a machine.
func (r Reason) OfFleet() bool { return r.Rule == "fleet" || strings.HasPrefix(r.Rule, "fleet-") }
