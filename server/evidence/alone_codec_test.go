package evidence_test

import (
	"strings"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// aloneVectors are those of the statements by which somebody acts alone, later, or on
// another's behalf.
func aloneVectors() map[string]evidence.Statement {
	issued := vectorTime
	alice := policies.Subject{Issuer: "https://id.example.com", Subject: "CgVhbGljZRIFbG9jYWw"}
	bob := policies.Subject{Issuer: "https://id.example.com", Subject: "auth0|bob@example.com"}
	zeros, request := "sha256:"+strings.Repeat("0", 64), "sha256:"+strings.Repeat("ab", 32)
	emergency := policies.Ask{
		Role: "production-shell", Target: "web-1", Login: "app", Duration: 30 * time.Minute, Reason: "the site is down", Ticket: `OPS-12 "down"`, BreakGlass: true,
	}
	later := policies.Ask{Role: "production-shell", Target: "web-1", Login: "app", Duration: time.Hour, Start: issued.Add(72 * time.Hour)}
	return map[string]evidence.Statement{
		"request-emergency": &evidence.Request{
			Instance: "k3f9x2mq", Request: "req-7h2kq9wz4t", Revision: 1, Requester: alice, RequesterName: "Alice Ahrens", Ask: emergency,
			Policy: zeros, Issued: issued, Expires: issued.Add(24 * time.Hour), Nonce: strings.Repeat("a0", 16),
		},
		"request-later": &evidence.Request{
			Instance: "k3f9x2mq", Request: "req-7h2kq9wz4t", Revision: 2, Requester: alice, RequesterName: "Alice Ahrens", Ask: later,
			Policy: zeros, Issued: issued, Expires: issued.Add(24 * time.Hour), Nonce: strings.Repeat("a1", 16),
		},
		"approval-for": &evidence.Approval{
			Instance: "k3f9x2mq", Request: "req-7h2kq9wz4t", Revision: 2, RequestDigest: request, Requester: alice, RequesterName: "Alice Ahrens",
			Ask: later, Approver: bob, ApproverName: "Bob Baker", For: policies.Subject{Issuer: "https://id.example.com", Subject: "carol"}, ForName: "Carol Clark",
			Policy: zeros, Issued: issued.Add(time.Minute), Nonce: strings.Repeat("a2", 16),
		},
		"confirmation": &evidence.Confirmation{
			Instance: "k3f9x2mq", Request: "req-7h2kq9wz4t", Revision: 1, RequestDigest: request, Requester: alice, RequesterName: "Alice Ahrens",
			Ask: emergency, Issued: issued.Add(time.Minute), Nonce: strings.Repeat("a3", 16),
		},
		"delegation": &evidence.Delegation{
			Instance: "k3f9x2mq", Delegator: bob, DelegatorName: "Bob Baker", Delegate: alice, DelegateName: "Alice Ahrens", Groups: []string{"security", "sre-leads"},
			Issued: issued, Begins: issued.Add(24 * time.Hour), Ends: issued.Add(15 * 24 * time.Hour), Nonce: strings.Repeat("a4", 16),
		},
		"review": &evidence.Review{
			Instance: "k3f9x2mq", Request: "req-7h2kq9wz4t", RequestDigest: request, Role: "production-shell", Requester: alice, RequesterName: "Alice Ahrens",
			Reviewer: bob, ReviewerName: "Bob Baker", Finding: "restarted nginx, as they said", Issued: issued.Add(2 * time.Hour), Nonce: strings.Repeat("a5", 16),
		},
		"presence": &evidence.Presence{
			Instance: "k3f9x2mq", Session: "3769c3445bcb1053e62cc7c37e49ab89", Request: "req-7h2kq9wz4t", RequestDigest: request, Role: "production-shell",
			Login: "deploy", Target: "web-1", Person: alice, PersonName: "Alice Ahrens", Issued: issued.Add(time.Hour), Nonce: strings.Repeat("a6", 16),
		},
	}
}
