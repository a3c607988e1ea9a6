package policies

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bundle is a policy that was loaded and checked. It never changes, and any
// number of goroutines may use it. What its methods return belongs to it: read
// it, do not write to it.
type Bundle struct {
	files        map[string]string
	digest       string
	organization Organization
	roles        []Role                 // by name
	targets      []Target               // by name
	separations  []Separation           // by name
	teams        []Team                 // by name
	calendars    []Calendar             // by name
	aliasSet     map[Subject]int        // where in organization.Aliases an identity stands
	conditions   map[string]*conditions // by role
	environments *environments          // of conditions; nil once all are compiled
}

// Bounds of a bundle, in bytes.
const (
	mostFile   = 1 << 20
	mostBundle = 8 << 20
)

// Load reads every *.yaml file at the root of fsys, each any number of
// documents, and checks all of it. It either returns a bundle without fault, or
// an error that names every fault as "file:line: sentence". Files whose names
// begin with a dot are left alone (editors and mounts make them).
func Load(fsys fs.FS) (*Bundle, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("reading the policy folder: %w", err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		name := entry.Name()
		if !takesPart(name) {
			continue
		}
		text, err := readBounded(fsys, name)
		if err != nil {
			return nil, err
		}
		files[name] = string(text)
	}
	return Parse(files)
}

// takesPart says whether a file of the folder is policy, or claims to be.
func takesPart(name string) bool {
	return !strings.HasPrefix(name, ".") && (path.Ext(name) == ".yaml" || path.Ext(name) == ".yml")
}

// Parse is Load for texts by their file names, as Bundle.Files gives them.
func Parse(files map[string]string) (*Bundle, error) {
	l := loader{bundle: &Bundle{files: map[string]string{}}}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text := files[name]
		switch {
		case !takesPart(name):
			continue
		case path.Ext(name) == ".yml":
			// Whoever wrote it believes that it counts.
			l.fault(name, 1, "Policy files end in .yaml; rename this one.")
			continue
		case len(text) > mostFile:
			return nil, fmt.Errorf("%s holds more than %d bytes", name, mostFile)
		}
		if total += len(text); total > mostBundle {
			return nil, fmt.Errorf("the policy folder holds more than %d bytes", mostBundle)
		}
		l.bundle.files[name] = text
		if l.visible(name, text) {
			l.read(name, []byte(text))
		}
	}
	if len(l.bundle.files) == 0 && len(l.faults) == 0 {
		return nil, errors.New("the policy folder holds no .yaml file")
	}
	return l.finish()
}

func readBounded(fsys fs.FS, name string) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening a policy file: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, mostFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading policy file %s: %w", name, err)
	}
	if len(text) > mostFile {
		return nil, fmt.Errorf("%s holds more than %d bytes", name, mostFile)
	}
	return text, nil
}

// Digest names the exact bytes of the bundle: "sha256:" and 64 hex digits over
// a label, then each file in the order of names, name and text each behind its
// length in 8 bytes.
func (b *Bundle) Digest() string { return b.digest }

// Files is the exact text of each file by its name. The map is the caller's.
func (b *Bundle) Files() map[string]string { return maps.Clone(b.files) }

// Organization is what is true for the whole installation.
func (b *Bundle) Organization() Organization { return b.organization }

// Quorum is how many different administrators must sign a change.
func (b *Bundle) Quorum() int { return b.organization.Quorum }

// Inventory finds a source of targets by its name.
func (b *Bundle) Inventory(name string) (Inventory, bool) {
	i := slices.IndexFunc(b.organization.Inventories, func(i Inventory) bool { return i.Name == name })
	if i < 0 {
		return Inventory{}, false
	}
	return b.organization.Inventories[i], true
}

// NeedsAttestation tells whether an enrolment that states these groups must prove
// on which make of authenticator its passkey lives.
func (b *Bundle) NeedsAttestation(groups []string) bool {
	return slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(b.organization.Attestation.Groups, g) })
}

// Roles lists every role by name.
func (b *Bundle) Roles() []Role { return slices.Clone(b.roles) }

// Role finds a role by its name.
func (b *Bundle) Role(name string) (Role, bool) {
	i, ok := slices.BinarySearchFunc(b.roles, name, func(r Role, name string) int { return cmp.Compare(r.Name, name) })
	if !ok {
		return Role{}, false
	}
	return b.roles[i], true
}

// Targets lists every target by name.
func (b *Bundle) Targets() []Target { return slices.Clone(b.targets) }

// Target finds a target by its name.
func (b *Bundle) Target(name string) (Target, bool) {
	i, ok := slices.BinarySearchFunc(b.targets, name, func(t Target, name string) int { return cmp.Compare(t.Name, name) })
	if !ok {
		return Target{}, false
	}
	return b.targets[i], true
}

