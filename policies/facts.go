package policies

import "time"

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
}

// Approval is one approver's verified agreement to an Ask.
type Approval struct {
	Approver Person        `json:"approver"`
	Duration time.Duration `json:"duration"` // never longer than asked; an approver may shorten
	Issued   time.Time     `json:"issued"`
}

// Held is a live grant of the requester, for rules about conflicting roles.
type Held struct {
	Request string `json:"request"`
	Role    string `json:"role"`
}

// Facts are everything a decision may depend on. All of them are attested: the
// signer can check each by itself.
type Facts struct {
	Now       time.Time  `json:"now"`
	Asked     time.Time  `json:"asked"` // when the revision that is decided on was asked for
	Requester Person     `json:"requester"`
	Ask       Ask        `json:"ask"`
	Approvals []Approval `json:"approvals"`
	Held      []Held     `json:"held"` // the requester's other live grants, under any of their identities
	// Known are identities that may show that two others are one person's: an alias
	// of the first that has the e-mail address of the second.
	Known []Person `json:"known,omitempty"`
}

// Outcome says what a decision comes to.
type Outcome string

const (
	// Refused: no approval could change it.
	Refused Outcome = "refused"
	// NeedsApproval: allowed once the open stages are filled.
	NeedsApproval Outcome = "needs-approval"
	// Allowed: every rule is satisfied.
	Allowed Outcome = "allowed"
)

// Decision is the answer to Facts, with its reasons in words.
type Decision struct {
	Outcome Outcome       `json:"outcome"`
	Stages  []StageResult `json:"stages"`
	Reasons []Reason      `json:"reasons"`
	// Duration is what may be granted: the shortest of what was asked and what
	// the counted approvals agreed to. Zero when refused.
	Duration time.Duration `json:"duration"`
	// Ends is when a grant would end: the clock starts at the last counted
	// approval, or at Facts.Asked for a role without stages. Zero unless Allowed.
	Ends time.Time `json:"ends"`
	// Digest names the policy bundle that decided (Bundle.Digest).
	Digest string `json:"digest"`
}

// StageResult is the state of one approver stage of the role.
type StageResult struct {
	Name   string    `json:"name"`
	Groups []string  `json:"groups"` // members of any of these may approve
	Count  int       `json:"count"`  // how many distinct people must
	Given  []Subject `json:"given"`  // who has, counted once each over all stages
}

// Reason is one sentence of the decision: which rule spoke, and what it said.
type Reason struct {
	Rule string `json:"rule"` // stable, for example "requester-group", "conflict", "stage:lead"
	Met  bool   `json:"met"`
	Text string `json:"text"`
}
