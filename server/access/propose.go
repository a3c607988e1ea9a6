package access

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// RosterProposal is a change of somebody's standing that an administrator wants.
type RosterProposal struct {
	Change string // groups, unsuspend, suspend, delete or remove-passkey
	Person policies.Subject
	// Groups and Passkeys are for groups: what the person is in afterwards, and
	// which of their passkeys speak for that.
	Groups   []string
	Passkeys []string
	// Credential is the passkey to remove.
	Credential string
	Reason     string
}

// ProposeRoster makes a roster change for administrators to sign.
func (s *Service) ProposeRoster(ctx context.Context, by policies.Person, p RosterProposal) (ChangeView, error) {
	return s.propose(ctx, by, RosterChange, p.Reason, func(c *change, stamp stamp) (Change, error) {
		if !c.isAdministrator(by.Subject) {
			return Change{}, fail(Forbidden, CodeForbidden, "Only administrators propose to change somebody's standing.")
		}
		statement, err := c.rosterStatement(p)
		if err != nil {
			return Change{}, err
		}
		statement.Instance, statement.Issued, statement.Expires, statement.Nonce = s.config.Instance, stamp.issued, stamp.expires, stamp.nonce
		text, err := evidence.Encode(statement)
		if err != nil {
			return Change{}, invalid("groups", "This cannot be put into a statement: %v.", err).because(err)
		}
		return Change{Statement: text}, nil
	})
}

// rosterStatement says what is to become of somebody, by what the roster says of
// them now.
func (c *change) rosterStatement(p RosterProposal) (*evidence.RosterChange, error) {
	member, known := c.trust.Roster.Find(p.Person)
	if !known || member.Deleted != nil {
		return nil, fail(NotFound, CodePersonNotFound, "The signer's roster has nobody with this identity. A first passkey brings somebody into it.")
	}
	statement := &evidence.RosterChange{
		Change: p.Change, Person: member.Person.Subject, Name: member.Person.Name, Email: member.Person.Email,
		Groups: slices.Sorted(slices.Values(member.Person.Groups)),
	}
	active := c.activePasskeys(member)
	switch p.Change {
	case evidence.ChangeGroups:
		groups, err := c.knownGroups(p.Groups)
		if err != nil {
			return nil, err
		}
		for _, credential := range p.Passkeys {
			if !slices.Contains(active, credential) {
				return nil, invalid("passkeys", "%s has no passkey %q that counts.", member.Person.Name, clip(credential))
			}
		}
		statement.Groups, statement.Passkeys = groups, slices.Compact(slices.Sorted(slices.Values(p.Passkeys)))
	case evidence.ChangeRemovePasskey:
		if !slices.Contains(active, p.Credential) {
			return nil, invalid("credential", "%s has no such passkey that counts.", member.Person.Name)
		}
		statement.Passkeys = []string{p.Credential}
	case evidence.ChangeUnsuspend:
		if member.Suspended == nil {
			return nil, fail(Conflict, CodePersonState, "%s is not suspended.", member.Person.Name)
		}
	case evidence.ChangeSuspend:
		if member.Suspended != nil {
			return nil, fail(Conflict, CodePersonState, "%s is suspended already.", member.Person.Name)
		}
	case evidence.ChangeDelete:
	default:
		return nil, invalid("change", "There is no change %q; take groups, unsuspend, suspend, delete or remove-passkey.", clip(p.Change))
	}
	return statement, nil
}

// activePasskeys are a member's that were not removed, suspended or not.
func (m moment) activePasskeys(member evidence.RosterPerson) []string {
	var active []string
	for _, k := range member.Passkeys {
		if k.Active(m.now) {
			active = append(active, k.Credential)
		}
	}
	return active
}

// knownGroups sorts groups, and refuses one that no rule names.
func (m moment) knownGroups(asked []string) ([]string, error) {
	known := m.policy.Groups()
	for _, g := range asked {
		if _, ok := slices.BinarySearch(known, g); !ok {
			return nil, invalid("groups", "No rule of the policy names the group %q. Choose one of %s.", clip(g), shorten(known))
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(asked))), nil
}

