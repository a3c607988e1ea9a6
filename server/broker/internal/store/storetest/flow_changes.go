package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// two makes two administrators necessary, and Frank the second one.
func (h *House) two(t testing.TB) *evidencetest.Member {
	t.Helper()
	text := strings.Replace(evidencetest.Policy, "quorum: 1", "quorum: 2", 1)
	frank := &evidencetest.Member{
		Person:  evidencetest.Person("frank", policies.AdministratorsGroup),
		Passkey: evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin),
	}
	h.Signer.ChangeTrust(func(trust *evidence.Trust) {
		h.World.Pin(frank, frank.Person.Groups)
		trust.Roster = h.World.Trust.Roster
		trust.Policy = map[string]string{"policy.yaml": text}
	})
	h.SetPolicy(t, text)
	return frank
}

// signs has a member sign a change.
func (h *House) signs(t testing.TB, m *evidencetest.Member, id string) (access.ChangeView, error) {
	t.Helper()
	challenge, err := h.ChangeChallenge(t.Context(), m.Person, id)
	if err != nil {
		return access.ChangeView{}, err
	}
	return h.SignChange(t.Context(), m.Person, id, m.Passkey.Sign(t, challenge.Statement))
}

func rosterChange(t *testing.T, h *House) {
	ctx, dana, bob, frank := t.Context(), h.World.Dana, h.World.Bob, h.two(t)
	groups := access.RosterProposal{
		Change: evidence.ChangeGroups, Person: bob.Person.Subject, Groups: []string{"security", "sre-leads"},
		Passkeys: []string{bob.Passkey.Credential}, Reason: "he moved",
	}
	// 1. Who may propose, and what.
	_, err := h.ProposeRoster(ctx, bob.Person, groups)
	wantCode(t, access.CodeForbidden, err)
	for _, bad := range []func(p *access.RosterProposal){
		func(p *access.RosterProposal) { p.Change = "promote" },
		func(p *access.RosterProposal) { p.Groups = []string{"no-such-group"} },
		func(p *access.RosterProposal) { p.Passkeys = []string{dana.Passkey.Credential} },
		func(p *access.RosterProposal) { p.Reason = "\u202e" },
		func(p *access.RosterProposal) { p.Change = evidence.ChangeRemovePasskey },
	} {
		p := groups
		bad(&p)
		_, err := h.ProposeRoster(ctx, dana.Person, p)
		wantCode(t, access.CodeInvalid, err)
	}
	nobody := groups
	nobody.Person.Subject = "nobody"
	_, err = h.ProposeRoster(ctx, dana.Person, nobody)
	wantCode(t, access.CodePersonNotFound, err)
	v, err := h.ProposeRoster(ctx, dana.Person, groups)
	wantError(t, nil, err)
	same(t, "may", []string{"sign", "reject"}, v.May)
	same(t, "missing", 2, v.Missing())

	// 2. Who may sign: administrators who are not concerned, each once.
	_, err = h.signs(t, bob, v.ID)
	wantCode(t, access.CodeChangeNotFound, err)
	_, err = h.signs(t, h.World.Carol, v.ID)
	wantCode(t, access.CodeForbidden, err)
	_, err = h.SignChange(ctx, dana.Person, v.ID, bob.Passkey.Sign(t, v.Statement))
	wantCode(t, access.CodeNotPinned, err)
	_, err = h.SignChange(ctx, dana.Person, v.ID, dana.Passkey.Sign(t, v.Statement+"x"))
	wantCode(t, access.CodeAssertion, err)
	_, err = h.SendChange(ctx, dana.Person, v.ID)
	wantCode(t, access.CodeChangeState, err)
	v, err = h.signs(t, dana, v.ID)
	wantError(t, nil, err)
	same(t, "after one", access.ChangePending, v.State)
	same(t, "missing", 1, v.Missing())
	_, err = h.signs(t, dana, v.ID)
	wantCode(t, access.CodeSignedAlready, err)
	if _, roster := h.Standing(ctx, bob.Person), h.Standing(ctx, bob.Person).Roster; len(roster) != 1 {
		t.Errorf("after one signature Bob is in %v", roster)
	}

	// A signature whose passkey was taken away counts no more, and is given anew.
	taken := h.World.Dana.Passkey
	h.Signer.ChangeTrust(func(trust *evidence.Trust) {
		trust.Roster, _ = trust.Roster.Remove(taken.Credential, h.Clock.Now())
		dana.Passkey = evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)
		enrolment := h.World.Enrolment(dana.Person, dana.Passkey, dana.Person.Groups...)
		trust.Roster = trust.Roster.Enrol(*enrolment, "", h.Clock.Now())
	})
	v, err = h.Change(ctx, dana.Person, v.ID)
	wantError(t, nil, err)
	same(t, "without her first passkey", 2, v.Missing())
	v, err = h.signs(t, dana, v.ID)
	wantError(t, nil, err)
	same(t, "with her new one", 1, v.Missing())

	// 3. The quorum brings it into force. What the signer refuses waits on, and is
	// sent again.
	h.Signer.SetDown(&access.Error{Problem: access.SignerRefused, Code: "signer.no", Message: "no"})
	_, err = h.signs(t, frank, v.ID)
	wantCode(t, "signer.no", err)
	h.Signer.SetDown(nil)
	v, err = h.Change(ctx, dana.Person, v.ID)
	wantError(t, nil, err)
	same(t, "refused, it may be", []string{"send", "reject"}, v.May)
	v, err = h.SendChange(ctx, dana.Person, v.ID)
	wantError(t, nil, err)
	same(t, "after two", access.ChangeInForce, v.State)
	same(t, "Bob", []string{"security", "sre-leads"}, h.Standing(ctx, bob.Person).Roster)
	again, err := h.SendChange(ctx, dana.Person, v.ID)
	wantError(t, nil, err)
	same(t, "again", access.ChangeInForce, again.State)
	_, err = h.signs(t, dana, v.ID)
	wantCode(t, access.CodeChangeState, err)
	over, _, err := h.Changes(ctx, h.World.Carol.Person, false, 0, 0)
	wantError(t, nil, err)
	if len(over) != 1 || len(over[0].Signatures) != 2 || over[0].Headline != "Bob is to be in security, sre-leads." {
		t.Errorf("over: %+v", over)
	}

	// 4. Nobody signs what is about themselves.
	without, err := h.ProposeRoster(ctx, frank.Person, access.RosterProposal{Change: evidence.ChangeDelete, Person: dana.Person.Subject})
	wantError(t, nil, err)
	_, err = h.signs(t, dana, without.ID)
	wantCode(t, access.CodeForbidden, err)
}

