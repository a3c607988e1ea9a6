package proof_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"stint/cmd/stint/internal/proof"
	"stint/cmd/stint/internal/proof/prooftest"
	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

const ruledDocuments = `---
kind: Role
name: rescue
description: Whatever it takes
requesters: [engineering]
targets: {labels: {env: production}}
logins: [app]
duration: {default: 30m, longest: 1h}
reason: optional
approval:
  - {name: lead, groups: [sre-leads], count: 1}
breakGlass: {requesters: [engineering], longest: 1h, review: {groups: [security], within: 24h}}
---
kind: Role
name: lazy
description: Begins when it is used
requesters: [engineering]
targets: {labels: {env: production}}
logins: [app]
duration: {default: 30m, longest: 1h}
start: {at: first-use, within: 8h}
reason: optional
approval: []
---
kind: Role
name: once
description: One session
requesters: [engineering]
targets: {labels: {env: production}}
logins: [app]
duration: {default: 30m, longest: 1h}
reason: optional
singleUse: true
session: {networks: [10.0.0.0/8]}
approval: []
---
kind: Role
name: trusting
description: Whoever is on call
requesters: [engineering]
targets: {labels: {env: production}}
logins: [app]
duration: {default: 30m, longest: 1h}
reason: optional
trust: [on-call]
allow:
  - {name: on-call, when: asserted.on_call, without: [lead]}
approval:
  - {name: lead, groups: [sre-leads], count: 1}
`

// ruled is a world of more rules, in which Alice has an attested passkey.
type ruled struct {
	*prooftest.World
	t     *testing.T
	alice *evidencetest.Member
}

func newRuled(t *testing.T, role string) *ruled {
	maker := evidencetest.NewMaker(t)
	w := &ruled{t: t, World: prooftest.NewRuled(t, maker.YAML("nobody")+"facts:\n  - {name: on-call, type: bool, description: Says the rota}\n", ruledDocuments)}
	w.alice = &evidencetest.Member{Person: w.Alice, Passkey: evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)}
	now := w.Now
	w.Now = now.Add(-time.Hour)
	w.Attest(w.alice, maker)
	w.Now = now
	w.Request.Ask.Role = role
	if role != "production-shell" {
		w.Approvers = nil
	}
	return w
}

// rescue is a world in which Alice may act alone, and confirms that.
func rescue(t *testing.T) *ruled {
	w := newRuled(t, "rescue")
	w.Request.Ask.BreakGlass, w.Request.Ask.Ticket = true, "OPS-12"
	w.Alter = func(b *evidence.Bundle) {
		confirmation := w.Confirmed(t)
		confirmation.Issued = w.Request.Issued.Add(time.Minute)
		signed := evidencetest.Signed(t, confirmation, w.alice.Passkey)
		b.Confirmation = &signed
	}
	return w
}

// delegated is a world in which Erin approves on Bob's behalf, whose delegation began
// an hour ago.
func delegated(t *testing.T) (w *ruled, digest string) {
	w = newRuled(t, "production-shell")
	now := w.Now
	w.Now = now.Add(-time.Hour)
	digest = w.Delegate(w.Bob, w.Erin, "sre-leads")
	w.Now, w.Approvers = now, []*evidencetest.Member{w.Carol}
	w.Alter = func(b *evidence.Bundle) { b.Approvals = append(b.Approvals, w.ApprovedFor(w.Erin, w.Bob)) }
	return w, digest
}

// again gives Alice one more session.
func (w *ruled) again() {
	w.World.World.Session = evidencetest.NewKey(w.t)
	w.Issue()
}

