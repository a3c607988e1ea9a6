package cases

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"stint/policies"
	"stint/policies/analysis"
)

// Folder is where the cases of a policy are, beside its files.
const Folder = "tests"

// mostCases bounds a suite.
const mostCases = 10_000

// Suite is the cases of a policy with the people and targets that they are about.
type Suite struct {
	Cases   []Case // in the order of files and lines
	People  *analysis.Population
	Targets []policies.Target
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
		if path.Ext(name) != ".yaml" && path.Ext(name) != ".yml" || strings.HasPrefix(entry.Name(), ".") {
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
	text, err := io.ReadAll(io.LimitReader(file, mostFile+1))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return string(text), nil
}

// Parse is Load for texts by the names of their files.
func Parse(files map[string]string) (*Suite, error) {
	total := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if total += len(files[name]); len(files[name]) > mostFile || total > mostFiles {
			return nil, fmt.Errorf("%s:1:1: a file of cases holds at most %d bytes, and all together %d", name, mostFile, mostFiles)
		}
		if path.Ext(name) == ".yml" {
			return nil, fmt.Errorf("%s:1:1: files of cases end in .yaml; rename this one", name)
		}
	}
	people, err := analysis.ParsePopulation(files)
	if err != nil {
		// Their faults first: a case that names somebody who cannot be read is not at fault.
		return nil, err
	}
	return parse(files, people)
}

// parse reads cases and targets, about people who are known.
func parse(files map[string]string, people *analysis.Population) (*Suite, error) {
	s := &Suite{People: people}
	r := &reader{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		r.file = name
		for _, root := range r.documents(files[name]) {
			s.add(r, root)
		}
	}
	if len(r.faults) == 0 {
		s.check(r)
	}
	if len(r.faults) > 0 {
		return nil, errors.Join(r.faults...)
	}
	return s, nil
}

// kinds are those of documents that stand in a suite.
var kinds = []string{"Case", "Person", "Target"}

// add takes one document in.
func (s *Suite) add(r *reader, root *yaml.Node) {
	if root.Kind != yaml.MappingNode || len(root.Content) == 0 || root.Content[0].Value != "kind" {
		r.fault(root, "A document begins with `kind:` and one of %s.", listed(kinds, "or"))
		return
	}
	kind := root.Content[1]
	rest := *root
	rest.Content = root.Content[2:]
	switch kind.Value {
	case "Case":
		s.addCase(r, &rest)
	case "Target":
		s.addTarget(r, &rest)
	case "Person": // which the analysis reads
	default:
		if near := nearest(kind.Value, kinds); near != "" {
			r.fault(kind, "There is no kind %q here; did you mean %s?", kind.Value, near)
		} else {
			r.fault(kind, "There is no kind %q here; use %s.", kind.Value, listed(kinds, "or"))
		}
	}
}

// addCase takes in a case, or each row of one that has rows.
func (s *Suite) addCase(r *reader, node *yaml.Node) {
	base := Case{File: r.file, Line: node.Line, nodes: []*yaml.Node{node}}
	if !r.decode(node, &base) {
		return
	}
	if find(node, "cases") == nil {
		s.Cases = append(s.Cases, base)
		return
	}
	for i := range base.Cases {
		row := &base.Cases[i]
		c := base.begin(row)
		switch {
		case find(row, "cases") != nil:
			r.fault(row, "A row has no rows of its own.")
		case find(row, "name") == nil:
			r.fault(row, "Each row has a `name`, which says what is different in it.")
		case r.decode(row, &c):
			if base.Name != "" {
				c.Name = base.Name + ": " + c.Name
			}
			s.Cases = append(s.Cases, c)
		}
		if len(s.Cases) > mostCases {
			r.fault(row, "There are at most %d cases.", mostCases)
			return
		}
	}
	if len(base.Cases) == 0 {
		r.fault(node, "`cases` has no row; leave it out, or give it some.")
	}
}

// begin is what a row begins from: the case without the fields that the row states.
func (c Case) begin(row *yaml.Node) Case {
	c.Cases, c.Line, c.nodes = nil, row.Line, append([]*yaml.Node{row}, c.nodes...)
	c.Ask.Reason, c.Ask.Start = copied(c.Ask.Reason), copied(c.Ask.Start)
	for name, reset := range map[string]func(){
		"at":        func() { c.At = nil },
		"approvals": func() { c.Approvals = nil },
		"held":      func() { c.Held = nil },
		"confirmed": func() { c.Confirmed = nil },
		"used":      func() { c.Used = nil },
		"history":   func() { c.History = History{} },
		"changes":   func() { c.Changes = nil },
		"asserted":  func() { c.Asserted = nil },
		"expect":    func() { c.Expect = nil },
	} {
		if find(row, name) != nil {
			reset()
		}
	}
	return c
}

func copied[T any](value *T) *T {
	if value == nil {
		return nil
	}
	another := *value
	return &another
}

// What a target of a test has that does not say: nobody connects to it.
const (
	testAddress = ".test:22"
	testHostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
)

func (s *Suite) addTarget(r *reader, node *yaml.Node) {
	var t policies.Target
	if !r.decode(node, &t) {
		return
	}
	if t.Address == "" {
		t.Address = t.Name + testAddress
	}
	if t.HostKey == "" {
		t.HostKey = testHostKey
	}
	if _, err := (&policies.Bundle{}).WithTargets(t); err != nil {
		r.fault(node, "%v.", err)
	} else if slices.ContainsFunc(s.Targets, func(other policies.Target) bool { return other.Name == t.Name }) {
		r.fault(node, "There is a target %s already.", t.Name)
	} else {
		s.Targets = append(s.Targets, t)
	}
}

// find is the value of a mapping under a key; nil where there is none.
func find(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
