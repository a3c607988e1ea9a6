package storetest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/policies/analysis"
	"stint/server/access"
	"stint/server/evidence/evidencetest"
)

// refuse asks for what policy refuses.
func (h *House) refuse(t testing.TB, by policies.Person, alter func(*policies.Ask)) {
	t.Helper()
	ask := Ask()
	alter(&ask)
	_, err := h.Service.Ask(t.Context(), by, ask)
	wantCode(t, access.CodePolicyRefused, err)
}

// writesDown has the service run for as long as it takes to keep what was refused.
func (h *House) writesDown(t testing.TB) []access.Refusal {
	t.Helper()
	h.runs(t, h.Service)()
	return read(t, h.Store, func(r access.Reader) ([]access.Refusal, error) { return r.Refusals(0, access.MaxPage) })
}

func refusedAsks(t *testing.T, h *House) {
	alice, mallory, dana := h.World.Alice, evidencetest.Person("mallory", "contractors"), h.World.Dana.Person
	text := strings.Replace(evidencetest.Policy, "quorum: 1\n", "quorum: 1\nfacts: [{name: ticket-open, type: bool, description: The ticket is open.}]\n", 1)
	h.bothDecideByText(t, text+role("ticketed", "restrict:", "  - {name: closed, when: '!asserted.ticket_open', refuse: The ticket is not open.}", "approval: []"))
	closed := policies.Assertion{Name: "ticket-open", Value: "false"}
	h.Facts.Say(nil, closed)

	// What is wrong, previewed or imagined is no refusal.
	for name, alter := range map[string]func(*policies.Ask){
		"a role": func(a *policies.Ask) { a.Role = "root" }, "a duration": func(a *policies.Ask) { a.Duration = -1 },
		"a login": func(a *policies.Ask) { a.Login = "a\u202eb" }, "a start": func(a *policies.Ask) { a.Start = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -7200)) },
		"a start before all years": func(a *policies.Ask) { a.Start = time.Date(0, 1, 1, 0, 0, 0, 0, time.FixedZone("", 7200)) },
	} {
		ask := Ask()
		alter(&ask)
		if _, err := h.Service.Ask(t.Context(), alice, ask); !access.IsCode(err, access.CodeInvalid) {
			t.Errorf("%s that cannot be: %v", name, err)
		}
	}
	_, err := h.Preview(t.Context(), mallory, Ask())
	wantError(t, nil, err)
	same(t, "kept of what was not asked", 0, len(h.writesDown(t)))

	h.refuse(t, mallory, func(*policies.Ask) {})
	asked := h.Clock.Now()
	h.Clock.Move(time.Minute)
	v := h.Pending(t)
	h.Clock.Move(time.Minute)
	h.refuse(t, alice, func(a *policies.Ask) { a.Role, a.Target, a.Login = "ticketed", "staging-1", "" })
	kept := h.writesDown(t)
	if len(kept) != 2 {
		t.Fatalf("kept are %+v", kept)
	}
	first := kept[1]
	same(t, "the first", access.Refusal{
		Number: first.Number, Requester: mallory, Ask: Ask(), Asked: asked.UTC().Truncate(time.Second), Rule: "requester-group", Text: first.Text, Policy: h.Policy().Digest(),
	}, first)
	same(t, "the second's facts, rule and login", []any{[]policies.Assertion{closed}, "restrict:closed", "app"}, []any{kept[0].Asserted, kept[0].Rule, kept[0].Ask.Login})
	leaves := read(t, h.Store, func(r access.Reader) ([]access.AuditLeaf, error) { return r.AuditRun(first.Number, 1) })
	event, data := leaves[0].Event, struct {
		Ask    policies.Ask
		Rule   string
		Policy string
	}{}
	wantError(t, nil, json.Unmarshal(event.Data, &data))
	if event.Kind != access.EventRefused || event.Actor.Subject != "mallory" || data.Ask != Ask() || data.Rule != first.Rule || data.Policy != h.Policy().Digest() || !strings.HasSuffix(event.Text, "and was refused: "+first.Text) {
		t.Errorf("the event is %+v", event)
	}

	// History holds them among the requests, for those who may read all of these.
	_, _, err = h.Recorded(t.Context(), alice, 0, 10)
	wantCode(t, access.CodeForbidden, err)
	var names []string
	for before, pages := int64(0), 0; pages < 5; pages++ {
		page, next, err := h.Recorded(t.Context(), h.Dave(), before, 2)
		wantError(t, nil, err)
		for _, one := range page {
			names = append(names, one.Request)
		}
		if before = next; next == 0 {
			break
		}
	}
	same(t, "history", []string{kept[0].ID(), first.ID(), v.ID}, names)

	// Another policy that would let her ask says so, in front of all else.
	wider := strings.Replace(text, "requesters: [engineering]", "requesters: [engineering, contractors]", 1)
	check, err := h.CheckPolicy(t.Context(), dana, map[string]string{"policy.yaml": wider})
	wantError(t, nil, err)
	if check.Backtest == nil || check.Backtest.Requests != 3 || len(check.Backtest.Differences) == 0 {
		t.Fatalf("the backtest is %+v, %v", check.Backtest, check.Faults)
	}
	if d := check.Backtest.Differences[0]; d.Request != first.ID() || d.Change != analysis.ChangeOpen || !strings.Contains(d.Text, "It was refused, and would be waiting for approval.") {
		t.Errorf("in front is %+v", d)
	}
}

// refusedTooOften: whoever asks on and on is refused each time alike, and fills nothing.
func refusedTooOften(t *testing.T, h *House) {
	mallory := evidencetest.Person("mallory")
	for range 300 { // more than wait at once
		h.refuse(t, mallory, func(*policies.Ask) {})
	}
	h.refuse(t, evidencetest.Person("trent"), func(*policies.Ask) {}) // which finds no place any more
	count := func() int {
		h.writesDown(t)
		return read(t, h.Store, func(r access.Reader) (int, error) { return r.RefusalsOf(mallory.Subject, time.Time{}) })
	}
	same(t, "kept", access.MostRefusals, count())
	h.refuse(t, mallory, func(*policies.Ask) {})
	same(t, "kept on the same day", access.MostRefusals, count())
	h.Clock.Move(24 * time.Hour)
	h.refuse(t, mallory, func(*policies.Ask) {})
	same(t, "kept on the next", access.MostRefusals+1, count())
}

// overUntold: nobody is reminded of what is over, not even where both come in one second.
func overUntold(t *testing.T, h *House) {
	h.bothDecideBy(t, role("ordered", "pending: 2h", "approval: [{name: lead, groups: [sre-leads], count: 1, remind: 1h}]"))
	v := h.wants(t, "ordered")
	h.Clock.Move(2 * time.Hour)
	defer h.runs(t, h.Service)()
	h.awaits(t, v.ID, access.EventExpired, 1)
	same(t, "reminders", 0, counted(h.kinds(t, v.ID), access.EventReminded))
}
