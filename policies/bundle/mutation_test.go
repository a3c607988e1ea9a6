package bundle_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.yaml.in/yaml/v3"

	"stint/policies"
	"stint/policies/bundle"
	"stint/policies/cases"
)

// Whatever is taken away from a rule of the default policies, or widened, some case fails.
func TestNothingWeakerPassesTheCases(t *testing.T) {
	t.Parallel()
	files := map[string][]string{}
	for name, text := range defaults(t) {
		files[name] = documents(t, text)
	}
	var count atomic.Int64
	work := make(chan []mutant)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for together := range work {
				b := parsedWith(t, files, together)
				for _, m := range together {
					count.Add(1)
					if b != nil && m.passes(b) {
						t.Errorf("%s: %s, and every case passes", m.file, m.what)
					}
				}
			}
		})
	}
	for _, together := range rounds(mutants(t, files)) {
		work <- together
	}
	close(work)
	workers.Wait()
	if count.Load() < 1000 {
		t.Errorf("the policies were weakened in %d ways only", count.Load())
	}
	t.Logf("%d weakenings", count.Load())
}

// mutant is a document of the default policies, weakened.
type mutant struct {
	file    string
	number  int    // of the document in the file
	text    string // empty: it is left out
	what    string
	touches []string // roles on which it can change a decision; nil: on any
	cases   *concerned
}

// concerned are the cases that a document concerns, those first that saw weakenings before:
// they may see the next too.
type concerned struct {
	sync.Mutex
	suite cases.Suite
}

// mutants are all weakenings of each document.
func mutants(t *testing.T, files map[string][]string) []mutant {
	t.Helper()
	b, s := company(t)
	ways := weakenings(everyGroup(b))
	var all []mutant
	for _, file := range slices.Sorted(maps.Keys(files)) {
		for number, text := range files[file] {
			root := parsed(t, text)
			own := about(s, root, touches(b, root, ""))
			for _, found := range everything(root) {
				if covered(ways, found.path) {
					continue
				}
				done, known := ways[found.path]
				if !known && found.leaf {
					t.Errorf("%s: nobody says how %s is weakened, or who looks at it", file, found.path)
				}
				for _, w := range done {
					if weaker, changed := weakened(t, text, found.steps, w); changed {
						all = append(all, mutant{
							file: file, number: number, text: weaker, cases: own, touches: touches(b, root, found.path),
							what: fmt.Sprintf("%s (%v) of %s: %s", found.path, found.steps, called(root), w.name),
						})
					}
				}
			}
		}
	}
	return all
}

