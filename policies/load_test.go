package policies

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

const testHostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWfvVqSmNpNDXLLzF8Dx4M4K2rWRl5gHVBYhRr3rJdM"

const goodOrganization = `kind: Organization
reviewers: [security]
aliases:
  - - {issuer: "https://id.example.com", subject: bob}
    - {issuer: "https://id.example.com", subject: bob-admin}
`

const goodRole = `kind: Role
name: production-shell
description: A shell on production.
requesters: [engineering, platform]
targets:
  labels: {env: production}
logins: [app, postgres]
duration: {default: 30m, longest: 4h}
reason: required
approval:
  - {name: lead, groups: [sre-leads], count: 1}
  - {name: security, groups: [security, sre-leads], count: 2}
`

const goodOtherRole = `kind: Role
name: key-management
description: Keys.
requesters: [engineering]
targets: {labels: {env: keys}}
logins: [app]
duration: {default: 30m, longest: 1h}
reason: optional
approval: []
`

const goodSeparation = `kind: Separation
name: shell-or-keys
description: Nobody has both at once.
forbid: held
roles: [production-shell, key-management]
`

const goodTarget = `kind: Target
name: web-1
address: web-1.example.com:22
hostKey: ` + testHostKey + `
labels: {env: production, tier: web}
`

func folder(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func mustLoad(t testing.TB, texts ...string) *Bundle {
	t.Helper()
	b, err := Load(folder(map[string]string{"all.yaml": strings.Join(texts, "---\n")}))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLoadReadsWhatIsThere(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"organization.yaml": goodOrganization,
		"roles.yaml":        "# two\n---\n" + goodRole + "---\n" + goodOtherRole,
		"targets.yaml":      goodTarget,
	}
	fsys := folder(files)
	fsys["README.md"] = &fstest.MapFile{Data: []byte("not policy")}
	fsys[".roles.yaml.swp"] = &fstest.MapFile{Data: []byte("kind: nonsense")}
	fsys[".#roles.yaml"] = &fstest.MapFile{Data: []byte("kind: nonsense")}
	b, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Files(); len(got) != 3 || got["targets.yaml"] != goodTarget {
		t.Errorf("Files() = %v", got)
	}
	role, ok := b.Role("production-shell")
	if !ok || role.Duration.Longest.Hours() != 4 || len(role.Approval) != 2 || role.Approval[1].Count != 2 || role.Targets.Labels["env"] != "production" {
		t.Errorf("the role came back as %+v", role)
	}
	if _, ok := b.Role("production"); ok {
		t.Error("a role that is not there was found")
	}
	if got := b.TargetsOf("production-shell"); len(got) != 1 || got[0].Name != "web-1" {
		t.Errorf("TargetsOf = %v", got)
	}
	if got := b.TargetsOf("key-management"); len(got) != 0 {
		t.Errorf("TargetsOf = %v", got)
	}
	if got := fmt.Sprint(b.ApproverGroups()); got != "[security sre-leads]" {
		t.Errorf("ApproverGroups = %s", got)
	}
	if names := b.Roles(); names[0].Name != "key-management" || names[1].Name != "production-shell" {
		t.Errorf("roles are not sorted: %v", names)
	}
	if !b.IsReviewer(Person{Groups: []string{"security"}}) || b.IsReviewer(Person{Groups: []string{"sre-leads"}}) {
		t.Error("IsReviewer is wrong")
	}
}

func TestDigestNamesTheExactFiles(t *testing.T) {
	t.Parallel()
	load := func(files map[string]string) string {
		b, err := Load(folder(files))
		if err != nil {
			t.Fatal(err)
		}
		return b.Digest()
	}
	base := load(map[string]string{"a.yaml": goodTarget, "b.yaml": goodOtherRole})
	if !strings.HasPrefix(base, "sha256:") || len(base) != len("sha256:")+64 {
		t.Errorf("the digest is %q", base)
	}
	seen := map[string]string{base: "the first"}
	for what, files := range map[string]map[string]string{
		"a comment":    {"a.yaml": goodTarget + "#", "b.yaml": goodOtherRole},
		"another name": {"a.yaml": goodTarget, "c.yaml": goodOtherRole},
		"swapped":      {"b.yaml": goodTarget, "a.yaml": goodOtherRole},
		"one file":     {"a.yaml": goodTarget + "---\n" + goodOtherRole},
		"empty beside": {"a.yaml": goodTarget, "b.yaml": goodOtherRole, "c.yaml": ""},
	} {
		digest := load(files)
		if other, twice := seen[digest]; twice {
			t.Errorf("%s has the digest of %s", what, other)
		}
		seen[digest] = what
	}
	if again := load(map[string]string{"b.yaml": goodOtherRole, "a.yaml": goodTarget}); again != base {
		t.Error("the digest is not stable")
	}
}

// Each case alters one line of a good document; want is the whole of the error.
func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	const (
		org, role, target = goodOrganization, goodRole, goodTarget
	)
	for name, c := range map[string]struct{ text, old, new, want string }{
		"kind not first":       {role, "kind: Role\nname: production-shell\n", "name: production-shell\nkind: Role\n", "f.yaml:1:1: A document begins with `kind:` and one of Organization, Role, Target, Separation, Team or Calendar."},
		"unknown kind":         {role, "kind: Role", "kind: Roll", "f.yaml:1:7: There is no kind \"Roll\" here; use Organization, Role, Target, Separation, Team or Calendar. Did you mean `Role`?"},
		"no mapping":           {role, role, "- kind: Role\n", "f.yaml:1:1: A document begins with `kind:` and one of Organization, Role, Target, Separation, Team or Calendar."},
		"empty document":       {role, role, "---\n---\n" + goodOtherRole, "f.yaml:2:1: A document begins with `kind:` and one of Organization, Role, Target, Separation, Team or Calendar."},
		"unknown field":        {role, "reason: required", "reason: required\nreasons: both", "f.yaml:10:1: There is no field \"reasons\" here. Did you mean `reason`?"},
		"unknown field deep":   {role, "count: 1}", "count: 1, cont: 2}", "f.yaml:11:49: There is no field \"cont\" here. Did you mean `count`?"},
		"twice the field":      {role, "reason: required", "reason: required\nreason: optional", "f.yaml:10:1: \"reason\" already stands at line 9."},
		"syntax":               {role, "reason: required", "reason: [", "f.yaml:10:1: This is not YAML: did not find expected node content."},
		"mistyped count":       {role, "count: 1}", "count: one}", "f.yaml:11:46: \"one\" does not fit here: a whole number is wanted."},
		"fractional count":     {role, "count: 1}", "count: 1.5}", "f.yaml:11:46: \"1.5\" does not fit here: a whole number is wanted."},
		"mistyped duration":    {role, "longest: 4h", "longest: 4", "f.yaml:8:35: \"4\" does not fit here: a duration such as 30m or 4h is wanted."},
		"mistyped list":        {role, "logins: [app, postgres]", "logins: app", "f.yaml:7:9: \"app\" does not fit here: a list is wanted."},
		"anchor":               {role, "logins: [app, postgres]", "logins: &a [app, postgres]", "f.yaml:7:9: Anchors and aliases are not used in policies; write it out."},
		"tag":                  {role, "reason: required", "reason: !!str required", "f.yaml:9:9: Tags and merges are not used in policies; write it out."},
		"bad name":             {role, "name: production-shell", "name: Production", "f.yaml:2:7: \"Production\" is not a name: use 1 to 63 small letters, digits and hyphens, and do not begin with a hyphen."},
		"long name":            {role, "name: production-shell", "name: " + strings.Repeat("a", 64), "f.yaml:2:7: \"" + strings.Repeat("a", 64) + "\" is not a name: use 1 to 63 small letters, digits and hyphens, and do not begin with a hyphen."},
		"hidden description":   {role, "A shell on production.", "\"A \\u202Eshell\"", "f.yaml:3:14: The text holds the character U+202E (a direction mark), which cannot be seen or changes how the rest is read."},
		"nobody may ask":       {role, "requesters: [engineering, platform]", "requesters: []", "f.yaml:4:13: A role names the groups that may ask for it."},
		"group twice":          {role, "requesters: [engineering, platform]", "requesters: [engineering, engineering]", "f.yaml:4:27: \"engineering\" stands twice."},
		"group with a space":   {role, "requesters: [engineering, platform]", "requesters: [\" engineering\"]", "f.yaml:4:14: \" engineering\" is not the name of a group: it is empty or has a space at an end."},
		"empty selector":       {role, "labels: {env: production}", "labels: {}", "f.yaml:6:3: A role selects its targets by a name or a label; an empty selector would select nothing."},
		"no selector":          {role, "targets:\n  labels: {env: production}\n", "", "f.yaml:1:1: A role selects its targets by a name or a label; an empty selector would select nothing."},
		"bad label":            {role, "labels: {env: production}", "labels: {env: \"\"}", "f.yaml:6:17: \"env\": \"\" is not a label, nor a pattern of such: use 1 to 63 letters (small ones in the key), digits, dots, underscores, slashes and hyphens, and single asterisks for any characters of the value."},
		"no logins":            {role, "logins: [app, postgres]", "logins: []", "f.yaml:7:9: A role names the logins it gives."},
		"bad login":            {role, "logins: [app, postgres]", "logins: [app, \"a@b\"]", "f.yaml:7:15: \"a@b\" is not a login: use 1 to 32 letters, digits, dots, underscores and hyphens, and begin with a letter or an underscore."},
		"login twice":          {role, "logins: [app, postgres]", "logins: [app, app]", "f.yaml:7:15: \"app\" stands twice."},
		"no default":           {role, "duration: {default: 30m, longest: 4h}", "duration: {longest: 4h}", "f.yaml:8:11: `default` is more than nothing and `longest` is no shorter than it."},
		"longest too short":    {role, "longest: 4h", "longest: 29m", "f.yaml:8:11: `default` is more than nothing and `longest` is no shorter than it."},
		"longest too long":     {role, "longest: 4h", "longest: 200h", "f.yaml:8:35: A grant lasts 168h at most."},
		"fraction":             {role, "default: 30m", "default: 1500ms", "f.yaml:8:21: \"1500ms\" does not fit here: durations are whole seconds."},
		"reason":               {role, "reason: required", "reason: maybe", "f.yaml:9:9: `reason` is required or optional."},
		"approval forgotten":   {goodOtherRole, "approval: []\n", "", "f.yaml:1:1: A role says who approves; write `approval: []` if nobody needs to."},
		"approval left empty":  {goodOtherRole, "approval: []\n", "approval:\n", "f.yaml:9:10: `approval` is left empty: write a list, of which one with nothing in it is `[]`."},
		"stage without count":  {role, ", count: 1}", "}", "f.yaml:11:5: `count` is how many people must approve, from 1 to 20."},
		"stage with count 0":   {role, "count: 2}", "count: 0}", "f.yaml:12:60: `count` is how many people must approve, from 1 to 20."},
		"stage without groups": {role, "groups: [sre-leads], ", "groups: [], ", "f.yaml:11:26: A stage names the groups whose members may approve, or relations."},
		"stage twice":          {role, "name: security", "name: lead", "f.yaml:12:5: \"lead\" stands twice."},
		"role twice":           {role, role, role + "---\n" + role, "f.yaml:14:1: Role production-shell is already defined at f.yaml:1."},
		"address":              {target, "web-1.example.com:22", "web-1.example.com", "f.yaml:3:10: \"web-1.example.com\" is not an address: write host:port."},
		"address port":         {target, "web-1.example.com:22", "web-1.example.com:022", "f.yaml:3:10: \"web-1.example.com:022\" is not an address: write host:port."},
		"host key":             {target, testHostKey, testHostKey + " root@web-1", `f.yaml:4:10: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWf" is not a host key: write its type and its base64, as in the first two fields of a line of ssh_host_ed25519_key.pub.`},
		"host key of a kind":   {target, "ssh-ed25519 AAAA", "ssh-rsa AAAA", `f.yaml:4:10: "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIBWfvVqS" is not a host key: write its type and its base64, as in the first two fields of a line of ssh_host_ed25519_key.pub.`},
		"target twice":         {target, target, target + "---\n" + target, "f.yaml:7:1: Target web-1 is already defined at f.yaml:1."},
		"two organizations":    {org, org, org + "---\n" + org, "f.yaml:7:1: Organization is already defined at f.yaml:1."},
		"lonely alias":         {org, "    - {issuer: \"https://id.example.com\", subject: bob-admin}\n", "", "f.yaml:4:5: A set of aliases holds at least two identities of one person."},
		"alias twice":          {org, "subject: bob-admin", "subject: bob", "f.yaml:5:7: bob @ https://id.example.com stands twice; put all identities of one person into one set."},
		"alias without issuer": {org, "{issuer: \"https://id.example.com\", subject: bob-admin}", "{subject: bob-admin}", "f.yaml:5:7: A subject and its issuer are each 1 to 255 visible ASCII characters without a space."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(c.text, c.old) {
				t.Fatalf("the case alters nothing: %q is not there", c.old)
			}
			text := strings.Replace(c.text, c.old, c.new, 1)
			_, err := Load(folder(map[string]string{"f.yaml": text}))
			if err == nil {
				t.Fatal("it was accepted")
			}
			if got := firstLine(err); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func TestLoadNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := Load(folder(map[string]string{
		"a.yaml": strings.Replace(goodRole, "reason: required", "reason: maybe", 1),
		"b.yaml": strings.Replace(goodTarget, "address: web-1.example.com:22", "address: here", 1),
		"c.yml":  goodTarget,
	}))
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, want := range []string{"a.yaml:9:9: ", "b.yaml:3:10: ", "c.yml:1:1: Policy files end in .yaml; rename this one."} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from:\n%v", want, err)
		}
	}
}

