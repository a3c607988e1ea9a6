package signer

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
	"stint/server/signer/wire"
)

const ruledText = rolesText + `---
kind: Role
name: rescue
description: Whatever it takes
requesters: [engineering]
targets: {labels: {env: prod}}
logins: [postgres]
duration: {default: 30m, longest: 4h}
reason: required
approval:
  - {name: lead, groups: [leads], count: 1}
breakGlass: {requesters: [engineering], longest: 30m, review: {groups: [watchers], within: 24h}}
---
kind: Role
name: lazy
description: Begins when it is used
requesters: [engineering]
targets: {labels: {env: prod}}
logins: [postgres]
duration: {default: 1h, longest: 4h}
start: {at: first-use, within: 8h}
reason: optional
approval:
  - {name: lead, groups: [leads], count: 1}
---
kind: Role
name: planned
description: Begins when it was set to
requesters: [engineering]
targets: {labels: {env: prod}}
logins: [postgres]
duration: {default: 1h, longest: 4h}
start: {ahead: 72h}
reason: optional
approval:
  - {name: lead, groups: [leads], count: 1}
---
kind: Role
name: once
description: One session, from inside
requesters: [engineering]
targets: {labels: {env: prod}}
logins: [postgres]
duration: {default: 1h, longest: 4h}
reason: optional
singleUse: true
session: {idle: 5m, channels: [shell], networks: [10.0.0.0/8, "2001:db8::/32"]}
approval:
  - {name: lead, groups: [leads], count: 1}
---
kind: Role
name: keys
description: Keys
requesters: [engineering]
targets: {labels: {env: prod}}
logins: [postgres]
duration: {default: 1h, longest: 4h}
reason: optional
approval: []
---
kind: Role
name: data
description: What the keys protect
requesters: [engineering]
targets: {labels: {env: prod}}
logins: [postgres]
duration: {default: 1h, longest: 4h}
reason: optional
approval: []
---
kind: Role
name: guarded
description: Not when the ticket is closed
requesters: [engineering]
targets: {labels: {env: prod}}
logins: [postgres]
duration: {default: 1h, longest: 4h}
reason: optional
trust: [on-call]
allow:
  - {name: on-call, when: asserted.on_call, without: [lead]}
restrict:
  - {name: closed, when: "!asserted.ticket_open", refuse: The ticket is closed.}
approval:
  - {name: lead, groups: [leads], count: 1}
---
kind: Separation
name: keys-or-data
description: Whoever had the keys does not see the data
forbid: history
roles: [data, keys]
days: 30
`

// ruled is a world whose policy has more rules. Dave, an engineer, and Walter, a watcher,
// have passkeys; so has Alice, hers attested.
type ruled struct {
	*world
	dave, walter *person
	maker        *evidencetest.Maker
}

func newRuled(t testing.TB, organization ...string) *ruled {
	r := &ruled{world: newWorld(t), dave: newPerson(t, "dave", "Dave Dunn", "engineering"), walter: newPerson(t, "walter", "Walter Webb"), maker: evidencetest.NewMaker(t)}
	files := defaultPolicy(t)
	files["roles.yaml"] = ruledText
	files["organization.yaml"] += r.maker.YAML("nobody") + strings.Join(organization, "") +
		"facts:\n  - {name: on-call, type: bool, description: Says the rota}\n  - {name: ticket-open, type: bool, description: Says the tracker}\n"
	r.setPolicy(files)
	r.open()
	t.Cleanup(r.shut)
	r.staff()
	r.enrolBy(r.carol, r.dave)
	r.enrolBy(r.carol, r.walter, "watchers")
	r.attest(r.alice)
	return r
}

// attest pins p's passkey as one of a make that the policy lists.
func (r *ruled) attest(p *person) {
	r.t.Helper()
	enrolment, err := evidence.DecodeAs[*evidence.Enrolment](r.enrolment(p))
	must(r.t, err)
	enrolment.AAGUID = r.maker.AAGUID
	statement := r.encode(enrolment)
	_, err = r.signer.pin(context.Background(), wire.EnrolRequest{Evidence: evidence.EnrolmentEvidence{
		Statement: statement, Possession: p.sign(r.t, statement), Administrators: r.signed(statement, r.carol), Attestation: r.maker.Attest(r.t, p.passkey),
	}})
	must(r.t, err)
}

