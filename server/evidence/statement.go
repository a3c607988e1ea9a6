package evidence

import (
	"time"

	"stint/policies"
)

// Kind names a kind of statement; it is the second word of the first line, as
// in "stint approval 1".
type Kind string

// The kinds of statement of format version 1.
const (
	KindRequest      Kind = "request"
	KindApproval     Kind = "approval"
	KindConfirmation Kind = "confirmation"
	KindActivation   Kind = "activation"
	KindLogin        Kind = "login"
	KindEnrolment    Kind = "enrolment"
	KindRoster       Kind = "roster"
	KindPolicy       Kind = "policy"
	KindInventory    Kind = "inventory"
	KindSuccession   Kind = "succession"
	KindDevice       Kind = "device"
	KindEnd          Kind = "end"
	KindDelegation   Kind = "delegation"
	KindReview       Kind = "review"
	KindPresence     Kind = "presence"
)

// Statement is one of *Request, *Approval, *Confirmation, *Activation, *Login,
// *Enrolment, *RosterChange, *PolicyChange, *InventoryChange, *Succession, *Device,
// *Posture, *End, *Delegation, *Review and *Presence.
type Statement interface {
	// Kind says which kind it is.
	Kind() Kind
	// walk lists the fields in their one order, for both encoding and decoding.
	walk(c *codec)
}

// Request is what somebody asks for, in full. It is not signed by itself: each
// approval repeats it, and the requester's activation names its digest.
type Request struct {
	Instance      string // the installation's id, so that nothing moves between installations
	Request       string // request id
	Revision      int    // 1 for the first; editing makes the next and voids earlier approvals
	Requester     policies.Subject
	RequesterName string
	Ask           policies.Ask
	Policy        string    // digest of the policy bundle at the time of asking
	Issued        time.Time // UTC, whole seconds
	Expires       time.Time // approvals issued later do not count
	Nonce         string    // 32 hex digits
}

// Approval is an approver's agreement. It repeats the request in full, so that
// the text an approver signs says everything by itself; Duration may be shorter
// than what was asked, nothing else may differ.
type Approval struct {
	Instance      string
	Request       string
	Revision      int
	RequestDigest string // Digest of the request statement
	Requester     policies.Subject
	RequesterName string
	Ask           policies.Ask // Ask.Duration is what the approver agrees to
	Approver      policies.Subject
	ApproverName  string
	For           policies.Subject // on whose behalf, by a Delegation; zero: in their own right
	ForName       string           // empty exactly where For is zero
	Policy        string
	Issued        time.Time
	Nonce         string
}

// Activation asks for a certificate for SessionKey under an approved request.
// The login key signs it, and so does the key of the device that it names.
type Activation struct {
	Instance      string
	Request       string
	Revision      int
	RequestDigest string
	Requester     policies.Subject
	SessionKey    string // authorized_keys form, ssh-ed25519, no comment
	Device        string // id of the enrolled device; empty for none
	Posture       string // Digest of the device's Posture; empty for none
	Issued        time.Time
	Nonce         string
}

// Login confirms, by the person's own passkey, that LoginKey may act for them
// until Expires. It is needed where the ID token does not commit to the key
// (a device-flow sign-in).
type Login struct {
	Instance string
	Person   policies.Subject
	LoginKey string // authorized_keys form, ssh-ed25519, no comment
	Issued   time.Time
	Expires  time.Time
	Nonce    string
}

// Enrolment pins a passkey for a person in the signer's roster and states the
// groups the person is in from then on. The new passkey signs it (possession),
// and so does an authority: a quorum of administrators, an earlier passkey of the
// person's, or, for a passkey that grants no group, the person's own login key.
type Enrolment struct {
	Instance    string
	Person      policies.Subject
	Name        string
	Email       string
	Groups      []string // sorted, distinct; what the person is in after this
	Credential  string   // WebAuthn credential id, base64url without padding
	PublicKey   string   // COSE_Key (RFC 9052), base64url without padding
	AAGUID      string   // 32 hex digits, zero where the authenticator tells none
	PasskeyName string
	Issued      time.Time
	Expires     time.Time // an authority may sign until then
	Nonce       string
}

// Kind is KindRequest.
func (*Request) Kind() Kind { return KindRequest }

// Kind is KindApproval.
func (*Approval) Kind() Kind { return KindApproval }

// Kind is KindActivation.
func (*Activation) Kind() Kind { return KindActivation }

// Kind is KindLogin.
func (*Login) Kind() Kind { return KindLogin }

// Kind is KindEnrolment.
func (*Enrolment) Kind() Kind { return KindEnrolment }

func (r *Request) walk(c *codec) {
	field(c, "instance", &r.Instance, nameForm)
	field(c, "request", &r.Request, requestForm)
	field(c, "revision", &r.Revision, numberForm)
	field(c, "requester", &r.Requester, subjectForm)
	field(c, "requester-name", &r.RequesterName, personForm)
	walkAsk(c, &r.Ask)
	field(c, "policy", &r.Policy, digestForm)
	field(c, "issued", &r.Issued, timeForm)
	field(c, "expires", &r.Expires, timeForm)
	field(c, "nonce", &r.Nonce, hexForm)
}

