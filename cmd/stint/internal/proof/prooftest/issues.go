package prooftest

import (
	"crypto/ed25519"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

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

// Extend has a session that another request opened go on, changed as alter says.
func (w *World) Extend(alter func(*evidence.ExtensionEntry)) int64 {
	e := &evidence.ExtensionEntry{
		Session: "c0ffee00c0ffee00c0ffee00c0ffee00", Proxy: "proxy-1", Request: w.Request.Request, Extends: "req-before", Opened: "req-before",
		Principal: w.Request.Ask.Login + "@" + w.Request.Ask.Target, Ends: w.Now.Add(time.Minute),
	}
	if alter != nil {
		alter(e)
	}
	return w.Add(evidence.Entry{Extension: e})
}

// SayPresent has whoever holds a passkey say that the requester is there, changed as alter
// says.
func (w *World) SayPresent(by *evidencetest.Passkey, alter func(*evidence.Presence)) int64 {
	statement := w.Presence(w.t, "c0ffee00c0ffee00c0ffee00c0ffee00")
	if alter != nil {
		alter(statement)
	}
	signed := evidencetest.Signed(w.t, statement, by)
	return w.Add(evidence.Entry{Presence: &evidence.PresenceEntry{Request: w.Request.Request, Session: statement.Session, Evidence: signed}})
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