func TestActingAloneIsProven(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		world func(t *testing.T) *ruled
		says  []string
	}{
		"on another's behalf": {func(t *testing.T) *ruled {
			w, digest := delegated(t)
			w.Issue()
			w.Enter()
			w.Now = w.Now.Add(time.Minute)
			w.Add(evidence.Entry{DelegationEnd: &evidence.DelegationEndEntry{Digest: digest, By: w.Bob.Person.Subject}})
			w.End()
			return w
		}, []string{
			`Erin (erin @ http://localhost:5556/dex) agreed on behalf of Bob (bob @ http://localhost:5556/dex) with a passkey`,
			`Erin (erin @ http://localhost:5556/dex) may approve on behalf of Bob (bob @ http://localhost:5556/dex), as of sre-leads, from 2026-03-04T04:09:00Z to 2026-03-05T04:10:00Z. By: Bob`,
			`ended early. By: Bob (bob @ http://localhost:5556/dex), as the broker said`,
		}},
		"an emergency": {func(t *testing.T) *ruled {
			w := rescue(t)
			w.Issue()
			w.again()
			w.Enter()
			w.Now = w.Now.Add(time.Hour)
			w.Add(w.ReviewEntry(w.Carol))
			return w
		}, []string{
			`The ticket was: OPS-12`,
			`It was an emergency: Alice acted alone, and nobody was asked.`,
			`Alice confirmed that with a passkey of their own of a known make, on 2026-03-04T05:01:00Z.`,
			`Carol (carol @ http://localhost:5556/dex) reviewed it with a passkey, "Laptop", on 2026-03-04T06:10:00Z`, `and found: as they said`,
		}},
		"an emergency that was ended": {func(t *testing.T) *ruled {
			w := rescue(t)
			w.Issue()
			w.Now = w.Now.Add(time.Minute)
			review := w.ReviewEntry(w.Carol) // the signer has not heard of the end
			w.Now = w.Now.Add(policies.Skew)
			w.End()
			w.Add(review)
			return w
		}, []string{`and found: as they said`}},
		"from its first use on": {func(t *testing.T) *ruled {
			w := newRuled(t, "lazy")
			w.Issue()
			w.Now = w.Now.Add(30 * time.Minute)
			w.again()
			return w
		}, []string{`Certificate 13 for app@web-1 was issued on 2026-03-04T05:10:00Z, good until 2026-03-04T06:10:00Z`,
			`Certificate 14 for app@web-1 was issued on 2026-03-04T05:40:00Z, good until 2026-03-04T06:10:00Z`}},
		"one session": {func(t *testing.T) *ruled {
			w := newRuled(t, "once")
			w.Issue()
			w.Enter()
			return w
		}, []string{`the proxy proxy-1 was let in`}},
		"the broker's word": {func(t *testing.T) *ruled {
			w := newRuled(t, "trusting")
			w.Asserted = []policies.Assertion{{Name: "on-call", Value: "true"}}
			w.Issue()
			return w
		}, []string{`The broker said, and nobody can check, that on-call is: true`, `That what the broker said of the world`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := c.world(t)
			found, err := proof.Verify(w.Export(true), w.Anchor)
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(found.Report().Words(), "\n")
			for _, want := range c.says {
				if !strings.Contains(said, want) {
					t.Errorf("it does not say: %s\n%s", want, said)
				}
			}
			// Without the history the entries stand for themselves.
			if found, err = proof.Verify(w.Export(false), w.Anchor); err != nil || found.Whole {
				t.Errorf("without the history: %v", err)
			}
		})
	}
}

// TestASignerThatLetsSomebodyActAloneIsFoundOut: the auditor refuses what no honest signer
// would have written.
func TestASignerThatLetsSomebodyActAloneIsFoundOut(t *testing.T) {
	t.Parallel()
	// forge has the signer write a session otherwise than it verified it.
	forge := func(w *ruled, alter func(*evidence.SessionEntry)) { w.Force(w.World.Session(alter)) }
	for name, c := range map[string]struct {
		check string
		world func(t *testing.T) *ruled
	}{
		"by a delegation that is not in the ledger": {"approval-for-delegation", func(t *testing.T) *ruled {
			w, _ := delegated(t)
			forge(w, func(e *evidence.SessionEntry) {
				w.Delegate(w.Carol, w.Erin, "security")
				w.Alter(&e.Bundle)
				e.Bundle.Approvals[len(e.Bundle.Approvals)-1] = w.ApprovedFor(w.Erin, w.Dana)
			})
			return w
		}},
		"by a delegation that was ended": {"approval-for-delegation", func(t *testing.T) *ruled {
			w, digest := delegated(t)
			forge(w, func(*evidence.SessionEntry) {
				w.Add(evidence.Entry{DelegationEnd: &evidence.DelegationEndEntry{Digest: digest}})
			})
			return w
		}},
		"without a confirmation": {"policy", func(t *testing.T) *ruled {
			w := rescue(t)
			forge(w, func(e *evidence.SessionEntry) { e.Bundle.Confirmation = nil })
			return w
		}},
		"as if it were no emergency": {"session", func(t *testing.T) *ruled {
			w := rescue(t)
			forge(w, func(e *evidence.SessionEntry) { e.BreakGlass = false })
			return w
		}},
		"while the role is locked": {"policy", func(t *testing.T) *ruled {
			w := rescue(t)
			forge(w, func(e *evidence.SessionEntry) {
				e.Circumstances.History.Reviews = []policies.OpenReview{{Request: "r0", Begun: w.Now.Add(-25 * time.Hour)}}
			})
			return w
		}},
		"reviewed by whoever acted alone": {"review-self", func(t *testing.T) *ruled {
			w := rescue(t)
			w.Issue()
			w.Now = w.Now.Add(time.Hour)
			w.Force(w.ReviewEntry(w.alice))
			return w
		}},
		"reviewed by somebody who may not": {"review-groups", func(t *testing.T) *ruled {
			w := rescue(t)
			w.Issue()
			w.Now = w.Now.Add(time.Hour)
			w.Force(w.ReviewEntry(w.Bob))
			return w
		}},
		"reviewed while it went on": {"review-issued", func(t *testing.T) *ruled {
			w := rescue(t)
			w.Issue()
			w.Now = w.Now.Add(time.Minute)
			early := w.ReviewEntry(w.Carol)
			w.Now = w.Now.Add(time.Hour)
			w.Force(early)
			return w
		}},
		"reviewed before it was ended": {"review-issued", func(t *testing.T) *ruled {
			w := rescue(t)
			w.Issue()
			w.Now = w.Now.Add(time.Minute)
			early := w.ReviewEntry(w.Carol)
			w.Now = w.Now.Add(time.Minute)
			w.End()
			w.Force(early)
			return w
		}},
		"reviewed though nobody acted alone": {"review", func(t *testing.T) *ruled {
			w := newRuled(t, "lazy")
			w.Issue()
			w.Force(w.ReviewEntry(w.Carol))
			return w
		}},
		"used for the first time twice": {"used", func(t *testing.T) *ruled {
			w := newRuled(t, "lazy")
			w.Issue()
			w.Now = w.Now.Add(time.Minute)
			forge(w, func(e *evidence.SessionEntry) { e.Circumstances.Used = time.Time{} })
			return w
		}},
		"used before the first time": {"used", func(t *testing.T) *ruled {
			w := newRuled(t, "lazy")
			forge(w, func(e *evidence.SessionEntry) { e.Circumstances.Used = w.Now.Add(-time.Minute) })
			return w
		}},
		"used again after its end": {"over", func(t *testing.T) *ruled {
			w := newRuled(t, "production-shell")
			w.Approvers = []*evidencetest.Member{w.Bob, w.Carol}
			w.Alter = func(b *evidence.Bundle) {
				for i, approver := range w.Approvers {
					shorter := w.Approval(t, approver)
					shorter.Ask.Duration = 10 * time.Minute
					b.Approvals[i] = evidencetest.Signed(t, shorter, approver.Passkey)
				}
			}
			w.Issue()
			w.Alter = nil
			w.Now = w.Now.Add(6 * time.Minute)
			w.again()
			return w
		}},
		"a second session": {"single-use", func(t *testing.T) *ruled {
			w := newRuled(t, "once")
			w.Issue()
			w.Enter()
			w.Enter()
			return w
		}},
		"from everywhere": {"session", func(t *testing.T) *ruled {
			w := newRuled(t, "once")
			forge(w, func(e *evidence.SessionEntry) { e.Networks = nil })
			return w
		}},
		"with a fact that nobody reads": {"asserted", func(t *testing.T) *ruled {
			w := newRuled(t, "lazy")
			forge(w, func(e *evidence.SessionEntry) {
				e.Circumstances.Asserted = []policies.Assertion{{Name: "on-call", Value: "true"}}
			})
			return w
		}},
		"with the fact left out": {"policy", func(t *testing.T) *ruled {
			w := newRuled(t, "trusting")
			w.Asserted = []policies.Assertion{{Name: "on-call", Value: "true"}}
			forge(w, func(e *evidence.SessionEntry) { e.Circumstances.Asserted = nil })
			return w
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := c.world(t)
			_, err := proof.Verify(w.Export(true), w.Anchor)
			if failure, ok := errors.AsType[*evidence.Failure](err); !ok || failure.Check != c.check {
				t.Errorf("got %v, want a refusal by %q", err, c.check)
			}
		})
	}
}
