package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Paths of people and changes, relative to the broker's URL. {change} is the id
// of a change.
const (
	PathPeople  = "/api/people"         // GET ?view=roster|all&person=&limit=&cursor= -> People; administrators and reviewers
	PathMember  = "/api/people/member"  // GET ?issuer=&subject= -> Member
	PathSuspend = "/api/people/suspend" // POST SuspensionDraft -> Member: at once, without proof

	PathChanges         = "/api/changes"                     // GET ?view=open|closed&limit=&cursor= -> Changes; POST RosterDraft -> Change
	PathPolicyChanges   = "/api/changes/policy"              // POST PolicyDraft -> Change
	PathChange          = "/api/changes/{change}"            // GET ?files= -> Change
	PathChangeChallenge = "/api/changes/{change}/challenge"  // POST -> SigningChallenge: for an administrator's passkey
	PathSignatures      = "/api/changes/{change}/signatures" // POST ChangeSignature -> Change
	PathSendChange      = "/api/changes/{change}/send"       // POST -> Change: once more to the signer
	PathRejectChange    = "/api/changes/{change}/reject"     // POST Taking -> Change
	PathSendEnrolment   = "/api/enrolments/{enrolment}/send" // POST -> Enrolment: once more to the signer

	PathPolicy      = "/api/policy"      // GET -> Policy: what is in force
	PathInventories = "/api/inventories" // POST InventoryDraft -> Inventory, no sign-in: the signature says who
)

// Member is somebody in the signer's roster, or who has signed in.
type Member struct {
	Person   Person          `json:"person"`
	Pinned   bool            `json:"pinned" doc:"the signer's roster has them"`
	Groups   []string        `json:"groups" doc:"in the roster"`
	Passkeys []MemberPasskey `json:"passkeys" doc:"that have not been taken away"`
	// Suspension is set while they are suspended.
	Suspension *Suspension `json:"suspension,omitempty"`
	LastSeen   *time.Time  `json:"last_seen,omitempty" doc:"when they last signed in"`
	Holds      []string    `json:"holds" doc:"what a suspension would end, a sentence each; of one member, not in lists"`
	May        []string    `json:"may" doc:"suspend, and what the caller may propose: groups, unsuspend, delete, remove-passkey"`
}

// MemberPasskey is a passkey of a member.
type MemberPasskey struct {
	Credential string     `json:"credential"`
	Name       string     `json:"name"`
	Groups     []string   `json:"groups" doc:"for which it speaks"`
	Enrolled   time.Time  `json:"enrolled"`
	LastUsed   *time.Time `json:"last_used,omitempty"`
}

