package access

import (
	"fmt"
	"strings"

	"stint/server/evidence"
)

// describeChange says in one sentence what a change is, and in more what it
// changes: from its statement alone, which is what people sign.
func describeChange(c Change) (headline string, words []string) {
	statement, err := evidence.Decode(c.Statement)
	if err != nil {
		return "A change that this version cannot read.", nil
	}
	switch s := statement.(type) {
	case *evidence.PolicyChange:
		return fmt.Sprintf("Change the policy: %s", s.Reason), s.Changes
	case *evidence.RosterChange:
		return describeRoster(s)
	}
	return "A change that this version cannot read.", nil
}

func describeRoster(s *evidence.RosterChange) (headline string, words []string) {
	who := s.Name
	if s.Email != "" {
		who += " (" + s.Email + ")"
	}
	switch s.Change {
	case evidence.ChangeGroups:
		if len(s.Groups) == 0 {
			return s.Name + " is to be in no group.", []string{who + " approves nothing any more."}
		}
		groups := strings.Join(s.Groups, ", ")
		words = []string{who + " is in " + groups + " from then on, and in no other group."}
		switch len(s.Passkeys) {
		case 0:
			words = append(words, "None of their passkeys speaks for these groups.")
		case 1:
			words = append(words, "One of their passkeys speaks for these groups, the one that the text names.")
		default:
			words = append(words, fmt.Sprintf("%d of their passkeys speak for these groups, those that the text names.", len(s.Passkeys)))
		}
		return s.Name + " is to be in " + groups + ".", words
	case evidence.ChangeUnsuspend:
		return "Lift the suspension of " + s.Name + ".", []string{
			"The passkeys of " + who + " count again, for " + groupsOr(s.Groups, "no group") + ".",
			"What the suspension ended stays ended.",
		}
	case evidence.ChangeSuspend:
		return "Suspend " + s.Name + ".", []string{
			"No passkey of " + who + " counts, and all their access ends.",
		}
	case evidence.ChangeDelete:
		return "Delete " + s.Name + " from the roster.", []string{
			"None of the passkeys of " + who + " counts any more; they are in no group.",
		}
	default:
		return "Take a passkey of " + s.Name + " away.", []string{
			"The passkey that the text names counts for nothing any more. " + who + " stays in " + groupsOr(s.Groups, "no group") + ".",
		}
	}
}

func groupsOr(groups []string, none string) string {
	if len(groups) == 0 {
		return none
	}
	return strings.Join(groups, ", ")
}
