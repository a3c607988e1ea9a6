package evidence_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// checked wants a refusal by a check; empty: none.
func checked(t *testing.T, err error, check string) {
	t.Helper()
	switch {
	case check != "":
		refusedBy(t, err, check)
	case err != nil:
		t.Errorf("refused: %v", err)
	}
}

func TestVerifyDelegation(t *testing.T) {
	t.Parallel()
	type giving struct {
		*evidencetest.World
		delegation *evidence.Delegation
		by         *evidencetest.Passkey
	}
	for name, c := range map[string]struct {
		check string
		alter func(w *giving)
	}{
		"a good one":               {"", func(*giving) {}},
		"one that begins later":    {"", func(w *giving) { w.delegation.Begins = w.Now.Add(time.Hour) }},
		"the longest":              {"", func(w *giving) { w.delegation.Ends = w.delegation.Issued.Add(evidence.LongestDelegation) }},
		"of another version":       {"version", func(w *giving) { w.Trust.Version = 2 }},
		"of another installation":  {"instance", func(w *giving) { w.delegation.Instance = "other" }},
		"of no group":              {"delegation-groups", func(w *giving) { w.delegation.Groups = nil }},
		"of another group too":     {"delegation-groups", func(w *giving) { w.delegation.Groups = []string{"security", "sre-leads"} }},
		"of a group that was lost": {"delegation-groups", func(w *giving) { w.Member("bob").Person.Groups = nil }},
		"by a passkey that speaks for none": {"delegation-groups", func(w *giving) {
			w.Member("bob").Passkeys[0].Groups = nil
		}},
		"from the future":         {"delegation-issued", func(w *giving) { w.delegation.Issued = w.Now.Add(31 * time.Second) }},
		"held back":               {"delegation-issued", func(w *giving) { w.delegation.Issued = w.Now.Add(-evidence.DelegationWindow - time.Second) }},
		"from before it was made": {"delegation-ends", func(w *giving) { w.delegation.Begins = w.delegation.Issued.Add(-time.Second) }},
		"over at its beginning":   {"delegation-ends", func(w *giving) { w.delegation.Ends = w.delegation.Begins }},
		"over by now":             {"delegation-ends", func(w *giving) { w.delegation.Ends = w.Now }},
		"too long": {"delegation-ends", func(w *giving) {
			w.delegation.Ends = w.delegation.Issued.Add(evidence.LongestDelegation + time.Second)
		}},
		"by somebody else's passkey": {"delegation-passkey", func(w *giving) { w.by = w.Carol.Passkey }},
		"by a passkey that was removed": {"delegation-passkey", func(w *giving) {
			w.Member("bob").Passkeys[0].Removed = &w.Request.Issued
		}},
		"by somebody unknown":                              {"delegation-roster", func(w *giving) { w.delegation.Delegator.Subject = "nobody" }},
		"by somebody suspended":                            {"delegation-suspended", func(w *giving) { w.Member("bob").Suspended = &w.Request.Issued }},
		"by another name":                                  {"delegation-name", func(w *giving) { w.delegation.DelegatorName = "Robert" }},
		"from before a change of the delegator's standing": {"delegation-stale", func(w *giving) { w.Member("bob").Changed = &w.Now }},
		"to another name":                                  {"delegation-name", func(w *giving) { w.delegation.DelegateName = "Carola" }},
		"to somebody unknown":                              {"delegation-delegate", func(w *giving) { w.delegation.Delegate.Subject = "nobody" }},
		"to somebody without a passkey":                    {"delegation-delegate", func(w *giving) { w.Member("carol").Passkeys = nil }},
		"to somebody suspended":                            {"delegation-suspended", func(w *giving) { w.Member("carol").Suspended = &w.Request.Issued }},
		"to oneself":                                       {"delegation-self", func(w *giving) { w.delegation.Delegate, w.delegation.DelegateName = w.Bob.Person.Subject, "Bob" }},
		"to oneself by another account":                    {"delegation-self", func(w *giving) { w.Member("carol").Person.Email = "BOB@example.com" }},
		"with another's signature": {"delegation-signature", func(w *giving) {
			w.by = &evidencetest.Passkey{}
			*w.by = *w.Carol.Passkey
			w.by.Credential = w.Bob.Passkey.Credential
		}},
		"one too many": {"delegation-many", func(w *giving) {
			for range evidence.MostDelegations {
				w.Given(w.Bob, w.Dana, "sre-leads")
			}
		}},
		"one more after others that are over": {"", func(w *giving) {
			for i := range 2 * evidence.MostDelegations {
				if given := w.Given(w.Bob, w.Dana, "sre-leads"); i%2 == 0 {
					given.Ends = w.Now
				} else {
					given.Revoked = &w.Request.Issued
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &giving{World: evidencetest.NewWorld(t)}
			w.delegation, w.by = w.Delegation(w.Bob, w.Carol, "sre-leads"), w.Bob.Passkey
			c.alter(w)
			signed := evidencetest.Signed(t, w.delegation, w.by)
			v, err := evidence.VerifyDelegation(signed, w.Trust, w.Now)
			checked(t, err, c.check)
			if err == nil && (v.Delegation().Ends != w.delegation.Ends || v.Entry().Evidence != signed) {
				t.Errorf("it is proven as %+v", v.Delegation())
			}
		})
	}
	// It takes effect once, also after it was ended.
	w := evidencetest.NewWorld(t)
	signed := evidencetest.Signed(t, w.Delegation(w.Bob, w.Carol, "sre-leads"), w.Bob.Passkey)
	given := w.Given(w.Bob, w.Carol, "sre-leads")
	given.Digest, given.Revoked = evidence.Digest(signed.Statement), &w.Now
	_, err := evidence.VerifyDelegation(signed, w.Trust, w.Now)
	checked(t, err, "delegation-spent")
}

func TestApprovalsOnBehalfOfSomebody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check string
		alter func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation)
	}{
		"a good one": {"", func(*evidencetest.World, *evidence.Approval, *evidence.GivenDelegation) {}},
		"by a delegation that is over since": {"", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			given.Ends = a.Issued.Add(time.Second)
		}},
		"by a delegation that was over": {"approval-for-delegation", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			given.Ends = a.Issued
		}},
		"by a delegation still to begin": {"approval-for-delegation", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			given.Begins = a.Issued.Add(time.Second)
		}},
		"by a delegation that was ended since": {"approval-for-delegation", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			given.Revoked = &w.Now
		}},
		"by a delegation to another": {"approval-for-delegation", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			given.Delegate = w.Dana.Person.Subject
		}},
		"by a delegation of another's": {"approval-for-delegation", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			given.Delegator = w.Dana.Person.Subject
		}},
		"by nobody's delegation": {"approval-for-delegation", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			w.Trust.Delegations = nil
		}},
		"by somebody who lost the group": {"approval-for-delegation", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			w.Member("bob").Person.Groups = []string{"security"}
		}},
		"by somebody whose passkeys do not speak for it": {"approval-for-delegation", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			w.Member("bob").Passkeys[0].Groups = nil
		}},
		"by somebody whose passkey was removed": {"approval-for-delegation", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			w.Member("bob").Passkeys[0].Removed = &w.Request.Issued
		}},
		"by somebody who is suspended": {"approval-for-suspended", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			w.Member("bob").Suspended = &w.Request.Issued
		}},
		"by somebody unknown": {"approval-for-roster", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			a.For.Subject = "nobody"
		}},
		"by somebody of another name": {"approval-for-name", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			a.ForName = "Robert"
		}},
		"by a name alone": {"approval-for-name", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			a.For = policies.Subject{}
		}},
		"of a group that wants attested passkeys": {"approval-for-attestation", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			w.SetOrganization(1, evidencetest.NewMaker(t).YAML("sre-leads"))
		}},
		"of such a group, with one": {"", func(w *evidencetest.World, a *evidence.Approval, given *evidence.GivenDelegation) {
			w.SetOrganization(1, evidencetest.NewMaker(t).YAML("sre-leads"))
			w.Member("carol").Passkeys[0].Attested = "Test authenticator"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := evidencetest.NewWorld(t)
			given := w.Given(w.Bob, w.Carol, "sre-leads")
			approval := w.ApprovalFor(t, w.Carol, w.Bob)
			c.alter(w, approval, given)
			b := w.Bundle(t)
			b.Approvals = []evidence.SignedByPasskey{evidencetest.Signed(t, approval, w.Carol.Passkey)}
			agreed, err := evidence.VerifyApprovals(b, w.Trust, w.Circumstances())
			checked(t, err, c.check)
			if err != nil {
				return
			}
			counting := agreed.Counting()[0]
			if counting.For == nil || counting.For.Subject != w.Bob.Person.Subject || !slices.Equal(counting.For.Groups, []string{"sre-leads"}) ||
				counting.Approver.Subject != w.Carol.Person.Subject {
				t.Errorf("it counts as %+v", counting)
			}
		})
	}
}

