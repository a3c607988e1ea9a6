package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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