func policyChange(t *testing.T, h *House) {
	ctx, dana, frank := t.Context(), h.World.Dana, h.two(t)
	text := strings.Replace(evidencetest.Policy, "quorum: 1", "quorum: 2", 1)
	files := map[string]string{"policy.yaml": strings.Replace(text, "longest: 4h", "longest: 1h", 1)}
	_, err := h.ProposePolicy(ctx, h.World.Bob.Person, files, "shorter")
	wantCode(t, access.CodeForbidden, err)
	_, err = h.ProposePolicy(ctx, dana.Person, map[string]string{"policy.yaml": "kind: Rolle\n"}, "shorter")
	wantCode(t, access.CodeInvalid, err)
	_, err = h.ProposePolicy(ctx, dana.Person, files, " ")
	wantCode(t, access.CodeInvalid, err)
	_, err = h.ProposePolicy(ctx, dana.Person, map[string]string{"policy.yaml": text}, "the same")
	wantCode(t, access.CodePolicySame, err)

	first, err := h.ProposePolicy(ctx, h.World.Carol.Person, files, "Four hours are too many.")
	wantError(t, nil, err)
	same(t, "may", []string{"reject"}, first.May)
	second, err := h.ProposePolicy(ctx, dana.Person, map[string]string{"policy.yaml": strings.Replace(text, "longest: 4h", "longest: 2h", 1)}, "Or two.")
	wantError(t, nil, err)
	for _, m := range []*evidencetest.Member{dana, frank} {
		first, err = h.signs(t, m, first.ID)
		wantError(t, nil, err)
	}
	same(t, "first", access.ChangeInForce, first.State)
	// From now on it decides, and the other one starts from what is no longer so.
	ask := Ask()
	ask.Duration = 2 * time.Hour
	_, err = h.Service.Ask(ctx, h.World.Alice, ask)
	wantCode(t, access.CodePolicyRefused, err)
	second, err = h.Change(ctx, dana.Person, second.ID)
	wantError(t, nil, err)
	same(t, "second", access.ChangeSuperseded, second.State)
	_, err = h.signs(t, dana, second.ID)
	wantCode(t, access.CodeChangeState, err)
	whole, err := h.Change(ctx, dana.Person, first.ID)
	wantError(t, nil, err)
	same(t, "after", files, whole.After)
	same(t, "before", map[string]string{"policy.yaml": text}, whole.Before)
}

