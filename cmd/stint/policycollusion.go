package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stint/policies/analysis"
)

func policyCollusionCommand(e *environment) *cobra.Command {
	var folder, people *string
	var withoutBreakGlass *bool
	named := false
	command := policyAnswer(e, &cobra.Command{
		Use:   "collusion [ROLE]",
		Short: "How few people together get each role, by each way there is",
		Long: `Say of each role the smallest number of people who must act together to get it,
by each way there is: asking and approving, emergencies, and administrators who
change the policy or enrol approvers. Of a role that is named, each way is shown
with an example of who does what; with --people, of every role the way with the
fewest people.`,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) > 1 {
				return &usageError{errors.New("name one role, or none for all of them")}
			}
			return nil
		},
	}, func(ctx context.Context, arguments []string) ([]analysis.Result, error) {
		read, _, answers, err := analyse(ctx, e, *folder, *people, nobodyInParticular)
		if err != nil {
			return nil, err
		}
		results := []analysis.Result{}
		if named = len(arguments) > 0; !named {
			results = answers.Collusions()
		} else if err := read.knownRole(arguments[0]); err != nil {
			return nil, err
		} else {
			results = append(results, answers.Collusion(arguments[0]))
		}
		for i, r := range results {
			if *withoutBreakGlass {
				results[i] = r.WithoutBreakGlass()
			}
		}
		return results, nil
	}, func(results []analysis.Result) error {
		if named {
			printWays(e, results[0])
		} else if err := printCollusions(e, results); err != nil {
			return err
		}
		changed := func(r analysis.Result) bool {
			return slices.ContainsFunc(r.Ways, func(w analysis.Way) bool { return w.Way == analysis.WayPolicy })
		}
		switch {
		case slices.ContainsFunc(results, func(r analysis.Result) bool { return r.Abstract }):
			fmt.Fprintln(e.out, "As if there were people in whatever groups suit them; --people names yours.")
		case len(results) > 0 && !slices.ContainsFunc(results, changed):
			paragraph(e, "", "Among these people is no quorum of administrators with passkeys, so no change of policy or roster is counted.")
		}
		return nil
	}, never)
	folder, people = policyFlag(command), peopleFlag(command, imaginedPeople)
	withoutBreakGlass = withoutBreakGlassFlag(command)
	return command
}

// imaginedPeople says whom an answer is about that needs no people.
const imaginedPeople = "if not given, people are imagined in whatever groups suit them"

func withoutBreakGlassFlag(command *cobra.Command) *bool {
	return command.Flags().Bool("without-break-glass", false, "do not count emergencies: roles say that they have them, and each is reviewed")
}

// printWays shows each way to a role.
func printWays(e *environment, r analysis.Result) {
	fmt.Fprintf(e.out, "%s: %s\n", plain(r.Role), together(r.People))
	for _, way := range r.Ways {
		sentences(e, "  ", wayWords(way))
	}
}

func wayWords(way analysis.Way) string {
	return fmt.Sprintf("%s (%d): %s", way.Way, way.People, way.Sentence())
}

func together(people int) string {
	switch people {
	case 0:
		return "nobody can have it"
	case 1:
		return "1 person alone"
	}
	return fmt.Sprintf("%d people together", people)
}

// wayColumn is one of the ways to a role, in a table that explains itself.
type wayColumn struct{ way, text string }

var wayColumns = []wayColumn{
	{analysis.WayAsk, "somebody asks, and others approve"},
	{analysis.WayAllow, "the same, where allowances spare stages"},
	{analysis.WayBreakGlass, "somebody acts in an emergency"},
	{analysis.WayPolicy, "administrators sign another policy"},
	{analysis.WayEnrolment, "somebody asks, and administrators enrol approvers who are nobody"},
}

func (c wayColumn) head() string { return strings.ToUpper(c.way) }

// cell is how few people get a role by the way of a column, and whether something was taken
// to suit them for that; zero where it does not lead there.
func (c wayColumn) cell(r analysis.Result) (people int, suited bool) {
	i := slices.IndexFunc(r.Ways, func(w analysis.Way) bool { return w.Way == c.way }) // the fewest first
	if i < 0 {
		return 0, false
	}
	return r.Ways[i].People, len(r.Ways[i].Assumed) > 0
}

// printCollusions shows how few people get each role, in a column for each way that leads
// to one of them, and an example for each where they are known.
func printCollusions(e *environment, results []analysis.Result) error {
	slices.SortStableFunc(results, func(a, b analysis.Result) int {
		if (a.People == 0) != (b.People == 0) {
			return b.People - a.People // what nobody can have comes last
		}
		return a.People - b.People
	})
	var used []wayColumn
	head := []string{"ROLE", "FEWEST"}
	for _, c := range wayColumns {
		if slices.ContainsFunc(results, func(r analysis.Result) bool { people, _ := c.cell(r); return people > 0 }) {
			used, head = append(used, c), append(head, c.head())
		}
	}
	var rows [][]string
	starred := false
	for _, r := range results {
		row := []string{r.Role, fmt.Sprint(r.People)}
		if r.People == 0 {
			row[1] = "nobody"
		}
		for _, c := range used {
			people, suited := c.cell(r)
			starred = starred || suited
			switch {
			case people == 0:
				row = append(row, "-")
			case suited:
				row = append(row, fmt.Sprintf("%d*", people))
			default:
				row = append(row, fmt.Sprint(people))
			}
		}
		rows = append(rows, row)
	}
	if err := table(e.out, head, rows); err != nil {
		return err
	}
	if len(used) == 0 {
		return nil
	}
	fmt.Fprintln(e.out, "\nSo many people must act together; FEWEST is the least of:")
	for _, c := range used {
		fmt.Fprintf(e.out, "  %-11s  %s\n", c.head(), c.text)
	}
	if starred {
		fmt.Fprintln(e.out, "  *            where something suits them; stint policy collusion ROLE says what")
	}
	printExamples(e, results)
	return nil
}

// printExamples says of each role who gets it, where people are known.
func printExamples(e *environment, results []analysis.Result) {
	told := slices.DeleteFunc(slices.Clone(results), func(r analysis.Result) bool { return r.Abstract || len(r.Ways) == 0 })
	if len(told) == 0 {
		return
	}
	fmt.Fprintln(e.out, "\nFor example:")
	for _, r := range told {
		sentences(e, "  ", r.Role+", "+wayWords(r.Ways[0]))
	}
}
