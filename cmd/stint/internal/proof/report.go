package proof

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// Report is a finding for programs, and in sentences for people. Times are in UTC.
type Report struct {
	Request    string   `json:"request"`
	Proven     bool     `json:"proven"` // false: the history is missing, and with it who these people are
	Ledger     Ledger   `json:"ledger"`
	Agreements []Agreed `json:"agreements"`
	// Connections are the certificates that let proxies in to the target.
	Connections []Entered `json:"connections"`
	// Extensions are sessions that were opened under other requests and went on under this one.
	Extensions []Extended `json:"extensions,omitempty"`
	// Presences are when the requester confirmed with a passkey that they were there.
	Presences []Confirming `json:"presences,omitempty"`
	Ending    *Ended       `json:"ending,omitempty"`
	Reviews   []Closed     `json:"reviews,omitempty"` // of emergencies
	History   []Past       `json:"history"`
	NotProven []string     `json:"not_proven"`
}

// Ledger is the tree in which everything is.
type Ledger struct {
	Origin    string   `json:"origin"`
	Size      int64    `json:"size"`
	Root      string   `json:"root"` // base64
	Entries   int      `json:"entries"`
	Witnesses []string `json:"witnesses"`
}

// Agreed is a request with its approvals and, where one was issued, a certificate.
type Agreed struct {
	Requester       policies.Subject `json:"requester"`
	Name            string           `json:"name"`
	Role            string           `json:"role"`
	Target          string           `json:"target"`
	Login           string           `json:"login"`
	DurationSeconds int64            `json:"duration_seconds"`
	Reason          string           `json:"reason"`
	Ticket          string           `json:"ticket,omitempty"`
	Start           *time.Time       `json:"start,omitempty"` // that was set
	BreakGlass      bool             `json:"break_glass,omitempty"`
	Confirmed       *Confirmed       `json:"confirmed,omitempty"`
	// Asserted are the facts that policy took from the broker.
	Asserted    []policies.Assertion `json:"asserted,omitempty"`
	Asked       time.Time            `json:"asked"`
	Revision    int                  `json:"revision"`
	Digest      string               `json:"digest"` // of the request's statement
	Policy      string               `json:"policy"`
	Approvals   []Approved           `json:"approvals"`
	Certificate *Issued              `json:"certificate,omitempty"`
}

// Confirmed is the requester's own confirmation, by a passkey.
type Confirmed struct {
	Time     time.Time `json:"time"`
	Attested bool      `json:"attested"` // the passkey is of a known make
}

// Approved is one approval.
type Approved struct {
	Approver policies.Subject `json:"approver"`
	Name     string           `json:"name"`
	// For is on whose behalf, by a delegation; nil: in their own right.
	For             *policies.Subject `json:"for,omitempty"`
	ForName         string            `json:"for_name,omitempty"`
	DurationSeconds int64             `json:"duration_seconds"`
	Time            time.Time         `json:"time"`
	Passkey         Passkey           `json:"passkey"`
}

// Passkey is what signed.
type Passkey struct {
	Credential    string `json:"credential"`
	Name          string `json:"name"`
	Authenticator string `json:"authenticator"` // its make where that is attested, else its AAGUID
}

// Issued is a certificate.
type Issued struct {
	Index     int64     `json:"index"` // in the ledger
	Time      time.Time `json:"time"`
	Serial    uint64    `json:"serial"`
	Principal string    `json:"principal"`
	Ends      time.Time `json:"ends"`
	Authority string    `json:"authority,omitempty"` // that signed the copy in the file
	Reissues  uint64    `json:"reissues,omitempty"`  // serial of the one in whose place it was issued
}

// Entered is a certificate that let a proxy in.
type Entered struct {
	Index  int64     `json:"index"`
	Time   time.Time `json:"time"`
	Proxy  string    `json:"proxy"`
	Serial uint64    `json:"serial"`
	Ends   time.Time `json:"ends"`
}

// Confirming is the requester's word, during a session, that they were there.
type Confirming struct {
	Index   int64     `json:"index"`
	Time    time.Time `json:"time"`
	Session string    `json:"session"`
	Signed  time.Time `json:"signed"`
}

// Extended is a session that went on under the request's grant.
type Extended struct {
	Index   int64     `json:"index"`
	Time    time.Time `json:"time"`
	Proxy   string    `json:"proxy"`
	Session string    `json:"session"`
	Extends string    `json:"extends"` // the request whose grant it had until then
	Ends    time.Time `json:"ends"`
}

