package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stint/cmd/stint/internal/account"
	"stint/policies"
	"stint/policies/analysis"
	"stint/policies/cases"
	"stint/server/api"
)

func policyExplainCommand(e *environment) *cobra.Command {
	var folder, people *string
	command := policyAnswer(e, &cobra.Command{
		Use:   "explain CASE|REQUEST",
		Short: "A decision as a tree: what fits, what is missing, what would help",
		Long: `Explain the decision on a test case, named as it names itself, or on a request, by
its id, which asks the broker. Marks: + is fulfilled, x is in the way, ? is what
somebody can still do, > is what would change it.`,
		Example: `  stint policy explain "an engineer reaches production when a lead agrees"`,
		Args:    exactly(1, "name a case of the tests, or give the id of a request"),
	}, func(ctx context.Context, arguments []string) (cases.Explanation, error) {
		if *folder == "" && !holdsPolicy("policies") && !holdsPolicy(".") {
			return explainRequest(ctx, e, arguments[0])
		}
		read, err := readPolicy(e, *folder)
		if err != nil {
			return cases.Explanation{}, err
		}
		var names []string
		for _, c := range read.suite.Cases {
			if c.Name == arguments[0] {
				return explainCase(ctx, e, read, c, *people)
			}
			names = append(names, c.Name)
		}
		explanation, err := explainRequest(ctx, e, arguments[0])
		if errors.Is(err, account.ErrSignedOut) {
			err = &usageError{fmt.Errorf("%w (To explain a request by its id, sign in first: stint login)", cases.Unknown("case", plain(arguments[0]), names))}
		}
		return explanation, err
	}, func(explanation cases.Explanation) error {
		printExplanation(e, "", explanation)
		return nil
	}, never)
	folder, people = policyFlag(command), peopleFlag(command, "the people of the tests if not given")
	return command
}

func explainCase(ctx context.Context, e *environment, read policyFolder, c cases.Case, people string) (cases.Explanation, error) {
	population, err := readPopulation(ctx, e, people, read.suite.People)
	if err != nil {
		return cases.Explanation{}, err
	}
	facts := read.suite.Facts(read.withTargets, c)
	return cases.Explain(read.withTargets, facts, read.withTargets.Decide(facts), populated(population)), nil
}

// explainRequest explains what the broker says of a request.
func explainRequest(ctx context.Context, e *environment, id string) (cases.Explanation, error) {
	_, client, err := signedIn(e)
	if err != nil {
		return cases.Explanation{}, err
	}
	request, err := client.Request(ctx, id)
	if err != nil {
		return cases.Explanation{}, err
	}
	return requestExplanation(request, e.now()), nil
}

// requestExplanation puts the broker's own words on a request into a tree.
func requestExplanation(r api.Request, now time.Time) cases.Explanation {
	person := func(p api.Person) policies.Person {
		return policies.Person{Subject: policies.Subject{Issuer: p.Issuer, Subject: p.Subject}, Name: p.Name, Email: p.Email}
	}
	f := policies.Facts{Now: now, Asked: r.Asked, Requester: person(r.Requester), Ask: policies.Ask{
		Role: r.Role, Target: r.Target, Login: r.Login, Duration: time.Duration(r.DurationSeconds) * time.Second, BreakGlass: r.BreakGlass,
	}}
	d := policies.Decision{Outcome: policies.Outcome(r.Decision.Outcome), Duration: time.Duration(r.Decision.DurationSeconds) * time.Second}
	for _, moment := range []struct {
		from *time.Time
		to   *time.Time
	}{{r.Start, &f.Ask.Start}, {r.Decision.Begins, &d.Begins}, {r.Decision.Ends, &d.Ends}, {r.Decision.UseBy, &d.UseBy}} {
		if moment.from != nil {
			*moment.to = *moment.from
		}
	}
	could := map[string][]string{} // by the rule of the stage
	for _, s := range r.Decision.Stages {
		stage := policies.StageResult{Name: s.Name, Groups: s.Groups, Count: s.Count, After: s.After}
		for _, p := range s.Given {
			f.Approvals = append(f.Approvals, policies.Approval{Approver: person(p)})
			stage.Given = append(stage.Given, person(p).Subject)
		}
		d.Stages = append(d.Stages, stage)
		for _, p := range s.Approvers {
			could["stage:"+s.Name] = append(could["stage:"+s.Name], analysis.Person{Person: person(p)}.Called())
		}
	}
	for _, reason := range r.Decision.Reasons {
		d.Reasons = append(d.Reasons, policies.Reason{Rule: reason.Rule, Met: reason.Met, Text: reason.Text, Remedy: reason.Remedy})
	}
	explanation := cases.Explain(&policies.Bundle{}, f, d, nil)
	for i, branch := range explanation.Branches {
		for k, stage := range branch.Branches {
			if names := could[stage.Rule]; len(names) > 0 && stage.State == cases.StateOpen {
				explanation.Branches[i].Branches[k].Branches = append(stage.Branches, cases.CouldApprove(names))
			}
		}
	}
	return explanation
}

// whatIf is what stint policy simulate imagines, as people write it.
type whatIf struct {
	person, role, target, login, reason, ticket, start, at, confirmed string
	duration                                                          string
	groups, approvedBy, held, asserted                                []string
	breakGlass                                                        bool
}

