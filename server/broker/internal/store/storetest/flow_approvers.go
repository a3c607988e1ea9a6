package storetest

import (
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// independent gives the house a rule of independence, and roles.
func (h *House) independent(t testing.TB, rule string, documents ...string) {
	t.Helper()
	text := strings.Replace(evidencetest.Policy, "quorum: 1\n", "quorum: 1\nindependence: {"+rule+"}\n", 1)
	h.bothDecideByText(t, text+strings.Join(documents, ""))
}

// mayNot checks that somebody is not offered to approve, and is told why.
func (h *House) mayNot(t testing.TB, m *evidencetest.Member, id, why string) {
	t.Helper()
	seen, err := h.Request(t.Context(), m.Person, id)
	wantError(t, nil, err)
	same(t, m.Person.Name+" may", []string{"deny"}, seen.May)
	items, _, err := h.Requests(t.Context(), m.Person, access.ViewToApprove, nil, 0, 10)
	wantError(t, nil, err)
	same(t, "asked of "+m.Person.Name, 0, len(items))
	_, err = h.Challenge(t.Context(), m.Person, id, 0)
	wantCode(t, access.CodeNotCounted, err)
	if !strings.Contains(err.Error(), why) {
		t.Errorf("%s is told %q", m.Person.Name, err)
	}
}

func (h *House) asked(t testing.TB, id string) []string {
	t.Helper()
	v, err := h.Request(t.Context(), h.World.Alice, id)
	wantError(t, nil, err)
	return namesOf(v.Approvers[0])
}

func reciprocal(t *testing.T, h *House) {
	text := strings.Replace(evidencetest.Policy, "quorum: 1\n", "quorum: 1\nindependence: {reciprocalDays: 14}\n", 1)
	h.bothDecideByText(t, text+role("led", byLead))
	// Alice agreed to what Bob used, so that he is not the one to agree to what she asks.
	own := policies.Subject{Issuer: evidencetest.IssuerURL, Subject: "alice"}
	past := h.wants(t, "led")
	wantError(t, nil, h.Store.Write(t.Context(), func(tx access.Tx) error {
		q := past.Request
		q.ID, q.Number, q.Requester, q.State, q.Used = "req-0000000001", 1<<40, h.World.Bob.Person, access.Ended, h.Clock.Now().Add(-24*time.Hour)
		if err := tx.AddRequest(q); err != nil {
			return err
		}
		return tx.AddAgreements(q.ID, []policies.Subject{own}, q.Used)
	}))
	_, err := h.Challenge(t.Context(), h.World.Bob.Person, past.ID, 0)
	wantCode(t, access.CodeNotCounted, err)
	seen, err := h.Request(t.Context(), h.World.Bob.Person, past.ID)
	wantError(t, nil, err)
	same(t, "may", []string{"deny"}, seen.May)
	same(t, "approvers", 0, len(seen.Approvers[0]))
	h.Clock.Move(14 * 24 * time.Hour)
	h.approves(t, h.World.Bob, h.wants(t, "led").ID)
}

func directReport(t *testing.T, h *House) {
	h.independent(t, "directReports: true", role("led", byLead), "---\nkind: Team\nname: platform\nmembers: [platform]\nmanagers: [engineering]\n")
	report := h.pinned(t, evidencetest.Person("rita"), "", "sre-leads", "platform")
	v := h.wants(t, "led")
	same(t, "approvers", []string{"Bob"}, namesOf(v.Approvers[0]))
	same(t, "summary", "Needs 1 of Bob.", v.Summary)
	h.mayNot(t, report, v.ID, "Alice manages the team platform")
	// Nor on behalf of another.
	h.delegates(t, h.World.Bob, report, "sre-leads")
	h.mayNot(t, report, v.ID, "Alice manages the team platform")
}

func changedRules(t *testing.T, h *House) {
	h.independent(t, "policyChangeDays: 7", role("led", byLead), role("both", "approval: [{name: lead, groups: [sre-leads], count: 2}]"))
	frank := h.pinned(t, evidencetest.Person("frank"), "", "sre-leads")
	h.Signer.ChangeTrust(func(trust *evidence.Trust) {
		trust.Changes = []policies.PolicyChange{{At: h.Clock.Now().Add(-time.Hour), By: []policies.Subject{h.World.Bob.Person.Subject}, Roles: []string{"led", "both"}}}
	})
	v := h.wants(t, "led")
	same(t, "approvers", []string{"Frank"}, namesOf(v.Approvers[0]))
	h.mayNot(t, h.World.Bob, v.ID, "signed a change of led")
	// Where there is a place for somebody else he counts.
	v = h.wants(t, "both")
	same(t, "approvers", []string{"Bob", "Frank"}, namesOf(v.Approvers[0]))
	h.approves(t, frank, v.ID)
	same(t, "state", access.Approved, h.approves(t, h.World.Bob, v.ID).State)
}

func strongPasskeys(t *testing.T, h *House) {
	maker := evidencetest.NewMaker(t)
	text := strings.Replace(evidencetest.Policy, "quorum: 1\n", "quorum: 1\n"+maker.YAML("administrators"), 1)
	h.bothDecideByText(t, text+role("strong", "passkey: {approvers: attested}", byLead))
	strong := h.pinned(t, evidencetest.Person("frank"), "Make", "sre-leads")
	v := h.wants(t, "strong")
	same(t, "approvers", []string{"Frank"}, namesOf(v.Approvers[0]))
	h.mayNot(t, h.World.Bob, v.ID, "unproven make")
	// With two passkeys they sign with the one that counts.
	h.Signer.ChangeTrust(func(trust *evidence.Trust) {
		people := evidencetest.Clone(t, trust.Roster.People)
		for i := range people {
			if people[i].Person.Subject == strong.Person.Subject {
				weak := evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)
				people[i].Passkeys = append([]evidence.Passkey{h.World.Pinned(weak, []string{"sre-leads"})}, people[i].Passkeys...)
			}
		}
		trust.Roster = evidence.Roster{People: people}
	})
	challenge, err := h.Challenge(t.Context(), strong.Person, v.ID, 0)
	wantError(t, nil, err)
	same(t, "passkeys", []string{strong.Passkey.Credential}, challenge.Credentials)
	same(t, "state", access.Approved, h.approves(t, strong, v.ID).State)
}

