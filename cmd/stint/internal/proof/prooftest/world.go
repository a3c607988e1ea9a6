package prooftest

import (
	"crypto/ed25519"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"

	"stint/cmd/stint/internal/proof"
	"stint/policies"
	"stint/server/api"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// World is an installation of two administrators, of whom both must sign a change,
// with everything that its signer wrote into the ledger.
type World struct {
	*evidencetest.World
	Frank   *evidencetest.Member // the other administrator
	Log     *Log
	Beliefs evidence.Beliefs
	Anchor  proof.Anchor

	Certificates []string
	Others       []note.Signer // who cosign the checkpoint

	// Alter changes a bundle before it is issued by; Asserted is the broker's word.
	Alter    func(*evidence.Bundle)
	Asserted []policies.Assertion

	t         testing.TB
	policy    map[string]string
	authority ed25519.PrivateKey // the user CA's
	next      ed25519.PrivateKey // of the one that follows
	withdrawn ed25519.PrivateKey
}

// New makes the world before anybody asked for anything: a first policy, two
// administrators by the ceremony, approvers whom both enrolled, a person enrolled
// by their login key, a new policy, a suspension, and a new key of the signer's.
func New(t testing.TB) *World { return NewRuled(t, "", "") }

// NewRuled is New with more in the policy: of the organization, and documents.
func NewRuled(t testing.TB, organization, documents string) *World {
	t.Helper()
	w := &World{World: evidencetest.NewWorld(t), Log: NewLog(t, "stint-signer/"+evidencetest.Instance), t: t}
	// One passkey of each algorithm that counts.
	w.Frank = &evidencetest.Member{Person: evidencetest.Person("frank", policies.AdministratorsGroup), Passkey: evidencetest.NewEd25519Passkey(t, evidencetest.RelyingParty, evidencetest.Origin)}
	w.Carol.Passkey = evidencetest.NewRSAPasskey(t, evidencetest.RelyingParty, evidencetest.Origin, 2048)
	w.policy = map[string]string{"policy.yaml": strings.Replace(evidencetest.Policy, "quorum: 1\n", "quorum: 2\n"+organization, 1) + documents}
	w.Beliefs = evidence.NewBeliefs(evidencetest.Instance, evidencetest.IssuerURL, evidencetest.ClientID, evidencetest.RelyingParty, []string{evidencetest.Origin})

	now := w.Now
	w.at(now.Add(-72*time.Hour), w.firstKeys, w.firstPolicy)
	w.at(now.Add(-71*time.Hour), w.ceremony(w.Dana), w.ceremony(w.Frank))
	w.at(now.Add(-48*time.Hour), w.enrolled(w.Bob), w.enrolled(w.Carol), w.byLogin(w.Erin))
	w.at(now.Add(-24*time.Hour), w.newPolicy)
	w.at(now.Add(-20*time.Hour), w.suspended(w.Erin), w.unsuspended(w.Erin))
	w.at(now.Add(-10*time.Hour), w.nextKey)
	w.Now = now
	w.Request.Policy = w.Beliefs.PolicyDigest()
	return w
}

// at lets entries be made at a moment.
func (w *World) at(now time.Time, entries ...func() evidence.Entry) {
	w.t.Helper()
	w.Now = now
	for _, entry := range entries {
		w.Add(entry())
	}
}

// Add appends an entry of now, as the signer does, and gives its index.
func (w *World) Add(e evidence.Entry) int64 {
	w.t.Helper()
	e.Time, e.Believed = w.Now, w.Beliefs.Latest()
	check(w.t, w.Beliefs.Check(e))
	return w.Force(e)
}

// Write appends an entry that may not even be there.
func (w *World) Write(e evidence.Entry) evidence.Entry {
	w.t.Helper()
	e.Time, e.Believed = w.Now, w.Beliefs.Latest()
	w.Log.Append(JSON(w.t, e))
	return e
}

// Force appends an entry of which no honest signer is convinced.
func (w *World) Force(e evidence.Entry) int64 {
	w.t.Helper()
	index := w.Log.Size()
	e = w.Write(e)
	after, err := w.Beliefs.Apply(index, e)
	check(w.t, err)
	w.Beliefs = after
	return index
}

func (w *World) firstKeys() evidence.Entry {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	check(w.t, err)
	w.authority = private
	began := w.Now
	return evidence.Entry{Keys: &evidence.KeysEntry{
		Log:    w.Log.Verifier,
		Issuer: []evidence.IssuerKey{{JWK: w.Issuer.JWK(w.t), Seen: w.Now}},
		Keys:   []evidence.SigningKey{{Purpose: evidence.PurposeUserCA, Key: evidence.FormatKey(public), State: evidence.KeyCurrent, Made: began, Current: &began}},
	}}
}

func (w *World) firstPolicy() evidence.Entry {
	bundle, err := policies.Parse(w.policy)
	check(w.t, err)
	w.Anchor = proof.Anchor{
		Version: 1, Instance: evidencetest.Instance, RelyingParty: evidencetest.RelyingParty, Origins: []string{evidencetest.Origin},
		Issuer: proof.AnchorIssuer{URL: evidencetest.IssuerURL, ClientID: evidencetest.ClientID}, Log: w.Log.Verifier, Policy: bundle.Digest(),
	}
	return evidence.Entry{Policy: &evidence.PolicyEntry{Digest: bundle.Digest(), Files: bundle.Files()}}
}

// possessed is the enrolment of a member's passkey without an authority.
func (w *World) possessed(m *evidencetest.Member) evidence.EnrolmentEvidence {
	return evidencetest.Possessed(w.t, w.Enrolment(m.Person, m.Passkey, m.Person.Groups...), m.Passkey)
}

func (w *World) ceremony(m *evidencetest.Member) func() evidence.Entry {
	return func() evidence.Entry {
		w.Anchor.Administrators = append(w.Anchor.Administrators, proof.Administrator{
			Person: m.Person.Subject, Name: m.Person.Name, Credential: m.Passkey.Credential, PublicKey: m.Passkey.PublicKey,
		})
		// The signer's own page is at an address of its own.
		origin := m.Passkey.Origin
		m.Passkey.Origin = "http://localhost:8421"
		given := w.possessed(m)
		m.Passkey.Origin = origin
		given.Ceremony = true
		return evidence.Entry{Enrolment: &evidence.EnrolmentEntry{Evidence: given, Authority: evidence.AuthorityCeremony, By: []policies.Subject{m.Person.Subject}}}
	}
}

// sign has administrators sign a statement.
func (w *World) sign(statement string, administrators ...*evidencetest.Member) (signed []evidence.Assertion, by []policies.Subject) {
	for _, m := range administrators {
		signed, by = append(signed, m.Passkey.Sign(w.t, statement)), append(by, m.Person.Subject)
	}
	return signed, by
}

func (w *World) enrolled(m *evidencetest.Member) func() evidence.Entry {
	return func() evidence.Entry { return w.Enrolled(m, w.Dana, w.Frank) }
}

// Enrolled is the entry of a passkey that administrators let in.
func (w *World) Enrolled(m *evidencetest.Member, administrators ...*evidencetest.Member) evidence.Entry {
	w.t.Helper()
	given := w.possessed(m)
	var by []policies.Subject
	given.Administrators, by = w.sign(given.Statement, administrators...)
	return evidence.Entry{Enrolment: &evidence.EnrolmentEntry{Evidence: given, Authority: evidence.AuthorityAdministrators, By: by}}
}

func (w *World) byLogin(m *evidencetest.Member) func() evidence.Entry {
	return func() evidence.Entry {
		given := w.possessed(m)
		key := evidencetest.NewKey(w.t)
		signed := evidence.SignWithKey(given.Statement, key.Private)
		given.Login = &evidence.LoginProof{Signature: signed.Signature, Binding: *w.bindingOf(m.Person, key)}
		return evidence.Entry{Enrolment: &evidence.EnrolmentEntry{Evidence: given, Authority: evidence.AuthorityLogin, By: []policies.Subject{m.Person.Subject}}}
	}
}

// bindingOf ties a login key to a person by the nonce of their ID token.
func (w *World) bindingOf(p policies.Person, key *evidencetest.Key) *evidence.LoginBinding {
	login, alice := w.Login, w.Alice
	w.Login, w.Alice = key, p
	defer func() { w.Login, w.Alice = login, alice }()
	return w.Binding(w.t)
}

func (w *World) newPolicy() evidence.Entry {
	before, err := policies.Parse(w.policy)
	check(w.t, err)
	w.policy = map[string]string{"policy.yaml": strings.Replace(w.policy["policy.yaml"], "longest: 4h", "longest: 3h", 1)}
	after, err := policies.Parse(w.policy)
	check(w.t, err)
	statement := evidencetest.Text(w.t, &evidence.PolicyChange{
		Instance: evidencetest.Instance, Before: before.Digest(), After: after.Digest(), Changes: policies.Difference(before, after),
		Reason: "Four hours were never used", Issued: w.Now, Expires: w.Now.Add(time.Hour), Nonce: evidencetest.Nonce(),
	})
	signed, _ := w.sign(statement, w.Dana, w.Frank)
	return evidence.Entry{Policy: &evidence.PolicyEntry{
		Digest: after.Digest(), Evidence: &evidence.PolicyEvidence{Statement: statement, Files: after.Files(), Administrators: signed},
	}}
}

func (w *World) suspended(m *evidencetest.Member) func() evidence.Entry {
	return func() evidence.Entry {
		return evidence.Entry{Suspension: &evidence.SuspensionEntry{Person: m.Person.Subject, Name: m.Person.Name, By: w.Carol.Person.Subject}}
	}
}

func (w *World) unsuspended(m *evidencetest.Member) func() evidence.Entry {
	return func() evidence.Entry {
		statement := evidencetest.Text(w.t, &evidence.RosterChange{
			Instance: evidencetest.Instance, Change: evidence.ChangeUnsuspend, Person: m.Person.Subject, Name: m.Person.Name, Email: m.Person.Email,
			Issued: w.Now, Expires: w.Now.Add(time.Hour), Nonce: evidencetest.Nonce(),
		})
		signed, by := w.sign(statement, w.Dana, w.Frank)
		return evidence.Entry{Change: &evidence.ChangeEntry{Evidence: evidence.ChangeEvidence{Statement: statement, Administrators: signed}, By: by}}
	}
}

// nextKey lets a second user CA follow the first, which signs on.
func (w *World) nextKey() evidence.Entry {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	check(w.t, err)
	w.next = private
	keys := slices.Clone(w.Beliefs.Keys())
	succession, err := evidence.SignWithAuthority(evidencetest.Text(w.t, &evidence.Succession{
		Instance: evidencetest.Instance, Purpose: evidence.PurposeUserCA, Key: evidence.FormatKey(public), Predecessor: keys[0].Key,
		Issued: w.Now, Nonce: evidencetest.Nonce(),
	}), w.authority)
	check(w.t, err)
	return evidence.Entry{Keys: &evidence.KeysEntry{Keys: append(keys, evidence.SigningKey{
		Purpose: evidence.PurposeUserCA, Key: evidence.FormatKey(public), State: evidence.KeyNext, Made: w.Now, Succession: &succession,
	})}}
}

// Issue gives Alice a certificate for the world's request.
func (w *World) Issue() int64 {
	w.t.Helper()
	index := w.Add(w.Session(nil))
	w.Certificates = append(w.Certificates, w.certify(w.read(w.Log.Leaves[index]).Session, w.authority))
	return index
}

// Withdraw makes the next user CA sign at once: nothing under the one before counts.
func (w *World) Withdraw() int64 {
	w.t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	check(w.t, err)
	now, keys := w.Now, slices.Clone(w.Beliefs.Keys())
	current, next := len(keys)-2, len(keys)-1
	keys[current].State, keys[current].Retired = evidence.KeyWithdrawn, &now
	keys[next].State, keys[next].Current = evidence.KeyCurrent, &now
	succession, err := evidence.SignWithAuthority(evidencetest.Text(w.t, &evidence.Succession{
		Instance: evidencetest.Instance, Purpose: evidence.PurposeUserCA, Key: evidence.FormatKey(public), Predecessor: keys[next].Key,
		Issued: w.Now, Nonce: evidencetest.Nonce(),
	}), w.next)
	check(w.t, err)
	w.withdrawn, w.authority, w.next = w.authority, w.next, private
	return w.Add(evidence.Entry{Keys: &evidence.KeysEntry{Reason: "a backup is missing", Keys: append(keys, evidence.SigningKey{
		Purpose: evidence.PurposeUserCA, Key: evidence.FormatKey(public), State: evidence.KeyNext, Made: w.Now, Succession: &succession,
	})}})
}

// Reissue gives Alice a certificate in the place of the one of an entry, as the signer
// does that finds it right or, with alter, one that does not ask.
func (w *World) Reissue(earlier int64, alter func(*evidence.SessionEntry)) int64 {
	w.t.Helper()
	r := evidence.Reissue{Earlier: *w.read(w.Log.Leaves[earlier]).Session}
	for r.Origin = r.Earlier; r.Origin.Reissues != 0; {
		r.Origin = *w.read(w.Log.Leaves[r.Origin.Reissues-1]).Session
	}
	again := r.Earlier
	again.Bundle, again.Reissues, again.Serial = evidence.Bundle{}, r.Earlier.Serial, uint64(w.Log.Size())+1
	again.Circumstances = evidence.Circumstances{Now: w.Now, Held: []policies.Held{}, Used: w.FirstUse()}
	if alter == nil {
		r.Authority = w.authorityAt(earlier)
		verified, err := w.Beliefs.VerifyReissue(r, again.Circumstances)
		check(w.t, err)
		again = r.Again(again.Serial, verified, again.Circumstances)
	} else {
		alter(&again)
	}
	index := w.Add(evidence.Entry{Session: &again})
	w.Certificates = append(w.Certificates, w.certify(w.read(w.Log.Leaves[index]).Session, w.authority))
	return index
}

// authorityAt is the user CA that signed when an entry was made.
func (w *World) authorityAt(index int64) (key string) {
	for _, leaf := range w.Log.Leaves[:index] {
		if e := w.read(leaf); e.Keys != nil {
			for _, k := range e.Keys.Keys {
				if k.Purpose == evidence.PurposeUserCA && k.State == evidence.KeyCurrent {
					key = k.Key
				}
			}
		}
	}
	return key
}

// Session is the entry of a certificate for the world's request, altered where
// alter is not nil.
func (w *World) Session(alter func(*evidence.SessionEntry)) evidence.Entry {
	w.t.Helper()
	bundle, circumstances := w.Bundle(w.t), w.Circumstances()
	circumstances.Used, circumstances.Asserted = w.FirstUse(), w.Asserted
	if w.Alter != nil {
		w.Alter(&bundle)
	}
	verified, err := evidence.Verify(bundle, w.Beliefs.Trust(w.Now), circumstances)
	check(w.t, err)
	session := &evidence.SessionEntry{
		Bundle: bundle, Circumstances: circumstances, PolicyDigest: verified.Decision().Digest, Request: verified.Request().Request,
		Requester: verified.Requester().Subject, Role: verified.Request().Ask.Role, Principal: verified.Principal(),
		Serial: uint64(w.Log.Size()) + 1, SessionKey: verified.SessionKey(), Ends: verified.Ends(),
		BreakGlass: verified.Request().Ask.BreakGlass, Networks: verified.Role().Session.Networks,
	}
	if alter != nil {
		alter(session)
	}
	return evidence.Entry{Session: session}
}

// FirstUse is the time of the first certificate for this revision of the world's request; zero: there is none.
func (w *World) FirstUse() time.Time {
	for _, leaf := range w.Log.Leaves {
		e := w.read(leaf)
		if e.Session == nil || e.Session.Request != w.Request.Request || e.Session.Reissues != 0 {
			continue
		}
		if request, err := evidence.DecodeAs[*evidence.Request](e.Session.Bundle.Request); err == nil && request.Revision == w.Request.Revision {
			return e.Session.Circumstances.Now
		}
	}
	return time.Time{}
}

func (w *World) certify(e *evidence.SessionEntry, authority ed25519.PrivateKey) string {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(e.SessionKey))
	check(w.t, err)
	signer, err := ssh.NewSignerFromKey(authority)
	check(w.t, err)
	certificate := &ssh.Certificate{
		Key: key, Serial: e.Serial, CertType: ssh.UserCert, KeyId: e.Request, ValidPrincipals: []string{e.Principal},
		ValidAfter: uint64(w.Now.Add(-time.Minute).Unix()), ValidBefore: uint64(e.Ends.Unix()),
		Permissions: ssh.Permissions{CriticalOptions: evidence.UserCriticalOptions(e.Networks), Extensions: map[string]string{"permit-pty": ""}},
	}
	check(w.t, certificate.SignCert(rand.Reader, signer))
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(certificate)))
}