// Ended is how the request ended.
type Ended struct {
	Index  int64            `json:"index"`
	Time   time.Time        `json:"time"`
	Reason string           `json:"reason"`
	By     policies.Subject `json:"by"`             // as the broker said
	Name   string           `json:"name,omitempty"` // of theirs, where the file tells it
	// Signed says that the key of whoever By is signed it, Statement whose statement
	// is there besides and what is known of its signature.
	Signed    bool       `json:"signed"`
	Statement *EndStated `json:"statement,omitempty"`
}

// EndStated is somebody's own statement that they ended the request.
type EndStated struct {
	Person   policies.Subject `json:"person"`
	Name     string           `json:"name,omitempty"`
	Verified bool             `json:"verified"` // their own key signed it; else the file does not show whose did
}

// Past is one entry that changed whom the signer believed.
type Past struct {
	Index int64     `json:"index"`
	Time  time.Time `json:"time"`
	Text  string    `json:"text"`
	By    []string  `json:"by"` // who allowed it, with what
}

// Report tells what was found.
func (f Finding) Report() Report {
	r := Report{
		Request: f.Request, Proven: f.Whole, Agreements: []Agreed{}, Connections: []Entered{}, History: []Past{},
		Ledger:    Ledger{Origin: f.Checkpoint.Origin, Size: f.Checkpoint.Size, Root: f.Checkpoint.Root.String(), Entries: f.Entries, Witnesses: append([]string{}, f.Witnesses...)},
		NotProven: f.limits(),
	}
	for _, issue := range f.Issues {
		agreed := issue.report()
		agreed.Certificate = &Issued{issue.Index, issue.Time.UTC(), issue.Serial, issue.Principal, issue.Ends.UTC(), issue.Authority, issue.Reissues}
		r.Agreements = append(r.Agreements, agreed)
	}
	if f.Agreed != nil {
		r.Agreements = append(r.Agreements, f.Agreed.report())
	}
	for _, c := range f.Entered {
		r.Connections = append(r.Connections, Entered{c.Index, c.Time.UTC(), c.Proxy, c.Serial, c.Ends.UTC()})
	}
	for _, x := range f.Extended {
		r.Extensions = append(r.Extensions, Extended{x.Index, x.Time.UTC(), x.Proxy, x.Session, x.Extends, x.Ends.UTC()})
	}
	for _, p := range f.Presences {
		r.Presences = append(r.Presences, Confirming{p.Index, p.Time.UTC(), p.Session, p.Signed.UTC()})
	}
	if e := f.Ending; e != nil {
		r.Ending = e.report(f)
	}
	for _, review := range f.Reviews {
		r.Reviews = append(r.Reviews, review.report(f.Whole))
	}
	for _, event := range f.History {
		r.History = append(r.History, event.report())
	}
	return r
}

// name is what somebody is called in a statement that was verified; empty where
// none names them.
func (f Finding) name(who policies.Subject) (name string) {
	for _, e := range f.History {
		if e.Entry.Enrolment != nil {
			if s, err := evidence.DecodeAs[*evidence.Enrolment](e.Entry.Enrolment.Evidence.Statement); err == nil && s.Person == who {
				name = s.Name
			}
		}
	}
	for _, issue := range f.Issues {
		if name == "" && issue.Request.Requester == who {
			name = issue.Request.RequesterName
		}
	}
	return name
}

func (a Agreement) report() Agreed {
	q := a.Request
	agreed := Agreed{
		Requester: q.Requester, Name: q.RequesterName, Role: q.Ask.Role, Target: q.Ask.Target, Login: q.Ask.Login,
		DurationSeconds: int64(q.Ask.Duration / time.Second), Reason: q.Ask.Reason, Asked: q.Issued.UTC(), Revision: q.Revision,
		Digest: a.Digest, Policy: a.Policy, Approvals: []Approved{}, Ticket: q.Ask.Ticket, BreakGlass: q.Ask.BreakGlass, Asserted: a.Asserted,
	}
	if start := q.Ask.Start.UTC(); !start.IsZero() {
		agreed.Start = &start
	}
	if c := a.Confirmed; c != nil {
		agreed.Confirmed = &Confirmed{c.Issued.UTC(), c.Attested}
	}
	for _, approval := range a.Approvals {
		approved := Approved{
			Approver: approval.Approver, Name: approval.ApproverName, DurationSeconds: int64(approval.Ask.Duration / time.Second),
			Time: approval.Issued.UTC(), Passkey: passkeyOf(approval.Passkey), ForName: approval.ForName,
		}
		if approval.For != (policies.Subject{}) {
			approved.For = &approval.For
		}
		agreed.Approvals = append(agreed.Approvals, approved)
	}
	return agreed
}

func passkeyOf(k evidence.Passkey) Passkey {
	make := k.AAGUID
	if k.Attested != "" {
		make = k.Attested + " (attested)"
	}
	return Passkey{Credential: k.Credential, Name: k.Name, Authenticator: make}
}

