package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"stint/policies"
	"stint/policies/analysis"
	"stint/policies/cases"
)

func policyLintCommand(e *environment) *cobra.Command {
	var least int
	var people *string
	var withoutBreakGlass *bool
	var folder policyFolder
	command := policyAnswer(e, &cobra.Command{
		Use:   "lint [FOLDER] [--min-collusion N [--without-break-glass]]",
		Short: "What in a policy is wrong, dangerous or of no use",
		Long: `Say what in a policy is wrong, dangerous or of no use. It ends with 1 where there
is an error. --min-collusion N makes an error of every role that fewer than N
people get together; with --without-break-glass, otherwise than in an emergency.`,
		Args: folderArgument,
	}, func(ctx context.Context, arguments []string) ([]analysis.Finding, error) {
		if least < 0 {
			return nil, &usageError{errors.New("--min-collusion is a number of people")}
		}
		if *withoutBreakGlass && least == 0 {
			return nil, &usageError{errors.New("--without-break-glass says what --min-collusion leaves out; give that too")}
		}
		var err error
		if folder, err = readPolicy(e, folderOf(arguments)); err != nil {
			return nil, err
		}
		population, err := readPopulation(ctx, e, *people, nil)
		if err != nil {
			return nil, err
		}
		options := analysis.Options{MinCollusion: least, WithoutBreakGlass: *withoutBreakGlass}
		if len(folder.suite.Cases) > 0 {
			options.Tested = folder.suite.Tested()
		}
		findings := analysis.New(folder.withTargets, population).Lint(options)
		if findings == nil {
			findings = []analysis.Finding{}
		}
		return findings, nil
	}, func(findings []analysis.Finding) error {
		counts := map[string]int{}
		for _, f := range findings {
			counts[f.Severity]++
			printFinding(e, folder.path, f)
		}
		fmt.Fprintf(e.out, "%s, %s, %s.\n", number(counts[analysis.SeverityError], "error"), number(counts[analysis.SeverityWarning], "warning"), number(counts[analysis.SeverityNote], "note"))
		return nil
	}, func(findings []analysis.Finding) bool {
		for _, f := range findings {
			if f.Severity == analysis.SeverityError {
				return true
			}
		}
		return false
	})
	command.Flags().IntVar(&least, "min-collusion", 0, "fail where fewer than `N` people together get a role")
	people = peopleFlag(command, imaginedPeople)
	withoutBreakGlass = withoutBreakGlassFlag(command)
	return command
}

func printFinding(e *environment, folder string, f analysis.Finding) {
	where := ""
	if f.File != "" {
		where = fmt.Sprintf("%s:%d: ", path.Join(filepath.ToSlash(folder), f.File), f.Line)
	}
	fmt.Fprintln(e.out, plain(fmt.Sprintf("%s%s [%s]", where, f.Severity, f.Rule)))
	paragraph(e, "  ", f.Text)
	if f.Remedy != "" {
		paragraph(e, "  ", "> "+f.Remedy)
	}
}

// number is how many there are of something.
func number(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// policyTested is what stint policy test answers.
type policyTested struct {
	cases.Results
	Coverage cases.Coverage `json:"coverage"`
	Percent  int            `json:"percent"` // of Coverage
}

func policyTestCommand(e *environment) *cobra.Command {
	var all bool
	var least int
	var folder policyFolder
	command := policyAnswer(e, &cobra.Command{
		Use:   "test [FOLDER] [--coverage] [--min-coverage N]",
		Short: "Decide the test cases, and say which do not come as expected",
		Long: `Decide the cases in the folder tests of a policy, and explain each that does not
come as expected. Coverage counts for each rule of each role whether some case
saw it fulfilled, and some case saw it not. It ends with 1 where a case fails,
or where the coverage is less than --min-coverage.`,
		Args: folderArgument,
	}, func(_ context.Context, arguments []string) (policyTested, error) {
		if least < 0 || least > 100 {
			return policyTested{}, &usageError{errors.New("--min-coverage is a percentage from 0 to 100")}
		}
		var err error
		if folder, err = readPolicy(e, folderOf(arguments)); err != nil {
			return policyTested{}, err
		}
		if len(folder.suite.Cases) == 0 {
			return policyTested{}, &usageError{fmt.Errorf("there are no cases in %s; write one that begins with kind: Case into a file there", plain(filepath.Join(folder.path, cases.Folder)))}
		}
		results := folder.suite.Run(folder.withTargets)
		tested := policyTested{Results: results, Coverage: results.Coverage(folder.withTargets)}
		tested.Percent = tested.Coverage.Percent()
		return tested, nil
	}, func(tested policyTested) error {
		for _, result := range tested.Cases {
			if len(result.Failures) > 0 {
				printFailure(e, folder.path, result)
			}
		}
		if unseen := tested.Coverage.Unseen(); all && len(unseen) > 0 {
			fmt.Fprintln(e.out, "No case sees:")
			sentences(e, "  ", unseen...)
		}
		fmt.Fprintf(e.out, "%s: %d passed, %d failed. They see %d %% of the rules.\n", number(len(tested.Cases), "case"), tested.Passed, tested.Failed, tested.Percent)
		if tested.Percent < least {
			fmt.Fprintf(e.out, "That is less than %d %%; see which with --coverage.\n", least)
		}
		return nil
	}, func(tested policyTested) bool { return tested.Failed > 0 || tested.Percent < least })
	command.Flags().BoolVar(&all, "coverage", false, "list what no case sees")
	command.Flags().IntVar(&least, "min-coverage", 0, "fail where the cases see fewer `percent` of the rules")
	return command
}

func printFailure(e *environment, folder string, result cases.Result) {
	fmt.Fprintln(e.out, plain(fmt.Sprintf("%s:%d: FAILED: %s", path.Join(filepath.ToSlash(folder), result.File), result.Line, result.Name)))
	for _, f := range result.Failures {
		fmt.Fprintln(e.out, plain(fmt.Sprintf("  %s: expected %s", f.What, f.Expected)))
		fmt.Fprintln(e.out, plain(fmt.Sprintf("  %*s  came     %s", len(f.What), "", f.Came)))
	}
	printExplanation(e, "    ", result.Explained)
	fmt.Fprintln(e.out)
}

func policySchemaCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "The JSON Schema of policy files, for editors",
		Args:  nothing,
		RunE: func(*cobra.Command, []string) error {
			_, err := e.out.Write(policies.Schema())
			return err
		},
	}
}
