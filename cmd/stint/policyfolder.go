package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"stint/policies"
	"stint/policies/analysis"
	"stint/policies/cases"
)

// policyWidth is how wide the text of the policy commands is, in characters.
const policyWidth = 80

// policyAnswer completes a command that answers from files, signed out: it prints what
// answer gives as JSON, or what show makes of it, and ends with 1 where failed says so.
func policyAnswer[T any](e *environment, command *cobra.Command, answer func(context.Context, []string) (T, error), show func(T) error, failed func(T) bool) *cobra.Command {
	var output format
	formatFlag(command, &output)
	command.RunE = func(command *cobra.Command, arguments []string) error {
		if err := output.check(); err != nil {
			return err
		}
		value, err := answer(command.Context(), arguments)
		if err != nil {
			return err
		}
		if output == "json" {
			err = printJSON(e.out, value)
		} else {
			err = show(value)
		}
		if err == nil && failed(value) {
			return &exitStatus{code: exitFailed}
		}
		return err
	}
	return command
}

func never[T any](T) bool { return false }

// policyFlag adds --policy to a command, which is the folder that it works on.
func policyFlag(command *cobra.Command) *string {
	return command.Flags().String("policy", "", "the `folder` of policy files; policies or the current one if not given")
}

// folderArgument takes at most one argument, the folder of policy files.
func folderArgument(_ *cobra.Command, arguments []string) error {
	if len(arguments) > 1 {
		return &usageError{errors.New("give one folder of policy files")}
	}
	return nil
}

func folderOf(arguments []string) string {
	if len(arguments) == 0 {
		return ""
	}
	return arguments[0]
}

// policyFolder is a folder of policy files that was read.
type policyFolder struct {
	path        string
	policy      *policies.Bundle
	withTargets *policies.Bundle // the same with the targets of the tests
	suite       *cases.Suite
}

// readPolicy reads a policy with its tests. Faults are printed, a line each, where an
// editor finds them.
func readPolicy(e *environment, folder string) (policyFolder, error) {
	bundle, folder, err := readBundle(e, folder)
	if err != nil {
		return policyFolder{}, err
	}
	suite, err := cases.Load(os.DirFS(folder))
	if err != nil {
		return policyFolder{}, faulty(e, folder, err)
	}
	withTargets, err := suite.Bundle(bundle)
	if err != nil {
		return policyFolder{}, faulty(e, folder, err)
	}
	if err := suite.Fits(withTargets); err != nil {
		return policyFolder{}, faulty(e, folder, err)
	}
	return policyFolder{path: folder, policy: bundle, withTargets: withTargets, suite: suite}, nil
}

// readBundle reads the policy of a folder, and says which that is.
func readBundle(e *environment, folder string) (*policies.Bundle, string, error) {
	if folder == "" {
		folder = "."
		if holdsPolicy("policies") {
			folder = "policies"
		}
	}
	if info, err := os.Stat(folder); err == nil && !info.IsDir() {
		return nil, "", &usageError{fmt.Errorf("%q is a file; name the folder that holds the policy files", plain(folder))}
	}
	if !holdsPolicy(folder) {
		return nil, "", &usageError{fmt.Errorf("there are no policy files (*.yaml) in the folder %q; name the folder that holds them", plain(folder))}
	}
	bundle, err := policies.Load(os.DirFS(folder))
	if err != nil {
		return nil, "", faulty(e, folder, err)
	}
	return bundle, folder, nil
}

func holdsPolicy(folder string) bool {
	found, err := fs.Glob(os.DirFS(folder), "*.yaml")
	return err == nil && len(found) > 0
}

// faulty prints what is wrong with files of a folder. What kept one from being read at all
// it leaves to the caller.
func faulty(e *environment, folder string, err error) error {
	var fault *policies.Fault
	if !errors.As(err, &fault) {
		return err
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(e.err, plain(path.Join(filepath.ToSlash(folder), strings.TrimSuffix(line, "\n"))))
	}
	return &exitStatus{code: exitFailed}
}

// peopleFlag adds --people to a command.
func peopleFlag(command *cobra.Command, otherwise string) *string {
	return command.Flags().String("people", "", "whom it is about: a `file` or folder of documents kind: Person, or broker; "+otherwise)
}

// readPopulation reads the value of --people. Empty is otherwise.
func readPopulation(ctx context.Context, e *environment, people string, otherwise *analysis.Population) (*analysis.Population, error) {
	switch people {
	case "":
		return otherwise, nil
	case "broker":
		return brokerPopulation(ctx, e)
	}
	info, err := os.Stat(people)
	if err != nil {
		return nil, &usageError{unreadable("--people", people, err)}
	}
	folder, names := filepath.Dir(people), []string{filepath.Base(people)}
	if info.IsDir() {
		folder = people
		if names, err = fs.Glob(os.DirFS(folder), "*.yaml"); err != nil {
			return nil, err
		}
	}
	files := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		files[name] = string(text)
	}
	population, err := analysis.ParsePopulation(files)
	if err != nil {
		return nil, faulty(e, folder, err)
	}
	if len(population.People()) == 0 {
		return nil, &usageError{fmt.Errorf("there is nobody in %s; describe each person in a document that begins with kind: Person", plain(people))}
	}
	return population, nil
}

// unreadable says that what a flag names cannot be read, and why.
func unreadable(flag, name string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("%s %s: %w", flag, plain(name), err)
}

// populated is a population, or none where it holds nobody.
func populated(people *analysis.Population) *analysis.Population {
	if len(people.People()) == 0 {
		return nil
	}
	return people
}

// sentences writes texts as a list, broken between words.
func sentences(e *environment, indent string, texts ...string) {
	for _, text := range texts {
		paragraph(e, indent, "- "+text)
	}
}

// paragraph writes a text, broken between words.
func paragraph(e *environment, indent, text string) {
	for _, line := range cases.Wrap(plain(text), indent, policyWidth) {
		fmt.Fprintln(e.out, line)
	}
}

// printExplanation writes a decision as a tree in words.
func printExplanation(e *environment, indent string, explanation cases.Explanation) {
	for _, line := range explanation.Lines(policyWidth - len(indent)) {
		fmt.Fprintln(e.out, indent+plain(line))
	}
}
