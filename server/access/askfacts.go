package access

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"stint/policies"
)

// FactSource asserts facts of the outside, such as the state of a ticket. Nobody can
// check its word: policy lets it restrict, and no more unless a role trusts a fact.
type FactSource interface {
	// Facts asks for facts by name about what somebody asks for. One that is not known is
	// left out.
	Facts(ctx context.Context, q FactQuery) ([]policies.Assertion, error)
}

// FactQuery is what facts are asked about.
type FactQuery struct {
	Facts  []string // names, sorted
	Person policies.Person
	Ask    policies.Ask
}

// factPatience bounds one call: a proxy waits five seconds for a session to start.
const factPatience = 3 * time.Second

// mostFactText bounds a fact of the type text, in characters.
const mostFactText = 200

// askFacts asks for the facts that a role's rules look at, sorted by name. It is called
// outside of any transaction. One that is missing, or of another type than the policy
// says, is left out: what restricts by it then refuses.
func (s *Service) askFacts(ctx context.Context, person policies.Person, ask policies.Ask) []policies.Assertion {
	policy := s.config.Policy()
	needed := policy.Needs(ask.Role).Asserted
	// Who may not ask for the role is refused anyhow, and keeps nobody else waiting for facts.
	if len(needed) == 0 || s.config.Facts == nil || !policy.MayAsk(person, ask.Role) {
		return nil
	}
	// They are asked of what is asked for, the role's defaults among it.
	ask, err := complete(policy, ask)
	if err != nil {
		return nil // it is refused for that
	}
	calling, cancel := context.WithTimeout(ctx, factPatience)
	defer cancel()
	told, err := s.config.Facts.Facts(calling, FactQuery{Facts: needed, Person: person, Ask: ask})
	if err != nil {
		s.config.Log.Warn("asking for facts", "role", ask.Role, "error", err)
		trouble := "The source of facts does not answer; what restricts by them refuses."
		s.factTrouble.Store(&trouble)
		return nil
	}
	s.factTrouble.Store(nil)
	var facts []policies.Assertion
	for _, fact := range told {
		if slices.Contains(needed, fact.Name) && fits(policy.Organization(), fact) {
			facts = append(facts, fact)
		}
	}
	slices.SortFunc(facts, func(a, b policies.Assertion) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(facts, func(a, b policies.Assertion) bool { return a.Name == b.Name })
}

// fits says whether a fact is of the type that the policy says.
func fits(o policies.Organization, fact policies.Assertion) bool {
	i := slices.IndexFunc(o.Facts, func(f policies.AssertedFact) bool { return f.Name == fact.Name })
	if i < 0 {
		return false
	}
	switch o.Facts[i].Type {
	case policies.FactBool:
		return fact.Value == "true" || fact.Value == "false"
	case policies.FactNumber:
		n, err := strconv.ParseInt(fact.Value, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == fact.Value
	}
	return policies.CheckText(fact.Value, mostFactText) == nil
}

// FactTrouble says why the source of facts did not answer when it was last asked; empty
// where it did.
func (s *Service) FactTrouble() string {
	if trouble := s.factTrouble.Load(); trouble != nil {
		return *trouble
	}
	return ""
}

// factsOf asks for the facts about a request, if the caller may see it. One that there
// is not has none: the transaction that follows says so.
func (s *Service) factsOf(ctx context.Context, by policies.Person, id string) ([]policies.Assertion, error) {
	var q Request
	err := s.read(ctx, func(r Reader, m moment) (err error) {
		q, err = m.visible(r, by, id)
		return err
	})
	if IsCode(err, CodeRequestNotFound) || errors.Is(err, ErrNoRow) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.askFacts(ctx, q.Requester, q.Revision.Ask), nil
}

// factsFor asks for the facts about the grant that a connection comes under. A
// certificate of nobody's has none: StartSession refuses it.
func (s *Service) factsFor(ctx context.Context, start SessionStart) ([]policies.Assertion, error) {
	if s.config.Facts == nil {
		return nil, nil
	}
	var q Request
	err := s.read(ctx, func(r Reader, _ moment) (err error) {
		q, err = r.Request(start.Request)
		return err
	})
	if errors.Is(err, ErrNoRow) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.askFacts(ctx, q.Requester, q.Revision.Ask), nil
}
