package api

import (
	"encoding/json"
	"time"
)

// Person is somebody as lists show them. Identity is issuer and subject, never
// the name or the e-mail address.
type Person struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
	Name    string `json:"name"`
	Email   string `json:"email,omitempty"`
}

// Me is the caller.
type Me struct {
	Person        Person   `json:"person"`
	Groups        []string `json:"groups" doc:"as the identity provider said at sign-in"`
	RosterGroups  []string `json:"roster_groups" doc:"groups in the signer's roster: what the caller may approve for"`
	Approver      bool     `json:"approver" doc:"has a pinned passkey in a group that some role asks for"`
	Administrator bool     `json:"administrator" doc:"may sign enrolments"`
	Reviewer      bool     `json:"reviewer" doc:"may see every request, session, recording and audit event"`
	Ceremony      bool     `json:"ceremony" doc:"the first administrators are still being enrolled, at the signer's own page"`
	Instance      string   `json:"instance"`
	PolicyWarning string   `json:"policy_warning,omitempty" doc:"set when broker and signer decide by different policies"`
}

// Role is something that can be asked for.
type Role struct {
	Name           string   `json:"name"`
	Description    string   `json:"description"`
	Targets        []Target `json:"targets"`
	Logins         []string `json:"logins"`
	DefaultSeconds int64    `json:"default_seconds"`
	LongestSeconds int64    `json:"longest_seconds"`
	ReasonRequired bool     `json:"reason_required"`
	// Ticket is absent where the role says nothing of tickets.
	Ticket *TicketRule `json:"ticket,omitempty"`
	Start  StartRule   `json:"start"`
	// PendingSeconds is how long a request waits for approvals.
	PendingSeconds int64    `json:"pending_seconds"`
	Confirm        string   `json:"confirm,omitempty" enum:"any,attested" doc:"of which strength the passkey must be with which the requester confirms; absent: nothing is to be confirmed"`
	FreshSeconds   int64    `json:"fresh_seconds,omitempty" doc:"how old that confirmation may be at the first use; 0: as old as the request"`
	SingleUse      bool     `json:"single_use" doc:"one session may be opened under a grant"`
	Renewals       string   `json:"renewals,omitempty" doc:"how often it may be had, in a sentence; absent: any number of times"`
	Windows        []string `json:"windows" doc:"when it may be had, a sentence each; empty: at any time"`
	Conditions     []string `json:"conditions" doc:"what else must hold, or refuses or adds stages, a sentence each"`
	Session        []string `json:"session" doc:"what bounds a session, and who may replay it, a sentence each"`
	Separations    []string `json:"separations" doc:"what nobody may have beside it, a sentence each"`
	Device         []string `json:"device" doc:"what it asks of the machine that it is used from, a sentence each; empty: any machine will do"`
	Stages         []Stage  `json:"stages" doc:"who must agree; empty: granted at once"`
	// BreakGlass is absent where the caller may not act alone.
	BreakGlass *BreakGlassRule `json:"break_glass,omitempty"`
}

// TicketRule is what a request's ticket must look like.
type TicketRule struct {
	Required bool   `json:"required"`
	Pattern  string `json:"pattern,omitempty" doc:"RE2 that fits the whole of it; absent: anything does"`
}

// StartRule says when the clock of a grant starts.
type StartRule struct {
	At            string `json:"at" enum:"approval,first-use"`
	WithinSeconds int64  `json:"within_seconds,omitempty" doc:"of first-use: unused for so long, a grant is over"`
	AheadSeconds  int64  `json:"ahead_seconds" doc:"how far ahead a start may be set; 0: none may"`
}

// BreakGlassRule is how a person may act alone in an emergency.
type BreakGlassRule struct {
	LongestSeconds      int64    `json:"longest_seconds"`
	ReviewGroups        []string `json:"review_groups" doc:"who closes the review of it"`
	ReviewWithinSeconds int64    `json:"review_within_seconds" doc:"from its beginning; then the role is locked for everybody until the review is closed"`
}

// Roles is the list of roles the caller may ask for.
type Roles struct {
	Items []Role `json:"items"`
}

// Target is a host that a role reaches.
type Target struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
	// Proxies is there in Trust alone.
	Proxies []string `json:"proxies,omitempty" doc:"names of the proxies that open it, in the order in which the caller is to try them; in trust only"`
}

