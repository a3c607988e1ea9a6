package api

import "time"

// Paths of delegations, relative to the broker's URL. {delegation} is the id of one: the
// digest of its statement.
const (
	PathDelegations         = "/api/delegations"                  // GET -> Delegations; POST SignedStatement -> Delegation
	PathDelegationChallenge = "/api/delegations/challenge"        // POST DelegationDraft -> SigningChallenge
	PathEndDelegation       = "/api/delegations/{delegation}/end" // POST Taking -> Delegation: by either of both, without proof
)

// Delegation lets somebody approve on behalf of another until it ends.
type Delegation struct {
	ID        string    `json:"id"`
	Delegator Person    `json:"delegator"`
	Delegate  Person    `json:"delegate"`
	Groups    []string  `json:"groups" doc:"of the delegator's, in which the delegate may approve"`
	Begins    time.Time `json:"begins"`
	Ends      time.Time `json:"ends"`
	// Ended is set where it was ended before its time.
	Ended   *time.Time `json:"ended,omitempty"`
	EndedBy *Person    `json:"ended_by,omitempty"`
	InForce bool       `json:"in_force"`
	May     []string   `json:"may" doc:"end"`
}

// Delegations are the caller's, newest first, and what a form for one needs.
type Delegations struct {
	Given []Delegation `json:"given" doc:"others approve on the caller's behalf"`
	Taken []Delegation `json:"taken" doc:"the caller approves on others' behalf"`
	// Groups are those of the caller's that can be delegated.
	Groups []string `json:"groups"`
	// Delegates are the people of the signer's roster who could take one.
	Delegates      []Person `json:"delegates"`
	LongestSeconds int64    `json:"longest_seconds"`
}

// DelegationDraft is a delegation that the caller wants to sign.
type DelegationDraft struct {
	Issuer  string    `json:"issuer" minLength:"1" maxLength:"512" doc:"of the delegate's identity"`
	Subject string    `json:"subject" minLength:"1" maxLength:"512" doc:"of the delegate's identity"`
	Groups  []string  `json:"groups" minItems:"1" maxItems:"50"`
	Ends    time.Time `json:"ends" doc:"in whole seconds"`
}
