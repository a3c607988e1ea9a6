package proof

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"stint/server/api"
	"stint/server/border"
	"stint/server/evidence"
)

// replay goes through the entries as the signer did. What changes whom it believes
// is verified by what it believed before; what it issued, by what it believed then.
func replay(found *Finding, file api.Evidence, leaves []leaf, anchor Anchor) error {
	beliefs := evidence.NewBeliefs(anchor.Instance, anchor.Issuer.URL, anchor.Issuer.ClientID, anchor.RelyingParty, anchor.Origins)
	for _, l := range leaves {
		var err error
		switch {
		case l.entry.ChangesBeliefs():
			found.History = append(found.History, Event{l.index, l.entry, beliefs.Roster()})
			beliefs, err = believe(beliefs, l, anchor)
		case l.entry.Session != nil:
			err = found.issue(l, beliefs)
		case l.entry.Target != nil:
			err = found.enter(l, beliefs)
		case l.entry.Extension != nil:
			err = found.extend(l)
		case l.entry.Presence != nil:
			err = found.present(l, beliefs)
		case l.entry.Ending != nil:
			err = found.end(l)
		case l.entry.Review != nil:
			err = found.review(l, beliefs)
		default:
			err = failed("entries", "it is none of the request's and changed nothing that the signer believed")
		}
		if err != nil {
			return atEntry(l.index, err)
		}
	}
	switch {
	case file.Agreed == "" && len(found.Issues) == 0:
		return failed("entries", "the file holds neither a certificate nor approvals")
	case file.Agreed != "" && len(found.Issues) > 0:
		return failed("agreed", "the file holds approvals without a certificate beside certificates")
	case file.Agreed == "" || !found.Whole:
		return nil
	}
	last := leaves[len(leaves)-1].entry.Time
	return found.agree(file.Agreed, beliefs.Trust(last), evidence.Circumstances{Now: last})
}

// believe takes an entry into what is believed, if that is right by what was
// believed before, and by what the anchor pins.
func believe(beliefs evidence.Beliefs, l leaf, anchor Anchor) (evidence.Beliefs, error) {
	// 1. What nobody in the ledger vouches for, the anchor must.
	if err := pinned(beliefs, l.entry, anchor); err != nil {
		return beliefs, err
	}
	// 2. Everything else was signed by those who may.
	if err := beliefs.Check(l.entry); err != nil {
		return beliefs, err
	}
	after, err := beliefs.Apply(l.index, l.entry)
	if err != nil {
		return beliefs, failed("history", "it may not be there: %v", err)
	}
	return after, nil
}

// pinned holds the beginning of the ledger, and what only the signer says, against
// the anchor.
func pinned(beliefs evidence.Beliefs, e evidence.Entry, anchor Anchor) error {
	switch {
	case e.Enrolment != nil && e.Enrolment.Evidence.Ceremony:
		statement, err := evidence.DecodeAs[*evidence.Enrolment](e.Enrolment.Evidence.Statement)
		if err != nil {
			return failed("enrolment", "%v", err)
		}
		if !anchor.admits(statement) {
			return failed("ceremony", "%s joined at the ceremony and is none of the first administrators that the trust file names", statement.Person)
		}
	case e.Policy != nil && e.Policy.Evidence == nil:
		if e.Policy.Digest != anchor.Policy {
			return failed("first-policy", "the ledger begins with the policy %s, the trust file names %s", e.Policy.Digest, anchor.Policy)
		}
	case e.Keys != nil:
		if e.Keys.Log != "" && e.Keys.Log != anchor.Log {
			return failed("log", "the ledger names another key as its own than the trust file")
		}
		for _, key := range e.Keys.Issuer {
			if !anchor.admitsKey(key) {
				return failed("issuer-keys", "the signer took a key for the identity provider's that the trust file does not name")
			}
		}
	}
	return nil
}

