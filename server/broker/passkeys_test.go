package broker

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"stint/server/api"
	"stint/server/evidence/evidencetest"
)

func TestRegistration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ctx := t.Context()
	alice, bob := w.portalSignIn("alice"), w.portalSignIn("bob")
	before := w.leaves()

	// Each answer is tried once, by the person who began, for this site.
	begin := func(p *person) api.RegistrationOptions {
		begun, err := p.api.StartRegistration(ctx, api.RegistrationStart{Name: "my phone"})
		must(t, err)
		return begun
	}
	key := func(party, origin string) *evidencetest.Passkey { return evidencetest.NewPasskey(t, party, origin) }
	for name, c := range map[string]struct {
		by   *person
		key  *evidencetest.Passkey
		code string
	}{
		"another person":       {bob, key("localhost", w.config.URL), "registration.over"},
		"another origin":       {alice, key("localhost", "http://localhost:1"), "registration.refused"},
		"another party":        {alice, key("evil.example", w.config.URL), "registration.refused"},
		"an origin over https": {alice, key("localhost", strings.Replace(w.config.URL, "http", "https", 1)), "registration.refused"},
	} {
		begun := begin(alice)
		in := api.Registration{Ceremony: begun.Ceremony, Credential: register(t, c.key, begun.Options), Groups: []string{}}
		if _, err := c.by.api.Enrol(ctx, in); codeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := alice.api.Enrol(ctx, in); codeOf(err) != "registration.over" {
			t.Errorf("%s, tried again: %v", name, err)
		}
	}
	one, two := begin(alice), begin(alice)
	good := key("localhost", w.config.URL)
	if _, err := alice.api.Enrol(ctx, api.Registration{Ceremony: two.Ceremony, Credential: register(t, good, one.Options), Groups: []string{}}); codeOf(err) != "registration.refused" {
		t.Errorf("with another registration's challenge: %v", err)
	}
	begun := begin(alice)
	if _, err := alice.api.Enrol(ctx, api.Registration{Ceremony: begun.Ceremony, Credential: register(t, good, begun.Options), Groups: []string{"no-such-group"}}); codeOf(err) != "input.invalid" {
		t.Errorf("for a group that does not exist: %v", err)
	}
	if after := w.leaves(); after != before {
		t.Errorf("refused registrations left %d events", after-before)
	}

	// The options: user verification, no attestation, a handle that says nothing, existing ones excluded.
	enrolment := alice.enrol()
	options := string(begin(alice).Options)
	for _, want := range []string{`"userVerification":"required"`, `"residentKey":"preferred"`, `"attestation":"none"`, alice.passkey.Credential, `"id":"localhost"`} {
		if !strings.Contains(options, want) {
			t.Errorf("the options have no %s: %s", want, options)
		}
	}
	if strings.Contains(options, "user-alice") {
		t.Error("the user handle holds the subject")
	}
	if begun := begin(bob); true {
		stolen := register(t, alice.passkey, begun.Options)
		if _, err := bob.api.Enrol(ctx, api.Registration{Ceremony: begun.Ceremony, Credential: stolen, Groups: []string{}}); err == nil {
			t.Error("bob registered alice's passkey")
		}
	}
	// Others neither prove, authorise nor reject it.
	if _, err := bob.api.ProvePossession(ctx, enrolment.ID, alice.sign(enrolment.Statement)); codeOf(err) != "enrolment.not-found" {
		t.Errorf("possession by somebody else: %v", err)
	}
}

