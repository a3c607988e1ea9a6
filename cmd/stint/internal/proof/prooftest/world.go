package prooftest

import (
	"crypto/ed25519"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

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
		own := e.Session != nil || e.Target != nil || e.Extension != nil || e.Presence != nil || e.Ending != nil || e.Review != nil
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
