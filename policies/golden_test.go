package policies

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// goldenFile is one construct of the language: a policy with cases. What each comes to stands in
// the .golden file beside it.
type goldenFile struct {
	Policy string
	Cases  []goldenCase
}

// goldenCase is what is asked for; whatever it leaves out is as in the comments. Times are
// from the asking, which is on Wednesday 2026-03-04 at 05:00 UTC.
type goldenCase struct {
	Case   string
	Now    time.Duration // 10m
	Groups []string      // of alice, who asks: engineering
	Known  []goldenPerson
	Ask    struct {
		Role, Target, Login, Reason, Ticket string // shell, web-1, app, disk full, none
		Duration                            time.Duration
		Start                               *time.Duration
		BreakGlass                          bool `yaml:"breakGlass"`
	}
	Approvals []struct {
		By       goldenPerson
		For      *goldenPerson
		After    time.Duration
		Duration time.Duration // as asked
		Attested bool
	}
	Held      []string
	Used      *time.Duration
	Confirmed *struct {
		After    time.Duration
		Attested bool
	}
	Grants []struct {
		Role         string
		Begun, Ended time.Duration
	}
	Agreed []struct {
		For string
		At  time.Duration
	}
	Reviews []time.Duration
	Changes []struct {
		At    time.Duration
		By    []string
		Roles []string
	}
	Asserted []Assertion
}

type goldenPerson struct {
	Name   string
	Email  string
	Groups []string
}

func (p goldenPerson) person() Person {
	made := person(p.Name, p.Groups...)
	if p.Email != "" {
		made.Email = p.Email
	}
	return made
}

func (c *goldenCase) facts() Facts {
	f := Facts{Now: asked.Add(c.Now), Asked: asked, Requester: person("alice", c.Groups...)}
	if c.Now == 0 {
		f.Now = asked.Add(10 * time.Minute)
	}
	if c.Groups == nil {
		f.Requester.Groups = []string{"engineering"}
	}
	either := func(text, otherwise string) string {
		if text == "" {
			return otherwise
		}
		return text
	}
	f.Ask = Ask{
		Role: either(c.Ask.Role, "shell"), Target: either(c.Ask.Target, "web-1"), Login: either(c.Ask.Login, "app"),
		Reason: either(c.Ask.Reason, "disk full"), Ticket: c.Ask.Ticket, Duration: c.Ask.Duration, BreakGlass: c.Ask.BreakGlass,
	}
	if f.Ask.Reason == "none" {
		f.Ask.Reason = ""
	}
	if f.Ask.Duration == 0 {
		f.Ask.Duration = time.Hour
	}
	if c.Ask.Start != nil {
		f.Ask.Start = asked.Add(*c.Ask.Start)
	}
	for _, a := range c.Approvals {
		one := Approval{Approver: a.By.person(), Issued: asked.Add(a.After), Duration: a.Duration, Attested: a.Attested}
		if one.Duration == 0 {
			one.Duration = f.Ask.Duration
		}
		if a.For != nil {
			other := a.For.person()
			one.For = &other
		}
		f.Approvals = append(f.Approvals, one)
	}
	for i, role := range c.Held {
		f.Held = append(f.Held, Held{Request: fmt.Sprint("held-", i), Role: role})
	}
	if c.Used != nil {
		f.Used = asked.Add(*c.Used)
	}
	if c.Confirmed != nil {
		f.Confirmed = &Confirmation{Issued: asked.Add(c.Confirmed.After), Attested: c.Confirmed.Attested}
	}
	for i, g := range c.Grants {
		f.History.Grants = append(f.History.Grants, PastGrant{Request: fmt.Sprint("grant-", i), Role: g.Role, Begun: asked.Add(g.Begun), Ended: asked.Add(g.Ended)})
	}
	for i, a := range c.Agreed {
		f.History.Agreed = append(f.History.Agreed, PastApproval{Request: fmt.Sprint("agreed-", i), Requester: person(a.For).Subject, At: asked.Add(a.At)})
	}
	for i, begun := range c.Reviews {
		f.History.Reviews = append(f.History.Reviews, OpenReview{Request: fmt.Sprint("emergency-", i), Begun: asked.Add(begun)})
	}
	for _, change := range c.Changes {
		one := PolicyChange{At: asked.Add(change.At), Roles: change.Roles}
		for _, by := range change.By {
			one.By = append(one.By, person(by).Subject)
		}
		f.Changes = append(f.Changes, one)
	}
	f.Asserted = c.Asserted
	var known []Person
	for _, p := range c.Known {
		known = append(known, p.person())
	}
	f.Known = NewPeople(known)
	return f
}

