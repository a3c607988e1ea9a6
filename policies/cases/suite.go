package cases

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"stint/policies"
	"stint/policies/analysis"
)

// Folder is where the cases of a policy are, beside its files.
const Folder = "tests"

// Bounds of a suite.
const (
	mostCases = 10_000
	mostFile  = 1 << 20 // bytes, as of a policy file
)

// Suite is the cases of a policy with the people and targets that they are about.
type Suite struct {
	Cases   []Case // in the order of files and lines
	People  *analysis.Population
	Targets []policies.Target

	parts   []part
	targets map[string]policies.Document // where those of Targets stand, by name
}

// part is what a case, or a row of one, says itself, at a place of a document.
type part struct {
	document policies.Document
	at       []any
	says     Case
}

// Load reads the suite of the policy in fsys: the files *.yaml of Folder. A policy without
// the folder has an empty suite. It returns either a suite without fault or an error
// that names every fault as "file:line:column: sentence".
func Load(fsys fs.FS) (*Suite, error) {
	entries, err := fs.ReadDir(fsys, Folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the folder %s: %w", Folder, err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		name := path.Join(Folder, entry.Name())
		switch {
		case strings.HasPrefix(entry.Name(), "."):
			continue
		case path.Ext(name) == ".yml":
			// Whoever wrote it believes that it counts.
			return nil, &policies.Fault{File: name, Line: 1, Column: 1, Text: "Files of cases end in .yaml; rename this one."}
		case path.Ext(name) != ".yaml":
			continue
		}
		if files[name], err = readBounded(fsys, name); err != nil {
			return nil, err
		}
	}
	return Parse(files)
}

func readBounded(fsys fs.FS, name string) (string, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return "", fmt.Errorf("opening %s: %w", name, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, mostFile+1)) // what is more, Parse refuses
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return string(text), nil
}

// Parse is Load for texts by the names of their files.
func Parse(files map[string]string) (*Suite, error) {
	people, err := analysis.ParsePopulation(files)
	if err != nil {
		return nil, err
	}
	return parse(files, people)
}

// parse reads cases and targets, about people who are known.
func parse(files map[string]string, people *analysis.Population) (*Suite, error) {
	documents, err := policies.ParseDocuments(files, map[string]func() any{
		"Case": func() any { return new(Case) }, "Target": func() any { return new(policies.Target) }, "Person": nil,
	})
	if err != nil {
		return nil, err
	}
	s := &Suite{People: people, targets: map[string]policies.Document{}}
	r := &reader{suite: s, cases: map[string]Case{}}
	for _, d := range documents {
		switch value := d.Value.(type) {
		case *Case:
			r.take(d, *value)
		case *policies.Target:
			r.target(d, *value)
		}
	}
	if len(r.faults) > 0 {
		return nil, errors.Join(r.faults...)
	}
	return s, nil
}

// reader gathers cases and what is wrong with them.
type reader struct {
	suite  *Suite
	cases  map[string]Case // by name
	faults []error
}

// mostFaults bounds how many faults anybody is told of.
const mostFaults = 100

// note notes problems, each at its place below one in the document.
func (r *reader) note(d policies.Document, below []any, problems ...problem) {
	for _, p := range problems {
		if len(r.faults) < mostFaults {
			r.faults = append(r.faults, d.Fault(sentence(p.text), slices.Concat(below, p.at)...))
		}
	}
}

// take takes in a case, or each row of one that has rows.
func (r *reader) take(d policies.Document, base Case) {
	rows := base.Cases
	r.note(d, nil, r.suite.written(base)...)
	r.suite.parts = append(r.suite.parts, part{d, nil, base})
	if rows == nil {
		r.add(d, nil, base)
		return
	}
	if len(rows) == 0 {
		r.note(d, nil, problem{[]any{"cases"}, "a case with rows has some; leave `cases` out, or give it one"})
	}
	for i, row := range rows {
		at := []any{"cases", i}
		r.note(d, at, r.suite.written(row)...)
		r.suite.parts = append(r.suite.parts, part{d, at, row})
		switch {
		case row.Cases != nil:
			r.note(d, at, problem{[]any{"cases"}, "a row has no rows of its own"})
			continue
		case row.Name == "":
			r.note(d, at, problem{nil, "each row has a `name`, which says what is different in it"})
			continue
		}
		r.add(d, at, base.with(row))
	}
}

// add takes in one case that is complete, which stands at a place of the document.
func (r *reader) add(d policies.Document, at []any, c Case) {
	c.File, c.Line = d.File, d.Fault("", at...).Line
	r.note(d, at, c.whole()...)
	if first, twice := r.cases[c.Name]; twice {
		r.note(d, at, problem{[]any{"name"}, fmt.Sprintf("there is a case %q already, at %s:%d", c.Name, first.File, first.Line)})
	}
	r.cases[c.Name] = c
	if len(r.suite.Cases) == mostCases {
		r.note(d, at, problem{nil, fmt.Sprintf("there are at most %d cases", mostCases)})
		return
	}
	r.suite.Cases = append(r.suite.Cases, c)
}

// What a target of a test has that does not say: nobody connects to it.
const (
	testAddress = ".test:22"
	testHostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
)

func (r *reader) target(d policies.Document, t policies.Target) {
	t.Address, t.HostKey = cmp.Or(t.Address, t.Name+testAddress), cmp.Or(t.HostKey, testHostKey)
	if _, err := (&policies.Bundle{}).WithTargets(t); err != nil {
		r.note(d, nil, problem{nil, err.Error()})
		return
	}
	if slices.ContainsFunc(r.suite.Targets, func(other policies.Target) bool { return other.Name == t.Name }) {
		r.note(d, nil, problem{[]any{"name"}, fmt.Sprintf("there is a target %s already", t.Name)})
		return
	}
	r.suite.Targets, r.suite.targets[t.Name] = append(r.suite.Targets, t), d
}
