package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stint/server/api"
)

// answering is a broker that answers by method and path, and keeps what it was sent.
func answering(t *testing.T, answers map[string]any) (url string, sent map[string]string) {
	t.Helper()
	sent = map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		sent[r.Method+" "+r.URL.Path] = string(text)
		answer, known := answers[r.Method+" "+r.URL.Path]
		w.Header().Set("Content-Type", "application/json")
		if !known {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			answer = api.Error{Status: http.StatusNotFound, Code: "not-found", Title: "There is nothing here."}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return server.URL, sent
}

func TestDelegations(t *testing.T) {
	id := func(begins string) string { return "sha256:" + begins + strings.Repeat("0", 64-len(begins)) }
	alice, bob, carol := api.Person{Subject: "alice", Name: "Alice"}, api.Person{Subject: "bob", Email: "bob@example.com"}, api.Person{Subject: "carol"}
	ends := time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC)
	past := ends.AddDate(-101, 0, 0)
	mine := []api.Delegation{
		{ID: id("aa12"), Delegator: alice, Delegate: bob, Groups: []string{"sre-leads", "security"}, Ends: ends, InForce: true, May: []string{"end"}},
		{ID: id("aa34"), Delegator: alice, Delegate: carol, Groups: []string{"security"}, Ends: ends, May: []string{"end"}},
		{ID: id("ab56"), Delegator: alice, Delegate: carol, Groups: []string{"security"}, Begins: ends.Add(-time.Hour), Ends: ends, May: []string{"end"}},
		{ID: id("bb12"), Delegator: alice, Delegate: bob, Groups: []string{"security"}, Ends: ends, Ended: &past, EndedBy: &carol},
	}
	taken := []api.Delegation{{ID: id("cc12"), Delegator: bob, Delegate: alice, Groups: []string{"dba-leads"}, Ends: past}}
	ending := "POST /api/delegations/" + id("aa12") + "/end"
	url, sent := answering(t, map[string]any{
		"GET /api/delegations": api.Delegations{Given: mine, Taken: taken, Groups: []string{"security"}},
		ending:                 mine[0],
	})
	signInto(t, url)
	for _, test := range []struct {
		arguments []string
		code      int
		says      []string
		not       string
	}{
		{[]string{"delegations"}, 0, []string{
			"ID", "aa1200000000  in force            bob@example.com  you  sre-leads security  2126-01-01", "aa3400000000  counts for nothing  carol            you",
			"ab5600000000  not begun",
		}, "cc12"},
		{[]string{"delegations", "--over"}, 0, []string{"bb1200000000  ended by carol  bob@example.com  you", "cc1200000000  over            you              bob@example.com  dba-leads"}, "aa12"},
		{[]string{"delegations", "-o", "json"}, 0, []string{`"id": "` + id("cc12") + `"`, `"groups": [`}, ""},
		{[]string{"delegations", "give"}, 0, []string{url + "/approvals/delegations\n"}, ""},
		{[]string{"delegations", "end", "aa"}, exitUsage, []string{"several delegations begin with"}, ""},
		{[]string{"delegations", "end", ""}, exitUsage, []string{"no delegation of yours begins with"}, ""},
		{[]string{"delegations", "end", "ff"}, exitUsage, []string{"see: stint delegations"}, ""},
		{[]string{"delegations", "end"}, exitUsage, []string{"name the delegation"}, ""},
		{[]string{"delegations", "end", id("ff")}, exitFailed, []string{"There is nothing here."}, ""},
		{[]string{"delegations", "end", "aa12", "--reason", "I am back"}, 0, []string{"bob@example.com approves no more on behalf of Alice."}, ""},
		{[]string{"delegations", "end", "sha256:aa12"}, 0, []string{"approves no more"}, ""},
	} {
		code, out, said := command(t, test.arguments...)
		for _, text := range test.says {
			if code != test.code || !strings.Contains(out+said, text) || test.not != "" && strings.Contains(out, test.not) {
				t.Errorf("%v ended with %d and does not say %q: %s%s", test.arguments, code, text, out, said)
			}
		}
		if test.code == 0 && strings.Contains(strings.Join(test.arguments, " "), "--reason") && !strings.Contains(sent[ending], "I am back") {
			t.Errorf("it was ended with %s", sent[ending])
		}
	}

	url, _ = answering(t, map[string]any{"GET /api/delegations": api.Delegations{}})
	signInto(t, url)
	if code, out, said := command(t, "delegations", "give"); code != exitFailed || !strings.Contains(said, "you have nothing to delegate") {
		t.Errorf("without a group it ended with %d: %s%s", code, out, said)
	}
	if code, out, said := command(t, "delegations"); code != 0 || !strings.Contains(out, "stint delegations give") {
		t.Errorf("without any it ended with %d: %s%s", code, out, said)
	}
}

func TestReviews(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	begun := now.Add(-time.Hour)
	due, was := begun.Add(24*time.Hour), begun.Add(time.Minute)
	summary := func(id string) api.RequestSummary {
		return api.RequestSummary{ID: id, Role: "production-shell", Requester: api.Person{Subject: "ada", Name: "Ada\x1b[2J"}}
	}
	url, _ := answering(t, map[string]any{"GET /api/reviews": api.Reviews{Items: []api.OpenReview{
		{Request: summary("req-1"), Begun: begun, Due: was, Locked: true, May: true},
		{Request: summary("req-2"), Begun: begun, Due: due},
	}}})
	signInto(t, url)
	code, out, said := commandAt(t, func() time.Time { return now }, "reviews")
	for _, text := range []string{
		"req-1    production-shell  Ada?[2J  " + clock(begun) + "  locked since " + clock(was), clock(due) + ", 23h left",
		"with your passkey:\n  " + url + "/requests/req-1\n",
	} {
		if code != 0 || !strings.Contains(out, text) {
			t.Errorf("it ended with %d and does not say %q: %s%s", code, text, out, said)
		}
	}
	if strings.Contains(out, "/requests/req-2") {
		t.Errorf("somebody else's to close is offered: %s", out)
	}
	var reviews api.Reviews
	if _, out, _ := command(t, "reviews", "-o", "json"); json.Unmarshal([]byte(out), &reviews) != nil || len(reviews.Items) != 2 || !reviews.Items[0].Locked {
		t.Errorf("as JSON it is %s", out)
	}

	url, _ = answering(t, map[string]any{"GET /api/reviews": api.Reviews{}})
	signInto(t, url)
	if code, out, said := command(t, "reviews"); code != 0 || out != "No emergency waits for a review.\n" {
		t.Errorf("without any it ended with %d: %s%s", code, out, said)
	}
}