func TestLoadRefusesNothingAndTooMuch(t *testing.T) {
	t.Parallel()
	if _, err := Load(folder(map[string]string{"README.md": "hello"})); err == nil {
		t.Error("a folder without policies was accepted")
	}
	if _, err := Load(folder(map[string]string{"a.yaml": "#" + strings.Repeat("a", mostFile)})); err == nil {
		t.Error("a file that is too long was accepted")
	}
}

// TestWhatIsReadIsWhatCounts: administrators read the text of a change. Nothing in it may
// look like something else.
func TestWhatIsReadIsWhatCounts(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a\u202elmay.yaml", "a\nb.yaml", "a/b.yaml", "a\\b.yaml"} {
		if _, err := Parse(map[string]string{"good.yaml": goodOrganization, name: goodTarget}); err == nil {
			t.Errorf("a file %q was accepted", name)
		}
	}
	for _, hidden := range []string{"\u202e", "\u2066", "\u200b", "\u2028", "\u0085", "\xff"} {
		_, err := Parse(map[string]string{"a.yaml": goodOrganization + "\n# nothing" + hidden + " at all\n"})
		if err == nil || !strings.Contains(err.Error(), "a.yaml:") {
			t.Errorf("%q in a comment: %v", hidden, err)
		}
	}
	if _, err := Parse(map[string]string{"a.yaml": strings.ReplaceAll(goodOrganization, "\n", "\r\n") + "# a\ttab, ‘quotes’\r\n"}); err != nil {
		t.Error(err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(goodOrganization + "---\n" + goodRole + "---\n" + goodOtherRole + "---\n" + goodTarget)
	f.Add(goodOrganization + "---\n" + goodRole + deviceRule + "---\n" + goodOtherRole + "---\n" + goodTarget)
	f.Add(goodOrganization + "---\n" + goodRole + fleetRule + "---\n" + goodOtherRole + "---\n" + goodTarget)
	f.Add(wholeText(f))
	f.Fuzz(func(t *testing.T, text string) {
		b, err := Load(folder(map[string]string{"f.yaml": text}))
		if err != nil {
			return
		}
		again, err := Load(folder(b.Files()))
		if err != nil || again.Digest() != b.Digest() {
			t.Fatalf("what was loaded does not load again: %v", err)
		}
		if same := Difference(b, again); len(same) > 0 {
			t.Fatalf("it differs from itself: %q", same)
		}
		for _, sentence := range Difference(&Bundle{}, b) {
			if err := CheckText(sentence, MostDifference); err != nil {
				t.Fatalf("%q: %v", sentence, err)
			}
		}
		for _, role := range b.Roles() {
			for _, target := range b.TargetsOf(role.Name) {
				ask := Ask{Role: role.Name, Target: target.Name, Login: role.Logins[0], Duration: role.Duration.Default, Reason: "x"}
				b.Decide(Facts{Ask: ask})
				b.JudgeDevice(role.Name, goodDevice(), asked)
				b.JudgeFleet(role.Name, goodHost(), asked)
			}
		}
	})
}

// The library compares every key of a mapping with every other and words each pair:
// a small file could take minutes, and the memory of the process.
func TestHostileFilesAreCheap(t *testing.T) {
	t.Parallel()
	label := func(i int) string { return fmt.Sprintf("  k%d: v\n", i) }
	var distinct strings.Builder
	for i := range 60_000 {
		distinct.WriteString(label(i))
	}
	for name, text := range map[string]string{
		"one key often": "kind: Target\nname: a\nlabels:\n" + strings.Repeat("  k: v\n", 100_000),
		"many keys":     "kind: Target\nname: a\nlabels:\n" + distinct.String(),
		"a long list":   "kind: Organization\nreviewers: [a" + strings.Repeat(",a", 100_000) + "]\n",
		"aliases":       "kind: Target\nname: a\nlabels:\n  a: &a [x,x,x,x]\n  b: &b [*a,*a,*a,*a]\n  c: [*b,*b,*b,*b]\n",
		"many faults":   strings.Repeat("kind: X\n---\n", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bundle, err := Parse(map[string]string{"f.yaml": text})
			if err == nil || bundle != nil {
				t.Fatal("it was taken")
			}
			if size := len(err.Error()); size > 64<<10 {
				t.Errorf("the faults have %d bytes", size)
			}
		})
	}
}