// issue verifies the issue of a certificate as the signer did.
func (f *Finding) issue(l leaf, beliefs evidence.Beliefs) error {
	session := l.entry.Session
	// 1. It is for the file's request, which had not ended.
	if session.Request != f.Request {
		return failed("entries", "it is for another request")
	}
	if f.Ending != nil {
		return failed("ending", "it was issued after the request had ended")
	}
	issue := Issue{
		Index: l.index, Time: l.entry.Time, Serial: session.Serial, Principal: session.Principal, Ends: session.Ends, Reissues: session.Reissues,
		entry: *session, origin: *session, signedBy: beliefs.Authority(), authorities: beliefs.Trust(session.Circumstances.Now).UserCA,
	}
	again, err := f.again(l)
	if err != nil {
		return err
	}
	if again != nil {
		issue.origin = again.Origin
	}
	if used := f.firstUse(issue.origin.Bundle.Request); !session.Circumstances.Used.Equal(used) {
		return failed("used", "it states another first use of the grant than the certificates before it show")
	}
	if ends := f.ends(issue.origin.Bundle.Request); !ends.IsZero() && !l.entry.Time.Before(ends) {
		return failed("over", "it was issued after the end of the grant")
	}
	if !f.Whole {
		unproven := evidence.Request{Request: session.Request, Requester: session.Requester}
		issue.Agreement = Agreement{Request: unproven, Policy: session.PolicyDigest}
		f.Issues = append(f.Issues, issue)
		return nil
	}
	// 2. The evidence convinces us as it convinced the signer, by the same policy.
	// 3. The entry says what the evidence says.
	var verified evidence.Verified
	trust := beliefs.Trust(session.Circumstances.Now)
	if again != nil {
		verified, err = beliefs.CheckReissue(*session, *again)
	} else {
		verified, err = f.verify(session, beliefs, trust)
	}
	if err != nil {
		return err
	}
	issue.requester = verified.Requester()
	issue.Agreement = Agreement{
		Request: verified.Request(), Digest: verified.RequestDigest(), Policy: session.PolicyDigest, Decision: verified.Decision(),
		Approvals: withPasskeys(verified.Approvals(), issue.origin.Bundle, trust),
		Confirmed: verified.Confirmed(), Asserted: issue.origin.Circumstances.Asserted,
	}
	f.Issues = append(f.Issues, issue)
	return nil
}

// verify checks the entry of a certificate that has a bundle of its own.
func (f *Finding) verify(session *evidence.SessionEntry, beliefs evidence.Beliefs, trust evidence.Trust) (evidence.Verified, error) {
	// A certificate that is issued anew, under a new key of the signer's, stands on
	// an ID token whose provider may have other keys by now.
	if f.issued(session) {
		_, trust.Issuer.Keys = beliefs.IssuerKeys()
	}
	verified, err := evidence.Verify(session.Bundle, trust, session.Circumstances)
	if err != nil {
		return verified, err
	}
	request := verified.Request()
	same := request.Request == session.Request && verified.Requester().Subject == session.Requester && request.Ask.Role == session.Role &&
		verified.Principal() == session.Principal && verified.SessionKey() == session.SessionKey && verified.Ends().Equal(session.Ends) &&
		verified.Decision().Digest == session.PolicyDigest && request.Ask.BreakGlass == session.BreakGlass &&
		slices.Equal(verified.Role().Session.Networks, session.Networks)
	if !same {
		return verified, failed("session", "the entry of the certificate says something else than its evidence")
	}
	return verified, nil
}