func TestConfirmations(t *testing.T) {
	t.Parallel()
	type confirming struct {
		*evidencetest.World
		confirmation *evidence.Confirmation
		by           *evidencetest.Passkey
	}
	for name, c := range map[string]struct {
		check string
		alter func(w *confirming)
	}{
		"a good one":           {"", func(*confirming) {}},
		"with an attested key": {"", func(w *confirming) { w.Member("alice").Passkeys[0].Attested = "Test authenticator" }},
		"of another role":      {"confirmation-repeats", func(w *confirming) { w.confirmation.Ask.Role = "key-management" }},
		"of a longer time":     {"confirmation-repeats", func(w *confirming) { w.confirmation.Ask.Duration += time.Second }},
		"of no emergency":      {"confirmation-repeats", func(w *confirming) { w.confirmation.Ask.BreakGlass = true }},
		"of another ticket":    {"confirmation-repeats", func(w *confirming) { w.confirmation.Ask.Ticket = "OPS-1" }},
		"of another revision":  {"confirmation-repeats", func(w *confirming) { w.confirmation.Revision++ }},
		"of another request":   {"confirmation-repeats", func(w *confirming) { w.confirmation.RequestDigest = "sha256:" + strings.Repeat("0", 64) }},
		"from the future":      {"confirmation-issued", func(w *confirming) { w.confirmation.Issued = w.Now.Add(31 * time.Second) }},
		"older than the request": {"confirmation-issued", func(w *confirming) {
			w.confirmation.Issued = w.Request.Issued.Add(-time.Second)
		}},
		"by somebody else's passkey": {"confirmation-passkey", func(w *confirming) { w.by = w.Bob.Passkey }},
		"by a passkey that was removed": {"confirmation-passkey", func(w *confirming) {
			w.Member("alice").Passkeys[0].Removed = &w.Request.Issued
		}},
		"by somebody suspended": {"confirmation-suspended", func(w *confirming) { w.Member("alice").Suspended = &w.Request.Issued }},
		"by somebody unknown": {"confirmation-roster", func(w *confirming) {
			w.Trust.Roster.People = w.Trust.Roster.People[:len(w.Trust.Roster.People)-1]
		}},
		"with another's signature": {"confirmation-signature", func(w *confirming) {
			forged := *w.Bob.Passkey
			forged.Credential, w.by = w.by.Credential, &forged
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &confirming{World: evidencetest.NewWorld(t)}
			alice := &evidencetest.Member{Person: w.Alice, Passkey: evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)}
			w.Pin(alice, nil)
			w.confirmation, w.by = w.Confirmed(t), alice.Passkey
			c.alter(w)
			b, signed := w.Bundle(t), evidencetest.Signed(t, w.confirmation, w.by)
			b.Confirmation = &signed
			agreed, err := evidence.VerifyApprovals(b, w.Trust, w.Circumstances())
			checked(t, err, c.check)
			if err == nil && (!agreed.Confirmed().Issued.Equal(w.confirmation.Issued) || agreed.Confirmed().Attested != (w.Member("alice").Passkeys[0].Attested != "")) {
				t.Errorf("it is confirmed as %+v", agreed.Confirmed())
			}
		})
	}
}