// Separations lists every separation of duty by name.
func (b *Bundle) Separations() []Separation { return slices.Clone(b.separations) }

// Teams lists every team by name.
func (b *Bundle) Teams() []Team { return slices.Clone(b.teams) }

// Calendars lists every calendar by name.
func (b *Bundle) Calendars() []Calendar { return slices.Clone(b.calendars) }

// Calendar finds a calendar by its name.
func (b *Bundle) Calendar(name string) (Calendar, bool) {
	i, ok := slices.BinarySearchFunc(b.calendars, name, func(c Calendar, name string) int { return cmp.Compare(c.Name, name) })
	if !ok {
		return Calendar{}, false
	}
	return b.calendars[i], true
}

// TargetsOf lists the targets that a role selects, by name; none for a role
// that does not exist.
func (b *Bundle) TargetsOf(role string) []Target {
	r, ok := b.Role(role)
	if !ok {
		return nil
	}
	var selected []Target
	for _, t := range b.targets {
		if r.Targets.selects(t) {
			selected = append(selected, t)
		}
	}
	return selected
}

// selects tells whether every label of the selector is the target's. An empty
// selector selects nothing, so that a slip of the pen never means everything.
func (s Selector) selects(t Target) bool {
	for key, value := range s.Labels {
		if has, ok := t.Labels[key]; !ok || has != value {
			return false
		}
	}
	return len(s.Labels) > 0
}

