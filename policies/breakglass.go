package policies

import (
	"fmt"
	"slices"
)

// ReviewRule is who closes the review of an emergency in a role, and by when. Where the role
// knows no emergencies, or is not there any more, the organization's reviewers and the
// administrators close one that was before, and until they have nobody has the role: a
// change of the policy does not take the place of a review.
func (b *Bundle) ReviewRule(role string) Review {
	if known := b.role(role); known != nil && known.BreakGlass != nil {
		return known.BreakGlass.Review
	}
	return Review{Groups: append(slices.Clip(b.organization.Reviewers), AdministratorsGroup)}
}

// ApproverGroupsOf lists the groups whose members could ever approve an ask of somebody's, sorted:
// those of all stages of the role, whatever its conditions come to, by relation and after an
// escalation too.
func (b *Bundle) ApproverGroupsOf(requester Person, ask Ask) []string {
	role := b.role(ask.Role)
	if role == nil {
		return nil
	}
	j := newJudgement(b, role, &Facts{Requester: requester, Ask: ask})
	var groups []string
	for _, stage := range role.everyStage() {
		groups = append(groups, j.ask(&stage).groups...)
		for _, e := range stage.Escalate {
			groups = append(groups, e.Groups...)
		}
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// emergency judges an ask to act alone. Every other rule holds in an emergency too.
func (j *judgement) emergency() {
	if !j.f.Ask.BreakGlass {
		return
	}
	const rule, without = "break-glass", "Ask for it without break-glass."
	glass, name := j.role.BreakGlass, j.f.Requester.called()
	switch {
	case glass == nil:
		j.refuse(rule, without, "%s cannot be had alone in an emergency.", j.role.Name)
	case !j.f.Requester.inAny(glass.Requesters):
		j.refuse(rule, without, "%s is not in %s, which may have %s alone in an emergency.", name, list(glass.Requesters, "or"), j.role.Name)
	case j.f.Ask.Duration > glass.Longest:
		longest := FormatDuration(glass.Longest)
		j.refuse(rule, fmt.Sprintf("Ask for %s or less.", longest), "%s is longer than the %s that %s gives in an emergency.", FormatDuration(j.f.Ask.Duration), longest, j.role.Name)
	case !j.f.Ask.Start.IsZero():
		j.refuse(rule, "Ask without setting a time.", "An emergency begins at once; no time can be set for it.")
	default:
		j.say(rule, fmt.Sprintf("%s may have %s alone in an emergency; whoever approves it is told, and a reviewer closes it within %s.", name, j.role.Name, FormatDuration(glass.Review.Within)))
	}
}

// reviewed refuses the role to everybody while an emergency waits for its review for too long.
func (j *judgement) reviewed() {
	if j.role.BreakGlass == nil && len(j.f.History.Reviews) == 0 {
		return
	}
	rule := j.b.ReviewRule(j.role.Name)
	var oldest *OpenReview
	for i := range j.f.History.Reviews {
		if r := &j.f.History.Reviews[i]; oldest == nil || r.Begun.Before(oldest.Begun) || r.Begun.Equal(oldest.Begun) && r.Request < oldest.Request {
			oldest = r
		}
	}
	switch {
	case oldest == nil:
		j.say("review", "No emergency in "+j.role.Name+" waits for a review.")
	case !j.f.Now.Before(oldest.Begun.Add(rule.Within)):
		groups := list(rule.Groups, "or")
		j.refuse("review", fmt.Sprintf("Somebody of %s must review %s.", groups, oldest.Request),
			"%s is locked for everybody: nobody of %s has reviewed the emergency %s of %s.", j.role.Name, groups, oldest.Request, moment(oldest.Begun))
	default:
		j.say("review", fmt.Sprintf("The emergency %s must be reviewed by %s, or %s locks.", oldest.Request, moment(oldest.Begun.Add(rule.Within)), j.role.Name))
	}
}

// confirmed looks at the requester's own word where the role, or the emergency, asks for it.
// It answers of which strength the passkey must be with which they have yet to give it;
// empty where nothing is missing.
func (j *judgement) confirmed() string {
	strength := j.role.Passkey.Requester
	if j.f.Ask.BreakGlass {
		strength = PasskeyAttested
	}
	if strength == "" {
		return ""
	}
	name, at := j.f.Requester.called(), j.f.Used
	if at.IsZero() {
		at = j.f.Now
	}
	c, fresh := j.f.Confirmed, j.role.Passkey.Fresh
	why := ""
	switch {
	case c == nil:
		why = fmt.Sprintf("%s has not confirmed it with a passkey of their own.", name)
	case c.Issued.Before(j.f.Asked):
		why = fmt.Sprintf("%s confirmed something older with their passkey.", name)
	case c.Issued.After(j.f.Now.Add(Skew)):
		why = fmt.Sprintf("The confirmation by %s is dated in the future.", name)
	case strength != PasskeyAny && !c.Attested:
		why = fmt.Sprintf("%s confirmed it with a passkey of an unproven make; %s needs one that the organization lists.", name, j.role.Name)
	case fresh > 0 && at.Sub(c.Issued) > fresh:
		why = fmt.Sprintf("%s confirmed it at %s, which is longer than %s ago.", name, moment(c.Issued), FormatDuration(fresh))
	default:
		j.say("confirm", name+" confirmed it with a passkey of their own.")
		return ""
	}
	remedy := fmt.Sprintf("%s must confirm it with a passkey.", name)
	if strength != PasskeyAny {
		remedy = fmt.Sprintf("%s must confirm it with a passkey of a make that the organization lists.", name)
	}
	j.reasons = append(j.reasons, Reason{Rule: "confirm", Text: why, Remedy: remedy})
	return strength
}