// limits is what the file does not prove.
func (f Finding) limits() []string {
	limits := []string{
		"That the file names every connection and the ending of the request. What it names is in the ledger; only the whole ledger shows that nothing else is.",
		"What else the requester had, what they had approved, and which emergencies nobody had reviewed: each certificate's entry states what the signer took from its ledger, " +
			"and only the whole ledger shows that it is so.",
		"That what the broker said of the world, such as a ticket's state, was true.",
		"What state a machine was in: what a device says of itself is the word of whoever controls it.",
		"That a device's TPM answered the signer's challenge, without which software can pass for a TPM: that is the signer's word.",
		"What was done under the grant. Recordings have proofs of their own.",
		"That the page on which somebody signed showed them the text they signed, and that the identity provider told the truth.",
		"Who took a passkey away, suspended somebody, blocked a device, ended a delegation or a request, where the ledger has it from the broker: taking away needs no proof.",
		"Who chose the first policy and set up the signer: the trust file says so, and the ledger begins there.",
	}
	if !f.Whole {
		limits = slices.Insert(limits, 0, "Who the people are who signed, that their passkeys were theirs, and that policy allowed it. The history is missing from this file: "+
			"ask a reviewer or an administrator to export it.")
	}
	if f.Agreed != nil {
		last := f.History[len(f.History)-1].Index // it is whole, or nothing is agreed
		limits = slices.Insert(limits, 0, fmt.Sprintf("That no certificate was issued for it, and that whoever agreed could still sign when they did: "+
			"the file shows whom the signer believed up to entry %d of %d, and whoever made it could leave out what came later.", last, f.Checkpoint.Size))
	}
	if len(f.Witnesses) == 0 {
		limits = append(limits, "That the signer shows everybody the same ledger: no witness is named in the trust file.")
	}
	return limits
}

// report puts an event into a sentence. What cannot be read was not verified: only
// verified events come here.
func (e Event) report() Past {
	text, by := e.words()
	return Past{e.Index, e.Entry.Time.UTC(), text, by}
}

func (e Event) words() (text string, by []string) {
	switch entry := e.Entry; {
	case entry.Enrolment != nil:
		return e.enrolment(entry.Enrolment)
	case entry.Change != nil:
		return e.change(entry.Change)
	case entry.Removal != nil:
		holder, passkey := e.holder(entry.Removal.Credential)
		return fmt.Sprintf("The passkey %q of %s was taken away.", passkey.Name, holder), []string{e.person(entry.Removal.By) + ", as the broker said"}
	case entry.Suspension != nil:
		return fmt.Sprintf("%s (%s) was suspended.", entry.Suspension.Name, entry.Suspension.Person), []string{e.person(entry.Suspension.By) + ", as the broker said"}
	case entry.Policy != nil:
		return e.policy(entry.Policy)
	case entry.Inventory != nil:
		change, err := evidence.DecodeAs[*evidence.InventoryChange](entry.Inventory.Evidence.Statement)
		if err != nil {
			return "An inventory that cannot be read.", nil
		}
		return fmt.Sprintf("Number %d of the inventory %s.", change.Number, change.Inventory), []string{"the inventory's own key"}
	case entry.Device != nil:
		s, err := evidence.DecodeAs[*evidence.Device](entry.Device.Evidence.Statement)
		if err != nil {
			return "A device that cannot be read.", nil
		}
		return fmt.Sprintf("The device %q (%s) of %s was enrolled, its key in %s.", s.DeviceName, s.Device, s.Person, heldInWords(entry.Device)),
			[]string{e.person(s.Person) + ", signed in at the identity provider"}
	case entry.DeviceBlock != nil:
		return fmt.Sprintf("The device %s was blocked.", entry.DeviceBlock.Device), []string{e.person(entry.DeviceBlock.By) + ", as the broker said"}
	case entry.Delegation != nil:
		return e.delegation(entry.Delegation)
	case entry.DelegationEnd != nil:
		return fmt.Sprintf("The delegation %s ended early.", entry.DelegationEnd.Digest), []string{e.person(entry.DelegationEnd.By) + ", as the broker said"}
	case entry.Keys != nil:
		return keysInWords(entry.Keys), []string{"the signer"}
	}
	return "Something that cannot be read.", nil
}

// heldInWords says where a device's key is held, and what shows it.
func heldInWords(entry *evidence.DeviceEntry) string {
	switch {
	case entry.Evidence.TPM == nil:
		return "a file"
	case entry.MakerRoot == "":
		return "a TPM that no maker in the policy certified; it answered the signer's challenge, as the signer says"
	}
	return "a TPM whose certificate leads to the root " + entry.MakerRoot + " of a maker in the policy; it answered the signer's challenge, as the signer says"
}