// everyGroup is each group that the policies name, or a label of a target in the cases,
// and one of strangers.
func everyGroup(b *policies.Bundle) []string {
	groups := append(b.Groups(), "strangers")
	for _, target := range b.Targets() {
		for _, label := range []string{"owner", "builder"} {
			if group := target.Labels[label]; group != "" {
				groups = append(groups, group)
			}
		}
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// touches are the roles on which a weakening at a path of a document can change what is
// decided; nil: all.
func touches(b *policies.Bundle, root *yaml.Node, path string) []string {
	name := called(root)
	switch child(root, "kind").Value {
	case "Role":
		roles := []string{name}
		if path != "Role.requesters" {
			return roles
		}
		// Who may ask for it matters to what nobody may ask for too.
		for _, s := range b.Separations() {
			if s.Forbid == policies.ForbidEligible && slices.Contains(s.Roles, name) {
				roles = append(roles, s.Roles...)
			}
		}
		return roles
	case "Separation":
		i := slices.IndexFunc(b.Separations(), func(s policies.Separation) bool { return s.Name == name })
		return b.Separations()[i].Roles
	case "Calendar":
		var roles []string
		for _, r := range b.Roles() {
			if slices.Contains(r.Windows, name) {
				roles = append(roles, r.Name)
			}
		}
		return roles
	}
	return nil
}

// rounds puts mutants together that can be looked at in one policy: no two that touch the
// same role.
func rounds(all []mutant) [][]mutant {
	var rounds [][]mutant
	for _, m := range all {
		i := slices.IndexFunc(rounds, func(together []mutant) bool {
			return !slices.ContainsFunc(together, func(other mutant) bool {
				return m.touches == nil || other.touches == nil ||
					slices.ContainsFunc(m.touches, func(role string) bool { return slices.Contains(other.touches, role) })
			})
		})
		if i < 0 {
			rounds = append(rounds, []mutant{m})
			continue
		}
		rounds[i] = append(rounds[i], m)
	}
	return rounds
}

// parsedWith is the policy with the mutants in their places, on the targets of the cases; nil where it
// does not load.
func parsedWith(t *testing.T, files map[string][]string, mutants []mutant) *policies.Bundle {
	t.Helper()
	altered := map[string][]string{}
	for _, m := range mutants {
		if altered[m.file] == nil {
			altered[m.file] = slices.Clone(files[m.file])
		}
		altered[m.file][m.number] = m.text
	}
	texts := map[string]string{}
	for file, documents := range files {
		if altered[file] != nil {
			documents = slices.DeleteFunc(altered[file], func(text string) bool { return text == "" })
		}
		texts[file] = strings.Join(documents, "---\n")
	}
	b, err := policies.Parse(texts)
	if err == nil {
		b, err = mutants[0].cases.suite.Bundle(b)
	}
	if err != nil {
		t.Errorf("a weaker policy does not load, so that it shows nothing: %v", err)
	}
	return b
}

// about leaves the cases that a document concerns: of a role, those that ask for it.
func about(s *cases.Suite, root *yaml.Node, touched []string) *concerned {
	some := &concerned{suite: *s}
	some.suite.Cases = slices.DeleteFunc(slices.Clone(s.Cases), func(c cases.Case) bool {
		return touched != nil && !slices.Contains(touched, c.Ask.Role)
	})
	return some
}

// passes tells whether all cases come as expected. It looks at ever more of them at a time,
// and ends where one does not.
func (m mutant) passes(b *policies.Bundle) bool {
	m.cases.Lock()
	some := m.cases.suite
	m.cases.Unlock()
	all := some.Cases // which nobody changes
	for from, to := 0, 1; from < len(all); from, to = to, 2*to {
		some.Cases = all[from:min(to, len(all))]
		i := slices.IndexFunc(some.Run(b).Cases, func(r cases.Result) bool { return len(r.Failures) > 0 })
		if i < 0 {
			continue
		}
		m.cases.Lock()
		m.cases.suite.Cases = slices.Concat(some.Cases[i:i+1], all[:from+i], all[from+i+1:])
		m.cases.Unlock()
		return false
	}
	return true
}

func defaults(t *testing.T) map[string]string {
	t.Helper()
	names, err := fs.Glob(bundle.Files, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		text, err := fs.ReadFile(bundle.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	return files
}

// documents are the texts of those of a file.
func documents(t *testing.T, text string) []string {
	t.Helper()
	var texts []string
	for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
		var top yaml.Node
		err := decoder.Decode(&top)
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, written(t, &top))
	}
}

func parsed(t *testing.T, text string) *yaml.Node {
	t.Helper()
	var top yaml.Node
	if err := yaml.Unmarshal([]byte(text), &top); err != nil {
		t.Fatal(err)
	}
	return top.Content[0]
}

func written(t *testing.T, n *yaml.Node) string {
	t.Helper()
	text, err := yaml.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// thing is something that stands in a document: its path, and how to find it, as indices
// into the content of each node on the way.
type thing struct {
	path  string
	steps []int
	leaf  bool
}

// everything lists the document itself and each value in it.
func everything(root *yaml.Node) []thing {
	var found []thing
	var walk func(n *yaml.Node, path string, steps []int)
	walk = func(n *yaml.Node, path string, steps []int) {
		found = append(found, thing{path, slices.Clone(steps), n.Kind == yaml.ScalarNode})
		for i, value := range n.Content {
			switch {
			case n.Kind == yaml.SequenceNode:
				walk(value, path+"[]", append(steps, i))
			case i%2 == 1 && n.Content[i-1].Value != "kind":
				key := "." + n.Content[i-1].Value
				if strings.HasSuffix(path, ".labels") {
					key = ".*" // whatever they are called
				}
				walk(value, path+key, append(steps, i))
			}
		}
	}
	walk(root, child(root, "kind").Value, nil)
	return found
}

// covered tells whether a thing, or something that it is a part of, is beyond the cases, or
// is an item of a list that is weakened as a whole.
func covered(ways map[string][]weakening, path string) bool {
	for part := path; part != ""; part = part[:max(strings.LastIndexAny(part, ".["), 0)] {
		_, is := beyond[part]
		_, last, _ := strings.Cut(part, ".")
		_, word := beyond["*."+last]
		_, list := ways[part]
		if is || word || list && part != path && path == part+"[]" && ways[path] == nil {
			return true
		}
	}
	return false
}

// weakened is the text of a document after a weakening of a thing in it, empty where it is left
// out as a whole, and whether there was anything to weaken.
func weakened(t *testing.T, text string, steps []int, w weakening) (string, bool) {
	t.Helper()
	at := place{parsed(t, text)}
	for _, i := range steps {
		at = append(at, at.here().Content[i])
	}
	if !w.apply(at) {
		return "", false
	}
	if len(at.document().Content) == 0 {
		return "", true
	}
	return written(t, at.document()), true
}

// called is the name of a document.
func called(root *yaml.Node) string {
	if name := child(root, "name"); name != nil {
		return name.Value
	}
	return ""
}