// ProposePolicy makes a change of the whole policy bundle, given as its files by
// name, for administrators to sign.
func (s *Service) ProposePolicy(ctx context.Context, by policies.Person, files map[string]string, reason string) (ChangeView, error) {
	// Nobody else makes the broker read files: it is work.
	err := s.read(ctx, func(_ Reader, m moment) error { return m.mayProposePolicy(by) })
	if err != nil {
		return ChangeView{}, err
	}
	after, faults := policies.Parse(files)
	return s.propose(ctx, by, PolicyChange, reason, func(c *change, stamp stamp) (Change, error) {
		if err := c.mayProposePolicy(by); err != nil {
			return Change{}, err
		}
		if faults != nil {
			return Change{}, invalid("files", "The policy has faults, so it cannot be proposed: %v", faults).because(faults)
		}
		if strings.TrimSpace(reason) == "" {
			return Change{}, invalid("reason", "Say why the policy is to change; administrators read it before they sign.")
		}
		before := c.policy
		if after.Digest() == before.Digest() {
			return Change{}, fail(Conflict, CodePolicySame, "This is the policy that is in force already.")
		}
		text, err := evidence.Encode(&evidence.PolicyChange{
			Instance: s.config.Instance, Before: before.Digest(), After: after.Digest(), Changes: policies.Difference(before, after),
			Reason: reason, Issued: stamp.issued, Expires: stamp.expires, Nonce: stamp.nonce,
		})
		if err != nil {
			return Change{}, invalid("reason", "This cannot be put into a statement: %v.", err).because(err)
		}
		return Change{Statement: text, Before: before.Files(), After: after.Files()}, nil
	})
}

func (m moment) mayProposePolicy(by policies.Person) error {
	if !m.isAdministrator(by.Subject) && !m.isReviewer(by) {
		return fail(Forbidden, CodeForbidden, "Only administrators and reviewers propose a policy.")
	}
	return nil
}

// propose is what all proposals have in common; build makes the statement of one.
func (s *Service) propose(ctx context.Context, by policies.Person, kind ChangeKind, reason string, build func(*change, stamp) (Change, error)) (ChangeView, error) {
	id, err := s.newID("chg-", 10)
	if err != nil {
		return ChangeView{}, err
	}
	nonce, err := s.newNonce()
	if err != nil {
		return ChangeView{}, err
	}
	var view ChangeView
	err = s.write(ctx, func(c *change) error {
		// 1. The signer's policy and roster are known, and the reason can be kept.
		if err := c.mayGive(); err != nil {
			return err
		}
		if err := policies.CheckText(reason, policies.MostReason); err != nil {
			return invalid("reason", "The reason cannot be used: %v.", err).because(err)
		}
		// 2. What is to change, in one statement.
		issued := seconds(c.now)
		proposed, err := build(c, stamp{issued: issued, expires: issued.Add(changeLife), nonce: evidence.NewNonce(nonce)})
		if err != nil {
			return err
		}
		// 3. Not too much waits already.
		waiting, err := c.Changes(ChangeQuery{States: []ChangeState{ChangePending}, Limit: MaxPage})
		if err != nil {
			return err
		}
		if len(waiting) >= mostPending {
			return fail(Conflict, CodeManyChanges, "%d changes wait already. Sign or reject some of them first.", len(waiting))
		}
		// 4. Row and event.
		proposed.ID, proposed.Kind, proposed.State = id, kind, ChangePending
		proposed.Reason, proposed.Proposer, proposed.Created, proposed.Expires = reason, by, c.now, issued.Add(changeLife)
		headline, _ := describeChange(proposed)
		proposed.Number, err = c.record(AuditEvent{
			Kind: EventChangeProposed, Actor: ActorOf(by), Text: by.Name + " proposed: " + headline,
		}, changeData{ID: id, Statement: proposed.Statement, Reason: reason})
		if err != nil {
			return err
		}
		if err := c.AddChange(proposed); err != nil {
			return err
		}
		view, err = c.viewChange(c, by, proposed)
		return err
	})
	return view, err
}

// stamp is what every statement of a change states beside what it changes.
type stamp struct {
	issued, expires time.Time
	nonce           string
}

type changeData struct {
	ID        string              `json:"change"`
	Statement string              `json:"statement,omitempty"`
	Signed    *evidence.Assertion `json:"signed,omitempty"`
	Reason    string              `json:"reason,omitempty"`
}

// seenChange reads one, for those who may see changes.
func (m moment) seenChange(r Reader, by policies.Person, id string) (ChangeView, error) {
	if !m.seesChanges(by) {
		return ChangeView{}, changeNotFound(id)
	}
	proposed, err := r.Change(id)
	if errors.Is(err, ErrNoRow) {
		return ChangeView{}, changeNotFound(id)
	} else if err != nil {
		return ChangeView{}, err
	}
	return m.viewChange(r, by, proposed)
}

func changeNotFound(id string) error {
	return fail(NotFound, CodeChangeNotFound, "There is no change %q that you may see.", clip(id))
}

func (m moment) seesChanges(by policies.Person) bool {
	return m.isAdministrator(by.Subject) || m.isReviewer(by)
}