func changesEnd(t *testing.T, h *House) {
	ctx, dana, frank := t.Context(), h.World.Dana, h.two(t)
	propose := func() access.ChangeView {
		v, err := h.ProposeRoster(ctx, dana.Person, access.RosterProposal{Change: evidence.ChangeDelete, Person: h.World.Bob.Person.Subject})
		wantError(t, nil, err)
		return v
	}
	rejected, expired := propose(), propose()
	_, err := h.RejectChange(ctx, h.World.Carol.Person, rejected.ID, "no")
	wantCode(t, access.CodeForbidden, err)
	v, err := h.RejectChange(ctx, dana.Person, rejected.ID, "not now")
	wantError(t, nil, err)
	same(t, "rejected", access.ChangeRejected, v.State)
	_, err = h.RejectChange(ctx, dana.Person, rejected.ID, "")
	wantCode(t, access.CodeChangeState, err)
	stop := h.Running(t)
	defer stop()
	h.Clock.Move(24 * time.Hour)
	_, err = h.signs(t, dana, expired.ID)
	wantCode(t, access.CodeChangeState, err)
	h.Eventually(t, "time is written down", func() bool {
		h.Clock.Move(time.Second)
		stored := read(t, h.Store, func(r access.Reader) (access.Change, error) { return r.Change(expired.ID) })
		return stored.State == access.ChangeExpired
	})
	open, _, err := h.Changes(ctx, dana.Person, true, 0, 0)
	wantError(t, nil, err)
	same(t, "open", 0, len(open))

	// Rejected while the signer takes it: it is in force, and that is what is told.
	late, err := h.ProposeRoster(ctx, dana.Person, access.RosterProposal{Change: evidence.ChangeSuspend, Person: h.World.Carol.Person.Subject})
	wantError(t, nil, err)
	h.Signer.Before = func() {
		_, err := h.RejectChange(ctx, dana.Person, late.ID, "too late")
		wantError(t, nil, err)
	}
	for _, m := range []*evidencetest.Member{dana, frank} {
		late, err = h.signs(t, m, late.ID)
		wantError(t, nil, err)
	}
	h.Signer.Before = nil
	same(t, "rejected too late", access.ChangeInForce, late.State)

	// Only so many wait at a time.
	for range 50 {
		propose()
	}
	_, err = h.ProposeRoster(ctx, dana.Person, access.RosterProposal{Change: evidence.ChangeDelete, Person: h.World.Bob.Person.Subject})
	wantCode(t, access.CodeManyChanges, err)
}

