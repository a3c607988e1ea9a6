package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"stint/policies/analysis"
	"stint/policies/cases"
)

// analyse reads a policy with the people whom it is asked about.
func analyse(ctx context.Context, e *environment, folder, people string, otherwise func(policyFolder) *analysis.Population) (policyFolder, *analysis.Population, *analysis.Analysis, error) {
	read, err := readPolicy(e, folder)
	if err != nil {
		return read, nil, nil, err
	}
	population, err := readPopulation(ctx, e, people, otherwise(read))
	return read, population, analysis.New(read.withTargets, population), err
}

func peopleOfTests(read policyFolder) *analysis.Population { return populated(read.suite.People) }
func nobodyInParticular(policyFolder) *analysis.Population { return nil }

var errNobodyKnown = &usageError{errors.New("nobody is known; name a file or folder of documents `kind: Person` with --people, or say --people broker")}

// knownRole refuses a role that the policy has not.
func (f policyFolder) knownRole(name string) error {
	if _, known := f.withTargets.Role(name); known {
		return nil
	}
	var names []string
	for _, role := range f.withTargets.Roles() {
		names = append(names, role.Name)
	}
	return &usageError{cases.Unknown("role", name, names)}
}

func policyWhoCanCommand(e *environment) *cobra.Command {
	var folder, people *string
	command := policyAnswer(e, &cobra.Command{
		Use:   "who-can ROLE",
		Short: "Who may ask for a role, approve it, act alone, and review",
		Args:  exactly(1, "name a role"),
	}, func(ctx context.Context, arguments []string) (analysis.RoleAnswer, error) {
		read, population, answers, err := analyse(ctx, e, *folder, *people, peopleOfTests)
		switch {
		case err != nil:
			return analysis.RoleAnswer{}, err
		case population == nil:
			return analysis.RoleAnswer{}, errNobodyKnown
		}
		return answers.WhoCan(arguments[0]), read.knownRole(arguments[0])
	}, func(answer analysis.RoleAnswer) error {
		printWho(e, "May ask", answer.Ask)
		if len(answer.Excluded) > 0 {
			fmt.Fprintln(e.out, "Kept out by a separation of duty:")
			for _, x := range answer.Excluded {
				sentences(e, "  ", x.Name+": "+x.Text)
			}
		}
		for _, stage := range answer.Stages {
			head := fmt.Sprintf("Approve as %s (%d needed", stage.Name, stage.Count)
			if len(stage.After) > 0 {
				head += ", after " + strings.Join(stage.After, ", ")
			}
			if stage.When != "" {
				head += ", only when " + stage.When
			}
			if stage.Added != "" {
				head += ", added by " + stage.Added
			}
			if len(stage.Spared) > 0 {
				head += ", spared by " + strings.Join(stage.Spared, ", ")
			}
			printWho(e, head+")", stage.Approvers)
		}
		if len(answer.BreakGlass) > 0 {
			printWho(e, "May act alone in an emergency", answer.BreakGlass)
			printWho(e, "Review an emergency", answer.Review)
		}
		printWho(e, "May replay recordings", answer.Replay)
		return nil
	}, never)
	folder, people = policyFlag(command), peopleFlag(command, "the people of the tests if not given")
	return command
}

func printWho(e *environment, head string, people []analysis.Who) {
	if len(people) == 0 {
		head += ": nobody."
	} else {
		head += ":"
	}
	paragraph(e, "", head)
	for _, who := range people {
		sentences(e, "  ", who.Name+grounds(who.Why))
	}
}

// grounds are why something applies to somebody.
func grounds(why []analysis.Why) string {
	var texts []string
	for _, w := range why {
		texts = append(texts, w.Text)
	}
	if len(texts) == 0 {
		return ""
	}
	return ", " + strings.Join(texts, "; ")
}

func policyWhatCanCommand(e *environment) *cobra.Command {
	var folder, people *string
	command := policyAnswer(e, &cobra.Command{
		Use:   "what-can PERSON",
		Short: "What somebody may ask for and approve, and what is kept apart",
		Args:  exactly(1, "name a person: a name, an e-mail address or a subject"),
	}, func(ctx context.Context, arguments []string) (analysis.PersonAnswer, error) {
		_, population, answers, err := analyse(ctx, e, *folder, *people, peopleOfTests)
		switch {
		case err != nil:
			return analysis.PersonAnswer{}, err
		case population == nil:
			return analysis.PersonAnswer{}, errNobodyKnown
		}
		person, err := (&cases.Suite{People: population}).Person(arguments[0])
		if err != nil {
			return analysis.PersonAnswer{}, &usageError{err}
		}
		return answers.WhatCan(person.Subject), nil
	}, func(answer analysis.PersonAnswer) error {
		fmt.Fprintln(e.out, plain(answer.Name)+" may ask for:")
		for _, reach := range answer.Ask {
			text := fmt.Sprintf("%s, as %s on %s%s", reach.Role, strings.Join(reach.Logins, ", "), some(reach.Targets), grounds(reach.Why))
			switch {
			case reach.People == 0 && len(reach.Targets) > 0:
				text += "; but too few of these people could agree"
			case reach.People == 1:
				text += "; alone"
			case reach.People > 1:
				text += fmt.Sprintf("; it takes %d people together", reach.People)
			}
			if reach.BreakGlass {
				text += "; alone in an emergency"
			}
			sentences(e, "  ", text)
		}
		if len(answer.Ask) == 0 {
			fmt.Fprintln(e.out, "  nothing.")
		}
		if len(answer.Approve) > 0 {
			fmt.Fprintln(e.out, "May approve:")
		}
		for _, a := range answer.Approve {
			sentences(e, "  ", fmt.Sprintf("%s, as %s%s", a.Role, a.Stage, grounds(a.Why)))
		}
		if len(answer.Separations) > 0 {
			fmt.Fprintln(e.out, "Separation of duty:")
		}
		for _, c := range answer.Separations {
			text := c.Separation + ": " + c.Text
			if c.Violated {
				text = "VIOLATED: " + text
			}
			sentences(e, "  ", text)
		}
		return nil
	}, never)
	folder, people = policyFlag(command), peopleFlag(command, "the people of the tests if not given")
	return command
}

// some lists a few names, and counts the others.
func some(names []string) string {
	const most = 5
	if len(names) == 0 {
		return "no target"
	}
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
