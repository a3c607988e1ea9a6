package access

import (
	"slices"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// What the ledger holds beside approvals takes none of these away.
func TestApproversAreReadOneByOne(t *testing.T) {
	t.Parallel()
	subject := func(name string) policies.Subject {
		return policies.Subject{Issuer: "https://idp.example.com", Subject: name}
	}
	request := evidence.Digest("a request")
	text, err := evidence.Encode(&evidence.Approval{
		Instance: "example", Request: "req-0000000001", Revision: 1, RequestDigest: request,
		Requester: subject("alice"), RequesterName: "Alice", Ask: policies.Ask{Role: "db-read", Login: "postgres", Target: "db1", Duration: time.Hour},
		Approver: subject("bob"), ApproverName: "Bob", For: subject("carol"), ForName: "Carol",
		Policy: request, Issued: time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC), Nonce: evidence.NewNonce([16]byte{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	who := approversIn(evidence.Bundle{Approvals: []evidence.SignedByPasskey{{Statement: "no statement"}, {Statement: text}}})
	if want := []policies.Subject{subject("bob"), subject("carol")}; !slices.Equal(who, want) {
		t.Errorf("they are %v, want %v", who, want)
	}
}
