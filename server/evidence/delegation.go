package evidence

import (
	"time"

	"stint/policies"
)

// LongestDelegation is how long after its making a delegation ends at the latest.
const LongestDelegation = 90 * 24 * time.Hour

// Delegation lets another approve on somebody's behalf, as a member of some of their
// groups. A passkey of the delegator's signs it that speaks for these groups.
type Delegation struct {
	Instance      string
	Delegator     policies.Subject
	DelegatorName string
	Delegate      policies.Subject
	DelegateName  string
	Groups        []string // sorted, distinct
	Issued        time.Time
	Begins        time.Time
	Ends          time.Time // within LongestDelegation of Issued
	Nonce         string
}

// Kind is KindDelegation.
func (*Delegation) Kind() Kind { return KindDelegation }

func (d *Delegation) walk(c *codec) {
	field(c, "instance", &d.Instance, nameForm)
	field(c, "delegator", &d.Delegator, subjectForm)
	field(c, "delegator-name", &d.DelegatorName, personForm)
	field(c, "delegate", &d.Delegate, subjectForm)
	field(c, "delegate-name", &d.DelegateName, personForm)
	field(c, "groups", &d.Groups, groupsForm)
	field(c, "issued", &d.Issued, timeForm)
	field(c, "begins", &d.Begins, timeForm)
	field(c, "ends", &d.Ends, timeForm)
	field(c, "nonce", &d.Nonce, hexForm)
}

// GivenDelegation is a delegation that the signer took.
type GivenDelegation struct {
	Digest    string           `json:"digest"` // of its statement
	Delegator policies.Subject `json:"delegator"`
	Delegate  policies.Subject `json:"delegate"`
	Groups    []string         `json:"groups"`
	Begins    time.Time        `json:"begins"`
	Ends      time.Time        `json:"ends"`
	// Revoked is since when it counts for nothing, what was approved by it before included.
	Revoked *time.Time `json:"revoked,omitempty"`
}
