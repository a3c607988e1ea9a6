package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/proof/prooftest"
	"stint/server/api"
)

// auditBroker serves a log as a broker would, a few leaves a page.
func auditBroker(t *testing.T, log *prooftest.Log, alter func(*api.AuditLog)) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		page := api.AuditLog{From: int64(from), Leaves: []api.AuditLeaf{}, Checkpoint: log.Checkpoint(), Key: log.Verifier}
		for i := from; i < int(log.Size()) && i < from+3; i++ {
			page.Leaves = append(page.Leaves, api.AuditLeaf{Data: log.Leaves[i], Hash: log.Hash(int64(i)).String()})
		}
		alter(&page)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(page)
	}))
	t.Cleanup(server.Close)
	return server
}

// signInto makes the sign-in of a test point at a broker.
func signInto(t *testing.T, url string) {
	t.Helper()
	t.Setenv("STINT_HOME", t.TempDir())
	if err := (&account.Account{URL: url, Token: "t", Expires: time.Now().Add(time.Hour), Key: make([]byte, 32)}).Save(); err != nil {
		t.Fatal(err)
	}
}

func TestAuditVerifyNamesTheFirstBreak(t *testing.T) {
	log := prooftest.NewLog(t, "test-audit")
	for i := range 10 {
		log.Append(fmt.Sprintf(`{"event":%d}`, i))
	}
	tests := []struct {
		name  string
		alter func(*api.AuditLog)
		code  int
		says  string
	}{
		{"whole", func(*api.AuditLog) {}, 0, "10 entries"},
		{"altered", func(p *api.AuditLog) {
			if p.From == 6 {
				p.Leaves[1].Data = `{"event":70}`
			}
		}, exitUnproven, "entry 7"},
		{"dropped from the end", func(p *api.AuditLog) {
			if p.From == 9 {
				p.Leaves = nil
			}
		}, exitUnproven, "9"},
		{"swapped", func(p *api.AuditLog) {
			if p.From == 3 {
				p.Leaves[0], p.Leaves[1] = p.Leaves[1], p.Leaves[0]
			}
		}, exitUnproven, "moved"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			signInto(t, auditBroker(t, log, test.alter).URL)
			code, out, errOut := command(t, "audit", "verify")
			if code != test.code || !strings.Contains(out+errOut, test.says) {
				t.Fatalf("exit %d, want %d\n%s%s", code, test.code, out, errOut)
			}
		})
	}
}

// A broker that rewrites or cuts its log after it was verified is found out.
func TestAuditVerifyRemembers(t *testing.T) {
	log := prooftest.NewLog(t, "test-audit")
	for i := range 8 {
		log.Append(fmt.Sprintf(`{"event":%d}`, i))
	}
	server := auditBroker(t, log, func(*api.AuditLog) {})
	signInto(t, server.URL)
	verify := func(want int, says string) {
		t.Helper()
		if code, out, errOut := command(t, "audit", "verify"); code != want || !strings.Contains(out+errOut, says) {
			t.Fatalf("exit %d, want %d: %s%s", code, want, out, errOut)
		}
	}
	verify(0, "8 entries")
	log.Append(`{"event":8}`)
	verify(0, "9 entries")

	// 1. Cut, and signed anew.
	log.Cut(5)
	verify(exitUnproven, "dropped")

	// 2. Rewritten at the same length, and signed anew.
	for i := 5; i < 12; i++ {
		log.Append(`{"event":"forged"}`)
	}
	verify(exitUnproven, "")

	// 3. Signed by another key.
	*log = *prooftest.NewLog(t, "test-audit")
	log.Append(`{}`)
	verify(exitUnproven, "another key")
}
