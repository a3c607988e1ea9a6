package proof

import (
	"fmt"
	"slices"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// Reviewed is the review of an emergency.
type Reviewed struct {
	Index   int64
	Time    time.Time
	Review  evidence.Review
	Passkey evidence.Passkey // that signed it, as the roster had it; empty where the history is missing
}

// firstUse is when the first certificate was issued for the revision of which this is the
// request statement; zero: none has been.
func (f *Finding) firstUse(request string) time.Time {
	i := slices.IndexFunc(f.Issues, func(i Issue) bool { return i.origin.Bundle.Request == request })
	if i < 0 {
		return time.Time{}
	}
	return f.Issues[i].entry.Circumstances.Now
}

// ends is the end of the grant that the newest bundle for the revision of which this is the
// request statement gave; zero: there is none.
func (f *Finding) ends(request string) (ends time.Time) {
	for _, i := range f.Issues {
		if i.Reissues == 0 && i.origin.Bundle.Request == request {
			ends = i.Ends
		}
	}
	return ends
}

// ended is when the ledger had it that the grant ended of which these are the certificates
// from its first on: by the next revision, or by the ending; zero: by neither.
func (f *Finding) ended(issues []Issue) time.Time {
	next := slices.IndexFunc(issues, func(i Issue) bool { return i.Digest != issues[0].Digest })
	switch {
	case next >= 0:
		return issues[next].entry.Circumstances.Now
	case f.Ending != nil:
		return f.Ending.Time
	}
	return time.Time{}
}

// review verifies the review of an emergency as the signer did.
func (f *Finding) review(l leaf, beliefs evidence.Beliefs) error {
	entry := l.entry.Review
	// 1. It is of the file's request, whose requester acted alone.
	review, err := evidence.DecodeAs[*evidence.Review](entry.Evidence.Statement)
	if err != nil {
		return failed("review", "%v", err)
	}
	if entry.Request != f.Request || review.Request != f.Request {
		return failed("entries", "it is for another request")
	}
	found := Reviewed{Index: l.index, Time: l.entry.Time, Review: *review}
	if !f.Whole {
		f.Reviews = append(f.Reviews, found)
		return nil
	}
	i := slices.IndexFunc(f.Issues, func(i Issue) bool { return i.entry.BreakGlass && i.Digest == review.RequestDigest })
	if i < 0 {
		return failed("review", "it reviews what nobody used alone")
	}
	issue := f.Issues[i]
	// 2. Whoever signed it might, by what was believed then.
	trust := beliefs.Trust(l.entry.Time)
	verified, err := evidence.VerifyReview(entry.Evidence, evidence.Emergency{
		Request: f.Request, Digest: issue.Digest, Role: issue.entry.Role, Requester: issue.requester, Begun: issue.entry.Circumstances.Now,
		Ends: f.ends(issue.origin.Bundle.Request), Ended: f.ended(f.Issues[i:]),
	}, trust, l.entry.Time)
	if err != nil {
		return err
	}
	found.Review = verified.Review()
	found.Passkey = passkeyIn(trust, review.Reviewer, entry.Evidence.Assertion.Credential)
	f.Reviews = append(f.Reviews, found)
	return nil
}

// passkeyIn is a person's passkey as the roster has it.
func passkeyIn(trust evidence.Trust, who policies.Subject, credential string) evidence.Passkey {
	person, _ := trust.Roster.Find(who)
	for _, k := range person.Passkeys {
		if k.Credential == credential {
			return k
		}
	}
	return evidence.Passkey{}
}

// Closed is a review in a report.
type Closed struct {
	Index    int64            `json:"index"`
	Time     time.Time        `json:"time"`
	Reviewer policies.Subject `json:"reviewer"`
	Name     string           `json:"name"`
	Finding  string           `json:"finding"`
	Passkey  *Passkey         `json:"passkey,omitempty"` // absent where the history is missing: then nothing shows who signed
}

func (r Reviewed) report(whole bool) Closed {
	closed := Closed{Index: r.Index, Time: r.Time.UTC(), Reviewer: r.Review.Reviewer, Name: r.Review.ReviewerName, Finding: r.Review.Finding}
	if whole {
		passkey := passkeyOf(r.Passkey)
		closed.Passkey = &passkey
	}
	return closed
}

func (c Closed) words() string {
	if c.Passkey == nil {
		return fmt.Sprintf("The ledger holds a review on %s in the name of %s (%s) (entry %d).", moment(c.Time), c.Name, c.Reviewer, c.Index)
	}
	return fmt.Sprintf("%s (%s) reviewed it with a passkey, %q, on %s (entry %d), and found: %s", c.Name, c.Reviewer, c.Passkey.Name, moment(c.Time), c.Index, c.Finding)
}

// circumstances say what an ask was besides: its ticket, when it was to begin, and that
// the requester acted alone.
func (a Agreed) circumstances() (lines []string) {
	say := func(format string, values ...any) { lines = append(lines, fmt.Sprintf(format, values...)) }
	if a.Ticket != "" {
		say("The ticket was: %s", a.Ticket)
	}
	if a.Start != nil {
		say("It was to begin on %s.", moment(*a.Start))
	}
	if a.Confirmed != nil {
		strength := ""
		if a.Confirmed.Attested {
			strength = " of a known make"
		}
		say("%s confirmed that with a passkey of their own%s, on %s.", a.Name, strength, moment(a.Confirmed.Time))
	}
	if a.BreakGlass {
		say("It was an emergency: %s acted alone, and nobody was asked.", a.Name)
	}
	for _, fact := range a.Asserted {
		say("The broker said, and nobody can check, that %s is: %s", fact.Name, fact.Value)
	}
	return lines
}

// delegation tells of one in a sentence.
func (e Event) delegation(entry *evidence.DelegationEntry) (text string, by []string) {
	d, err := evidence.DecodeAs[*evidence.Delegation](entry.Evidence.Statement)
	if err != nil {
		return "A delegation that cannot be read.", nil
	}
	_, passkey := e.holder(entry.Evidence.Assertion.Credential)
	return fmt.Sprintf("%s (%s) may approve on behalf of %s, as of %s, from %s to %s.",
			d.DelegateName, d.Delegate, called(d.DelegatorName, d.Delegator), groups(d.Groups), moment(d.Begins), moment(d.Ends)),
		[]string{fmt.Sprintf("%s with the passkey %q", called(d.DelegatorName, d.Delegator), passkey.Name)}
}