// again finds what a certificate that was issued once more takes the place of: the
// newest for its session key, of the revision that is in force. It is nil for any other.
func (f *Finding) again(l leaf) (*evidence.Reissue, error) {
	session := l.entry.Session
	if session.Reissues == 0 {
		return nil, nil
	}
	var newest *Issue
	for i := range f.Issues {
		if f.Issues[i].entry.SessionKey == session.SessionKey {
			newest = &f.Issues[i]
		}
	}
	switch {
	case newest == nil || newest.Serial != session.Reissues:
		return nil, failed("reissue", "it was issued in the place of the certificate %d, which is not the newest for its session key", session.Reissues)
	case newest.Digest != f.Issues[len(f.Issues)-1].Digest:
		return nil, failed("reissue", "it was issued in the place of the certificate %d, whose revision had been replaced", session.Reissues)
	case !l.entry.Time.Before(newest.Ends):
		return nil, failed("reissue-over", "it was issued after the end of the grant")
	}
	return &evidence.Reissue{Earlier: newest.entry, Origin: newest.origin, Authority: newest.signedBy}, nil
}

// issued tells whether a certificate was issued for the same session key before.
func (f *Finding) issued(session *evidence.SessionEntry) bool {
	return slices.ContainsFunc(f.Issues, func(i Issue) bool {
		return i.entry.SessionKey == session.SessionKey && i.Digest == evidence.Digest(session.Bundle.Request)
	})
}

// withPasskeys finds the passkey that signed each approval. Those that come here
// are verified; they stand in the order of the bundle.
func withPasskeys(approvals []evidence.Approval, bundle evidence.Bundle, trust evidence.Trust) []Approval {
	with := make([]Approval, len(approvals))
	for i, approval := range approvals {
		with[i].Approval = approval
		with[i].Passkey = passkeyIn(trust, approval.Approver, bundle.Approvals[i].Assertion.Credential)
	}
	return with
}

// agree verifies the approvals of a request without a certificate.
func (f *Finding) agree(text string, trust evidence.Trust, c evidence.Circumstances) error {
	var bundle evidence.Bundle
	if err := border.DecodeStrict([]byte(text), &bundle); err != nil {
		return failed("bundle", "the approvals cannot be read: %v", err)
	}
	// Another reader must not see other approvals in the same bytes.
	if again, err := json.Marshal(bundle); err != nil || string(again) != text {
		return failed("bundle", "the approvals are not written as a broker writes them")
	}
	request, err := evidence.DecodeAs[*evidence.Request](bundle.Request)
	if err != nil {
		return failed("request", "%v", err)
	}
	if request.Request != f.Request {
		return failed("entries", "the approvals are for another request")
	}
	// The ledger's last entry may be older than the request: whoever signed has
	// signed by the request's end, and stands in the roster as it was then.
	if c.Now.Before(request.Expires) {
		c.Now = request.Expires
	}
	agreed, err := evidence.VerifyApprovals(bundle, trust, c)
	if err != nil {
		return err
	}
	f.Agreed = &Agreement{
		Request: agreed.Request(), Digest: agreed.RequestDigest(), Policy: agreed.Request().Policy,
		Approvals: withPasskeys(agreed.Approvals(), bundle, trust), Confirmed: agreed.Confirmed(),
	}
	return nil
}

// enter takes a certificate that let a proxy in to the target.
func (f *Finding) enter(l leaf, beliefs evidence.Beliefs) error {
	target := l.entry.Target
	switch {
	case target.Request != f.Request:
		return failed("entries", "it is for another request")
	case f.Ending != nil:
		return failed("ending", "a proxy was let in after the request had ended")
	}
	if len(f.Issues) == 0 {
		return failed("target", "a proxy was let in to the target before the requester had a certificate")
	}
	issue := f.Issues[len(f.Issues)-1]
	if target.Principal != issue.Principal || target.Ends.After(issue.Ends) {
		return failed("target", "a proxy was let in elsewhere, or for longer, than the requester")
	}
	if f.Whole && len(f.Entered) > 0 {
		// The same proxy with the same key is given its one certificate again, without an entry.
		policy := beliefs.Policy(l.entry.Time)
		if policy == nil {
			return failed("policy", "a proxy was let in under a policy that this version cannot load")
		}
		if role, ok := policy.Role(issue.entry.Role); ok && role.SingleUse {
			return failed("single-use", "a proxy was let in a second time, and the role is for one session")
		}
	}
	f.Entered = append(f.Entered, Connection{l.index, l.entry.Time, target.Proxy, target.Serial, target.Ends})
	return nil
}