// Whoever signs a policy looks at the text of its files.
func TestNothingInvisibleStandsInAPolicy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, text string }{
		"direction in a comment": {"a.yaml", goodOrganization + "# \u202egnihton\n"},
		"a carriage return":      {"a.yaml", goodOrganization + "# off\rreviewers: [everybody]\n"},
		"nothing to see":         {"a.yaml", goodOrganization + "# a\u200bb\n"},
		"in a file's name":       {"a\u202eb.yaml", goodOrganization},
		"a file's name as lines": {"a\nb.yaml", goodOrganization},
		"a path":                 {"../a.yaml", goodOrganization},
		"a long name":            {strings.Repeat("a", 200) + ".yaml", goodOrganization},
	} {
		if _, err := Parse(map[string]string{c.file: c.text}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := Parse(map[string]string{"a.yaml": strings.ReplaceAll(goodOrganization, "\n", "\t# caf\u00e9 \u65e5\n")}); err != nil {
		t.Errorf("words of other languages, and tabs: %v", err)
	}
}

func TestWhatCannotStandIsFoundWhereItStands(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", mostFile/2-2)
	for name, c := range map[string]struct{ text, where string }{
		"the first":               {"\u202ea", "a.yaml:1:1: "},
		"characters, not bytes":   {"# é\né\té\u202e\u200b", "a.yaml:2:4: "},
		"before the end of lines": {"a\r\n# a\u0085\r\n", "a.yaml:2:4: "},
		"in a long line":          {long + "\u202e", fmt.Sprintf("a.yaml:1:%d: ", mostFile/2-1)},
		"no characters":           {"# é\xff", "a.yaml:1:1: "},
	} {
		_, err := Parse(map[string]string{"a.yaml": c.text})
		if err == nil || !strings.HasPrefix(err.Error(), c.where+"This cannot stand in a policy: the text ") {
			t.Errorf("%s: %.100v, want it at %s", name, err, c.where)
		}
	}
}