// written is a decision as the .golden files hold it.
func written(d Decision) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s", d.Outcome)
	if d.Duration > 0 {
		fmt.Fprintf(&text, " for %s", FormatDuration(d.Duration))
	}
	for _, one := range []struct {
		what string
		at   time.Time
	}{{"from", d.Begins}, {"to", d.Ends}, {"if used by", d.UseBy}} {
		if !one.at.IsZero() {
			fmt.Fprintf(&text, ", %s %s", one.what, moment(one.at))
		}
	}
	if d.Confirm != "" {
		fmt.Fprintf(&text, ", to be confirmed with a passkey of strength %s", d.Confirm)
	}
	text.WriteString("\n")
	for _, s := range d.Stages {
		fmt.Fprintf(&text, "  stage %s: %d of %s", s.Name, s.Count, list(s.Groups, "or"))
		var given []string
		for _, p := range s.Given {
			given = append(given, p.Subject)
		}
		if len(given) > 0 {
			fmt.Fprintf(&text, ", given by %s", list(given, "and"))
		}
		if len(s.After) > 0 {
			fmt.Fprintf(&text, ", after %s", list(s.After, "and"))
		}
		text.WriteString("\n")
	}
	for _, r := range d.Reasons {
		mark := "  - "
		if r.Met {
			mark = "  + "
		}
		text.WriteString(mark + r.Rule + ": " + r.Text)
		if r.Remedy != "" {
			text.WriteString(" > " + r.Remedy)
		}
		text.WriteString("\n")
	}
	return text.String()
}

// Every construct, with facts, and the whole decision: outcome, times, stages, and each
// reason, met (+) or not (-), with what would change it (>).
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/golden/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d golden files: %v", len(files), err)
	}
	outcomes := map[Outcome]bool{}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file goldenFile
		decoder := yaml.NewDecoder(bytes.NewReader(raw))
		decoder.KnownFields(true)
		if err := decoder.Decode(&file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b, err := Parse(map[string]string{"policy.yaml": file.Policy})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got strings.Builder
		for _, c := range file.Cases {
			d := b.Decide(c.facts())
			outcomes[d.Outcome] = true
			fmt.Fprintf(&got, "%s\n%s\n", c.Case, written(d))
			for _, r := range d.Reasons {
				if r.Text == "" || r.Rule == "" || strings.Contains(r.Text+r.Remedy, "%!") || r.Met && r.Remedy != "" {
					t.Errorf("%s, %s: the reason %+v is malformed", name, c.Case, r)
				}
			}
		}
		golden := strings.TrimSuffix(name, ".yaml") + ".golden"
		if *update {
			if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s differs; look at what `go test ./policies -run Golden -update` makes of it:\n%s", golden, firstDifference(string(want), got.String()))
		}
	}
	for _, outcome := range []Outcome{Refused, NeedsApproval, Scheduled, Allowed} {
		if !outcomes[outcome] {
			t.Errorf("no case is %s", outcome)
		}
	}
}

func firstDifference(want, got string) string {
	lines := strings.Split(got, "\n")
	for i, line := range strings.Split(want, "\n") {
		if i >= len(lines) || lines[i] != line {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, line, strings.Join(lines[min(i, len(lines)):min(i+1, len(lines))], ""))
		}
	}
	return "there is more than was wanted"
}
