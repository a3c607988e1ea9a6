package policies

import (
	"testing"
	"time"
)

// A chain of identities is one person's, whichever end of it asks or approves.
func TestIdentitiesAreLinkedThroughOthers(t *testing.T) {
	t.Parallel()
	b := testBundle(t)
	link := func(aliasOf, addressOf Person) Person {
		other := person("other-" + aliasOf.Subject.Subject + "-" + addressOf.Subject.Subject)
		b.organization.Aliases = append(b.organization.Aliases, []Subject{aliasOf.Subject, other.Subject})
		other.Email = addressOf.Email
		return other
	}

	f := facts()
	f.Approvals = f.Approvals[:2]
	f.Approvals = append(f.Approvals, approval(person("erin", "security"), time.Hour, 8*time.Minute))
	if d := b.Decide(f); d.Outcome != Allowed {
		t.Fatalf("without links: %+v", d)
	}
	b.organization.Aliases = nil
	f.Known = NewPeople([]Person{link(person("carol"), person("erin"))})
	b.index()
	if d := b.Decide(f); d.Outcome != NeedsApproval {
		t.Errorf("one person approved as two: %+v", d)
	}
	b.organization.Aliases = nil
	f.Known = NewPeople([]Person{link(person("alice"), person("bob"))})
	b.index()
	if d := b.Decide(f); d.Outcome != NeedsApproval {
		t.Errorf("the requester approved: %+v", d)
	}
	// Over two others, the second of them an approver.
	b.organization.Aliases = nil
	first := link(person("alice"), person("dana"))
	f = facts()
	f.Approvals[2].Approver = person("dana", "sre-leads")
	second := link(person("dana"), person("carol"))
	f.Known = NewPeople([]Person{second, person("dana"), first})
	b.index()
	if d := b.Decide(f); d.Outcome != NeedsApproval {
		t.Errorf("the requester approved over two others: %+v", d)
	}
}
