package prooftest

import (
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// Attest enrols a member's passkey as one of a maker's that the policy lists.
func (w *World) Attest(m *evidencetest.Member, maker *evidencetest.Maker) int64 {
	w.t.Helper()
	statement := w.Enrolment(m.Person, m.Passkey)
	statement.AAGUID = maker.AAGUID
	given := evidencetest.Possessed(w.t, statement, m.Passkey)
	given.Attestation = maker.Attest(w.t, m.Passkey)
	entry := &evidence.EnrolmentEntry{Evidence: given, Authority: evidence.AuthorityAdministrators, Attested: "Test authenticator"}
	entry.Evidence.Administrators, entry.By = w.sign(given.Statement, w.Dana, w.Frank)
	return w.Add(evidence.Entry{Enrolment: entry})
}

// Delegate has a member delegate groups to another, as the signer records it.
func (w *World) Delegate(from, to *evidencetest.Member, groups ...string) (digest string) {
	w.t.Helper()
	signed := evidencetest.Signed(w.t, w.Delegation(from, to, groups...), from.Passkey)
	w.Add(evidence.Entry{Delegation: &evidence.DelegationEntry{Evidence: signed}})
	return evidence.Digest(signed.Statement)
}

// ApprovedFor is a member's approval of the world's request on another's behalf.
func (w *World) ApprovedFor(by, behalf *evidencetest.Member) evidence.SignedByPasskey {
	w.t.Helper()
	return evidencetest.Signed(w.t, w.ApprovalFor(w.t, by, behalf), by.Passkey)
}

// ReviewEntry is a member's review of the world's request, whether or not they may.
func (w *World) ReviewEntry(m *evidencetest.Member) evidence.Entry {
	w.t.Helper()
	signed := evidencetest.Signed(w.t, w.Review(w.t, m), m.Passkey)
	return evidence.Entry{Review: &evidence.ReviewEntry{Request: w.Request.Request, Evidence: signed}}
}