// Stage is one step of an approver chain, and how far it is.
type Stage struct {
	Name      string   `json:"name"`
	Groups    []string `json:"groups"`
	Count     int      `json:"count"`
	After     []string `json:"after" doc:"stages that must be full before this one takes an approval; in a decision, those that are not full yet"`
	Notes     []string `json:"notes" doc:"of a role's: whom else it asks, when it is there, whom it reminds and escalates to, a sentence each"`
	Given     []Person `json:"given" doc:"who has agreed"`
	Approvers []Person `json:"approvers" doc:"who could: the roster's members of the groups, the requester aside"`
}

// Ask is what somebody wants.
type Ask struct {
	Role            string `json:"role" minLength:"1" maxLength:"63"`
	Target          string `json:"target" minLength:"1" maxLength:"63"`
	Login           string `json:"login,omitempty" maxLength:"32" doc:"empty: the role's first login"`
	DurationSeconds int64  `json:"duration_seconds,omitempty" minimum:"0" doc:"0: the role's default"`
	Reason          string `json:"reason,omitempty" maxLength:"2000"`
	Ticket          string `json:"ticket,omitempty" maxLength:"200"`
	// Start is absent where it is to begin as soon as it may.
	Start      *time.Time `json:"start,omitempty" doc:"when it is to begin, in whole seconds; only where the role lets a start be set"`
	BreakGlass bool       `json:"break_glass,omitempty" doc:"the caller acts alone, in an emergency: nobody approves, everybody is told"`
}

// Decision is what policy says, in words.
type Decision struct {
	Outcome string   `json:"outcome" enum:"refused,needs-approval,scheduled,allowed"`
	Summary string   `json:"summary" doc:"one sentence, for example: Needs 1 of Bob, Dana."`
	Stages  []Stage  `json:"stages"`
	Reasons []Reason `json:"reasons"`
	Confirm string   `json:"confirm,omitempty" enum:"any,attested" doc:"the requester has yet to confirm, with a passkey of this strength"`
	// DurationSeconds is what may be granted; 0 when refused.
	DurationSeconds int64      `json:"duration_seconds"`
	Begins          *time.Time `json:"begins,omitempty" doc:"of what is allowed or scheduled"`
	Ends            *time.Time `json:"ends,omitempty" doc:"of what is allowed or scheduled"`
	UseBy           *time.Time `json:"use_by,omitempty" doc:"not used by then, it is over"`
}

// Reason is one rule's sentence.
type Reason struct {
	Rule string `json:"rule"`
	Met  bool   `json:"met"`
	Text string `json:"text"`
	// Remedy is empty where the rule is met or nothing would change it.
	Remedy string `json:"remedy,omitempty" doc:"what would change it"`
}

// Request is an ask with all that became of it. One id names the request, the
// grant it became and its evidence.
type Request struct {
	ID              string            `json:"id"`
	Revision        int               `json:"revision"`
	State           string            `json:"state" enum:"pending,approved,active,denied,withdrawn,expired,ended"`
	EndReason       string            `json:"end_reason,omitempty" enum:"completed,expired,dropped,revoked"`
	Summary         string            `json:"summary" doc:"one sentence, for example: Alice wants postgres on db1 for 1 hour"`
	Requester       Person            `json:"requester"`
	Role            string            `json:"role"`
	Target          string            `json:"target"`
	Login           string            `json:"login"`
	DurationSeconds int64             `json:"duration_seconds" doc:"asked for; after approval, what was agreed"`
	Reason          string            `json:"reason"`
	Asked           time.Time         `json:"asked"`
	Expires         time.Time         `json:"expires" doc:"a pending request is void from then on"`
	Ticket          string            `json:"ticket,omitempty"`
	Start           *time.Time        `json:"start,omitempty" doc:"when it was asked to begin; absent: as soon as it may"`
	BreakGlass      bool              `json:"break_glass"`
	Begins          *time.Time        `json:"begins,omitempty" doc:"of the grant; in the future for one that is scheduled, absent for one whose clock starts at its first use and that was not used"`
	Ends            *time.Time        `json:"ends,omitempty" doc:"when the grant ends or ended"`
	UseBy           *time.Time        `json:"use_by,omitempty" doc:"of a grant whose clock starts at its first use and that was not used: when it is over"`
	SingleUse       bool              `json:"single_use" doc:"one session may be opened under it"`
	Confirmation    *Confirmation     `json:"confirmation,omitempty" doc:"the requester's own word by passkey"`
	Review          *Review           `json:"review,omitempty" doc:"of an emergency that has begun"`
	Told            []Told            `json:"told" doc:"who was asked, reminded and told, oldest first"`
	Asserted        []AssertedFact    `json:"asserted" doc:"the facts that the broker asserted when it last was decided"`
	Statement       string            `json:"statement" doc:"the exact text of the request statement"`
	StatementDigest string            `json:"statement_digest"`
	Decision        Decision          `json:"decision"`
	Approvals       []Approval        `json:"approvals"`
	Certificates    []CertificateInfo `json:"certificates"`
	Sessions        []Session         `json:"sessions"`
	Timeline        []TimelineEntry   `json:"timeline"`
	May             []string          `json:"may" doc:"what the caller may do with it now: approve, confirm, deny, withdraw, drop, revoke, activate, extend, review"`
	ApproveFor      *Person           `json:"approve_for,omitempty" doc:"on whose behalf the caller would approve; absent: in their own right"`
	SSH             string            `json:"ssh,omitempty" doc:"the command line to copy, for the requester of a live grant"`
}