func TestVerifyReview(t *testing.T) {
	t.Parallel()
	type reviewing struct {
		*evidencetest.World
		review *evidence.Review
		by     *evidencetest.Passkey
	}
	for name, c := range map[string]struct {
		check string
		alter func(w *reviewing)
	}{
		"a good one":                  {"", func(*reviewing) {}},
		"of another installation":     {"instance", func(w *reviewing) { w.review.Instance = "other" }},
		"of another request":          {"review-repeats", func(w *reviewing) { w.review.Request = "other" }},
		"of another revision":         {"review-repeats", func(w *reviewing) { w.review.RequestDigest = "sha256:" + strings.Repeat("0", 64) }},
		"of another role":             {"review-repeats", func(w *reviewing) { w.review.Role = "key-management" }},
		"of another person":           {"review-repeats", func(w *reviewing) { w.review.Requester = w.Bob.Person.Subject }},
		"of another name":             {"review-repeats", func(w *reviewing) { w.review.RequesterName = "Bob" }},
		"from the future":             {"review-issued", func(w *reviewing) { w.review.Issued = w.Now.Add(31 * time.Second) }},
		"from before it was used":     {"review-issued", func(w *reviewing) { w.review.Issued = w.Now.Add(-3 * time.Minute) }},
		"from while it went on":       {"review-issued", func(w *reviewing) { w.review.Issued = w.Now.Add(-time.Minute - time.Second) }},
		"from when it was over":       {"", func(w *reviewing) { w.review.Issued = w.Now.Add(-time.Minute) }},
		"by somebody of another name": {"review-name", func(w *reviewing) { w.review.ReviewerName = "Carola" }},
		"by somebody else's passkey":  {"review-passkey", func(w *reviewing) { w.by = w.Bob.Passkey }},
		"by somebody suspended":       {"review-suspended", func(w *reviewing) { w.Member("carol").Suspended = &w.Request.Issued }},
		"by whoever acted alone":      {"review-self", func(w *reviewing) { w.Member("carol").Person.Email = "alice@example.com" }},
		"by somebody who may not": {"review-groups", func(w *reviewing) {
			w.review, w.by = w.Review(t, w.Bob), w.Bob.Passkey
		}},
		"by a passkey that speaks for no group":        {"review-groups", func(w *reviewing) { w.Member("carol").Passkeys[0].Groups = nil }},
		"in a role that knows no emergencies any more": {"", func(w *reviewing) { w.SetOrganization(1, "") }},
		"there by an administrator": {"", func(w *reviewing) {
			w.SetOrganization(1, "")
			w.review, w.by = w.Review(t, w.Dana), w.Dana.Passkey
		}},
		"there by somebody who may not": {"review-groups", func(w *reviewing) {
			w.SetOrganization(1, "")
			w.review, w.by = w.Review(t, w.Bob), w.Bob.Passkey
		}},
		"with another's signature": {"review-signature", func(w *reviewing) {
			forged := *w.Bob.Passkey
			forged.Credential, w.by = w.by.Credential, &forged
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &reviewing{World: evidencetest.NewWorld(t)}
			w.Trust.Policy["policy.yaml"] = strings.Replace(w.Trust.Policy["policy.yaml"], "requesters: [engineering]\n",
				"requesters: [engineering]\nbreakGlass: {requesters: [engineering], longest: 1h, review: {groups: [security], within: 24h}}\n", 1)
			w.Trust.Policy["policy.yaml"] = strings.Replace(w.Trust.Policy["policy.yaml"], "quorum: 1\n", "quorum: 1\n"+evidencetest.NewMaker(t).YAML("nobody"), 1)
			w.review, w.by = w.Review(t, w.Carol), w.Carol.Passkey
			c.alter(w)
			v, err := evidence.VerifyReview(evidencetest.Signed(t, w.review, w.by), w.Emergency(t), w.Trust, w.Now)
			checked(t, err, c.check)
			if err == nil && (v.Review().Finding != "as they said" || v.Entry().Request != w.Request.Request) {
				t.Errorf("it is proven as %+v", v.Review())
			}
		})
	}
}

