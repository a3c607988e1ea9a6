package access

import (
	"errors"
	"strings"
	"testing"

	"stint/policies"
	"stint/server/evidence"
)

// What cannot be proven together is not gathered either: who sits where is dear to find
// among many.
func TestApprovalsAreBounded(t *testing.T) {
	t.Parallel()
	person := func(name string) policies.Person { return policies.Person{Subject: policies.Subject{Subject: name}} }
	p := panel{q: Request{Requester: person("alice")}, given: make([]Approval, evidence.MostApprovals)}
	var refused *Error
	if err := p.admits(person("bob")); !errors.As(err, &refused) || refused.Code != CodeNotCounted || !strings.Contains(refused.Message, "32") {
		t.Errorf("one approval more: %v", err)
	}
}