// ApproverGroups lists every group that some stage of some role names, sorted.
func (b *Bundle) ApproverGroups() []string {
	groups := map[string]bool{}
	for _, r := range b.roles {
		for _, s := range r.Approval {
			for _, g := range s.Groups {
				groups[g] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(groups))
}

func digestOf(files map[string]string) string {
	h := sha256.New()
	io.WriteString(h, "stint policy bundle 1\n")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for _, part := range []string{name, files[name]} {
			var length [8]byte
			binary.BigEndian.PutUint64(length[:], uint64(len(part)))
			h.Write(length[:])
			io.WriteString(h, part)
		}
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// loader gathers documents and faults while a bundle is read.
type loader struct {
	bundle    *Bundle
	documents []document
	faults    []error
}

// document is one YAML document; exactly one of the pointers is set.
type document struct {
	file string
	node *yaml.Node

	organization *Organization
	role         *Role
	target       *Target
	separation   *Separation
	team         *Team
	calendar     *Calendar
}

// Bounds that keep a hostile file cheap: the library compares every key of a
// mapping with every other, and has a sentence for each pair that is the same.
const (
	mostKeys   = 1000 // of one mapping
	mostItems  = 5000 // of one list
	mostFaults = 100
)

// fault notes what is wrong, as long as somebody may still read it.
func (l *loader) fault(file string, line int, format string, values ...any) {
	if len(l.faults) >= mostFaults {
		return
	}
	l.faults = append(l.faults, fmt.Errorf("%s:%d: %s", file, line, fmt.Sprintf(format, values...)))
}

// read takes one file apart. Each document is decoded twice: once into nodes,
// which know their lines, and once strictly into its type.
func (l *loader) read(file string, text []byte) {
	nodes, strict := yaml.NewDecoder(bytes.NewReader(text)), yaml.NewDecoder(bytes.NewReader(text))
	strict.KnownFields(true)
	for len(l.faults) < mostFaults {
		var top yaml.Node
		if err := nodes.Decode(&top); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			// What follows a syntax error cannot be told apart from it.
			l.yamlFaults(file, err)
			return
		}
		d := document{file: file}
		var err error
		kind, line := kindOf(&top)
		// Before the types see it: what is not plain may cost them any time.
		if !l.plain(file, &top) {
			kind = "not plain"
		}
		switch kind {
		case "Organization":
			var into struct {
				Kind         string
				Organization `yaml:",inline"`
			}
			err = strict.Decode(&into)
			d.organization = &into.Organization
		case "Role":
			var into struct {
				Kind string
				Role `yaml:",inline"`
			}
			err = strict.Decode(&into)
			d.role = &into.Role
		case "Target":
			var into struct {
				Kind   string
				Target `yaml:",inline"`
			}
			err = strict.Decode(&into)
			d.target = &into.Target
		case "Separation":
			var into struct {
				Kind       string
				Separation `yaml:",inline"`
			}
			err = strict.Decode(&into)
			d.separation = &into.Separation
		case "Team":
			var into struct {
				Kind string
				Team `yaml:",inline"`
			}
			err = strict.Decode(&into)
			d.team = &into.Team
		case "Calendar":
			var into struct {
				Kind     string
				Calendar `yaml:",inline"`
			}
			err = strict.Decode(&into)
			d.calendar = &into.Calendar
		default:
			switch kind {
			case "not plain": // which was said
			case "":
				l.fault(file, line, "A document begins with `kind:` and one of Organization, Role, Target, Separation, Team or Calendar.")
			default:
				l.fault(file, line, "There is no kind %q; use Organization, Role, Target, Separation, Team or Calendar.", kind)
			}
			var skipped yaml.Node
			err = strict.Decode(&skipped)
		}
		if err != nil {
			l.yamlFaults(file, err)
			continue
		}
		if d == (document{file: file}) {
			continue
		}
		d.node = top.Content[0]
		l.documents = append(l.documents, d)
	}
}

// kindOf reads the first key of a document, which must be its kind.
func kindOf(top *yaml.Node) (kind string, line int) {
	if len(top.Content) != 1 {
		return "", max(top.Line, 1)
	}
	root := top.Content[0]
	if root.Kind != yaml.MappingNode || len(root.Content) < 2 || root.Content[0].Value != "kind" {
		return "", root.Line
	}
	return root.Content[1].Value, root.Line
}

// mostName is how long the name of a policy file may be, in characters.
const mostName = 100

// visible refuses what would read otherwise than it counts: administrators sign a
// policy by looking at the difference of its files, comments and all.
func (l *loader) visible(file, text string) bool {
	if err := CheckText(file, mostName); err != nil || strings.ContainsAny(file, `/\`) {
		l.fault(strconv.Quote(file), 1, "A policy file has a plain name of at most %d characters.", mostName)
		return false
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), "\t", " ")
		if err := CheckText(line, len(line)); err != nil {
			l.fault(file, number, "This cannot stand in a policy: %v.", err)
			return false
		}
	}
	return true
}

// plain refuses YAML whose meaning lies elsewhere than where it stands (anchors,
// aliases, merges and tags; a reviewer of a change reads what counts), and mappings
// with a key twice or with very many. It says whether all is plain.
func (l *loader) plain(file string, n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		l.fault(file, n.Line, "Anchors and aliases are not used in policies; write it out.")
		return false
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!!merge":
		l.fault(file, n.Line, "Tags and merges are not used in policies; write it out.")
		return false
	case n.Kind == yaml.MappingNode && !l.keys(file, n):
		return false
	case n.Kind == yaml.SequenceNode && len(n.Content) > mostItems:
		l.fault(file, n.Line, "A list has at most %d items.", mostItems)
		return false
	}
	plain := true
	for _, child := range n.Content {
		plain = l.plain(file, child) && plain
	}
	return plain
}

// keys says whether a mapping has each key once, and not too many.
func (l *loader) keys(file string, mapping *yaml.Node) bool {
	if len(mapping.Content) > 2*mostKeys {
		l.fault(file, mapping.Line, "A mapping has at most %d keys.", mostKeys)
		return false
	}
	lines := map[string]int{}
	for i := 0; i < len(mapping.Content); i += 2 {
		key := mapping.Content[i]
		if before, twice := lines[key.Value]; twice {
			l.fault(file, key.Line, "mapping key %q already defined at line %d", key.Value, before)
			return false
		}
		lines[key.Value] = key.Line
	}
	return true
}

var (
	yamlLine     = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	yamlUnknown  = regexp.MustCompile(`^field (\S+) not found in type .*$`)
	yamlMistyped = regexp.MustCompile("^cannot unmarshal (!!\\S+)(?: `(.*)`)? into (.*)$")
)

// yamlFaults turns the library's words into ours, each with its line.
func (l *loader) yamlFaults(file string, err error) {
	texts := []string{err.Error()}
	if typed, ok := errors.AsType[*yaml.TypeError](err); ok {
		texts = typed.Errors
	}
	for _, text := range texts {
		line := 1
		if m := yamlLine.FindStringSubmatch(text); m != nil {
			line, _ = strconv.Atoi(m[1])
			text = m[2]
		}
		if m := yamlUnknown.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("There is no field %q here.", m[1])
		} else if m := yamlMistyped.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("%q does not fit here: %s is wanted.", m[2], wanted(m[3]))
		}
		l.fault(file, line, "%s", text)
	}
}

// wanted names a Go type in the words of somebody who writes YAML.
func wanted(goType string) string {
	switch {
	case goType == "time.Duration":
		return "a duration such as 30m or 4h"
	case goType == "int":
		return "a whole number"
	case goType == "string":
		return "text"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	}
	return "a mapping"
}