// wants is a request of Alice's for a role.
func (r *ruled) wants(id, role string, change ...func(*evidence.Request)) string {
	return r.ask(r.alice, id, append([]func(*evidence.Request){func(q *evidence.Request) { q.Ask.Role = role }}, change...)...)
}

// unapproved is a bundle that nobody has approved.
func (r *ruled) unapproved(request string, p *person) evidence.Bundle {
	return evidence.Bundle{
		Version: 1, Request: request, Approvals: []evidence.SignedByPasskey{}, Login: r.login(p), Activation: r.activate(request, p, newKey(r.t)),
	}
}

// confirm has p confirm a bundle's request.
func (r *ruled) confirmed(b evidence.Bundle, p *person) evidence.Bundle {
	confirmation, err := evidence.ConfirmationOf(b.Request, r.clock.Now().Truncate(time.Second), nonce())
	must(r.t, err)
	text := r.encode(confirmation)
	b.Confirmation = &evidence.SignedByPasskey{Statement: text, Assertion: p.sign(r.t, text)}
	return b
}

// delegation has one person delegate groups to another for a while.
func (w *world) delegation(from, to *person, lasts time.Duration, groups ...string) evidence.SignedByPasskey {
	now := w.clock.Now().Truncate(time.Second)
	slices.Sort(groups)
	text := w.encode(&evidence.Delegation{
		Instance: instance, Delegator: w.subject(from), DelegatorName: from.name, Delegate: w.subject(to), DelegateName: to.name, Groups: groups,
		Issued: now, Begins: now, Ends: now.Add(lasts), Nonce: nonce(),
	})
	return evidence.SignedByPasskey{Statement: text, Assertion: from.sign(w.t, text)}
}

func (w *world) delegate(signed evidence.SignedByPasskey) error {
	_, err := w.signer.delegate(context.Background(), wire.DelegateRequest{Evidence: signed})
	return err
}

// approveFor is an approval on behalf of somebody.
func (r *ruled) approveFor(request string, by, behalf *person, duration time.Duration) evidence.SignedByPasskey {
	on := r.person(behalf)
	approval, err := evidence.ApprovalOf(request, r.person(by), &on, duration, r.clock.Now().Truncate(time.Second), nonce())
	must(r.t, err)
	text := r.encode(approval)
	return evidence.SignedByPasskey{Statement: text, Assertion: by.sign(r.t, text)}
}

func (r *ruled) review(request string, by *person) error {
	review, err := evidence.ReviewOf(request, r.person(by), "As they said.", r.clock.Now().Truncate(time.Second), nonce())
	must(r.t, err)
	return r.sendReview(r.encode(review), by)
}

func (r *ruled) sendReview(text string, by *person) error {
	_, err := r.signer.review(context.Background(), wire.ReviewRequest{Evidence: evidence.SignedByPasskey{Statement: text, Assertion: by.sign(r.t, text)}})
	return err
}

// reviewed is the text of the review that the signer has, whatever somebody says now.
func (r *ruled) reviewed(request string, by *person) string {
	r.t.Helper()
	review, err := evidence.ReviewOf(request, r.person(by), "Another word.", r.clock.Now().Truncate(time.Second), nonce())
	must(r.t, err)
	text := r.encode(review)
	done, err := r.signer.review(context.Background(), wire.ReviewRequest{Evidence: evidence.SignedByPasskey{Statement: text, Assertion: by.sign(r.t, text)}})
	must(r.t, err)
	return r.prove(done.Proof).Review.Evidence.Statement
}

// asserting asks for a certificate with the broker's word.
func (r *ruled) asserting(b evidence.Bundle, facts ...policies.Assertion) (wire.SessionCertificate, error) {
	return r.signer.signSession(context.Background(), wire.SessionRequest{Bundle: b, Asserted: facts})
}

// noted is what the ledger has of a certificate.
func (r *ruled) noted(c wire.SessionCertificate) *evidence.SessionEntry {
	r.t.Helper()
	return r.prove(c.Proof).Session
}

// enforceBy brings a policy in force that one administrator signed.
func (r *ruled) enforceBy(by *person, name, text string) {
	r.t.Helper()
	must(r.t, failure(r.signer.changePolicy(context.Background(), wire.PolicyRequest{Evidence: r.proposed(r.policyWith(name, text), nil, by)})))
}

// let moves the clock on. The ID tokens of later bundles are as fresh as ever.
func (r *ruled) let(d time.Duration) { r.clock.add(d) }