// extend takes a live session that goes on under the request's grant.
func (f *Finding) extend(l leaf) error {
	extension := l.entry.Extension
	switch {
	case extension.Request != f.Request:
		return failed("entries", "it is for another request")
	case f.Ending != nil:
		return failed("ending", "a session was extended after the request had ended")
	case len(f.Issues) == 0:
		return failed("extension", "a session was extended before the requester had a certificate")
	}
	issue := f.Issues[len(f.Issues)-1]
	if extension.Principal != issue.Principal || extension.Ends.After(issue.Ends) || extension.Extends == f.Request {
		return failed("extension", "a session was extended elsewhere, for longer than the requester has, or by its own grant")
	}
	f.Extended = append(f.Extended, Extension{l.index, l.entry.Time, extension.Proxy, extension.Session, extension.Extends, extension.Ends})
	return nil
}

// present verifies the requester's word that they were there, as the signer did.
func (f *Finding) present(l leaf, beliefs evidence.Beliefs) error {
	entry := l.entry.Presence
	presence, err := evidence.DecodeAs[*evidence.Presence](entry.Evidence.Statement)
	if err != nil {
		return failed("presence", "%v", err)
	}
	if entry.Request != f.Request || presence.Request != f.Request || entry.Session != presence.Session {
		return failed("entries", "it is for another request or session")
	}
	if f.Whole {
		i := slices.IndexFunc(f.Issues, func(i Issue) bool { return i.Digest == presence.RequestDigest })
		if i < 0 {
			return failed("presence", "it is of a session that nobody was given a certificate for")
		}
		if _, err := evidence.VerifyPresence(entry.Evidence, f.Issues[i].origin.Bundle.Request, beliefs.Trust(l.entry.Time), l.entry.Time); err != nil {
			return err
		}
	}
	f.Presences = append(f.Presences, Present{l.index, l.entry.Time, presence.Session, presence.Issued})
	return nil
}

// end takes the ending of the request.
func (f *Finding) end(l leaf) error {
	ending := l.entry.Ending
	if ending.Request != f.Request {
		return failed("entries", "it is for another request")
	}
	if f.Ending == nil {
		f.Ending = &Ending{Index: l.index, Time: l.entry.Time, Reason: ending.Reason, By: ending.By, Word: f.word(ending)}
	}
	return nil
}

// signedByRequester tells whether the requester ended the request by the very key
// that had asked for a certificate under it. Whose the keys of others are, the file
// does not prove.
func (f *Finding) signedByRequester(ending *evidence.EndingEntry) bool {
	if ending.Evidence == nil {
		return false
	}
	end, err := evidence.DecodeAs[*evidence.End](ending.Evidence.Statement)
	if err != nil || end.Request != ending.Request || end.Change != ending.Reason {
		return false
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(ending.Evidence.Signature)
	return err == nil && slices.ContainsFunc(f.Issues, func(i Issue) bool {
		if i.origin.Bundle.Login == nil {
			return false
		}
		key, err := evidence.ParseKey(i.origin.Bundle.Login.LoginKey)
		return err == nil && i.Request.Requester == end.Person && end.Instance == i.Request.Instance &&
			ed25519.Verify(key, []byte(ending.Evidence.Statement), signature)
	})
}

func atEntry(index int64, err error) error {
	if f, ok := err.(*evidence.Failure); ok {
		return &evidence.Failure{Check: f.Check, Why: fmt.Sprintf("entry %d of the ledger: %s", index, f.Why)}
	}
	return fmt.Errorf("entry %d of the ledger: %w", index, err)
}

func failed(check, why string, values ...any) error {
	return &evidence.Failure{Check: check, Why: fmt.Sprintf(why, values...)}
}
