package policies

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"stint/policies/internal/condition"
)

// Decide answers whether what is asked for may be had, now, with the approvals
// there are. It looks at every rule even if an early one refuses, so that the
// reasons tell all that is in the way. Equal facts, in whatever order, give an
// equal decision.
//
// The rules by their stable names, in the order in which they speak: role (alone);
// requester-group, target, login, duration, reason, ticket, start, window, renewals,
// separation:<name>, break-glass, review and require:<name>, each of which refuses;
// allow:<name>, which spares stages; restrict:<name>, which refuses or adds some;
// stage:<name>, or stage where nobody needs to agree; use-by, window and end, which
// refuse what was agreed to and is over; confirm; and last approval and independence:<what>,
// which tell of each approval that does not count, or was not needed. An allowance or a
// restriction whose condition does not hold says nothing.
//
// What takes away (separation, independence) looks at the groups of all known
// identities of a person; what gives looks at those of the one who asks.
func (b *Bundle) Decide(f Facts) Decision {
	d := Decision{Outcome: Refused, Stages: []StageResult{}, Digest: b.digest}
	role := b.role(f.Ask.Role)
	if role == nil {
		d.Reasons = []Reason{{Rule: "role", Text: fmt.Sprintf("There is no role %q.", f.Ask.Role)}}
		return d
	}
	j := newJudgement(b, role, &f)

	// 1. What no approval could change.
	j.mayAsk()
	j.targetFits()
	j.loginFits()
	j.durationFits()
	j.reasonFits()
	j.ticketFits()
	j.startFits()
	j.windowOpen()
	j.renewable()
	j.separated()
	j.emergency()
	j.reviewed()
	j.required()
	stages := j.restricted(j.spared())

	// 2. Who agreed.
	hall := j.gather(stages)
	seats := hall.seat()
	d.Stages = hall.results(seats)
	open := !seats.full()
	for i := range stages {
		j.reasons = append(j.reasons, hall.reason(seats, i))
	}
	if len(stages) == 0 {
		j.say("stage", "Nobody's approval is needed.")
	}

	// 3. How long: nobody who counts agreed to more, and the clock runs from the
	// moment that no approval was missing any more.
	duration := seats.agreed()
	s := bounds{}
	if !open {
		s = j.boundsOf(seats.filled(), duration)
	}

	// 4. The requester's own word, which comes last: it can be old by now.
	confirm := j.confirmed()
	j.dismissed(hall, seats)

	switch {
	case j.refused:
	case open || confirm != "":
		d.Outcome, d.Duration, d.Confirm = NeedsApproval, duration, confirm
	default:
		d.Outcome, d.Duration = Allowed, duration
		d.Begins, d.Ends, d.UseBy = s.begins, s.ends, s.useBy
		if f.Now.Before(f.Ask.Start) {
			d.Outcome = Scheduled
		}
	}
	d.Reasons = j.reasons
	return d
}

// judgement is the making of one decision: what is looked at again and again, and what
// was said so far.
type judgement struct {
	b      *Bundle
	role   *Role
	target *Target // nil where there is none
	f      *Facts
	self   []Person // the requester, under every known identity
	groups []string // of all of these
	teams  []int    // that the requester manages, where that keeps people from approving

	conditions *conditions     // nil where the role has none
	in         condition.Facts // what they see

	people [][]Person // who approved: the identities of each

	reasons    []Reason
	turnedAway []Reason // by approval, told last
	refused    bool
}

func newJudgement(b *Bundle, role *Role, f *Facts) *judgement {
	j := &judgement{b: b, role: role, f: f, reasons: make([]Reason, 0, 16)}
	if i, ok := slices.BinarySearchFunc(b.targets, f.Ask.Target, func(t Target, name string) int { return cmp.Compare(t.Name, name) }); ok {
		j.target = &b.targets[i]
	}
	j.self = b.Identities(f.Requester, f.Known)
	j.groups = b.everyGroup(j.self, f.Known)
	if b.organization.Independence.DirectReports {
		j.teams = inGroups(b.teamsBy.managers, j.groups)
	}
	if role.hasConditions() {
		j.conditions, j.in = b.conditionsOf(role.Name), b.conditionFacts(*f)
	}
	return j
}

// role finds a role by its name; nil where there is none.
func (b *Bundle) role(name string) *Role {
	// Roles are large: the search must not copy each that it looks at.
	i := sort.Search(len(b.roles), func(i int) bool { return b.roles[i].Name >= name })
	if i == len(b.roles) || b.roles[i].Name != name {
		return nil
	}
	return &b.roles[i]
}

func (r *Role) hasConditions() bool {
	return len(r.Allow)+len(r.Require)+len(r.Restrict) > 0 ||
		slices.ContainsFunc(r.Approval, func(s Stage) bool { return s.When != "" })
}

// say tells of a rule that is met. Most decisions say much and refuse nothing: its words are
// put together without fmt, at a fraction of the cost.
func (j *judgement) say(rule, text string) {
	j.reasons = append(j.reasons, Reason{Rule: rule, Met: true, Text: text})
}

// refuse tells of a rule that is not met, whatever anybody approves. remedy may be empty.
func (j *judgement) refuse(rule, remedy, format string, values ...any) {
	j.refused = true
	j.reasons = append(j.reasons, Reason{Rule: rule, Text: fmt.Sprintf(format, values...), Remedy: remedy})
}

// isRequester tells whether an identity is the requester's.
func (j *judgement) isRequester(p *Person) bool { return j.b.oneOf(j.self, p) }

