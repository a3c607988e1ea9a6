package policies

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// wholeText is a policy in which every field of every kind of document is written.
func wholeText(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/documents/whole.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// saidFields notes, for each exported field of what is reached from v, whether it was
// found to say something anywhere.
func saidFields(v reflect.Value, said map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			saidFields(v.Elem(), said)
		}
	case reflect.Slice:
		for i := range v.Len() {
			saidFields(v.Index(i), said)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				name := v.Type().Name() + "." + f.Name
				said[name] = said[name] || !v.Field(i).IsZero()
				saidFields(v.Field(i), said)
			}
		}
	}
}

// documentsOf lists what a bundle is made from.
func documentsOf(b *Bundle) []any {
	return []any{b.organization, b.roles, b.targets, b.separations, b.teams, b.calendars}
}

func TestEveryFieldIsRead(t *testing.T) {
	t.Parallel()
	b := mustLoad(t, wholeText(t))
	said := map[string]bool{}
	for _, part := range documentsOf(b) {
		saidFields(reflect.ValueOf(part), said)
	}
	for name, is := range said {
		if !is {
			t.Errorf("%s came back empty", name)
		}
	}
	if len(said) < 100 {
		t.Errorf("only %d fields were looked at", len(said))
	}
	role, _ := b.Role("production-shell")
	if role.Start != (Start{AtFirstUse, 2 * time.Hour, 168 * time.Hour}) || role.Pending != 12*time.Hour || *role.Renewals != (Renewals{3, 7}) || role.BreakGlass.Review.Within != 24*time.Hour {
		t.Errorf("its times are %+v", role)
	}
	if got := role.Approval[0].Escalate; len(got) != 2 || got[1].After != 2*time.Hour || !slices.Equal(got[1].Groups, []string{"chiefs"}) {
		t.Errorf("the escalations are %+v", got)
	}
	if got := strings.Join(b.ApproverGroups(), " "); got != "chiefs directors payments payments-leads security sre-leads" {
		t.Errorf("the approvers' groups are %s", got)
	}
	if got := strings.Join(b.Groups(), " "); got != "administrators audit chiefs directors engineering on-call payments payments-leads platform security security-audit sre-leads" {
		t.Errorf("the groups are %s", got)
	}
	if c, ok := b.Calendar("office-hours"); !ok || c.week == nil {
		t.Errorf("the calendar is %+v", c)
	}
	if _, ok := b.Calendar("office"); ok {
		t.Error("a calendar that is not there was found")
	}
	var names []string
	for _, s := range b.Separations() {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "keys-or-data never-both not-soon-after not-what-one-built" || len(b.Teams()) != 1 || len(b.Calendars()) != 1 {
		t.Errorf("the separations are %s", got)
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	t.Parallel()
	b := mustLoad(t, goodRole, strings.Replace(goodOtherRole, "reason", "start: {at: first-use}\nreason", 1))
	plain, _ := b.Role("production-shell")
	if plain.Start != (Start{At: AtApproval}) || plain.Pending != DefaultPending {
		t.Errorf("%+v, %s", plain.Start, plain.Pending)
	}
	if used, _ := b.Role("key-management"); used.Start != (Start{At: AtFirstUse, Within: DefaultWithin}) {
		t.Errorf("%+v", used.Start)
	}
}

// Each case alters the whole policy in one place; want is the first fault.
func TestWhatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	whole := wholeText(t)
	for name, c := range map[string]alteration{
		"selector of nothing":                         {"targets:\n  names: [web-*, db-1]\n  labels: {env: prod*}", "targets: {names: [], labels: {}}", "f.yaml:100:10: A role selects its targets by a name or a label; an empty selector would select nothing."},
		"selector, two asterisks":                     {"web-*, db-1", "web-**, db-1", "f.yaml:101:11: \"web-**\" is not a target's name, nor a pattern of such: use 1 to 63 small letters, digits and hyphens, and single asterisks for any characters."},
		"selector, a capital":                         {"web-*, db-1", "Web-1, db-1", "f.yaml:101:11: \"Web-1\" is not a target's name, nor a pattern of such: use 1 to 63 small letters, digits and hyphens, and single asterisks for any characters."},
		"selector, a name twice":                      {"web-*, db-1", "db-1, db-1", "f.yaml:101:17: \"db-1\" stands twice."},
		"selector, a label's pattern":                 {"env: prod*", "env: \"prod*,dev\"", "f.yaml:102:17: \"env\": \"prod*,dev\" is not a label, nor a pattern of such: use 1 to 63 letters (small ones in the key), digits, dots, underscores, slashes and hyphens, and single asterisks for any characters of the value."},
		"selector by names alone beside an inventory": {"  names: [web-*, db-1]\n  labels: {env: prod*}", "  names: [web-1, web-*]", "f.yaml:101:18: An inventory may call a target so. Say a label that it must bear too, or name targets of the policy alone."},
		"labels outside the selector":                 {"recording: {reviewers: [security-audit], files: content, forwards: content, bulkMebibytes: 1024, outage: hold}", "recording: {reviewers: [security-audit], files: content, forwards: content, bulkMebibytes: 1024, outage: hold}\nlabels: {env: x}", "f.yaml:120:1: There is no field \"labels\" here. It stands under `targets`."},
		"unknown field, near":                         {"requesters: [engineering, platform]", "requester: [engineering, platform]", "f.yaml:99:1: There is no field \"requester\" here. Did you mean `requesters`?"},
		"unknown field, listed":                       {"renewals: {most: 3, days: 7}", "renewals: {times: 3, days: 7}", "f.yaml:108:12: There is no field \"times\" here. There are most and days."},
		"unknown kind, of the tests":                  {"kind: Team", "kind: Person", "f.yaml:65:7: A Person stands in the folder tests beside the policies, not among them."},
		"unknown kind, near":                          {"kind: Calendar", "kind: Calender", "f.yaml:57:7: There is no kind \"Calender\" here; use Organization, Role, Target, Separation, Team or Calendar. Did you mean `Calendar`?"},
		"start, another word":                         {"at: first-use", "at: first_use", "f.yaml:105:13: `at` is approval or first-use. Did you mean `first-use`?"},
		"start, within without first use":             {"at: first-use", "at: approval", "f.yaml:105:31: `within` bounds the wait for the first use; it goes with `at: first-use`."},
		"start, within too short":                     {"within: 2h", "within: 59s", "f.yaml:105:32: `within` is from 1m to 168h."},
		"start, ahead too long":                       {"ahead: 168h", "ahead: 2161h", "f.yaml:105:43: `ahead` is from 1m to 2160h."},
		"pending too short":                           {"pending: 12h", "pending: 1s", "f.yaml:106:10: `pending` is from 1m to 744h."},
		"pending too long":                            {"pending: 12h", "pending: 745h", "f.yaml:106:10: `pending` is from 1m to 744h."},
		"pending in days":                             {"pending: 12h", "pending: 2d", "f.yaml:106:10: \"2d\" does not fit here: a duration such as 30m or 4h is wanted."},
		"pending below nothing":                       {"pending: 12h", "pending: -2h", "f.yaml:106:10: \"-2h\" does not fit here: a duration such as 30m or 4h is wanted."},
		"single use in other words":                   {"singleUse: true", "singleUse: yes", "f.yaml:107:12: \"yes\" does not fit here: true or false is wanted."},
		"renewals, none":                              {"renewals: {most: 3, days: 7}", "renewals: {most: 0, days: 7}", "f.yaml:108:11: `renewals` says how often at `most`, from 1 to 1000 times, in how many `days`, from 1 to 366."},
		"renewals, no days":                           {"renewals: {most: 3, days: 7}", "renewals: {most: 3}", "f.yaml:108:11: `renewals` says how often at `most`, from 1 to 1000 times, in how many `days`, from 1 to 366."},
		"window that is no calendar":                  {"windows: [office-hours]", "windows: [ofice-hours]", "f.yaml:109:11: There is no calendar \"ofice-hours\". Did you mean `office-hours`?"},
		"window twice":                                {"windows: [office-hours]", "windows: [office-hours, office-hours]", "f.yaml:109:25: \"office-hours\" stands twice."},
		"ticket that asks nothing":                    {"ticket: {required: true, pattern: \"OPS-[0-9]+\"}", "ticket: {required: false}", "f.yaml:111:9: `ticket` says `required: true` or what a ticket looks like, or is left out."},
		"ticket pattern":                              {"OPS-[0-9]+", "OPS-[0-9", "f.yaml:111:35: This is no regular expression (RE2): error parsing regexp: missing closing ]: `[0-9`."},
		"ticket pattern that looks behind":            {"\"OPS-[0-9]+\"", "\"(?<!x)OPS\"", "f.yaml:111:35: This is no regular expression (RE2): error parsing regexp: invalid named capture: `(?<!x)OPS`."},
		"ticket pattern too long":                     {"OPS-[0-9]+", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "f.yaml:111:35: A pattern has at most 200 characters."},
		"passkey, another word":                       {"approvers: attested", "approvers: atested", "f.yaml:112:22: `approvers` is any or attested. Did you mean `attested`?"},
		"passkey, fresh without a requester":          {"requester: any, fresh", "fresh", "f.yaml:112:39: `fresh` is how old the requester's confirmation may be; say of which strength it is as `requester`."},
		"passkey, fresh too short":                    {"fresh: 10m", "fresh: 10s", "f.yaml:112:55: `fresh` is from 1m to 168h."},
		"channels, another":                           {"channels: [shell, exec, sftp]", "channels: [shell, scp]", "f.yaml:118:40: `channels` is shell, exec, sftp, forward, remote-forward, agent or x11."},
		"channels, none":                              {"channels: [shell, exec, sftp]", "channels: []", "f.yaml:118:32: A session without any channel is of no use; leave `channels` out to allow all but agent and x11."},
		"channels, twice":                             {"channels: [shell, exec, sftp]", "channels: [shell, shell]", "f.yaml:118:40: \"shell\" stands twice."},
		"idle too short":                              {"idle: 15m", "idle: 9s", "f.yaml:118:17: `idle` is from 10s to 24h."},
		"network with bits of hosts":                  {"10.0.0.0/8", "10.1.0.0/8", "f.yaml:118:64: \"10.1.0.0/8\" is written as 10.0.0.0/8."},
		"network in another spelling":                 {"2001:db8::/32", "2001:DB8::/32", "f.yaml:118:76: \"2001:DB8::/32\" is written as 2001:db8::/32."},
		"network that is an address":                  {"10.0.0.0/8", "10.0.0.1", "f.yaml:118:64: \"10.0.0.1\" is no network: write it as 10.20.0.0/16 or 2001:db8::/32."},
		"network of the sixth in the fourth":          {"\"2001:db8::/32\"", "\"::ffff:10.0.0.0/104\"", "f.yaml:118:76: \"::ffff:10.0.0.0/104\" is no network: write it as 10.20.0.0/16 or 2001:db8::/32."},
		"networks, none":                              {"networks: [10.0.0.0/8, \"2001:db8::/32\"]", "networks: []", "f.yaml:118:63: No network at all would let nobody in; leave `networks` out to allow all."},
		"recording reviewers, none":                   {"reviewers: [security-audit]", "reviewers: []", "f.yaml:119:24: `reviewers` names the groups that may replay the role's sessions, or is left out."},
		"trust of no fact":                            {"trust: [on-call]", "trust: [oncall]", "f.yaml:120:9: There is no fact \"oncall\" among `facts` of the Organization. Did you mean `on-call`?"},
		"allowance without stages":                    {"without: [lead]", "without: []", "f.yaml:124:14: `without` names the stages that are not needed then."},
		"allowance of no stage":                       {"without: [lead]", "without: [leed]", "f.yaml:124:15: There is no stage \"leed\" here. Did you mean `lead`?"},
		"allowance of an added stage":                 {"without: [lead]", "without: [chief]", "f.yaml:124:15: There is no stage \"chief\" here."},
		"allowance without condition":                 {"    when: asserted.on_call && ask.duration <= duration(\"1h\")\n", "", "f.yaml:122:5: `when` is a condition, such as `ask.duration <= duration(\"1h\")`."},
		"requirement without condition":               {"that: ask.login != \"root\"", "that: \"\"", "f.yaml:127:11: `that` is a condition, such as `ask.duration <= duration(\"1h\")`."},
		"requirement without a sentence":              {"    else: Ask for the login app.\n", "", "f.yaml:126:5: `else` is a sentence for whoever does not fulfil it."},
		"hidden in a condition":                       {"that: ask.login != \"root\"", "that: \"ask.login != \\u202e 'root'\"", "f.yaml:127:11: The text holds the character U+202E (a direction mark), which cannot be seen or changes how the rest is read."},
		"restriction that does both":                  {"    refuse: The risk is too high at the moment.\n", "    refuse: The risk.\n    add: []\n", "f.yaml:130:5: A restriction either refuses, with a sentence, or adds stages."},
		"restriction that does nothing":               {"    refuse: The risk is too high at the moment.\n", "", "f.yaml:130:5: A restriction either refuses, with a sentence, or adds stages."},
		"restriction with an empty refusal":           {"refuse: The risk is too high at the moment.", "refuse: \"\"", "f.yaml:132:13: `refuse` is a sentence for whoever is refused."},
		"restriction twice":                           {"  - name: open-ticket", "  - name: high-risk", "f.yaml:133:5: \"high-risk\" stands twice."},
		"added stage with a condition":                {"count: 1, after: [lead]}", "count: 1, when: \"true\"}", "f.yaml:136:57: A stage that a restriction adds is there whenever the restriction holds; it has no `when`."},
		"added stage with a name that is taken":       {"{name: chief, groups", "{name: lead, groups", "f.yaml:136:16: The role has a stage \"lead\" already; a stage that is added has a name of its own."},
		"stage of nobody":                             {"    groups: [sre-leads]\n    relations: [manager, owner]\n", "", "f.yaml:138:5: A stage names the groups whose members may approve, or relations."},
		"stage of an empty list of groups":            {"    groups: [sre-leads]\n", "    groups: []\n", "f.yaml:139:13: A stage names the groups whose members may approve, or relations."},
		"relation, another word":                      {"[manager, owner]", "[manger]", "f.yaml:140:17: `relations` is manager or owner. Did you mean `manager`?"},
		"stage after none":                            {"    after: [lead]\n    when", "    after: [leads]\n    when", "f.yaml:149:13: There is no stage \"leads\" here. Did you mean `lead`?"},
		"stage after itself":                          {"    after: [lead]\n    when", "    after: [security]\n    when", "f.yaml:138:3: The stage security waits for itself: `after` goes in a circle."},
		"stages in a circle":                          {"    relations: [manager, owner]\n", "    relations: [manager, owner]\n    after: [security]\n", "f.yaml:138:3: The stage lead waits for itself: `after` goes in a circle."},
		"condition of a stage left blank":             {"when: ask.duration > duration(\"1h\")", "when: \" \"", "f.yaml:150:11: `when` is a condition, such as `ask.duration <= duration(\"1h\")`."},
		"reminder that never comes":                   {"remind: 30m", "remind: 12h", "f.yaml:142:13: `remind` is at least 1m and less than the 12h that a request waits."},
		"escalation that never comes":                 {"{after: 2h,", "{after: 12h,", "f.yaml:145:17: `after` is at least 1m and less than the 12h that a request waits."},
		"escalations that do not rise":                {"{after: 2h,", "{after: 1h,", "f.yaml:145:17: Escalations stand in the order of their times, each later than the one before."},
		"escalation to nobody":                        {"groups: [directors]", "groups: []", "f.yaml:144:29: An escalation names the groups whose members may approve too."},
		"emergency of nobody":                         {"requesters: [on-call]", "requesters: []", "f.yaml:152:15: `breakGlass` names the groups of those who may act alone."},
		"emergency longer than the role":              {"  longest: 30m\n", "  longest: 5h\n", "f.yaml:153:12: `longest` of an emergency is more than nothing and no longer than that of the role."},
		"emergency without review":                    {"  review: {groups: [security], within: 24h}\n", "", "f.yaml:152:3: `review` names the groups whose members close it.\nf.yaml:152:3: `within` is when the review must be closed, from 1m to 744h."},
		"review in no time":                           {"within: 24h", "within: 0s", "f.yaml:154:40: `within` is when the review must be closed, from 1m to 744h."},
		"review left out":                             {"groups: [security], within: 24h", "groups: [security]", "f.yaml:154:11: `within` is when the review must be closed, from 1m to 744h."},
		"calendar in no zone":                         {"zone: Europe/Berlin", "zone: Europe/Berln", "f.yaml:59:7: \"Europe/Berln\" is no time zone; write one of the IANA time zone database, such as Europe/Berlin or UTC."},
		"calendar in the machine's zone":              {"zone: Europe/Berlin", "zone: Local", "f.yaml:59:7: \"Local\" is no time zone; write one of the IANA time zone database, such as Europe/Berlin or UTC."},
		"calendar without a zone":                     {"zone: Europe/Berlin\n", "", "f.yaml:57:1: \"\" is no time zone; write one of the IANA time zone database, such as Europe/Berlin or UTC."},
		"calendar, a path for a zone":                 {"zone: Europe/Berlin", "zone: ../etc/passwd", "f.yaml:59:7: \"../etc/passwd\" is no time zone; write one of the IANA time zone database, such as Europe/Berlin or UTC."},
		"calendar, another day":                       {"days: [saturday]", "days: [Saturday]", "f.yaml:62:13: `days` is monday, tuesday, wednesday, thursday, friday, saturday or sunday. Did you mean `saturday`?"},
		"calendar, no days":                           {"days: [saturday]", "days: []", "f.yaml:62:12: `days` are the days of the week with these hours."},
		"calendar, a day twice":                       {"days: [saturday]", "days: [saturday, saturday]", "f.yaml:62:23: \"saturday\" stands twice."},
		"calendar, an hour in another spelling":       {"\"09:00\"", "\"9:00\"", "f.yaml:61:66: \"9:00\" is no time of day; write it as 09:00, and the end of the day as 24:00."},
		"calendar, an hour that is none":              {"\"09:00\"", "\"25:00\"", "f.yaml:61:66: \"25:00\" is no time of day; write it as 09:00, and the end of the day as 24:00."},
		"calendar, backwards":                         {"\"09:00\"", "\"18:00\"", "f.yaml:61:79: 17:30 is not after 18:00; write a night as two, until 24:00 and from 00:00."},
		"calendar, closed on no day":                  {"2026-12-25", "2026-02-30", "f.yaml:63:10: \"2026-02-30\" is no day; write 2026-12-25, or a span as 2026-12-24..2027-01-01."},
		"calendar, closed backwards":                  {"2026-12-31..2027-01-02", "2027-01-02..2026-12-31", "f.yaml:63:22: 2026-12-31 is not after 2027-01-02."},
		"calendar, never open":                        {"open:\n  - {days: [monday, tuesday, wednesday, thursday, friday], from: \"09:00\", to: \"17:30\"}\n  - {days: [saturday], from: 22:00, to: \"24:00\"}\n", "open: []\n", "f.yaml:60:7: A calendar says in 1 to 50 entries when it is open."},
		"calendar twice":                              {"kind: Team\nname: payments\n", "kind: Calendar\nname: office-hours\nzone: UTC\nopen: [{days: [monday], from: \"09:00\", to: \"10:00\"}]\n---\nkind: Team\nname: payments\n", "f.yaml:65:1: Calendar office-hours is already defined at f.yaml:57."},
		"team without members":                        {"members: [payments]", "members: []", "f.yaml:67:10: A team names the groups of its members."},
		"team without managers":                       {"managers: [payments-leads]\n", "", "f.yaml:65:1: A team names the groups of its managers."},
		"team that manages itself":                    {"managers: [payments-leads]", "managers: [payments]", "f.yaml:68:12: \"payments\" is among the members too, so that all of them would be managers of each other."},
		"separation of another word":                  {"forbid: held", "forbid: holding", "f.yaml:73:9: `forbid` is eligible, held, history or object."},
		"separation of a word that is near":           {"forbid: held", "forbid: hold", "f.yaml:73:9: `forbid` is eligible, held, history or object. Did you mean `held`?"},
		"separation of one role":                      {"roles: [production-shell, key-management]", "roles: [production-shell]", "f.yaml:74:8: A separation that forbids held names 2 to 100 roles."},
		"separation of a role that is none":           {"roles: [production-shell, key-management]", "roles: [production-shel, key-management]", "f.yaml:74:9: There is no role \"production-shel\". Did you mean `production-shell`?"},
		"separation of a role twice":                  {"roles: [production-shell, key-management]", "roles: [key-management, key-management]", "f.yaml:74:25: \"key-management\" stands twice."},
		"separation in history without days":          {"days: 30\n", "", "f.yaml:82:1: `days` is how long after one role nobody has another, from 1 to 366."},
		"separation of holding, with days":            {"forbid: held\n", "forbid: held\ndays: 3\n", "f.yaml:74:7: `days` goes with `forbid: history`."},
		"separation of objects without labels":        {"labels: [owner, builder]\n", "", "f.yaml:89:1: `labels` are 1 to 50 labels of targets that name a group, such as owner."},
		"separation of objects by no label":           {"[owner, builder]", "[Owner]", "f.yaml:94:10: \"Owner\" is not the key of a label."},
		"separation of holding, with labels":          {"forbid: held\n", "forbid: held\nlabels: [owner]\n", "f.yaml:74:9: `labels` goes with `forbid: object`."},
		"days that are too many":                      {"reciprocalDays: 30", "reciprocalDays: 367", "f.yaml:43:19: `reciprocalDays` is from 0 to 366."},
		"days below none":                             {"policyChangeDays: 7", "policyChangeDays: -1", "f.yaml:44:21: `policyChangeDays` is from 0 to 366."},
		"recordings for nobody":                       {"recipients: [age1wr96nrvrdvav9tywn3j95ww7sd9s43nm2kymlxt6c4h3wk8jzqrsq6j944]", "recipients: []", "f.yaml:54:15: `recipients` names the keys that open recordings."},
		"recordings without the word on input":        {"\n  input: {first: [age190gspssm22vtg4j8ymr07tuh97wuuuqf4quzwuqgxhcznplz9y6s9u5fa2], second: [age1ee7rz7dswp87pwq2gmzzg6h6hzcmklfxjew5aw8rkpdmz5nh5v3qtv89v6]}", "", "f.yaml:54:3: `first` names the keys of one side, without which nobody opens what was typed.\nf.yaml:54:3: `second` names the keys of the other side, without which nobody opens what was typed."},
		"recordings, input of one side":               {"first: [age190gspssm22vtg4j8ymr07tuh97wuuuqf4quzwuqgxhcznplz9y6s9u5fa2]", "first: []", "f.yaml:55:18: `first` names the keys of one side, without which nobody opens what was typed."},
		"recordings, input of the other side":         {"second: [age1ee7rz7dswp87pwq2gmzzg6h6hzcmklfxjew5aw8rkpdmz5nh5v3qtv89v6]", "second: []", "f.yaml:55:92: `second` names the keys of the other side, without which nobody opens what was typed."},
		"recordings, one key on both sides":           {"second: [age1ee7rz7dswp87pwq2gmzzg6h6hzcmklfxjew5aw8rkpdmz5nh5v3qtv89v6]", "second: [age190gspssm22vtg4j8ymr07tuh97wuuuqf4quzwuqgxhcznplz9y6s9u5fa2]", "f.yaml:55:93: This key stands in `first` too; whoever holds it would open what was typed alone."},
		"recordings, a key twice":                     {"recipients: [age1wr96nrvrdvav9tywn3j95ww7sd9s43nm2kymlxt6c4h3wk8jzqrsq6j944]", "recipients: [age1wr96nrvrdvav9tywn3j95ww7sd9s43nm2kymlxt6c4h3wk8jzqrsq6j944, age1wr96nrvrdvav9tywn3j95ww7sd9s43nm2kymlxt6c4h3wk8jzqrsq6j944]", "f.yaml:54:80: \"age1wr96nrvrdvav9tywn3j95ww7sd9s43nm2kymlxt6c4h3wk8jzqrsq6j944\" stands twice."},
		"recordings, a key with a typing mistake":     {"recipients: [age1wr96nrvrdvav9tywn3j95ww7sd9s43nm2kymlxt6c4h3wk8jzqrsq6j944]", "recipients: [age1wr96nrvrdvav9tywn3j95ww7sd9s43nm2kymlxt6c4h3wk8jzqrsq6j94]", "f.yaml:54:16: \"age1wr96nrvrdvav9tywn3j95ww7sd9s43nm2kymlxt6c4h3wk8jzqrsq6j94\" is no age recipient; write what age-keygen calls the public key, which begins with age1."},
		"recordings, a secret key":                    {"recipients: [age1wr96nrvrdvav9tywn3j95ww7sd9s43nm2kymlxt6c4h3wk8jzqrsq6j944]", "recipients: [AGE-SECRET-KEY-1QQPQYWK]", "f.yaml:54:16: This is the secret half of a key; remove it from wherever it was written, and use another key. Write what age-keygen calls the public key."},
		"recording, files of another word":            {"files: content", "files: all", "f.yaml:119:49: `files` is events or content."},
		"recording, forwards of another word":         {"forwards: content", "forwards: event", "f.yaml:119:68: `forwards` is events or content. Did you mean `events`?"},
		"recording, no bulk":                          {"bulkMebibytes: 1024", "bulkMebibytes: 0", "f.yaml:119:92: `bulkMebibytes` is from 1 to 1073741824."},
		"recording, outage of another word":           {"outage: hold", "outage: held", "f.yaml:119:106: `outage` is end or hold. Did you mean `hold`?"},
		"fact of another type":                        {"type: bool", "type: boolean", "f.yaml:47:27: `type` is bool, number or text."},
		"fact by a word of conditions":                {"name: risk,", "name: in,", "f.yaml:48:12: \"in\" is not the name of a fact: use 1 to 63 small letters, digits and hyphens, begin with a letter, and use no word of conditions' own."},
		"fact that begins with a digit":               {"name: risk,", "name: 2nd,", "f.yaml:48:12: \"2nd\" is not the name of a fact: use 1 to 63 small letters, digits and hyphens, begin with a letter, and use no word of conditions' own."},
		"fact twice":                                  {"name: risk,", "name: on-call,", "f.yaml:48:5: \"on-call\" stands twice."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(whole, c.old) {
				t.Fatalf("the case alters nothing: %q is not there", c.old)
			}
			_, err := Parse(map[string]string{"f.yaml": strings.Replace(whole, c.old, c.new, 1)})
			if err == nil {
				t.Fatal("it was accepted")
			}
			if got := err.Error(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
