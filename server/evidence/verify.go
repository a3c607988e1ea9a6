package evidence

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/policies"
)

const (
	// MostApprovals bounds the approvals of one bundle.
	MostApprovals = 32
	// LongestPending is how long after its making a request may still be
	// approved. A request that states more is refused.
	LongestPending = 7 * 24 * time.Hour
	// ActivationWindow is how far an activation's time may be from the signer's.
	ActivationWindow = 2 * time.Minute
)

// Verified is an issuance that Verify found proven. Only Verify makes one that
// holds anything; the methods of any other panic.
type Verified struct{ held *verified }

type verified struct {
	agreed     Agreed
	requester  policies.Person
	activation *Activation
	role       policies.Role
	recordings policies.Recordings
	target     policies.Target
	decision   policies.Decision
}

// must keeps a value that Verify did not make from being taken for one.
func (v Verified) must() *verified {
	if v.held == nil {
		panic("evidence: a Verified that Verify did not return")
	}
	return v.held
}

// Request is what was asked for.
func (v Verified) Request() Request { return v.must().agreed.Request() }

// RequestDigest names the request's statement.
func (v Verified) RequestDigest() string { return v.must().agreed.RequestDigest() }

// Requester is who asked, as the provider attests them.
func (v Verified) Requester() policies.Person { return v.must().requester }

// Approvals are the statements that approvers signed. The decision tells which of
// them counted.
func (v Verified) Approvals() []Approval { return v.must().agreed.Approvals() }

// Confirmed is the requester's own confirmation; nil where there is none.
func (v Verified) Confirmed() *policies.Confirmation { return v.must().agreed.Confirmed() }

// SessionKey is the key to certify, in authorized_keys form.
func (v Verified) SessionKey() string { return v.must().activation.SessionKey }

// Target is where the access leads, as the policy has it.
func (v Verified) Target() policies.Target { return v.must().target }

// Role is what was asked for, as the policy has it.
func (v Verified) Role() policies.Role { return v.must().role }

// Recordings says for whom a session's recording is sealed, as the policy has it.
func (v Verified) Recordings() policies.Recordings { return v.must().recordings }

// Principal is the one principal of the certificate: login@target.
func (v Verified) Principal() string { return v.Request().Ask.Login + "@" + v.must().target.Name }

// Decision is the policy's answer; its outcome is Allowed.
func (v Verified) Decision() policies.Decision { return v.must().decision }

// Ends is when the grant ends, and with it every certificate under it.
func (v Verified) Ends() time.Time { return v.must().decision.Ends }

// Verify checks a bundle from end to end: that a person asked for exactly this,
// that those who had to agree did, and that the person's own key asks for this
// session key now. It believes trust and circumstances, and nothing else that
// the bundle does not prove. A refusal is a *Failure that names the check.
//
// What only a ledger knows is not asked here: whether the request was ended, and
// which other grants the requester holds beside those in circumstances.
func Verify(b Bundle, trust Trust, c Circumstances) (Verified, error) {
	// 1. Parse strictly.
	request, err := openRequest(b, trust, c)
	if err != nil {
		return Verified{}, err
	}
	if b.Login == nil || b.Activation == nil {
		return Verified{}, fail("bundle", "the bundle holds no login or no activation")
	}
	bundle, err := trust.Bundle(c.Now)
	if err != nil {
		return Verified{}, err
	}

	// 2. The ID token says who asks, and that person asked for this.
	requester, err := VerifyLogin(*b.Login, trust, c.Now)
	if err != nil {
		return Verified{}, err
	}
	if requester.Subject != request.Requester {
		return Verified{}, fail("requester", "%s asked, and %s signed in", request.Requester, requester.Subject)
	}
	if requester.Name != request.RequesterName {
		// Approvers were shown this name.
		return Verified{}, fail("requester-name", "the request calls its requester %q, the provider %q; ask again", request.RequesterName, requester.Name)
	}
	if err := trust.checkSuspended(requester, c.Now); err != nil {
		return Verified{}, within("requester", err)
	}

	// 3. Each approval repeats the request, and a pinned passkey signed it.
	agreed, err := VerifyApprovals(b, trust, c)
	if err != nil {
		return Verified{}, err
	}

	// 4. The person's login key asks for this session key, now.
	activation, err := verifyActivation(b, c.Now)
	if err != nil {
		return Verified{}, err
	}

	// 5. The device that the activation names is the requester's own, its key signed
	// too, and it complies with what the role asks of machines.
	device, err := verifyActivatedDevice(b, activation, trust, c.Now)
	if err != nil {
		return Verified{}, within("device", err)
	}
	if against := policies.Objections(bundle.JudgeDevice(request.Ask.Role, device, c.Now)); against != "" {
		return Verified{}, fail("device-policy", "%s", against)
	}

	// 6. The policy allows it, by its own rules and the signer's own clock.
	facts, err := factsOf(bundle, agreed, requester, trust, c)
	if err != nil {
		return Verified{}, err
	}
	decision := bundle.Decide(facts)
	switch decision.Outcome {
	case policies.Allowed:
	case policies.Scheduled:
		return Verified{}, fail("scheduled", "everything is agreed, and it begins at %s; come back then", decision.Begins.UTC().Format(time.RFC3339))
	default:
		return Verified{}, fail("policy", "%s", policies.Objections(decision.Reasons))
	}
	target, ok := bundle.Target(request.Ask.Target)
	if !ok {
		return Verified{}, fail("policy", "there is no target %q", request.Ask.Target)
	}
	role, ok := bundle.Role(request.Ask.Role)
	if !ok {
		return Verified{}, fail("policy", "there is no role %q", request.Ask.Role)
	}
	return Verified{&verified{
		agreed:     agreed,
		requester:  requester,
		activation: activation,
		role:       role,
		recordings: bundle.Organization().Recordings,
		target:     target,
		decision:   decision,
	}}, nil
}