func (j *judgement) mayAsk() {
	name := j.f.Requester.called()
	for _, group := range j.role.Requesters {
		if slices.Contains(j.f.Requester.Groups, group) {
			j.say("requester-group", name+" is in "+group+", which may ask for "+j.role.Name+".")
			return
		}
	}
	groups := list(j.role.Requesters, "or")
	j.refuse("requester-group", fmt.Sprintf("Membership of %s would change it.", groups),
		"%s is not in %s, which may ask for %s.", name, groups, j.role.Name)
}

func (j *judgement) targetFits() {
	switch {
	case j.target == nil:
		j.refuse("target", "", "There is no target %q.", j.f.Ask.Target)
	case !j.role.Targets.selects(*j.target):
		j.refuse("target", "Ask for a role that reaches it.", "%s does not reach %s.", j.role.Name, j.target.Name)
	default:
		j.say("target", j.role.Name+" reaches "+j.target.Name+".")
	}
}

func (j *judgement) loginFits() {
	if !slices.Contains(j.role.Logins, j.f.Ask.Login) {
		logins := list(j.role.Logins, "or")
		j.refuse("login", fmt.Sprintf("Ask for %s.", logins), "%s does not give the login %q; it gives %s.", j.role.Name, j.f.Ask.Login, logins)
		return
	}
	j.say("login", j.role.Name+" gives the login "+j.f.Ask.Login+".")
}

func (j *judgement) durationFits() {
	asked, longest := j.f.Ask.Duration, FormatDuration(j.role.Duration.Longest)
	remedy := "Ask for " + longest + " or less."
	switch {
	case asked <= 0 || asked%time.Second != 0:
		j.refuse("duration", remedy, "The duration must be a whole number of seconds, and more than none.")
	case asked > j.role.Duration.Longest:
		j.refuse("duration", remedy, "%s is longer than the %s that %s allows.", FormatDuration(asked), longest, j.role.Name)
	default:
		j.say("duration", FormatDuration(asked)+" is within the "+longest+" that "+j.role.Name+" allows.")
	}
}

func (j *judgement) reasonFits() {
	given := strings.TrimSpace(j.f.Ask.Reason) != ""
	switch err := CheckText(j.f.Ask.Reason, MostReason); {
	case err != nil:
		j.refuse("reason", "Write it in other characters.", "The reason cannot be used: %v.", err)
	case !given && j.role.Reason == "required":
		j.refuse("reason", "Say why you need it.", "%s needs a reason.", j.role.Name)
	case !given:
		j.say("reason", j.role.Name+" needs no reason.")
	default:
		j.say("reason", "A reason was given.")
	}
}

// ticketFits looks at a ticket's form only; what state it is in is an asserted fact.
func (j *judgement) ticketFits() {
	ticket, rule := j.f.Ask.Ticket, j.role.Ticket
	err := CheckText(ticket, MostName)
	switch {
	case err != nil:
		j.refuse("ticket", "Write it in other characters.", "The ticket cannot be used: %v.", err)
	case rule == nil && ticket == "":
	case ticket == "" && rule.Required:
		j.refuse("ticket", "Name the ticket that it is for.", "%s needs a ticket.", j.role.Name)
	case ticket == "":
		j.say("ticket", j.role.Name+" needs no ticket.")
	case rule != nil && !j.b.ticketMatches(rule, ticket):
		j.refuse("ticket", fmt.Sprintf("Write it so that it fits %s.", rule.Pattern), "%q is no ticket for %s.", ticket, j.role.Name)
	default:
		j.say("ticket", "The ticket "+ticket+" was named.")
	}
}

// indexRules makes what Decide looks up findable at once.
func (b *Bundle) indexRules() {
	b.teamsBy = newTeamIndex(b.teams)
	b.apart = map[string][]int{}
	for i := range b.separations {
		for _, role := range b.separations[i].Roles {
			b.apart[role] = append(b.apart[role], i)
		}
	}
	b.tickets = map[string]*regexp.Regexp{}
	for i := range b.roles {
		rule := b.roles[i].Ticket
		if rule == nil {
			continue
		}
		// One that is none by itself could end the group around it.
		if _, err := regexp.Compile(rule.Pattern); err == nil {
			b.tickets[rule.Pattern] = regexp.MustCompile(`\A(?:` + rule.Pattern + `)\z`)
		}
	}
}

// ticketMatches tells whether the whole of a ticket fits.
func (b *Bundle) ticketMatches(rule *Ticket, ticket string) bool {
	pattern := b.tickets[rule.Pattern]
	return rule.Pattern == "" || pattern != nil && pattern.MatchString(ticket)
}

// required looks at what must hold. A condition that has no answer does not hold.
func (j *judgement) required() {
	for i := range j.role.Require {
		c := &j.role.Require[i]
		rule := "require:" + c.Name
		holds, err := j.holds(requireOf, i)
		if err == nil && holds {
			j.say(rule, c.Name+" holds.")
			continue
		}
		text := c.Else
		if text == "" {
			text = fmt.Sprintf("%s does not hold.", c.Name)
		}
		if err != nil {
			text = fmt.Sprintf("%s It could not be judged: %v.", text, err)
		}
		j.refuse(rule, "This must hold: "+oneLine(c.That), "%s", text)
	}
}

// oneLine is an expression without its line breaks.
func oneLine(expression string) string { return strings.Join(strings.Fields(expression), " ") }

// list joins names for a sentence: "a", "a or b", "a, b or c".
func list(names []string, last string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + last + " " + names[len(names)-1]
}

// moment is a time as a sentence shows it.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }
