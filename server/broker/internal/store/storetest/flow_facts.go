package storetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence/evidencetest"
)

// Facts is a source of facts that says what it was told to.
type Facts struct {
	mu    sync.Mutex
	facts []policies.Assertion
	err   error
	asked []access.FactQuery
}

// Say sets the answer.
func (f *Facts) Say(err error, facts ...policies.Assertion) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.facts, f.err = facts, err
}

// Facts answers.
func (f *Facts) Facts(_ context.Context, q access.FactQuery) ([]policies.Assertion, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, q)
	return f.facts, f.err
}

func assertedFacts(t *testing.T, h *House) {
	text := strings.Replace(evidencetest.Policy, "quorum: 1\n", "quorum: 1\nfacts:\n  - {name: ticket-open, type: bool, description: The ticket is open.}\n  - {name: risk, type: number, description: How risky.}\n", 1)
	h.bothDecideByText(t, text+role("ticketed", "restrict:", "  - {name: closed, when: '!asserted.ticket_open', refuse: The ticket is not open.}", "approval: []"))
	ask := policies.Ask{Role: "ticketed", Target: "staging-1", Ticket: "OPS-7"}
	refused := func(what string) {
		t.Helper()
		if _, err := h.Service.Ask(t.Context(), h.World.Alice, ask); !access.IsCode(err, access.CodePolicyRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	open, closed := policies.Assertion{Name: "ticket-open", Value: "true"}, policies.Assertion{Name: "ticket-open", Value: "false"}
	refused("nothing is told")
	h.Facts.Say(errors.New("away"), open)
	refused("the source is away")
	same(t, "trouble", true, h.FactTrouble() != "")
	h.Facts.Say(nil, policies.Assertion{Name: "ticket-open", Value: "yes"})
	refused("a value of another type")
	h.Facts.Say(nil, closed)
	refused("it is closed")
	h.Facts.Say(nil, open, policies.Assertion{Name: "risk", Value: "7"}) // which no rule reads
	v, err := h.Service.Ask(t.Context(), h.World.Alice, ask)
	wantError(t, nil, err)
	same(t, "stored", []policies.Assertion{open}, h.stored(t, v.ID).Asserted)
	same(t, "asked about, with the role's defaults", v.Revision.Ask, h.Facts.asked[len(h.Facts.asked)-1].Ask)
	// Asked anew at the activation and at a session's start; the signer is told.
	certificate := h.used(t, v)
	h.Facts.Say(nil, closed)
	_, err = h.uses(t, v)
	wantCode(t, access.CodePolicyRefused, err)
	_, err = h.StartSession(t.Context(), Start(v, certificate, "session-000000000001"))
	wantCode(t, access.CodePolicyRefused, err)
	h.Facts.Say(nil, open)
	_, err = h.StartSession(t.Context(), Start(v, certificate, "session-000000000001"))
	wantError(t, nil, err)
}