func TestEnrolment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ctx := t.Context()
	bob := w.portalSignIn("bob")
	enrolment := bob.enrol("sre-leads")

	// His own new passkey is no authority for a group.
	own := api.Assertion(bob.passkey.Sign(t, enrolment.Statement))
	if _, err := bob.api.Authorise(ctx, enrolment.ID, api.Authorisation{Passkey: &own}); !strings.HasPrefix(codeOf(err), "signer.") {
		t.Errorf("his own passkey: %v", err)
	}
	waiting, err := bob.api.Enrolments(ctx)
	must(t, err)
	if len(waiting.Items) != 1 || waiting.Items[0].State != "needs-authority" || slices.Contains(waiting.Items[0].May, "authorise") {
		t.Errorf("bob's enrolments are %+v", waiting.Items)
	}

	// The administrator sees it and signs exactly its text.
	dana := w.administrator()
	seen, err := dana.api.Enrolments(ctx)
	must(t, err)
	if len(seen.Items) != 1 || !slices.Contains(seen.Items[0].May, "sign") {
		t.Fatalf("dana sees %+v", seen.Items)
	}
	challenge := postJSON[api.SigningChallenge](t, dana, "/api/enrolments/"+enrolment.ID+"/challenge", nil, http.StatusOK)
	if challenge.Statement != enrolment.Statement || !slices.Equal(challenge.Credentials, []string{dana.passkey.Credential}) {
		t.Errorf("dana is to sign %+v", challenge)
	}
	assertion := api.Assertion(dana.passkey.Sign(t, challenge.Statement))
	pinned, err := dana.api.Authorise(ctx, enrolment.ID, api.Authorisation{Passkey: &assertion})
	must(t, err)
	if pinned.State != "pinned" || len(pinned.May) != 0 {
		t.Errorf("authorised it is %+v", pinned)
	}

	// Named, listed, removed: from then on it signs nothing.
	renamed := w.do(bob.browser, call{method: "PATCH", path: "/api/passkeys/" + bob.passkey.Credential, body: `{"name":"Bob's blue key"}`})
	if renamed.status != http.StatusOK || !strings.Contains(string(renamed.body), "Bob's blue key") {
		t.Errorf("renaming: %d %s", renamed.status, renamed.body)
	}
	if got := w.do(dana.browser, call{method: "PATCH", path: "/api/passkeys/" + bob.passkey.Credential, body: `{"name":"x"}`}); got.status != http.StatusNotFound {
		t.Errorf("renaming somebody else's: %d", got.status)
	}
	mine, err := bob.api.Passkeys(ctx)
	must(t, err)
	if len(mine.Items) != 1 || !mine.Items[0].Pinned || !slices.Equal(mine.Items[0].Groups, []string{"sre-leads"}) {
		t.Errorf("bob's passkeys are %+v", mine.Items)
	}
	must(t, bob.api.RemovePasskey(ctx, bob.passkey.Credential))
	if me, err := bob.api.Me(ctx); err != nil || me.Approver || len(me.RosterGroups) != 0 {
		t.Errorf("without a passkey bob is %+v, %v", me, err)
	}
	request, err := w.commandLine("alice").api.Ask(ctx, api.Ask{Role: "production-shell", Target: "web-1", Reason: "x"})
	must(t, err)
	if _, err := bob.api.Challenge(ctx, request.ID, api.ApprovalDraft{}); err == nil {
		t.Error("bob may still approve")
	}
	// The last administrator's last passkey stays.
	if err := dana.api.RemovePasskey(ctx, dana.passkey.Credential); !strings.HasPrefix(codeOf(err), "signer.") {
		t.Errorf("the last administrator's passkey: %v", err)
	}
}

// Approvals: what is signed is the text that was handed out, once, by the person
// it was handed to.
func TestApproval(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ctx := t.Context()
	dana := w.administrator()
	bob, carol := w.approver("bob", dana, "sre-leads"), w.approver("carol", dana, "security")
	alice := w.commandLine("alice")
	request, err := alice.api.Ask(ctx, api.Ask{Role: "production-shell", Target: "web-1", Reason: "the disk is full"})
	must(t, err)
	if request.State != "pending" || !strings.Contains(request.Decision.Summary, "Bob") || !slices.Equal(request.May, []string{"withdraw"}) {
		t.Errorf("asked: %s, %q, %v", request.State, request.Decision.Summary, request.May)
	}
	queue, err := bob.api.Requests(ctx, api.RequestsQuery{View: "to-approve"})
	must(t, err)
	if len(queue.Items) != 1 || !slices.Contains(queue.Items[0].May, "approve") || queue.Items[0].WaitsFor == "" {
		t.Errorf("bob's queue is %+v", queue.Items)
	}
	if _, err := carol.api.Challenge(ctx, request.ID, api.ApprovalDraft{}); err == nil {
		t.Error("carol, who is no lead, may sign")
	}
	challenge := func() string {
		c, err := bob.api.Challenge(ctx, request.ID, api.ApprovalDraft{})
		must(t, err)
		return c.Statement
	}
	first := challenge()
	if _, err := carol.api.Approve(ctx, request.ID, carol.sign(first)); err == nil {
		t.Error("carol approved with bob's text")
	}
	if _, err := bob.api.Approve(ctx, request.ID, bob.sign(strings.Replace(challenge(), "web-1", "demo ", 1))); codeOf(err) != "statement.unknown" {
		t.Errorf("another text: %v", err)
	}
	text := challenge()
	forged := bob.sign(text)
	forged.Assertion.Signature = carol.sign(text).Assertion.Signature
	if _, err := bob.api.Approve(ctx, request.ID, forged); codeOf(err) != "statement.assertion" {
		t.Errorf("another passkey's signature: %v", err)
	}
	if _, err := bob.api.Approve(ctx, request.ID, bob.sign(text)); codeOf(err) != "statement.unknown" {
		t.Errorf("a text after a failed attempt: %v", err)
	}
	text = challenge()
	approved, err := bob.api.Approve(ctx, request.ID, bob.sign(text))
	must(t, err)
	if approved.State != "approved" {
		t.Errorf("approved it is %s", approved.State)
	}
	if _, err := bob.api.Approve(ctx, request.ID, bob.sign(text)); err == nil {
		t.Error("bob approved twice")
	}
	if _, err := bob.api.Deny(ctx, request.ID, api.Taking{}); codeOf(err) != "request.not-pending" {
		t.Errorf("denying what is approved: %v", err)
	}
}