// CertifyByStranger gives the last certificate once more, signed by a key that was
// never the signer's.
func (w *World) CertifyByStranger() {
	w.t.Helper()
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	check(w.t, err)
	w.certifyLast(stranger)
}

// CertifyByWithdrawn gives the last certificate once more, signed by the key that was
// withdrawn.
func (w *World) CertifyByWithdrawn() {
	w.t.Helper()
	w.certifyLast(w.withdrawn)
}

func (w *World) certifyLast(authority ed25519.PrivateKey) {
	w.t.Helper()
	for _, leaf := range w.Log.Leaves {
		if e := w.read(leaf); e.Session != nil {
			w.Certificates = []string{w.certify(e.Session, authority)}
		}
	}
}

// Enter lets a proxy in to the target.
func (w *World) Enter() int64 {
	return w.Add(evidence.Entry{Target: &evidence.TargetEntry{
		Request: w.Request.Request, Proxy: "proxy-1", Principal: w.Request.Ask.Login + "@" + w.Request.Ask.Target,
		Serial: uint64(w.Log.Size()) + 1, PublicKey: evidencetest.NewKey(w.t).Public, Ends: w.Now.Add(time.Minute),
	}})
}

// End has Alice drop the request, signed by her login key.
func (w *World) End() int64 {
	signed := evidence.SignWithKey(evidencetest.Text(w.t, &evidence.End{
		Instance: evidencetest.Instance, Request: w.Request.Request, Change: evidence.EndDropped, Person: w.Alice.Subject,
		Reason: "Done", Issued: w.Now, Nonce: evidencetest.Nonce(),
	}), w.Login.Private)
	return w.Add(evidence.Entry{Ending: &evidence.EndingEntry{Request: w.Request.Request, Reason: "dropped", By: w.Alice.Subject, Evidence: &signed}})
}

