//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme types the blocks of commands of the README and of docs/cli.md as
// they are written, in their order, where the README says to: only what it says to fill in
// (addresses, ids, LOGIN, TARGET) is filled in.
func TestReadme(t *testing.T) {
	t.Parallel()
	s := &story{world: startWorld(t)}
	s.beginApprovals()
	s.alice = s.openTerminal()
	checkout := t.TempDir()
	if err := os.Mkdir(filepath.Join(checkout, ".build"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(bin, filepath.Join(checkout, ".build", "bin")); err != nil {
		t.Fatal(err)
	}
	readme := document(t, "README.md")
	if err := os.WriteFile(filepath.Join(checkout, "README.md"), []byte(readme), 0o644); err != nil {
		t.Fatal(err)
	}

	shell := s.alice.open("bash", "--norc", "--noprofile")
	shell.enter(`PS1='ready> '; PATH=/usr/bin:/bin; unset STINT_URL; cd "` + checkout + `"`)
	shell.seesMatch(0, `ready> $`)
	request := ""
	fill := strings.NewReplacer("http://localhost:8420", s.Portal, "stint-demo@", s.Login+"@", "LOGIN@TARGET", s.Login+"@web-1", "~/", s.alice.home+"/")
	count := 0
	lines := append(commands(readme[strings.Index(readme, "## The first ten minutes"):]), "stint logout", "stint login # as alice")
	for _, line := range append(lines, commands(document(t, filepath.Join("docs", "cli.md")))...) {
		line, comment, _ := strings.Cut(line, " #")
		line = fill.Replace(strings.TrimSpace(line))
		line = regexp.MustCompile(`\bID\b`).ReplaceAllString(line, request)
		if strings.HasPrefix(line, "ssh ") { // ssh finds its configuration by the system's list of users, not by $HOME
			line = "ssh -F " + s.alice.home + "/.ssh/config" + strings.TrimPrefix(line, "ssh")
		}
		before := len(shell.screen.String())
		shell.enter(line)
		switch {
		case line == "stint login":
			s.alice.signInByBrowser(strings.TrimPrefix(strings.TrimSpace(comment), "as "))
		case strings.Contains(line, "--wait"):
			request = shell.seesMatch(before, `req-[0-9a-z]{10}`)
			s.approve(request)
		case line == "stint ssh web-1" || strings.HasPrefix(line, "ssh "):
			shell.enter(`echo "in"-side; exit 0`)
		}
		shell.seesMatch(before, `ready> $`)
		shell.enter(`echo "status="$?`)
		if status := shell.seesMatch(before, `status=\d+\s[^>]*ready> $`); !strings.HasPrefix(status, "status=0\r") {
			t.Fatalf("%q ends with %s:\n%s", line, status, shell.screen)
		}
		count++
	}
	if text := shell.screen.String(); count < 16 || !strings.Contains(text, "Linux") || !strings.Contains(text, "agreed with a passkey") {
		t.Errorf("of %d commands, the terminal shows:\n%s", count, text)
	}
}

func document(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// commands are the indented lines of a document: its code.
func commands(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "    ") && strings.TrimSpace(line) != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