func (e Event) enrolment(entry *evidence.EnrolmentEntry) (text string, by []string) {
	s, err := evidence.DecodeAs[*evidence.Enrolment](entry.Evidence.Statement)
	if err != nil {
		return "An enrolment that cannot be read.", nil
	}
	authenticator := s.AAGUID
	if entry.Attested != "" {
		authenticator = entry.Attested + ", attested"
	}
	text = fmt.Sprintf("%s (%s) enrolled the passkey %q (authenticator %s), in %s.", s.Name, s.Person, s.PasskeyName, authenticator, groups(s.Groups))
	switch entry.Authority {
	case evidence.AuthorityCeremony:
		return text, []string{"the ceremony at the signer itself, as the trust file says"}
	case evidence.AuthorityPasskey:
		_, passkey := e.holder(entry.Evidence.Own.Credential)
		return text, []string{fmt.Sprintf("%s with their own passkey %q", s.Name, passkey.Name)}
	case evidence.AuthorityLogin:
		return text, []string{s.Name + ", signed in at the identity provider"}
	}
	return text, e.administrators(entry.Evidence.Administrators)
}

func (e Event) change(entry *evidence.ChangeEntry) (text string, by []string) {
	by = e.administrators(entry.Evidence.Administrators)
	s, err := evidence.DecodeAs[*evidence.RosterChange](entry.Evidence.Statement)
	if err != nil {
		return "A change that cannot be read.", by
	}
	who := fmt.Sprintf("%s (%s)", s.Name, s.Person)
	switch s.Change {
	case evidence.ChangeGroups:
		text = fmt.Sprintf("%s is in %s from then on.", who, groups(s.Groups))
	case evidence.ChangeSuspend:
		text = who + " was suspended."
	case evidence.ChangeUnsuspend:
		text = who + " is suspended no longer."
	case evidence.ChangeDelete:
		text = who + " was deleted from the roster."
	case evidence.ChangeRemovePasskey:
		text = fmt.Sprintf("A passkey of %s was taken away.", who)
	}
	return text, by
}

func (e Event) policy(entry *evidence.PolicyEntry) (text string, by []string) {
	if entry.Evidence == nil {
		return fmt.Sprintf("The first policy, %s.", entry.Digest), []string{"whoever set up the signer, as the trust file says"}
	}
	by = e.administrators(entry.Evidence.Administrators)
	s, err := evidence.DecodeAs[*evidence.PolicyChange](entry.Evidence.Statement)
	if err != nil {
		return "A policy that cannot be read.", by
	}
	return fmt.Sprintf("A new policy, %s: %s Reason: %s", entry.Digest, strings.Join(s.Changes, " "), s.Reason), by
}

// administrators names who signed, each with their passkey.
func (e Event) administrators(signatures []evidence.Assertion) []string {
	by := []string{}
	for _, signature := range signatures {
		holder, passkey := e.holder(signature.Credential)
		by = append(by, fmt.Sprintf("%s with the passkey %q", holder, passkey.Name))
	}
	return by
}

// person is somebody as the roster named them in front of the event.
func (e Event) person(who policies.Subject) string {
	known, _ := e.Before.Find(who)
	return called(known.Person.Name, who)
}

// holder is whose passkey it was in front of the event.
func (e Event) holder(credential string) (string, evidence.Passkey) {
	for _, p := range e.Before.People {
		for _, k := range p.Passkeys {
			if k.Credential == credential {
				return called(p.Person.Name, p.Person.Subject), k
			}
		}
	}
	return "somebody", evidence.Passkey{}
}

func groups(names []string) string {
	if len(names) == 0 {
		return "no group"
	}
	return strings.Join(names, ", ")
}

// keysInWords tells of the keys that an entry states.
func keysInWords(e *evidence.KeysEntry) string {
	var parts []string
	for _, purpose := range []string{evidence.PurposeUserCA, evidence.PurposeTargetCA, evidence.PurposeHostCA, evidence.PurposeToken} {
		var states []string
		for _, k := range e.Keys {
			if k.Purpose == purpose {
				states = append(states, k.State)
			}
		}
		if len(states) > 0 {
			parts = append(parts, purpose+": "+strings.Join(states, ", "))
		}
	}
	if len(e.Issuer) > 0 {
		parts = append(parts, fmt.Sprintf("%d of the identity provider", len(e.Issuer)))
	}
	if len(parts) == 0 {
		parts = append(parts, "the ledger's own")
	}
	text := "Keys (" + strings.Join(parts, "; ") + ")"
	if e.Reason != "" {
		text += ", because: " + e.Reason
	}
	return text + "."
}