// standIn: of an approver and who acts on their behalf one counts.
func standIn(t *testing.T, h *House) {
	h.bothDecideBy(t, role("both", "approval: [{name: lead, groups: [sre-leads], count: 2}]"))
	h.pinned(t, evidencetest.Person("frank"), "", "sre-leads")
	h.delegates(t, h.World.Bob, h.World.Erin, "sre-leads")
	v := h.wants(t, "both")
	same(t, "approvers", []string{"Bob", "Erin", "Frank"}, namesOf(v.Approvers[0]))
	h.approves(t, h.World.Bob, v.ID)
	same(t, "approvers once he has", []string{"Bob", "Frank"}, h.asked(t, v.ID))
	h.mayNot(t, h.World.Erin, v.ID, "of whoever approves on behalf of another and that other, one counts")
}

func (h *House) delegates(t testing.TB, from, to *evidencetest.Member, groups ...string) {
	t.Helper()
	challenge, err := h.DelegationChallenge(t.Context(), from.Person, to.Person.Subject, groups, h.Clock.Now().Add(48*time.Hour))
	wantError(t, nil, err)
	_, err = h.Delegate(t.Context(), from.Person, evidence.SignedByPasskey{Statement: challenge.Statement, Assertion: from.Passkey.Sign(t, challenge.Statement)})
	wantError(t, nil, err)
}

// suspendedElsewhere: whoever is suspended under one identity approves and delegates under none.
func suspendedElsewhere(t *testing.T, h *House) {
	h.bothDecideBy(t, role("led", byLead), role("both", "approval: [{name: lead, groups: [sre-leads], count: 2}]"))
	twin := evidencetest.Person("bob-too")
	twin.Email = h.World.Bob.Person.Email
	h.pinned(t, twin, "")
	frank := h.pinned(t, evidencetest.Person("frank"), "", "sre-leads")
	h.delegates(t, h.World.Bob, h.World.Erin, "sre-leads")
	given, other := h.wants(t, "both"), h.wants(t, "led")
	h.approves(t, h.World.Bob, given.ID)
	h.Signer.ChangeTrust(func(trust *evidence.Trust) {
		trust.Roster, _ = trust.Roster.Suspend(twin.Subject, twin.Name, h.Clock.Now())
	})
	h.Clock.Move(time.Second)
	same(t, "approvers", []string{"Frank"}, h.asked(t, other.ID))
	_, err := h.Challenge(t.Context(), h.World.Bob.Person, other.ID, 0)
	wantCode(t, access.CodeRequestNotFound, err)
	_, err = h.Challenge(t.Context(), h.World.Erin.Person, other.ID, 0)
	wantCode(t, access.CodeRequestNotFound, err)
	same(t, "what he approved before", access.Pending, h.approves(t, frank, given.ID).State)
}