// Agreed is a request with approvals that VerifyApprovals found proven. Only it
// makes one that holds anything; the methods of any other panic.
type Agreed struct{ held *agreed }

type agreed struct {
	request   *Request
	digest    string
	approvals []Approval
	// counting are the approvals as policy takes them.
	counting  []policies.Approval
	confirmed *policies.Confirmation
}

func (a Agreed) must() *agreed {
	if a.held == nil {
		panic("evidence: an Agreed that VerifyApprovals did not return")
	}
	return a.held
}

// Request is what was asked for.
func (a Agreed) Request() Request { return *a.must().request }

// RequestDigest names the request's statement.
func (a Agreed) RequestDigest() string { return a.must().digest }

// Approvals are the statements that approvers signed. Whether they suffice is
// the policy's to say.
func (a Agreed) Approvals() []Approval { return slices.Clone(a.must().approvals) }

// Counting are the same approvals, in the same order, as policy takes them: each
// approver in the groups that the roster has them in.
func (a Agreed) Counting() []policies.Approval { return slices.Clone(a.must().counting) }

// Confirmed is the requester's confirmation as policy takes it; nil where there is none.
func (a Agreed) Confirmed() *policies.Confirmation { return a.must().confirmed }

// VerifyApprovals checks the request, the approvals and the confirmation of a bundle and
// leaves login, activation and policy alone; it is for a bundle whose requester has not
// come yet. One approval that does not hold refuses all: whoever sent it is
// wrong about something. A refusal is a *Failure.
func VerifyApprovals(b Bundle, trust Trust, c Circumstances) (Agreed, error) {
	request, err := openRequest(b, trust, c)
	if err != nil {
		return Agreed{}, err
	}
	found := &agreed{request: request, digest: Digest(b.Request)}
	for _, signed := range b.Approvals {
		approval, counting, err := verifyApproval(signed, b.Request, request, trust, c.Now)
		if err != nil {
			return Agreed{}, within("approval", err)
		}
		found.approvals = append(found.approvals, *approval)
		found.counting = append(found.counting, counting)
	}
	if b.Confirmation != nil {
		if found.confirmed, err = verifyConfirmed(*b.Confirmation, b.Request, request, trust, c.Now); err != nil {
			return Agreed{}, within("confirmation", err)
		}
	}
	return Agreed{found}, nil
}

// openRequest reads the request of a bundle and checks what it says by itself.
func openRequest(b Bundle, trust Trust, c Circumstances) (*Request, error) {
	if b.Version != 1 || trust.Version != 1 {
		return nil, fail("version", "this version reads bundles and trust of version 1")
	}
	if c.Now.IsZero() {
		return nil, fail("circumstances", "the circumstances do not say what time it is")
	}
	if len(b.Approvals) > MostApprovals {
		return nil, fail("bundle", "the bundle holds more than %d approvals", MostApprovals)
	}
	request, err := DecodeAs[*Request](b.Request)
	switch {
	case err != nil:
		return nil, fail("request", "%v", err)
	case request.Instance != trust.Instance:
		return nil, fail("instance", "the request is for another installation")
	case request.Issued.After(c.Now.Add(policies.Skew)):
		return nil, fail("request-issued", "the request is dated in the future")
	case !request.Expires.After(request.Issued) || request.Expires.Sub(request.Issued) > LongestPending:
		return nil, fail("request-expires", "a request expires after it is made, and within %s", policies.FormatDuration(LongestPending))
	}
	return request, nil
}

