package signer

import (
	"context"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// leapAtDecision moves the clock on by d between a verification and the decision on
// it: at the third look at the clock from now on.
func (w *world) leapAtDecision(d time.Duration) {
	w.clock.mu.Lock()
	defer w.clock.mu.Unlock()
	looks := 0
	w.clock.hook = func() {
		if looks++; looks == 3 {
			w.clock.now, w.clock.hook = w.clock.now.Add(d), nil
		}
	}
}

// TestNothingExpiresOnItsWayIntoTheLedger: an auditor checks an entry at the entry's
// own time. A broker that sends a statement at its last moment must not get an entry
// into the ledger that every auditor refuses from then on.
func TestNothingExpiresOnItsWayIntoTheLedger(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	demote := w.standing(evidence.ChangeGroups, w.bob, nil)
	enrolment := w.enrolledBy(w.carol, w.mallory)
	policy := w.proposed(w.policyWith("roles.yaml", rolesText+"# more\n"), nil, w.carol)
	for name, c := range map[string]struct {
		send func() error
		code string
	}{
		"a change": {func() error { _, err := w.change(demote, w.carol); return err }, "evidence.change-expires"},
		"an enrolment": {func() error {
			_, err := w.signer.pin(context.Background(), wire.EnrolRequest{Evidence: enrolment})
			return err
		}, "evidence.enrolment-expires"},
		"a policy": {func() error {
			_, err := w.signer.changePolicy(context.Background(), wire.PolicyRequest{Evidence: policy})
			return err
		}, "evidence.policy-expires"},
	} {
		before, began := w.entries(), w.clock.Now()
		w.leapAtDecision(time.Hour)
		err := c.send()
		if err == nil {
			t.Fatalf("%s that was over is in the ledger", name)
		}
		refused(t, err, c.code)
		if w.entries() != before {
			t.Errorf("%s that was over made an entry", name)
		}
		w.clock.mu.Lock()
		w.clock.now = began
		w.clock.mu.Unlock()
	}
	w.audit()
}

// audit replays the ledger as an auditor does: every entry is checked by what was
// believed in front of it.
func (w *world) audit() {
	w.t.Helper()
	beliefs := newState(w.config).beliefs
	for index := range w.entries() {
		leaf, err := w.signer.book.journal.Read(index)
		must(w.t, err)
		entry, err := decodeEntry(leaf)
		must(w.t, err)
		if err := beliefs.Check(entry); err != nil {
			w.t.Errorf("an auditor refuses entry %d: %v", index, err)
		}
		beliefs, err = beliefs.Apply(index, entry)
		must(w.t, err)
	}
}
