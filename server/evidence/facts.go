package evidence

import (
	"slices"
	"strconv"

	"stint/policies"
)

// factsOf is what policy decides by: what was verified, what the ledger tells, and the
// broker's word where the role's conditions read it.
func factsOf(bundle *policies.Bundle, agreed Agreed, requester policies.Person, trust Trust, c Circumstances) (policies.Facts, error) {
	request := agreed.Request()
	needs := bundle.Needs(request.Ask.Role)
	asserted, err := readAsserted(bundle, needs, c)
	if err != nil {
		return policies.Facts{}, err
	}
	facts := policies.Facts{
		Now:       c.Now,
		Asked:     request.Issued,
		Requester: requester,
		Ask:       request.Ask,
		Approvals: agreed.Counting(),
		Held:      c.Held,
		Used:      c.Used,
		Confirmed: agreed.Confirmed(),
		History:   c.History,
		Asserted:  asserted,
		Known:     trust.known(c.Now),
	}
	if !c.anew.IsZero() {
		facts.Now = c.anew
	}
	for _, change := range trust.Changes {
		// One that was signed after the certificate was issued let nobody in by it.
		if slices.Contains(change.Roles, request.Ask.Role) && request.Issued.Sub(change.At) < needs.Changes && !change.At.After(c.Now) {
			facts.Changes = append(facts.Changes, change)
		}
	}
	return facts, nil
}

// readAsserted refuses a fact that no condition of the role reads, that stands twice or
// out of its order, or whose value is not of its type: whoever sent it is wrong about
// something. Where a decision is made anew, by a policy that may have changed since,
// such a fact is missing instead.
func readAsserted(bundle *policies.Bundle, needs policies.Needs, c Circumstances) ([]policies.Assertion, error) {
	declared := bundle.Organization().Facts
	var good []policies.Assertion
	for i, a := range c.Asserted {
		fact := slices.IndexFunc(declared, func(f policies.AssertedFact) bool { return f.Name == a.Name })
		reads := fact >= 0 && slices.Contains(needs.Asserted, a.Name)
		switch {
		case i > 0 && a.Name <= c.Asserted[i-1].Name:
			return nil, fail("asserted", "asserted facts are sorted by name, and each stands once")
		case reads && isOfType(declared[fact].Type, a.Value):
			good = append(good, a)
		case !c.anew.IsZero():
		case !reads:
			return nil, fail("asserted", "no condition of the role reads a fact %.80q", a.Name)
		default:
			return nil, fail("asserted", "the value of the fact %q is no %s", a.Name, declared[fact].Type)
		}
	}
	return good, nil
}

func isOfType(kind, value string) bool {
	switch kind {
	case policies.FactBool:
		return value == "true" || value == "false"
	case policies.FactNumber:
		n, err := strconv.ParseInt(value, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == value
	case policies.FactText:
		return policies.CheckText(value, policies.MostReason) == nil
	}
	return false
}

// again are the circumstances of deciding at c.Now what was issued before.
func (c Circumstances) again(origin Circumstances) Circumstances {
	now := c.Now
	c.Now, c.anew, c.Asserted = origin.Now, now, origin.Asserted
	return c
}

// VerifyAnew checks that what an entry records would still be given: at c.Now, in these
// circumstances, by these beliefs. The ages of the sign-in, the activation and what a
// device said, which were right then, are not asked again, and what the broker asserted
// then still counts. A refusal is a *Failure.
func (b Beliefs) VerifyAnew(e SessionEntry, c Circumstances) (Verified, error) {
	return Verify(e.Bundle, b.trustAnew(c.Now), c.again(e.Circumstances))
}

// Same tells whether two circumstances are the same but for the time and the broker's word.
func (c Circumstances) Same(d Circumstances) bool {
	return c.Used.Equal(d.Used) && slices.Equal(c.Held, d.Held) && slices.EqualFunc(c.History.Grants, d.History.Grants, sameGrant) &&
		slices.EqualFunc(c.History.Agreed, d.History.Agreed, func(a, b policies.PastApproval) bool {
			return a.Request == b.Request && a.Requester == b.Requester && a.At.Equal(b.At)
		}) &&
		slices.EqualFunc(c.History.Reviews, d.History.Reviews, func(a, b policies.OpenReview) bool { return a.Request == b.Request && a.Begun.Equal(b.Begun) })
}

func sameGrant(a, b policies.PastGrant) bool {
	return a.Request == b.Request && a.Role == b.Role && a.Begun.Equal(b.Begun) && a.Ended.Equal(b.Ended)
}