// verifyApproval proves one approval, and gives it also as policy takes it.
func verifyApproval(signed SignedByPasskey, requestText string, request *Request, trust Trust, now time.Time) (*Approval, policies.Approval, error) {
	none := policies.Approval{}

	// 1. It is word for word this request, but for whose it is and how long.
	approval, err := DecodeAs[*Approval](signed.Statement)
	if err != nil {
		return nil, none, fail("statement", "%v", err)
	}
	approver := policies.Person{Subject: approval.Approver, Name: approval.ApproverName}
	expected, err := ApprovalOf(requestText, approver, behalf(approval), approval.Ask.Duration, approval.Issued, approval.Nonce)
	if err != nil {
		return nil, none, fail("statement", "%v", err)
	}
	if *expected != *approval {
		return nil, none, fail("repeats", "the approval is for something else than the request: %s differs", difference(approval, expected))
	}
	if approval.Ask.Duration > request.Ask.Duration {
		return nil, none, fail("duration", "the approval is for longer than was asked for")
	}

	// 2. It was given in time.
	switch {
	case approval.Issued.After(now.Add(policies.Skew)):
		return nil, none, fail("issued", "the approval is dated in the future")
	case approval.Issued.Before(request.Issued), approval.Issued.After(request.Expires):
		return nil, none, fail("issued", "the approval was not given between the making and the expiry of the request")
	}

	// 3. Its approver is in the roster, with this passkey.
	holder, err := activePasskey(trust, approval.Approver, signed.Assertion.Credential, now)
	if err != nil {
		return nil, none, err
	}

	if approval.ApproverName != holder.person.Person.Name {
		return nil, none, fail("name", "the approval calls its approver %q, the roster %q", approval.ApproverName, holder.person.Person.Name)
	}

	// 4. The passkey signed it. The groups are the roster's.
	if err := VerifyAssertion(signed.Assertion, signed.Statement, holder.key, trust); err != nil {
		return nil, none, err
	}

	// 5. On somebody's behalf it is given by their delegation.
	on, err := trust.delegated(approval, holder.key, now)
	if err != nil {
		return nil, none, err
	}
	return approval, policies.Approval{
		Approver: holder.person.With(holder.key), For: on, Attested: holder.key.Attested != "",
		Duration: approval.Ask.Duration, Issued: approval.Issued,
	}, nil
}

// behalf is on whose behalf an approval says it is; nil: nobody's.
func behalf(a *Approval) *policies.Person {
	if a.For == (policies.Subject{}) && a.ForName == "" {
		return nil
	}
	return &policies.Person{Subject: a.For, Name: a.ForName}
}

// pinned is a person of the roster with one of their passkeys.
type pinned struct {
	person RosterPerson
	key    Passkey
}

// activePasskey finds a person's own passkey that may sign now.
func activePasskey(trust Trust, who policies.Subject, credential string, now time.Time) (pinned, error) {
	person, ok := trust.Roster.Find(who)
	if !ok {
		return pinned{}, fail("roster", "%s is not in the roster", who)
	}
	i := slices.IndexFunc(person.Passkeys, func(k Passkey) bool { return k.Credential == credential && k.Active(now) })
	if i < 0 {
		return pinned{}, fail("passkey", "%s has no such passkey in the roster, or it was removed", who)
	}
	return pinned{person, person.Passkeys[i]}, trust.checkSuspended(person.Person, now)
}

// verifyActivation checks that the login key asks for the session key. That the
// login key speaks for the person is VerifyLogin's.
func verifyActivation(b Bundle, now time.Time) (*Activation, error) {
	activation, err := DecodeAs[*Activation](b.Activation.Statement)
	if err != nil {
		return nil, fail("activation", "%v", err)
	}
	expected, err := ActivationOf(b.Request, activation.SessionKey, activation.Issued, activation.Nonce)
	if err != nil {
		return nil, fail("activation", "%v", err)
	}
	// Which device it is sent from is the requester's to say.
	expected.Device, expected.Posture = activation.Device, activation.Posture
	if *expected != *activation {
		return nil, fail("activation-repeats", "the activation is for something else than the request: %s differs", difference(activation, expected))
	}
	if away := now.Sub(activation.Issued).Abs(); away > ActivationWindow {
		return nil, fail("activation-issued", "the activation was signed at another time; set this machine's clock and try again")
	}
	if activation.SessionKey == b.Login.LoginKey {
		return nil, fail("activation-session-key", "the session key is the login key; each session has a key of its own")
	}
	key, err := ParseKey(b.Login.LoginKey)
	if err != nil || !verifyKey(b.Activation.Statement, b.Activation.Signature, key) {
		return nil, fail("activation-signature", "the login key did not sign the activation")
	}
	return activation, nil
}

// difference names the first field in which two statements of one kind differ.
func difference(a, b Statement) string {
	textA, errA := Encode(a)
	textB, errB := Encode(b)
	if errA != nil || errB != nil {
		return "a field"
	}
	linesB := strings.Split(textB, "\n")
	for i, line := range strings.Split(textA, "\n") {
		if i >= len(linesB) || line != linesB[i] {
			name, _, _ := strings.Cut(line, ":")
			return name
		}
	}
	return "a field"
}

// fail is a refusal by a check.
func fail(check, why string, values ...any) error {
	return &Failure{Check: check, Why: fmt.Sprintf(why, values...)}
}

// within puts a refusal by a part under the name of the whole; no refusal stays
// none.
func within(whole string, err error) error {
	if err == nil {
		return nil
	}
	if f, ok := err.(*Failure); ok {
		return &Failure{Check: whole + "-" + f.Check, Why: f.Why}
	}
	return &Failure{Check: whole, Why: err.Error()}
}