func enrolByQuorum(t *testing.T, h *House) {
	ctx, dana, frank, fred := t.Context(), h.World.Dana, h.two(t), evidencetest.Person("fred")
	k := evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)
	e, err := h.StartEnrolment(ctx, fred, newPasskey(k, "sre-leads"))
	wantError(t, nil, err)
	_, err = h.ProvePossession(ctx, fred, e.ID, evidence.SignedByPasskey{Statement: e.Statement, Assertion: k.Sign(t, e.Statement)})
	wantError(t, nil, err)
	sign := func(m *evidencetest.Member) (access.EnrolmentView, error) {
		signature := m.Passkey.Sign(t, e.Statement)
		return h.AuthoriseEnrolment(ctx, m.Person, e.ID, access.EnrolmentAuthority{Passkey: &signature})
	}
	v, err := sign(dana)
	wantError(t, nil, err)
	same(t, "after one", access.NeedsAuthority, v.State)
	same(t, "missing", 1, v.Missing())
	same(t, "may", []string{"reject"}, v.May)
	_, err = sign(dana)
	wantCode(t, access.CodeSignedAlready, err)
	_, err = h.SendEnrolment(ctx, dana.Person, e.ID)
	wantCode(t, access.CodeEnrolmentState, err)
	v, err = sign(frank)
	wantError(t, nil, err)
	same(t, "after two", access.EnrolmentPinned, v.State)
	same(t, "standing", []string{"sre-leads"}, h.Standing(ctx, fred).Roster)
}

func inventory(t *testing.T, h *House) {
	ctx, key := t.Context(), evidencetest.NewKey(t)
	text := strings.Replace(evidencetest.Policy, "reviewers: [security]\n",
		"reviewers: [security]\ninventories:\n  - {name: scaling, key: \""+key.Public+"\", labels: {env: [staging]}}\n", 1)
	h.Signer.ChangeTrust(func(trust *evidence.Trust) { trust.Policy = map[string]string{"policy.yaml": text} })
	h.SetPolicy(t, text)
	const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWfvVqSmNpNDXLLzF8Dx4M4K2rWRl5gHVBYhRr3rJdM"
	push := func(env string, number int64, by *evidencetest.Key) error {
		targets := "kind: Target\nname: worker-7\naddress: 127.0.0.1:2207\nhostKey: " + hostKey + "\nlabels: {env: " + env + "}\n"
		statement := evidencetest.Text(t, &evidence.InventoryChange{
			Instance: evidencetest.Instance, Inventory: "scaling", Number: number, Targets: evidence.Digest(targets),
			Issued: h.Clock.Now(), Expires: h.Clock.Now().Add(time.Hour), Nonce: evidencetest.Nonce(),
		})
		taken, err := h.TakeInventory(ctx, evidence.InventoryEvidence{
			Statement: statement, Targets: targets, Signature: evidence.SignWithKey(statement, by.Private).Signature,
		})
		if err == nil {
			same(t, "number", number, taken.Number)
		}
		return err
	}
	wantCode(t, access.CodeInventory, push("staging", 1, evidencetest.NewKey(t)))
	wantCode(t, access.CodeInventory, push("production", 1, key))
	wantError(t, nil, push("staging", 1, key))
	wantCode(t, access.CodeInventory, push("staging", 1, key))
	h.Signer.SetDown(&access.Error{Problem: access.Unavailable, Code: access.CodeSignerUnavailable, Message: "away"})
	wantCode(t, access.CodeSignerUnavailable, push("staging", 2, key))
}