// RequestSummary is a request as lists show it.
type RequestSummary struct {
	ID              string     `json:"id"`
	State           string     `json:"state"`
	EndReason       string     `json:"end_reason,omitempty"`
	Summary         string     `json:"summary"`
	Requester       Person     `json:"requester"`
	Role            string     `json:"role"`
	Target          string     `json:"target"`
	Login           string     `json:"login"`
	DurationSeconds int64      `json:"duration_seconds"`
	Reason          string     `json:"reason"`
	Asked           time.Time  `json:"asked"`
	Expires         time.Time  `json:"expires"`
	BreakGlass      bool       `json:"break_glass"`
	Begins          *time.Time `json:"begins,omitempty"`
	Ends            *time.Time `json:"ends,omitempty"`
	UseBy           *time.Time `json:"use_by,omitempty"`
	WaitsFor        string     `json:"waits_for,omitempty" doc:"one sentence: whom a pending request waits for"`
	SSH             string     `json:"ssh,omitempty"`
	May             []string   `json:"may"`
}

// Requests is a page of requests, newest first.
type Requests struct {
	Items  []RequestSummary `json:"items"`
	Cursor string           `json:"cursor,omitempty"`
}

// Approval is one approver's signature.
type Approval struct {
	Approver        Person    `json:"approver"`
	For             *Person   `json:"for,omitempty" doc:"on whose behalf, by a delegation"`
	DurationSeconds int64     `json:"duration_seconds"`
	Issued          time.Time `json:"issued"`
	Statement       string    `json:"statement"`
	Digest          string    `json:"digest"`
	PasskeyName     string    `json:"passkey_name"`
	Counts          bool      `json:"counts" doc:"false when policy no longer counts it"`
}

// CertificateInfo is a certificate the signer issued.
type CertificateInfo struct {
	Serial      string    `json:"serial" doc:"decimal; a string because it exceeds what JavaScript counts"`
	Principal   string    `json:"principal"`
	Issued      time.Time `json:"issued"`
	Ends        time.Time `json:"ends"`
	LedgerIndex int64     `json:"ledger_index"`
}

// TimelineEntry is one thing that happened, with its place in the audit log.
type TimelineEntry struct {
	Time  time.Time `json:"time"`
	Kind  string    `json:"kind"`
	Text  string    `json:"text"`
	Actor *Person   `json:"actor,omitempty"`
	Index int64     `json:"index" doc:"leaf of the audit log"`
}

// ApprovalDraft says how long the approver would agree to.
type ApprovalDraft struct {
	DurationSeconds int64 `json:"duration_seconds,omitempty" minimum:"0" doc:"0: as asked"`
}

// SigningChallenge is a text to sign with a passkey. The page recomputes the
// SHA-256 of the statement and asks the authenticator with that as challenge,
// never with one it was handed.
type SigningChallenge struct {
	Statement    string   `json:"statement"`
	Digest       string   `json:"digest"`
	RelyingParty string   `json:"relying_party"`
	Credentials  []string `json:"credentials" doc:"the caller's pinned credentials, base64url"`
	ValidSeconds int64    `json:"valid_seconds"`
	For          *Person  `json:"for,omitempty" doc:"of an approval: on whose behalf it would be; absent: in the caller's own right"`
}

// Assertion is what the authenticator returned, base64url without padding.
type Assertion struct {
	Credential        string `json:"credential" minLength:"1" maxLength:"1400"`
	AuthenticatorData string `json:"authenticator_data" minLength:"1" maxLength:"4096"`
	ClientData        string `json:"client_data" minLength:"1" maxLength:"4096"`
	Signature         string `json:"signature" minLength:"1" maxLength:"2048"`
}

// SignedStatement is a statement with the passkey's assertion over it.
type SignedStatement struct {
	Statement string    `json:"statement" minLength:"1" maxLength:"16384"`
	Assertion Assertion `json:"assertion"`
}