// TestAssertedFacts: those that the role's conditions read, each once and of its type.
func TestAssertedFacts(t *testing.T) {
	t.Parallel()
	const facts = "facts:\n  - {name: risk, type: number, description: Of the laptop}\n  - {name: ticket-open, type: bool, description: Says the tracker}\n" +
		"  - {name: zone, type: text, description: Where}\n  - {name: unread, type: bool, description: Nobody reads it}\n"
	const restrict = "restrict:\n  - {name: closed, when: '!asserted.ticket_open', refuse: The ticket is closed.}\n" +
		"  - {name: risky, when: 'asserted.risk > 3 || asserted.zone == \"moon\"', refuse: Too risky.}\n"
	good := []policies.Assertion{{Name: "risk", Value: "3"}, {Name: "ticket-open", Value: "true"}, {Name: "zone", Value: "earth"}}
	with := func(i int, value string) []policies.Assertion {
		other := slices.Clone(good)
		other[i].Value = value
		return other
	}
	for name, c := range map[string]struct {
		asserted []policies.Assertion
		check    string
	}{
		"all":                     {good, ""},
		"a negative number":       {with(0, "-12"), ""},
		"one that restricts":      {with(0, "4"), "policy"},
		"one that closes":         {with(1, "false"), "policy"},
		"one missing":             {good[:2], "policy"},
		"none":                    {nil, "policy"},
		"in another order":        {[]policies.Assertion{good[1], good[0], good[2]}, "asserted"},
		"one twice":               {[]policies.Assertion{good[0], good[0], good[1], good[2]}, "asserted"},
		"one that nobody reads":   {append(slices.Clone(good[:2]), policies.Assertion{Name: "unread", Value: "true"}, good[2]), "asserted"},
		"one that does not exist": {append(slices.Clone(good), policies.Assertion{Name: "zzz", Value: "true"}), "asserted"},
		"no number":               {with(0, "three"), "asserted"},
		"a number with a sign":    {with(0, "+3"), "asserted"},
		"a number with a zero":    {with(0, "03"), "asserted"},
		"too great a number":      {with(0, "9223372036854775808"), "asserted"},
		"no word":                 {with(1, "True"), "asserted"},
		"an invisible text":       {with(2, "ear\u200bth"), "asserted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := evidencetest.NewWorld(t)
			w.SetOrganization(1, facts)
			w.Trust.Policy["policy.yaml"] = strings.Replace(w.Trust.Policy["policy.yaml"], "approval:\n", restrict+"approval:\n", 1)
			circumstances := w.Circumstances()
			circumstances.Asserted = c.asserted
			_, err := evidence.Verify(w.Bundle(t), w.Trust, circumstances)
			checked(t, err, c.check)
		})
	}
}
