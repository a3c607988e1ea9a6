package bundle_test

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
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
	s := suite(t)
	files := defaults(t)
	var count atomic.Int64
	t.Run("of", func(t *testing.T) {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			texts := documents(t, files[name])
			for number := range texts {
				root := parsed(t, texts[number])
				t.Run(child(root, "kind").Value+" "+called(root), func(t *testing.T) {
					t.Parallel()
					some := about(s, root)
					for _, found := range everything(root) {
						if covered(found.path) {
							continue
						}
						done, known := weakenings[found.path]
						if !known && found.leaf {
							t.Errorf("%s: nobody says how %s is weakened, or who looks at it", name, found.path)
						}
						for _, w := range done {
							weaker, changed := weakened(t, texts[number], found.steps, w)
							if !changed {
								continue
							}
							count.Add(1)
							mutant, altered := maps.Clone(files), slices.Clone(texts)
							altered[number] = weaker
							mutant[name] = strings.Join(slices.DeleteFunc(altered, func(text string) bool { return text == "" }), "---\n")
							if passes(t, some, mutant) {
								t.Errorf("%s (%v) of %s: %s, and every case passes", found.path, found.steps, called(root), w.name)
							}
						}
					}
				})
			}
		}
	})
	if count.Load() < 200 {
		t.Errorf("the policies were weakened in %d ways only", count.Load())
	}
	t.Logf("%d weakenings", count.Load())
}

// about leaves the cases that a document can concern: of a role, those that ask for it.
func about(s *cases.Suite, root *yaml.Node) *cases.Suite {
	some := *s
	some.Cases = slices.DeleteFunc(slices.Clone(s.Cases), func(c cases.Case) bool {
		return child(root, "kind").Value == "Role" && c.Ask.Role != called(root)
	})
	return &some
}

// passes tells whether all cases come as expected under a policy. It ends with the first that does
// not, and brings that to the front: it may see the next weakening too.
func passes(t *testing.T, s *cases.Suite, files map[string]string) bool {
	t.Helper()
	b, err := policies.Parse(files)
	if err == nil {
		b, err = s.Bundle(b)
	}
	if err != nil {
		t.Errorf("a weaker policy does not load, so that it shows nothing: %v", err)
		return false
	}
	one := *s
	for i := range s.Cases {
		if one.Cases = s.Cases[i : i+1]; one.Run(b).Failed > 0 {
			s.Cases = slices.Concat(s.Cases[i:i+1], s.Cases[:i], s.Cases[i+1:])
			return false
		}
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
func covered(path string) bool {
	for part := path; part != ""; part = part[:max(strings.LastIndexAny(part, ".["), 0)] {
		_, is := beyond[part]
		_, last, _ := strings.Cut(part, ".")
		_, word := beyond["*."+last]
		_, list := weakenings[part]
		if is || word || list && part != path && path == part+"[]" {
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