// Taking is the body of everything that takes away: it needs no proof.
type Taking struct {
	Reason string `json:"reason,omitempty" maxLength:"500"`
	// Evidence is the caller's own word for ending a request: an end statement,
	// signed with the login key of the command line's sign-in. It is never needed.
	Evidence *EndEvidence `json:"evidence,omitempty"`
}

// EndEvidence is an end statement with the login key's signature over it.
type EndEvidence struct {
	Statement string `json:"statement" minLength:"1" maxLength:"16384"`
	Signature string `json:"signature" minLength:"1" maxLength:"128"`
}

// LoginBinding is evidence.LoginBinding: the ID token and the key it commits to.
type LoginBinding struct {
	IDToken      string           `json:"id_token" minLength:"1" maxLength:"16384"`
	LoginKey     string           `json:"login_key" minLength:"1" maxLength:"256"`
	NonceSalt    string           `json:"nonce_salt,omitempty" maxLength:"64"`
	Confirmation *SignedStatement `json:"confirmation,omitempty"`
}

// Activation asks for a certificate for a session key.
type Activation struct {
	Statement string       `json:"statement" minLength:"1" maxLength:"16384" doc:"an activation statement, made by the command line"`
	Signature string       `json:"signature" minLength:"1" maxLength:"128" doc:"by the login key, base64url"`
	Login     LoginBinding `json:"login"`
	Device    *DeviceProof `json:"device,omitempty" doc:"of the device that the statement names"`
}

// Certificate is an OpenSSH user certificate that opens the proxy.
type Certificate struct {
	Certificate string    `json:"certificate"`
	Ends        time.Time `json:"ends"`
	Serial      string    `json:"serial"`
	Login       string    `json:"login"`
	Target      string    `json:"target"`
	Proxies     []Proxy   `json:"proxies"`
}

// Reissue asks for the certificate that counts in the place of one, which may be it.
type Reissue struct {
	Certificate string `json:"certificate" minLength:"1" maxLength:"8192" doc:"authorized_keys form, as it was issued"`
}

// Reissued is the certificate that counts, for the same session key, and whose host
// certificates to believe.
type Reissued struct {
	Certificate Certificate     `json:"certificate"`
	Hosts       json.RawMessage `json:"hosts" doc:"what the signer says of the proxies' host certificates: instance, log, host_ca and keys of its trust"`
}

// Proxy is where ssh connects to.
type Proxy struct {
	Name    string `json:"name"`
	Address string `json:"address" doc:"host:port"`
}

// ProxyList lists the recording proxies.
type ProxyList struct {
	Items []ProxyState `json:"items"`
}

// ProxyState is a recording proxy, as the broker heard of it.
type ProxyState struct {
	Name     string            `json:"name"`
	Address  string            `json:"address" doc:"host:port for ssh"`
	Labels   map[string]string `json:"labels" doc:"by the signer's configuration"`
	State    string            `json:"state" enum:"serving,draining,stopped,silent,unheard" doc:"silent: it said nothing for ten seconds; unheard: it has not called this broker since its start"`
	Version  string            `json:"version"`
	Sessions int               `json:"sessions" doc:"that live there, by its own account"`
	Started  *time.Time        `json:"started,omitempty"`
	Heard    *time.Time        `json:"heard,omitempty" doc:"when it was heard last"`
	Targets  []string          `json:"targets" doc:"names of those that the signer lets it open"`
}

// Evidence is what proves a request, to be written to a file and checked offline
// with stint evidence verify: docs/formats/evidence.md, "Export file". Every entry
// of the signer's ledger that it holds is proven to be in one and the same tree.
type Evidence struct {
	Version    int    `json:"version" doc:"1"`
	Request    string `json:"request,omitempty" doc:"id of the request; none where only the ledger's beginning is told"`
	Checkpoint string `json:"checkpoint" doc:"signed note: the tree in which every entry is proven"`
	// Entries are the request's own (certificates, ending) and, for reviewers and
	// administrators, every entry before them that changed what the signer believed.
	Entries      []ProvenEntry `json:"entries" doc:"by rising index"`
	Certificates []string      `json:"certificates" doc:"OpenSSH certificates that were issued under the request, authorized_keys form"`
	Agreed       string        `json:"agreed,omitempty" doc:"evidence.Bundle as JSON text with the approvals so far, where no certificate was issued"`
}

// ProvenEntry is a leaf of the signer's ledger with its place.
type ProvenEntry struct {
	Index int64    `json:"index"`
	Entry string   `json:"entry" doc:"evidence.Entry as JSON text, the leaf's exact bytes"`
	Path  []string `json:"path" doc:"RFC 6962 audit path to the checkpoint's root, base64 hashes from the leaf up"`
}