func ownWord(t *testing.T, h *House) {
	ctx, alice := t.Context(), h.World.Alice
	v := h.Pending(t)
	word := func(change string, key *evidencetest.Key) access.EndWord {
		text := evidencetest.Text(t, &evidence.End{
			Instance: evidencetest.Instance, Request: v.ID, Change: change, Person: alice.Subject, Reason: "done",
			Issued: h.Clock.Now(), Nonce: evidencetest.Nonce(),
		})
		return access.EndWord{Signed: evidence.SignWithKey(text, key.Private), LoginKey: h.World.Login.Public}
	}
	for name, bad := range map[string]access.EndWord{
		"another key": word(evidence.EndWithdrawn, evidencetest.NewKey(t)), "another act": word(evidence.EndDropped, h.World.Login), "no text": {},
	} {
		if _, err := h.Withdraw(ctx, alice, v.ID, "done", bad); !access.IsCode(err, access.CodeInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := h.Withdraw(ctx, alice, v.ID, "another reason", word(evidence.EndWithdrawn, h.World.Login))
	wantCode(t, access.CodeInvalid, err)
	good := word(evidence.EndWithdrawn, h.World.Login)
	_, err = h.Withdraw(ctx, alice, v.ID, "done", good)
	wantError(t, nil, err)
	view, err := h.Request(ctx, alice, v.ID)
	wantError(t, nil, err)
	if last := view.Timeline[len(view.Timeline)-1].Event; !strings.Contains(last.Text, "The login key of Alice's sign-in signed that.") ||
		!strings.Contains(string(last.Data), good.Signed.Signature) || !strings.Contains(string(last.Data), good.LoginKey) {
		t.Errorf("the timeline says %q with %s", last.Text, last.Data)
	}
	waiting := read(t, h.Store, func(r access.Reader) ([]access.Ending, error) { return r.Endings(h.Clock.Now(), 10) })
	if len(waiting) != 1 || waiting[0].Evidence == nil || *waiting[0].Evidence != good.Signed {
		t.Errorf("the ending on its way is %+v", waiting)
	}
}

func members(t *testing.T, h *House) {
	ctx, dana := t.Context(), h.World.Dana
	alice := h.World.Alice
	_, err := h.SignedIn(ctx, access.SignIn{Token: [32]byte{1}, Kind: access.PortalSignIn, Person: alice, Ends: h.Clock.Now().Add(time.Hour)})
	wantError(t, nil, err)
	_, _, err = h.Members(ctx, alice, false, access.PeopleQuery{})
	wantCode(t, access.CodeForbidden, err)
	pinned, _, err := h.Members(ctx, dana.Person, false, access.PeopleQuery{})
	wantError(t, nil, err)
	var names []string
	for _, m := range pinned {
		names = append(names, m.Person.Name)
	}
	same(t, "the roster", []string{"Bob", "Carol", "Dana", "Erin"}, names)
	same(t, "Bob's passkey", []string{"sre-leads"}, pinned[0].Passkeys[0].Groups)
	same(t, "what Dana may", []string{"suspend", "groups", "delete", "remove-passkey"}, pinned[0].May)
	var paged []string
	var after policies.Subject
	for range 5 {
		page, next, err := h.Members(ctx, dana.Person, false, access.PeopleQuery{After: after, Limit: 2})
		wantError(t, nil, err)
		for _, m := range page {
			paged = append(paged, m.Person.Name)
		}
		if after = next; after == (policies.Subject{}) {
			break
		}
	}
	same(t, "the roster in pages", names, paged)
	lost, _, err := h.Members(ctx, dana.Person, false, access.PeopleQuery{After: policies.Subject{Issuer: "https://x", Subject: "y"}})
	wantError(t, nil, err)
	found, _, err := h.Members(ctx, dana.Person, false, access.PeopleQuery{Person: strings.ToUpper(h.World.Carol.Person.Email)})
	wantError(t, nil, err)
	if len(lost) != 0 || len(found) != 1 || found[0].Person.Name != "Carol" {
		t.Errorf("behind a stranger: %v; Carol alone: %v", lost, found)
	}
	known, next, err := h.Members(ctx, h.World.Carol.Person, true, access.PeopleQuery{Person: strings.ToUpper(alice.Email)})
	wantError(t, nil, err)
	if len(known) != 1 || known[0].Person.Subject != alice.Subject || known[0].Pinned || !slices.Equal(known[0].May, []string{"suspend"}) || next.Subject != "" {
		t.Errorf("known: %+v, then %v", known, next)
	}
	h.Pending(t)
	one, err := h.Member(ctx, dana.Person, alice.Subject)
	wantError(t, nil, err)
	same(t, "what Alice holds", []string{"Alice wants app on web-1 for 1 hour"}, one.Holds)
}