// Suspension says since when somebody is suspended, by whom and why, as far as
// this installation's broker knows.
type Suspension struct {
	At     time.Time `json:"at"`
	By     *Person   `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// People is a page of members.
type People struct {
	Items  []Member `json:"items"`
	Cursor string   `json:"cursor,omitempty"`
}

// SuspensionDraft suspends somebody.
type SuspensionDraft struct {
	Issuer  string `json:"issuer" minLength:"1" maxLength:"512"`
	Subject string `json:"subject" minLength:"1" maxLength:"512"`
	Reason  string `json:"reason,omitempty" maxLength:"500"`
}

// RosterDraft proposes to change somebody's standing.
type RosterDraft struct {
	Change     string   `json:"change" enum:"groups,unsuspend,suspend,delete,remove-passkey"`
	Issuer     string   `json:"issuer" minLength:"1" maxLength:"512"`
	Subject    string   `json:"subject" minLength:"1" maxLength:"512"`
	Groups     []string `json:"groups,omitempty" maxItems:"50" doc:"for groups: what they are in afterwards"`
	Passkeys   []string `json:"passkeys,omitempty" maxItems:"50" doc:"for groups: which of their passkeys speak for these groups"`
	Credential string   `json:"credential,omitempty" maxLength:"1400" doc:"for remove-passkey"`
	Reason     string   `json:"reason,omitempty" maxLength:"500"`
}

// PolicyDraft proposes a policy, whole.
type PolicyDraft struct {
	Files  map[string]string `json:"files" doc:"every file of the bundle, text by name"`
	Reason string            `json:"reason" minLength:"1" maxLength:"500"`
}

// Change is something that a quorum of administrators has to sign.
type Change struct {
	ID        string       `json:"id"`
	Kind      string       `json:"kind" enum:"roster,policy"`
	State     string       `json:"state" enum:"pending,in-force,rejected,expired,superseded"`
	Headline  string       `json:"headline" doc:"one sentence"`
	Words     []string     `json:"words" doc:"what it changes, a sentence each, as the statement says it"`
	Reason    string       `json:"reason,omitempty"`
	Proposer  Person       `json:"proposer"`
	Created   time.Time    `json:"created"`
	Expires   time.Time    `json:"expires"`
	Ended     *time.Time   `json:"ended,omitempty"`
	EndedBy   *Person      `json:"ended_by,omitempty"`
	EndReason string       `json:"end_reason,omitempty" doc:"why it was rejected or is superseded"`
	Statement string       `json:"statement" doc:"the exact text that administrators sign"`
	Digest    string       `json:"digest"`
	Signed    []Signature  `json:"signed"`
	Quorum    int          `json:"quorum" doc:"how many different administrators it takes; 0 once it is over"`
	Missing   int          `json:"missing" doc:"how many have still to sign"`
	Files     []FileChange `json:"files" doc:"of a policy change, those that differ; of one change, not in lists"`
	// Backtest is of a policy change that waits; of one change, not in lists.
	Backtest *Backtest `json:"backtest,omitempty"`
	May      []string  `json:"may" doc:"sign, send, reject"`
}

// FileChange is a file of the policy before and after.
type FileChange struct {
	Name   string `json:"name"`
	Before string `json:"before" doc:"empty: the file is new"`
	After  string `json:"after" doc:"empty: the file is gone"`
}

// Signature is an administrator's yes.
type Signature struct {
	Person      Person    `json:"person"`
	Signed      time.Time `json:"signed"`
	PasskeyName string    `json:"passkey_name"`
	Counts      bool      `json:"counts" doc:"false when they are no administrator any more"`
}

// Changes is a page of changes, newest first.
type Changes struct {
	Items  []Change `json:"items"`
	Cursor string   `json:"cursor,omitempty"`
}

// ChangeSignature is an administrator's signature over a change's statement.
type ChangeSignature struct {
	Assertion Assertion `json:"assertion"`
}

// Policy is the bundle in force: the signer's.
type Policy struct {
	Digest string            `json:"digest"`
	Files  map[string]string `json:"files" doc:"text by name"`
	Quorum int               `json:"quorum" doc:"how many different administrators must sign a change"`
	// Warning is set while the broker's own files are others.
	Warning string `json:"warning,omitempty"`
}

// InventoryDraft is evidence.InventoryEvidence: targets, signed with a key that
// the policy names.
type InventoryDraft struct {
	Statement string `json:"statement" minLength:"1" maxLength:"16384"`
	Targets   string `json:"targets" maxLength:"1000000"`
	Signature string `json:"signature" minLength:"1" maxLength:"128"`
}

// Inventory is what the signer has taken.
type Inventory struct {
	Name    string    `json:"name"`
	Number  int64     `json:"number"`
	Expires time.Time `json:"expires" doc:"the targets are gone from then on"`
}

// PeopleQuery selects members for a list.
type PeopleQuery struct {
	View   string // roster or all
	Person string // the subject or the e-mail address
	Cursor string // of the page before
}

// People lists members.
func (c *Client) People(ctx context.Context, q PeopleQuery) (People, error) {
	query := url.Values{}
	set(query, "view", q.View)
	set(query, "person", q.Person)
	set(query, "cursor", q.Cursor)
	return call[People](ctx, c, http.MethodGet, PathPeople, query, nil)
}

// Member returns one member, with what a suspension would end.
func (c *Client) Member(ctx context.Context, issuer, subject string) (Member, error) {
	return call[Member](ctx, c, http.MethodGet, PathMember, url.Values{"issuer": {issuer}, "subject": {subject}}, nil)
}

// Suspend ends all that somebody holds, at once.
func (c *Client) Suspend(ctx context.Context, in SuspensionDraft) (Member, error) {
	return call[Member](ctx, c, http.MethodPost, PathSuspend, nil, in)
}

// Changes lists what waits for administrators, or with closed what is over.
func (c *Client) Changes(ctx context.Context, closed bool, limit int, cursor string) (Changes, error) {
	query := url.Values{"view": {"open"}}
	if closed {
		query.Set("view", "closed")
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	set(query, "cursor", cursor)
	return call[Changes](ctx, c, http.MethodGet, PathChanges, query, nil)
}

// Change returns one change, whole.
func (c *Client) Change(ctx context.Context, id string) (Change, error) {
	return call[Change](ctx, c, http.MethodGet, expand(PathChange, id), nil, nil)
}

// ProposeRoster proposes to change somebody's standing.
func (c *Client) ProposeRoster(ctx context.Context, in RosterDraft) (Change, error) {
	return call[Change](ctx, c, http.MethodPost, PathChanges, nil, in)
}

// ProposePolicy proposes a policy.
func (c *Client) ProposePolicy(ctx context.Context, in PolicyDraft) (Change, error) {
	return call[Change](ctx, c, http.MethodPost, PathPolicyChanges, nil, in)
}

// ChangeChallenge returns the text that the caller, as an administrator, is to sign.
func (c *Client) ChangeChallenge(ctx context.Context, id string) (SigningChallenge, error) {
	return call[SigningChallenge](ctx, c, http.MethodPost, expand(PathChangeChallenge, id), nil, nil)
}

// SignChange hands in an administrator's signature.
func (c *Client) SignChange(ctx context.Context, id string, in ChangeSignature) (Change, error) {
	return call[Change](ctx, c, http.MethodPost, expand(PathSignatures, id), nil, in)
}

// RejectChange says no to a change.
func (c *Client) RejectChange(ctx context.Context, id string, in Taking) (Change, error) {
	return call[Change](ctx, c, http.MethodPost, expand(PathRejectChange, id), nil, in)
}

// Policy returns the policy in force.
func (c *Client) Policy(ctx context.Context) (Policy, error) {
	return call[Policy](ctx, c, http.MethodGet, PathPolicy, nil, nil)
}

// PushInventory hands in targets that a key of the policy's has signed.
func (c *Client) PushInventory(ctx context.Context, in InventoryDraft) (Inventory, error) {
	return call[Inventory](ctx, c, http.MethodPost, PathInventories, nil, in)
}
