package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"stint/policies"
	"stint/policies/bundle"
	"stint/policies/cases"
)

var update = flag.Bool("update", false, "write what the commands of docs/policies.md say into it")

const policyGuide = "../../docs/policies.md"

var (
	fence = regexp.MustCompile("(?ms)^```(yaml|console)\n(.*?)^```\n")
	named = regexp.MustCompile("`([a-z/-]+\\.yaml)`")
)

// TestThePolicyGuide does what docs/policies.md tells a newcomer to do, in its order: it
// writes each file and types each command, and the commands say what stands there. What
// they say is written anew with -update.
func TestThePolicyGuide(t *testing.T) {
	text, err := os.ReadFile(policyGuide)
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs(policyGuide)
	if err != nil {
		t.Fatal(err)
	}
	guide, reference, found := strings.Cut(string(text), "\n## Reference\n")
	if !found {
		t.Fatal("the guide has no reference")
	}
	t.Chdir(t.TempDir())
	commands, end := 0, 0
	var after strings.Builder
	for _, at := range fence.FindAllStringSubmatchIndex(guide, -1) {
		before, language, body := guide[end:at[0]], guide[at[2]:at[3]], guide[at[4]:at[5]]
		after.WriteString(before)
		end = at[1]
		if language == "yaml" {
			names := named.FindAllStringSubmatch(before[strings.LastIndex(strings.TrimSpace(before), "\n\n")+1:], -1)
			if len(names) == 0 {
				t.Fatalf("nothing says into which file this goes:\n%s", body)
			}
			name := names[len(names)-1][1]
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
			after.WriteString(guide[at[0]:at[1]])
			continue
		}
		said := ""
		for line := range strings.Lines(body) {
			if typed, is := strings.CutPrefix(line, "$ "); is {
				commands++
				said += line + typeCommand(t, strings.TrimSpace(typed))
			}
		}
		if said != body && !*update {
			t.Errorf("the guide shows\n%s\nand the commands said\n%s", body, said)
		}
		after.WriteString("```console\n" + said + "```\n")
	}
	if commands < 10 {
		t.Errorf("there are %d commands only", commands)
	}
	if *update {
		after.WriteString(guide[end:] + "\n## Reference\n" + reference)
		if err := os.WriteFile(path, []byte(after.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// typeCommand runs a command in the current directory, and returns what it says, and its
// status where that is not 0.
func typeCommand(t *testing.T, line string) string {
	t.Helper()
	if !strings.HasPrefix(line, "stint ") {
		said, err := exec.Command("sh", "-c", line).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", line, err, said)
		}
		return string(said)
	}
	var words []string
	for _, found := range regexp.MustCompile(`"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1)[1:] {
		words = append(words, found[1]+found[2])
	}
	code, out, complaints := command(t, words...)
	var said bytes.Buffer
	said.WriteString(out + complaints)
	if code != 0 {
		fmt.Fprintf(&said, "(exit status %d)\n", code)
	}
	return said.String()
}

// around is what the examples of the reference stand in: what they name and do not say.
var around = map[string]string{
	"Organization ": `{kind: Organization, facts: [{name: change-freeze, type: bool, description: A}, {name: risk, type: number, description: B}, {name: on-call, type: bool, description: C}],
  attestation: {authenticators: [{aaguid: 2fc0579f-8113-47ea-b116-bb5a8db9202a, name: Key, roots: ["ROOT"]}]}}`,
	"Calendar business-hours": `{kind: Calendar, name: business-hours, zone: UTC, open: [{days: [monday], from: "09:00", to: "17:00"}]}`,
	"Team everybody":          `{kind: Team, name: everybody, members: [engineering], managers: [engineering-managers]}`,
	"Role production-shell": `{kind: Role, name: production-shell, description: A, requesters: [engineering], targets: {labels: {env: production}}, logins: [web], duration: {default: 1h, longest: 4h},
  reason: required, approval: [{name: lead, groups: [sre-leads], count: 1}]}`,
	"Role database-shell": `{kind: Role, name: database-shell, description: A, requesters: [engineering], targets: {labels: {tier: database}}, logins: [web], duration: {default: 1h, longest: 4h},
  reason: required, approval: [{name: lead, groups: [sre-leads], count: 1}]}`,
	"Target web-1": `{kind: Target, name: web-1, address: "web-1:22", hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWfvVqSmNpNDXLLzF8Dx4M4K2rWRl5gHVBYhRr3rJdM, labels: {env: production, tier: web}}`,
}

// TestThePolicyReference loads every example of the reference of docs/policies.md: whole
// documents as they are, and parts of a role in a role.
func TestThePolicyReference(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(policyGuide)
	if err != nil {
		t.Fatal(err)
	}
	_, reference, _ := strings.Cut(string(text), "\n## Reference\n")
	examples := fence.FindAllStringSubmatch(reference, -1)
	if len(examples) < 20 {
		t.Errorf("there are %d examples only", len(examples))
	}
	for _, example := range examples {
		documents := readDocuments(t, example[2])
		policy, tests := maps.Clone(around), ""
		for _, d := range documents {
			text := written(t, d)
			switch kind := d["kind"].Value; kind {
			case "":
				role := readDocuments(t, around["Role production-shell"])[0]
				maps.Copy(role, d)
				policy["Role production-shell"] = written(t, role)
			case "Case", "Person":
				tests += "---\n" + text
			default:
				policy[kind+" "+d["name"].Value] = text
			}
		}
		all := strings.Join(slices.Collect(maps.Values(policy)), "\n---\n")
		all = strings.Replace(all, `"ROOT"`, strconv.Quote(root(t)), 1)
		b, err := policies.Parse(map[string]string{"policy.yaml": all})
		if err != nil {
			t.Errorf("an example does not load: %v\n%s", err, example[2])
			continue
		}
		if tests == "" {
			continue
		}
		s, err := cases.Parse(map[string]string{"tests/cases.yaml": tests})
		if err != nil {
			t.Errorf("an example of a case does not load: %v", err)
		} else if results := s.Run(b); results.Failed > 0 {
			t.Errorf("an example of a case fails: %+v", results.Cases[0].Failures)
		}
	}
}

// TestThePolicyReferenceIsWhole finds every field that a policy file can have in the
// reference, or in what it says has the rest.
func TestThePolicyReferenceIsWhole(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(policyGuide)
	if err != nil {
		t.Fatal(err)
	}
	devices, err := os.ReadFile("../../docs/devices.md")
	if err != nil {
		t.Fatal(err)
	}
	_, reference, _ := strings.Cut(string(text), "\n## Reference\n")
	var look func(path string, of reflect.Type)
	look = func(path string, of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || strings.HasSuffix(path, ".cases") {
			return
		}
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("yaml"), ",")
			if name == "" || name == "-" {
				continue
			}
			where := reference
			if strings.HasPrefix(path, "Role.device") || strings.HasPrefix(path, "Case.expect.grant.device") || strings.HasPrefix(path, "Organization.tpmMakers") {
				where += string(devices)
			}
			if !regexp.MustCompile("\\b" + name + ":|`" + name + "`").MatchString(where) {
				t.Errorf("the reference does not say what %s.%s is", path, name)
			}
			look(path+"."+name, of.Field(i).Type)
		}
	}
	for kind, of := range map[string]reflect.Type{
		"Role": reflect.TypeFor[policies.Role](), "Target": reflect.TypeFor[policies.Target](), "Organization": reflect.TypeFor[policies.Organization](),
		"Separation": reflect.TypeFor[policies.Separation](), "Team": reflect.TypeFor[policies.Team](), "Calendar": reflect.TypeFor[policies.Calendar](),
		"Case": reflect.TypeFor[cases.Case](),
	} {
		look(kind, of)
	}
}

func readDocuments(t *testing.T, text string) []map[string]yaml.Node {
	t.Helper()
	var all []map[string]yaml.Node
	for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
		var d map[string]yaml.Node
		err := decoder.Decode(&d)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		all = append(all, d)
	}
}

func written(t *testing.T, document map[string]yaml.Node) string {
	t.Helper()
	ordered := ""
	for _, first := range []bool{true, false} { // `kind` stands first
		for key, value := range document {
			if (key == "kind") != first {
				continue
			}
			line, err := yaml.Marshal(map[string]*yaml.Node{key: &value})
			if err != nil {
				t.Fatal(err)
			}
			ordered += string(line)
		}
	}
	return ordered
}

// root is some certificate.
func root(t *testing.T) string {
	t.Helper()
	text, err := fs.ReadFile(bundle.Files, "organization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	from, to := strings.Index(string(text), "-----BEGIN"), strings.Index(string(text), "-----END CERTIFICATE-----")
	return strings.ReplaceAll(string(text[from:to]), "          ", "") + "-----END CERTIFICATE-----\n"
}
