package cases

import (
	"cmp"
	"time"

	"stint/policies"
)

// defaultAsked is when a case asks that does not say.
var defaultAsked = time.Date(2026, time.March, 2, 10, 0, 0, 0, time.UTC)

// Case says what happened and what the policy should make of it. A case with Cases is
// only what its rows begin from: a row states the fields in which it differs, those of
// Ask one by one and all others whole.
type Case struct {
	Name string `yaml:"name"`
	// Asked is when the requester asked; a Monday, ten o'clock in UTC, where it is absent.
	Asked Time `yaml:"asked"`
	// At is when the decision is made; absent: as soon as all of the case has happened.
	At *Moment `yaml:"at"`
	// By is the name of the requester.
	By  string `yaml:"by"`
	Ask Ask    `yaml:"ask"`
	// Approvals are those that were given, each with a verified passkey.
	Approvals []Approval `yaml:"approvals"`
	// Held are roles that the requester holds meanwhile.
	Held []string `yaml:"held"`
	// Confirmed is when and with what passkey the requester confirmed; absent: they did not.
	Confirmed *Confirmation `yaml:"confirmed"`
	// Used is when the grant was first used; absent: it was not.
	Used    *Moment  `yaml:"used"`
	History *History `yaml:"history"`
	Changes []Change `yaml:"changes"`
	// Asserted is what the broker says, by the names of facts.
	Asserted map[string]string `yaml:"asserted"`

	Expect *Expectation `yaml:"expect"`
	Cases  []Case       `yaml:"cases"`

	// File and Line are where it stands.
	File string `yaml:"-"`
	Line int    `yaml:"-"`
}

// Ask is policies.Ask with what a case leaves out: the target is then the first by name
// that the role reaches, the login the role's first, the duration its default, and the
// reason some text.
type Ask struct {
	Role       string  `yaml:"role"`
	Target     string  `yaml:"target"`
	Login      string  `yaml:"login"`
	Duration   Span    `yaml:"duration"`
	Reason     *string `yaml:"reason"`
	Ticket     *string `yaml:"ticket"`
	Start      *Moment `yaml:"start"`
	BreakGlass *bool   `yaml:"breakGlass"`
}

// Approval is one that was given, After the asking.
type Approval struct {
	By string `yaml:"by"`
	// For is on whose behalf, by a delegation of Groups; without these, of all that
	// they approve with.
	For      string   `yaml:"for"`
	Groups   []string `yaml:"groups"`
	After    Span     `yaml:"after"`
	Duration Span     `yaml:"duration"` // absent: what was asked for
	// Attested is of which of their passkeys; absent: of the one with the most groups.
	Attested *bool `yaml:"attested"`
}

// Confirmation is the requester's own passkey, After the asking.
type Confirmation struct {
	After    Span `yaml:"after"`
	Attested bool `yaml:"attested"`
}

// History is what happened before the asking.
type History struct {
	Grants  []PastGrant    `yaml:"grants"`
	Agreed  []PastApproval `yaml:"agreed"`
	Reviews []OpenReview   `yaml:"reviews"`
}

// PastGrant is a role that the requester used, from Ago before the asking on.
type PastGrant struct {
	Role   string `yaml:"role"`
	Ago    Span   `yaml:"ago"`
	Lasted Span   `yaml:"lasted"` // absent: an hour
}

// PastApproval is one that the requester gave For somebody.
type PastApproval struct {
	For string `yaml:"for"`
	Ago Span   `yaml:"ago"`
}

// OpenReview is an emergency in the role, begun Ago before the asking, that nobody has reviewed.
type OpenReview struct {
	Ago Span `yaml:"ago"`
}

// Change is one of the policy, signed By people Ago before the asking.
type Change struct {
	By    []string `yaml:"by"`
	Ago   Span     `yaml:"ago"`
	Roles []string `yaml:"roles"` // absent: the role that is asked for
}

// Expectation is what the decision should be. What is absent may be anything; a list
// that is there is the whole of it, in any order.
type Expectation struct {
	Outcome policies.Outcome `yaml:"outcome"`
	// Open are the stages that wait for approvals.
	Open *[]string `yaml:"open"`
	// RefusedBy are the rules that refuse, by their names in reasons.
	RefusedBy *[]string `yaml:"refusedBy"`
	// Says are texts, each of which stands in some reason.
	Says     []string `yaml:"says"`
	Duration *Span    `yaml:"duration"`
	Begins   *Moment  `yaml:"begins"`
	Ends     *Moment  `yaml:"ends"`
	UseBy    *Moment  `yaml:"useBy"`
	Confirm  *string  `yaml:"confirm"`
	// Grant and Organization are what the policy says beside the decision.
	Grant        *Grant `yaml:"grant"`
	Organization *Whole `yaml:"organization"`
}

// with is the case as a row changes it.
func (c Case) with(row Case) Case {
	c.Cases = nil
	if c.Name == "" {
		c.Name = row.Name
	} else {
		c.Name += ": " + row.Name
	}
	c.Ask = Ask{
		Role: cmp.Or(row.Ask.Role, c.Ask.Role), Target: cmp.Or(row.Ask.Target, c.Ask.Target), Login: cmp.Or(row.Ask.Login, c.Ask.Login),
		Duration: cmp.Or(row.Ask.Duration, c.Ask.Duration), Reason: cmp.Or(row.Ask.Reason, c.Ask.Reason), Ticket: cmp.Or(row.Ask.Ticket, c.Ask.Ticket),
		Start: cmp.Or(row.Ask.Start, c.Ask.Start), BreakGlass: cmp.Or(row.Ask.BreakGlass, c.Ask.BreakGlass),
	}
	c.Asked, c.At, c.By = cmp.Or(row.Asked, c.Asked), cmp.Or(row.At, c.At), cmp.Or(row.By, c.By)
	c.Confirmed, c.Used, c.History, c.Expect = cmp.Or(row.Confirmed, c.Confirmed), cmp.Or(row.Used, c.Used), cmp.Or(row.History, c.History), cmp.Or(row.Expect, c.Expect)
	// An empty list that is written is not nil, and counts.
	if row.Approvals != nil {
		c.Approvals = row.Approvals
	}
	if row.Held != nil {
		c.Held = row.Held
	}
	if row.Changes != nil {
		c.Changes = row.Changes
	}
	if row.Asserted != nil {
		c.Asserted = row.Asserted
	}
	return c
}