// EndAs has the broker say that one person revoked the request, and puts a statement
// of another's beside it, signed by some key.
func (w *World) EndAs(said, stated policies.Subject, key ed25519.PrivateKey) int64 {
	signed := evidence.SignWithKey(evidencetest.Text(w.t, &evidence.End{
		Instance: evidencetest.Instance, Request: w.Request.Request, Change: evidence.EndRevoked, Person: stated,
		Reason: "Done", Issued: w.Now, Nonce: evidencetest.Nonce(),
	}), key)
	return w.Add(evidence.Entry{Ending: &evidence.EndingEntry{Request: w.Request.Request, Reason: "revoked", By: said, Evidence: &signed}})
}

// Story is the world with a request that was approved, used and given back.
func Story(t testing.TB) *World {
	t.Helper()
	w := New(t)
	w.Issue()
	w.Add(evidence.Entry{Host: &evidence.HostEntry{Proxy: "proxy-1", Principals: []string{"web-1"}, Serial: 1, PublicKey: evidencetest.NewKey(t).Public, Ends: w.Now}})
	w.Now = w.Now.Add(time.Second)
	w.Enter()
	w.Now = w.Now.Add(20 * time.Minute)
	w.End()
	return w
}

// Renewed is the world with a request whose certificate was issued twice more, each time
// after its key was withdrawn.
func Renewed(t testing.TB) *World {
	t.Helper()
	w := New(t)
	index := w.Issue()
	for range 2 {
		w.Now = w.Now.Add(25 * time.Minute)
		w.Withdraw()
		index = w.Reissue(index, nil)
		w.Enter()
	}
	w.End()
	return w
}