func (a *Approval) walk(c *codec) {
	field(c, "instance", &a.Instance, nameForm)
	field(c, "request", &a.Request, requestForm)
	field(c, "revision", &a.Revision, numberForm)
	field(c, "request-digest", &a.RequestDigest, digestForm)
	field(c, "requester", &a.Requester, subjectForm)
	field(c, "requester-name", &a.RequesterName, personForm)
	walkAsk(c, &a.Ask)
	field(c, "approver", &a.Approver, subjectForm)
	field(c, "approver-name", &a.ApproverName, personForm)
	field(c, "for", &a.For, optionalSubjectForm)
	field(c, "for-name", &a.ForName, optionalPersonForm)
	field(c, "policy", &a.Policy, digestForm)
	field(c, "issued", &a.Issued, timeForm)
	field(c, "nonce", &a.Nonce, hexForm)
}

func (a *Activation) walk(c *codec) {
	field(c, "instance", &a.Instance, nameForm)
	field(c, "request", &a.Request, requestForm)
	field(c, "revision", &a.Revision, numberForm)
	field(c, "request-digest", &a.RequestDigest, digestForm)
	field(c, "requester", &a.Requester, subjectForm)
	field(c, "session-key", &a.SessionKey, keyForm)
	field(c, "device", &a.Device, optional(requestForm))
	field(c, "posture", &a.Posture, optional(digestForm))
	field(c, "issued", &a.Issued, timeForm)
	field(c, "nonce", &a.Nonce, hexForm)
}

func (l *Login) walk(c *codec) {
	field(c, "instance", &l.Instance, nameForm)
	field(c, "person", &l.Person, subjectForm)
	field(c, "login-key", &l.LoginKey, keyForm)
	field(c, "issued", &l.Issued, timeForm)
	field(c, "expires", &l.Expires, timeForm)
	field(c, "nonce", &l.Nonce, hexForm)
}

func (e *Enrolment) walk(c *codec) {
	field(c, "instance", &e.Instance, nameForm)
	field(c, "person", &e.Person, subjectForm)
	field(c, "name", &e.Name, personForm)
	field(c, "email", &e.Email, emailForm)
	field(c, "groups", &e.Groups, groupsForm)
	field(c, "credential", &e.Credential, credentialForm)
	field(c, "public-key", &e.PublicKey, publicKeyForm)
	field(c, "aaguid", &e.AAGUID, hexForm)
	field(c, "passkey-name", &e.PasskeyName, personForm)
	field(c, "issued", &e.Issued, timeForm)
	field(c, "expires", &e.Expires, timeForm)
	field(c, "nonce", &e.Nonce, hexForm)
}

// walkAsk lists what is asked for, the same way wherever it stands.
func walkAsk(c *codec, a *policies.Ask) {
	field(c, "role", &a.Role, nameForm)
	field(c, "target", &a.Target, nameForm)
	field(c, "login", &a.Login, loginForm)
	field(c, "duration", &a.Duration, durationForm)
	field(c, "reason", &a.Reason, reasonForm)
	field(c, "ticket", &a.Ticket, ticketForm)
	field(c, "start", &a.Start, optionalTimeForm)
	field(c, "break-glass", &a.BreakGlass, yesForm)
}

// ApprovalOf repeats a request, given as the text of its statement, as the
// approval that approver is to sign for duration, on behalf of somebody who delegated
// to them; nil: in their own right. Verify accepts an approval only if it is word for
// word what this makes, with both as the roster names them.
func ApprovalOf(request string, approver policies.Person, behalf *policies.Person, duration time.Duration, issued time.Time, nonce string) (*Approval, error) {
	r, err := DecodeAs[*Request](request)
	if err != nil {
		return nil, err
	}
	a := &Approval{
		Instance:      r.Instance,
		Request:       r.Request,
		Revision:      r.Revision,
		RequestDigest: Digest(request),
		Requester:     r.Requester,
		RequesterName: r.RequesterName,
		Ask:           r.Ask,
		Approver:      approver.Subject,
		ApproverName:  approver.Name,
		Policy:        r.Policy,
		Issued:        issued,
		Nonce:         nonce,
	}
	a.Ask.Duration = duration
	if behalf != nil {
		a.For, a.ForName = behalf.Subject, behalf.Name
	}
	return a, nil
}

// ActivationOf is the activation of a request, given as the text of its
// statement, for a session key in authorized_keys form, from no device. Device and
// Posture may be set.
func ActivationOf(request, sessionKey string, issued time.Time, nonce string) (*Activation, error) {
	r, err := DecodeAs[*Request](request)
	if err != nil {
		return nil, err
	}
	return &Activation{
		Instance:      r.Instance,
		Request:       r.Request,
		Revision:      r.Revision,
		RequestDigest: Digest(request),
		Requester:     r.Requester,
		SessionKey:    sessionKey,
		Issued:        issued,
		Nonce:         nonce,
	}, nil
}
