package policies

// Organization holds what is true for the whole installation.
type Organization struct {
	// Reviewers are the groups that may see every request, session and audit
	// event, and replay recordings.
	Reviewers []string `yaml:"reviewers" json:"reviewers"`
	// Aliases are sets of identities that belong to one person; none of them
	// may approve what another of them asks. Equal e-mail addresses are always
	// taken as one person.
	Aliases [][]Subject `yaml:"aliases" json:"aliases"`
	// Quorum is how many different administrators must sign what widens
	// somebody's reach, and every new policy. Where it is absent it is DefaultQuorum.
	Quorum int `yaml:"quorum" json:"quorum"`
	// Attestation says who needs a passkey on an authenticator of a known make.
	Attestation Attestation `yaml:"attestation" json:"attestation"`
	// TPMMakers are the makers of TPMs that are believed, for roles that demand it.
	TPMMakers []TPMMaker `yaml:"tpmMakers" json:"tpm_makers"`
	// Independence says who is too close to a requester to approve.
	Independence Independence `yaml:"independence" json:"independence"`
	// Facts are what the broker may assert of a request, such as the state of its ticket.
	Facts []AssertedFact `yaml:"facts" json:"facts"`
	// Inventories are sources of targets that come and go.
	Inventories []Inventory `yaml:"inventories" json:"inventories"`
	// Recordings says who can open them.
	Recordings Recordings `yaml:"recordings" json:"recordings"`
}

// DefaultQuorum is the quorum where the policy states none.
const DefaultQuorum = 2

// MostQuorum bounds the quorum.
const MostQuorum = 16

// Attestation demands, of every enrolment that states one of Groups, proof that
// the passkey lives on one of Authenticators.
type Attestation struct {
	Groups         []string        `yaml:"groups" json:"groups"`
	Authenticators []Authenticator `yaml:"authenticators" json:"authenticators"`
}

// Authenticator is a make of authenticators (Web Authentication Level 3, section
// 6.5.1) with the certificates that its attestations lead to.
type Authenticator struct {
	// AAGUID is a UUID or its 32 hex digits in the file, and 32 small hex digits
	// in a bundle.
	AAGUID string   `yaml:"aaguid" json:"aaguid"`
	Name   string   `yaml:"name" json:"name"`
	Roots  []string `yaml:"roots" json:"roots"` // each one certificate in PEM
}

// Inventory is a source of targets beside the policy's own, such as a platform
// team's pipeline. What it brings is signed by Key, and may bear only labels
// that Labels lists, with the values that stand there.
type Inventory struct {
	Name   string              `yaml:"name" json:"name"`
	Key    string              `yaml:"key" json:"key"` // ssh-ed25519 or ecdsa-sha2-nistp256, without a comment
	Labels map[string][]string `yaml:"labels" json:"labels"`
}

// AdministratorsGroup is the roster group whose members make up the quorum.
const AdministratorsGroup = "administrators"

// Independence says who is too close to a requester to approve, beside the requester
// under any identity.
type Independence struct {
	// DirectReports: nobody approves what a manager of a team of theirs asks for.
	DirectReports bool `yaml:"directReports" json:"direct_reports"`
	// ReciprocalDays: nobody approves for somebody who approved for them in so many
	// days; zero asks nothing.
	ReciprocalDays int `yaml:"reciprocalDays" json:"reciprocal_days"`
	// PolicyChangeDays: those who signed a change of a role are not its only
	// approvers for so many days; zero asks nothing.
	PolicyChangeDays int `yaml:"policyChangeDays" json:"policy_change_days"`
}

// Types of asserted facts.
const (
	FactBool   = "bool"
	FactNumber = "number" // whole
	FactText   = "text"
)

// AssertedFact is one that the broker says and the signer cannot check.
type AssertedFact struct {
	Name        string `yaml:"name" json:"name"` // conditions call it asserted.NAME, its hyphens as underscores
	Type        string `yaml:"type" json:"type"` // FactBool, FactNumber or FactText
	Description string `yaml:"description" json:"description"`
}

// What a separation of duty forbids.
const (
	ForbidEligible = "eligible" // being in the groups that may ask for two of the roles
	ForbidHeld     = "held"     // holding two of the roles at once
	ForbidHistory  = "history"  // having one of the roles within Days of having had another
	ForbidObject   = "object"   // having one of the roles on a target whose labels name a group one is in
)

// Separation keeps duties apart that nobody may have together.
type Separation struct {
	Name        string   `yaml:"name" json:"name"`
	Description string   `yaml:"description" json:"description"`
	Forbid      string   `yaml:"forbid" json:"forbid"` // ForbidEligible and so on
	Roles       []string `yaml:"roles" json:"roles"`   // two or more; one or more for ForbidObject
	Days        int      `yaml:"days" json:"days,omitempty"`
	Labels      []string `yaml:"labels" json:"labels,omitempty"` // of ForbidObject, such as owner or builder
}

// Team says who manages whom: whoever is in one of Managers is a manager of whoever is
// in one of Members.
type Team struct {
	Name     string   `yaml:"name" json:"name"`
	Members  []string `yaml:"members" json:"members"`
	Managers []string `yaml:"managers" json:"managers"`
}

// Calendar is when something is open.
type Calendar struct {
	Name   string   `yaml:"name" json:"name"`
	Zone   string   `yaml:"zone" json:"zone"` // of the IANA time zone database, such as Europe/Berlin
	Open   []Hours  `yaml:"open" json:"open"`
	Closed []string `yaml:"closed" json:"closed,omitempty"` // days, as 2026-12-25, or spans of them, as 2026-12-24..2027-01-01

	week *week // what it says, read; nil where that was not done
}

// Hours are the hours of some days of the week.
type Hours struct {
	Days []string `yaml:"days" json:"days"` // monday to sunday
	From string   `yaml:"from" json:"from"` // as 09:00
	To   string   `yaml:"to" json:"to"`     // as 17:30; 24:00 is the end of the day
}
