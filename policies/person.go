package policies

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// String joins both halves of an identity, subject first: "f3a9 @
// https://id.example.com". It is what statements and screens show;
// ParseSubject is its inverse.
func (s Subject) String() string { return s.Subject + subjectAt + s.Issuer }

const subjectAt = " @ "

// mostIdentity bounds each half of an identity, in bytes (OpenID Connect Core
// 1.0, section 2, bounds the subject so).
const mostIdentity = 255

// Check refuses an identity that String could not show without doubt: either
// half must be 1 to 255 visible ASCII characters, and the issuer must be an
// http or https URL.
func (s Subject) Check() error {
	for _, half := range []string{s.Subject, s.Issuer} {
		if half == "" || len(half) > mostIdentity || strings.ContainsFunc(half, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return errors.New("a subject and its issuer are each 1 to 255 visible ASCII characters without a space")
		}
	}
	if !strings.HasPrefix(s.Issuer, "https://") && !strings.HasPrefix(s.Issuer, "http://") {
		return errors.New("an issuer is an http or https URL")
	}
	return nil
}

// ParseSubject reads what String wrote, and refuses everything else.
func ParseSubject(text string) (Subject, error) {
	// Neither half may hold a space, so there is only one place to cut.
	subject, issuer, found := strings.Cut(text, subjectAt)
	if !found {
		return Subject{}, errors.New(`an identity is written "subject @ issuer"`)
	}
	s := Subject{Issuer: issuer, Subject: subject}
	if err := s.Check(); err != nil {
		return Subject{}, err
	}
	return s, nil
}

// SamePerson tells whether two identities belong to one person: they are equal,
// or the organization names them as aliases, or they share an e-mail address.
// It errs towards one person, because it decides who may not approve for whom.
func (b *Bundle) SamePerson(p, q Person) bool { return b.same(&p, &q) }

func (b *Bundle) same(p, q *Person) bool {
	if p.Subject == q.Subject {
		return true
	}
	if p.Email != "" && strings.EqualFold(p.Email, q.Email) {
		return true
	}
	return slices.Contains(b.aliases(p.Subject), q.Subject)
}

// oneOf tells whether an identity belongs to the person who has these.
func (b *Bundle) oneOf(identities []Person, p *Person) bool {
	for i := range identities {
		if b.same(&identities[i], p) {
			return true
		}
	}
	return false
}

// everyGroup lists the groups of all identities of a person, also as they are known. The
// caller does not change it.
func (b *Bundle) everyGroup(identities []Person, known *People) []string {
	groups := slices.Clip(identities[0].Groups)
	for i := range identities {
		own := identities[i].Groups
		if i > 0 {
			groups = append(groups, own...)
		}
		if known == nil {
			continue
		}
		for _, k := range known.subject[identities[i].Subject] {
			// Most often a person is known with the very groups that they come with.
			if as := &known.all[k]; !slices.Equal(as.Groups, own) {
				groups = append(groups, as.Groups...)
			}
		}
	}
	return groups
}

// aliases are all identities of the set that a subject stands in, itself included.
func (b *Bundle) aliases(s Subject) []Subject {
	i, ok := b.aliasSet[s]
	if !ok {
		return nil
	}
	return b.organization.Aliases[i]
}

// Linked tells whether two identities belong to one person, also by way of others
// that are known. Approvals link nothing by themselves: none may take away from
// another.
func (b *Bundle) Linked(p, q Person, known *People) bool {
	return b.SamePerson(p, q) ||
		slices.ContainsFunc(b.Identities(p, known), func(other Person) bool { return b.SamePerson(other, q) })
}

// Identities are p and those of the known identities that belong to the same person,
// each by way of another.
func (b *Bundle) Identities(p Person, known *People) []Person {
	found := []Person{p}
	if known == nil {
		return found
	}
	for i := 0; i < len(found); i++ {
		found = known.join(b, found, i)
	}
	return found
}

// IsReviewer tells whether a person may see every request, session and audit
// event, and replay recordings.
func (b *Bundle) IsReviewer(p Person) bool { return p.inAny(b.organization.Reviewers) }

// MayAsk tells whether a person's groups let them ask for a role at all. It is
// for lists; Decide looks at everything.
func (b *Bundle) MayAsk(p Person, role string) bool {
	r, ok := b.Role(role)
	return ok && p.inAny(r.Requesters)
}

// MayApprove tells whether a person could fill a place in one of the role's
// stages when requester asks: ever, with any target, whatever its conditions come to. It
// is for lists; Decide looks at everything.
func (b *Bundle) MayApprove(p, requester Person, role string) bool {
	r := b.role(role)
	if r == nil || b.same(&p, &requester) {
		return false
	}
	manages := func(t Team) bool { return requester.inAny(t.Members) && p.inAny(t.Managers) }
	owns := func(t Target) bool {
		owner := t.Labels[OwnerLabel]
		return owner != "" && slices.Contains(p.Groups, owner) && r.Targets.selects(t)
	}
	return slices.ContainsFunc(r.everyStage(), func(s Stage) bool {
		return p.inAny(s.Groups) ||
			slices.ContainsFunc(s.Escalate, func(e Escalation) bool { return p.inAny(e.Groups) }) ||
			slices.Contains(s.Relations, RelationManager) && slices.ContainsFunc(b.teams, manages) ||
			slices.Contains(s.Relations, RelationOwner) && slices.ContainsFunc(b.targets, owns)
	})
}

// inAny tells whether the person is in at least one of the groups.
func (p *Person) inAny(groups []string) bool { return sharesAny(p.Groups, groups) }

func sharesAny(groups, others []string) bool {
	return slices.ContainsFunc(others, func(g string) bool { return slices.Contains(groups, g) })
}

// called is what a sentence calls the person.
func (p *Person) called() string { return cmp.Or(p.Name, p.Email, p.Subject.Subject) }