// Export is the file of the world's request: with the history, as a reviewer gets
// it, or without.
func (w *World) Export(history bool) api.Evidence {
	w.t.Helper()
	file := api.Evidence{
		Version: 1, Request: w.Request.Request, Checkpoint: w.Log.Checkpoint(w.Others...),
		Entries: []api.ProvenEntry{}, Certificates: append([]string{}, w.Certificates...),
	}
	for index, leaf := range w.Log.Leaves {
		e := w.read(leaf)
		own := e.Session != nil || e.Target != nil || e.Ending != nil || e.Review != nil
		if own || history && e.Host == nil && e.Refusal == nil {
			file.Entries = append(file.Entries, w.Log.Prove(int64(index)))
		}
	}
	return file
}

// Beginning is the file that tells the ledger's beginning.
func (w *World) Beginning() api.Evidence {
	w.t.Helper()
	file := api.Evidence{Version: 1, Checkpoint: w.Log.Checkpoint(), Entries: []api.ProvenEntry{}, Certificates: []string{}}
	for index, leaf := range w.Log.Leaves {
		e := w.read(leaf)
		if e.Policy != nil && e.Policy.Evidence == nil || e.Enrolment != nil && e.Enrolment.Evidence.Ceremony {
			file.Entries = append(file.Entries, w.Log.Prove(int64(index)))
		}
	}
	return file
}

// Agreed is the file of the world's request before a certificate was issued.
func (w *World) Agreed() api.Evidence {
	w.t.Helper()
	file := w.Export(true)
	bundle := w.Bundle(w.t)
	bundle.Login, bundle.Activation = nil, nil
	file.Agreed = JSON(w.t, bundle)
	return file
}