func policySimulateCommand(e *environment) *cobra.Command {
	var w whatIf
	var folder, people *string
	command := policyAnswer(e, &cobra.Command{
		Use:   "simulate --person PERSON --role ROLE",
		Short: "What the policy would say, if",
		Long: `Decide an ask that nobody has made, and explain it. What is left out is the
role's: the first target and login, the default duration. A person who is
not known is described by --group, which may be given several times.`,
		Example: `  stint policy simulate --person ada --role production-shell --approved-by mara
  stint policy simulate --person someone --group engineering --role production-shell --at 2026-12-24T22:00:00Z`,
		Args: nothing,
	}, func(ctx context.Context, _ []string) (cases.Explanation, error) {
		read, err := readPolicy(e, *folder)
		if err != nil {
			return cases.Explanation{}, err
		}
		population, err := readPopulation(ctx, e, *people, read.suite.People)
		if err != nil {
			return cases.Explanation{}, err
		}
		suite, imagined, err := w.imagine(read, population, e.now())
		if err != nil {
			return cases.Explanation{}, &usageError{err}
		}
		facts := suite.Facts(read.withTargets, imagined)
		return cases.Explain(read.withTargets, facts, read.withTargets.Decide(facts), populated(suite.People)), nil
	}, func(explanation cases.Explanation) error {
		printExplanation(e, "", explanation)
		return nil
	}, never)
	flags := command.Flags()
	flags.StringVar(&w.person, "person", "", "who asks: a name, an e-mail address or a subject")
	flags.StringSliceVar(&w.groups, "group", nil, "a `group` of the person, where they are not known, or another than they are in")
	flags.StringVar(&w.role, "role", "", "what they ask for")
	flags.StringVar(&w.target, "target", "", "where")
	flags.StringVar(&w.login, "login", "", "as whom")
	flags.StringVar(&w.duration, "duration", "", "for how long, such as 45m")
	flags.StringVar(&w.reason, "reason", "To see what the policy says", "why")
	flags.StringVar(&w.ticket, "ticket", "", "their ticket")
	flags.StringVar(&w.start, "start", "", "when it is to begin, such as 2h after the asking or 2026-03-02T10:00:00Z")
	flags.StringVar(&w.at, "at", "", "when they ask, such as 2026-03-02T10:00:00Z; now if not given")
	flags.StringSliceVar(&w.approvedBy, "approved-by", nil, "`people` who approve at once")
	flags.StringVar(&w.confirmed, "confirmed", "", "they confirm with a passkey that is any or attested")
	flags.StringSliceVar(&w.held, "held", nil, "`roles` that they hold already")
	flags.StringSliceVar(&w.asserted, "asserted", nil, "what the broker says, as `NAME=VALUE`")
	flags.BoolVar(&w.breakGlass, "break-glass", false, "they act alone, in an emergency")
	folder, people = policyFlag(command), peopleFlag(command, "the people of the tests if not given")
	return command
}

// imagine makes a case of what was written.
func (w whatIf) imagine(read policyFolder, people *analysis.Population, now time.Time) (*cases.Suite, cases.Case, error) {
	if w.person == "" || w.role == "" {
		return nil, cases.Case{}, errors.New("say who asks and for what: --person and --role")
	}
	if err := read.knownRole(w.role); err != nil {
		return nil, cases.Case{}, err
	}
	c := cases.Case{
		Name: "imagined", By: w.person, Asked: cases.Time(w.at), Held: w.held, Asserted: map[string]string{}, Expect: &cases.Expectation{Outcome: policies.Allowed},
		Ask: cases.Ask{Role: w.role, Target: w.target, Login: w.login, Duration: cases.Span(w.duration), Reason: &w.reason, Ticket: &w.ticket, BreakGlass: &w.breakGlass},
	}
	if w.at == "" {
		c.Asked = cases.Time(now.UTC().Format(time.RFC3339))
	}
	if w.start != "" {
		start := cases.Moment(w.start)
		c.Ask.Start = &start
	}
	switch w.confirmed {
	case "":
	case policies.PasskeyAny, policies.PasskeyAttested:
		c.Confirmed = &cases.Confirmation{Attested: w.confirmed == policies.PasskeyAttested}
	default:
		return nil, c, fmt.Errorf("--confirmed is any or attested, not %q", w.confirmed)
	}
	for _, said := range w.asserted {
		name, value, found := strings.Cut(said, "=")
		if !found {
			return nil, c, fmt.Errorf("--asserted is NAME=VALUE, not %q", said)
		}
		c.Asserted[name] = value
	}
	for _, name := range w.approvedBy {
		c.Approvals = append(c.Approvals, cases.Approval{By: name})
	}
	suite, err := w.cast(people)
	if err != nil {
		return nil, c, err
	}
	return suite, c, suite.Check(read.withTargets, c)
}

// cast is the population with the person who asks, in the groups that were given.
func (w whatIf) cast(people *analysis.Population) (*cases.Suite, error) {
	suite := &cases.Suite{People: people}
	if len(w.groups) == 0 {
		_, err := suite.Person(w.person)
		switch {
		case err != nil && len(people.People()) == 0:
			err = fmt.Errorf("nobody is known; say in which groups %s is with --group, or name people with --people", w.person)
		case err != nil:
			err = fmt.Errorf("%w (Or say in which groups they are: --group)", err)
		}
		return suite, err
	}
	all := slices.Clone(people.People())
	i := slices.IndexFunc(all, func(p analysis.Person) bool {
		found, known := people.Find(w.person)
		return known && found.Subject == p.Subject
	})
	if i < 0 {
		i, all = len(all), append(all, analysis.Person{Person: policies.Person{Name: w.person, Subject: policies.Subject{Subject: "somebody", Issuer: "https://imagined.invalid"}}})
	}
	all[i].Groups = w.groups
	suite.People = analysis.NewPopulation(all, people.Delegations())
	return suite, nil
}
