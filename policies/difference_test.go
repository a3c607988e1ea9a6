package policies

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	ed25519Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWfvVqSmNpNDXLLzF8Dx4M4K2rWRl5gHVBYhRr3rJdM"
	otherKey   = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// whole is a bundle in which every field says something.
func whole() *Bundle {
	return &Bundle{
		organization: Organization{
			Reviewers: []string{"security"},
			Aliases:   [][]Subject{{{"https://a", "alice"}, {"https://b", "alice"}}},
			Quorum:    2,
			Attestation: Attestation{
				Groups:         []string{"administrators"},
				Authenticators: []Authenticator{{AAGUID: strings.Repeat("a", 32), Name: "A key", Roots: []string{"one"}}},
			},
			TPMMakers:    []TPMMaker{{Name: "Acme", Roots: []string{"one"}}},
			Independence: Independence{DirectReports: true, ReciprocalDays: 30, PolicyChangeDays: 7},
			Facts:        []AssertedFact{{Name: "on-call", Type: FactBool, Description: "Who is on call."}},
			Inventories:  []Inventory{{Name: "fleet", Key: ed25519Key, Labels: map[string][]string{"env": {"dev"}}}},
			Recordings:   Recordings{Recipients: []string{"age1all"}, Input: InputReviewers{First: []string{"age1first"}, Second: []string{"age1second"}}},
		},
		roles: []Role{{
			Name: "shell", Description: "A shell.", Requesters: []string{"engineering"}, Targets: Selector{Names: []string{"web-*"}, Labels: map[string]string{"env": "dev"}},
			Logins: []string{"app"}, Duration: Duration{1800e9, 3600e9}, Start: Start{At: AtFirstUse, Within: 7200e9, Ahead: 86400e9}, Pending: 14400e9,
			SingleUse: true, Renewals: &Renewals{Most: 3, Days: 7}, Windows: []string{"office"},
			Reason: "required", Ticket: &Ticket{Required: true, Pattern: "OPS-[0-9]+"},
			Passkey: PasskeyRule{Approvers: PasskeyAttested, Requester: PasskeyAny, Fresh: 600e9},
			Device: DeviceRule{Required: true, Held: HeldTPM, Posture: &PostureRule{Period: 300e9, Require: []string{FactFirewall}, SystemAgeDays: new(30), Protection: []string{"Falcon"}},
				Fleet: &FleetRule{Period: 7200e9, Require: []string{FactDiskEncryption}, Policies: AllPolicies, Named: []string{"Updated"}}},
			Session:   SessionRule{Idle: 900e9, Reauthenticate: 3600e9, Channels: []string{ChannelShell}, Networks: []string{"10.0.0.0/8"}},
			Recording: RecordingRule{Reviewers: []string{"audit"}, Files: KeepContent, Forwards: KeepContent, BulkMebibytes: 512, Outage: OutageHold},
			Trust:     []string{"on-call"},
			Allow:     []Allowance{{Name: "on-call", When: "asserted.on_call", Without: []string{"lead"}}},
			Require:   []Condition{{Name: "short", That: `ask.duration < duration("2h")`, Else: "Ask for less."}},
			Restrict: []Restriction{
				{Name: "night", When: "now.getHours() < 6", Refuse: "Not at night."},
				{Name: "root", When: `ask.login == "root"`, Add: []Stage{{Name: "chief", Groups: []string{"chiefs"}, Count: 1}}},
			},
			Approval: []Stage{
				{Name: "lead", Groups: []string{"leads"}, Relations: []string{RelationManager}, Count: 1, When: `ask.login == "app"`, Remind: 1800e9,
					Escalate: []Escalation{{After: 3600e9, Groups: []string{"directors"}}}},
				{Name: "security", Groups: []string{"security"}, Count: 2, After: []string{"lead"}},
			},
			BreakGlass: &BreakGlass{Requesters: []string{"on-call"}, Longest: 900e9, Review: Review{Groups: []string{"security"}, Within: 86400e9}},
		}},
		targets:     []Target{{Name: "web-1", Address: "localhost:22", HostKey: ed25519Key, Labels: map[string]string{"env": "dev"}}},
		separations: []Separation{{Name: "keys-or-data", Description: "Not both.", Forbid: ForbidHistory, Roles: []string{"data", "keys"}, Days: 7, Labels: []string{"owner"}}},
		teams:       []Team{{Name: "web", Members: []string{"web"}, Managers: []string{"web-leads"}}},
		calendars:   []Calendar{{Name: "office", Zone: "Europe/Berlin", Open: []Hours{{Days: []string{"monday"}, From: "09:00", To: "17:30"}}, Closed: []string{"2026-12-25"}}},
	}
}

func TestDifferenceInWords(t *testing.T) {
	t.Parallel()
	role := func(f func(r *Role)) func(b *Bundle) { return func(b *Bundle) { f(&b.roles[0]) } }
	for name, c := range map[string]struct {
		alter func(b *Bundle)
		want  []string
	}{
		"nothing":           {func(*Bundle) {}, nil},
		"the quorum":        {func(b *Bundle) { b.organization.Quorum = 1 }, []string{"The quorum of administrators is 1 instead of 2."}},
		"a reviewer more":   {func(b *Bundle) { b.organization.Reviewers = append(b.organization.Reviewers, "audit") }, []string{"Members of audit become reviewers: they see every request and replay recordings."}},
		"a reviewer less":   {func(b *Bundle) { b.organization.Reviewers = nil }, []string{"Members of security are no longer reviewers."}},
		"reviewers, sorted": {func(b *Bundle) { b.organization.Reviewers = []string{"z", "a", "security"} }, []string{"Members of a become reviewers: they see every request and replay recordings.", "Members of z become reviewers: they see every request and replay recordings."}},
		"an alias more": {func(b *Bundle) {
			b.organization.Aliases = [][]Subject{{{"https://b", "alice"}, {"https://a", "alice"}, {"https://c", "alice"}}}
		}, []string{"alice @ https://a and alice @ https://c become one person."}},
		"an alias less":      {func(b *Bundle) { b.organization.Aliases = nil }, []string{"alice @ https://a and alice @ https://b are no longer one person."}},
		"attestation, group": {func(b *Bundle) { b.organization.Attestation.Groups = []string{"leads"} }, []string{"Passkeys for leads need a known make of authenticator.", "Passkeys for administrators no longer need a known make of authenticator."}},
		"an authenticator less": {func(b *Bundle) { b.organization.Attestation.Authenticators = nil }, []string{
			"The authenticator A key (aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa) is no longer accepted."}},
		"an authenticator's name": {func(b *Bundle) { b.organization.Attestation.Authenticators[0].Name = "B" }, []string{
			"The authenticator aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa is called B instead of A key."}},
		"an authenticator's roots": {func(b *Bundle) { b.organization.Attestation.Authenticators[0].Roots = []string{"one", "two"} }, []string{
			"The authenticator aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa has the root certificate 3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3."}},
		"an inventory": {func(b *Bundle) {
			b.organization.Inventories = []Inventory{{Name: "other", Key: ed25519Key, Labels: map[string][]string{"b": {"2"}, "a": {"1"}}}}
		}, []string{
			"The inventory fleet is removed, and its targets with it.",
			"The inventory other is added; the key SHA256:UqTweugTdIgSoJhEfU5zD03yUm2r4zw66bHj634dsDU signs it.",
			"The inventory other may give targets the label a: 1.", "The inventory other may give targets the label b: 2."}},
		"an inventory's labels": {func(b *Bundle) { b.organization.Inventories[0].Labels = map[string][]string{"env": {"production"}} }, []string{
			"The inventory fleet may give targets the label env: production.", "The inventory fleet may no longer give targets the label env: dev."}},
		"who opens recordings": {func(b *Bundle) {
			b.organization.Recordings = Recordings{Recipients: []string{"age1other"}, Input: InputReviewers{First: []string{"age1second"}, Second: []string{"age1first"}}}
		}, []string{
			"The key age1other opens recordings from now on.", "Recordings are no longer sealed for the key age1all.",
			"The key age1second opens what was typed, together with one of the second side.", "What is typed is no longer sealed for the key age1first of the first side.",
			"The key age1first opens what was typed, together with one of the first side.", "What is typed is no longer sealed for the key age1second of the second side."}},
		"a role less": {func(b *Bundle) { b.roles = nil }, []string{"The role shell is removed."}},
		"a role more": {func(b *Bundle) {
			b.roles = append(b.roles, Role{Name: "open", Requesters: []string{"all"}, Targets: Selector{Labels: map[string]string{"env": "dev"}}, Logins: []string{"root"}, Duration: Duration{60e9, 60e9}, Reason: "optional"})
		}, []string{
			"The role open is added.", "open: members of all may ask for it.", "open: it is granted without anybody's approval.", "open: its targets must bear the label env: dev.",
			"open: it gives the login root.", "open: it lasts for at most 1m.", "open: it lasts for 1m where nothing else is asked.", "open: a reason is optional."}},
		"who may ask":      {role(func(r *Role) { r.Requesters = []string{"all"} }), []string{"shell: members of all may ask for it.", "shell: members of engineering may no longer ask for it."}},
		"what it reaches":  {role(func(r *Role) { r.Targets.Labels = map[string]string{"env": "production"} }), []string{"shell: its targets must bear the label env: production.", "shell: its targets need no longer bear the label env: dev."}},
		"logins":           {role(func(r *Role) { r.Logins = []string{"app", "root"} }), []string{"shell: it gives the login root."}},
		"how long":         {role(func(r *Role) { r.Duration = Duration{60e9, 86400e9} }), []string{"shell: it lasts for at most 24h instead of 1h.", "shell: it lasts for 1m where nothing else is asked instead of 30m."}},
		"the reason":       {role(func(r *Role) { r.Reason = "optional" }), []string{"shell: a reason is optional instead of required."}},
		"no stage":         {role(func(r *Role) { r.Approval = []Stage{} }), []string{"shell: it is granted without anybody's approval.", "shell: the stage lead is removed.", "shell: the stage security is removed."}},
		"a stage's count":  {role(func(r *Role) { r.Approval[1].Count = 1 }), []string{"shell: in the stage security 1 must approve instead of 2."}},
		"a stage's groups": {role(func(r *Role) { r.Approval[1].Groups = []string{"interns"} }), []string{"shell: in the stage security, members of interns may approve.", "shell: in the stage security, members of security may no longer approve."}},
		"stages in order":  {role(func(r *Role) { slices.Reverse(r.Approval) }), []string{"shell: its stages stand in another order."}},
		"independence": {func(b *Bundle) { b.organization.Independence = Independence{} }, []string{
			"Members of a team may approve what a manager of theirs asks for.",
			"Somebody may approve for whoever approved for them, however lately.",
			"Those who signed a change of a role may be its only approvers at once."}},
		"a fact": {func(b *Bundle) { b.organization.Facts[0] = AssertedFact{Name: "risk", Type: FactNumber} }, []string{
			"The broker may no longer assert the fact on-call.",
			"The broker may assert the fact risk.",
			"The fact risk is of the type number."}},
		"a fact's type": {func(b *Bundle) { b.organization.Facts[0].Type = FactText }, []string{
			"The fact on-call is of the type text instead of bool."}},
		"names, any": {role(func(r *Role) { r.Targets.Names = nil }), []string{
			"shell: its targets may have any name."}},
		"names, others": {role(func(r *Role) { r.Targets.Names = []string{"*"} }), []string{
			"shell: it takes in targets by the name *.",
			"shell: it no longer takes in targets by the name web-*."}},
		"when it begins": {role(func(r *Role) { r.Start = Start{At: AtApproval} }), []string{
			"shell: its time begins when the last approval is given instead of when it is first used.",
			"shell: it is not over because it was not used.",
			"shell: no time may be set for its beginning."}},
		"how it waits": {role(func(r *Role) { r.Pending, r.Start.Within = 3600e9, 3600e9 }), []string{
			"shell: it is over where it was not used for 1h instead of 2h.",
			"shell: a request waits for approvals for 1h instead of 4h."}},
		"how often": {role(func(r *Role) { r.SingleUse, r.Renewals = false, nil }), []string{
			"shell: any number of sessions may be opened under a grant.",
			"shell: one person may have it any number of times instead of at most 3 times in 7 days."}},
		"at any time": {role(func(r *Role) { r.Windows = nil }), []string{
			"shell: it may be had at any time."}},
		"at another time": {role(func(r *Role) { r.Windows = []string{"nights"} }), []string{
			"shell: it may be had while the calendar nights is open.",
			"shell: that the calendar office is open no longer matters to it."}},
		"the ticket": {role(func(r *Role) { r.Ticket = nil }), []string{
			"shell: no ticket is required.",
			"shell: a ticket may look like anything."}},
		"the ticket's form": {role(func(r *Role) { r.Ticket.Pattern = "INC-.*" }), []string{
			"shell: a ticket must look like “INC-.*”."}},
		"passkeys": {role(func(r *Role) { r.Passkey = PasskeyRule{} }), []string{
			"shell: approvers sign with a passkey of any make instead of an attested passkey.",
			"shell: the requester need not confirm what they ask for.",
			"shell: the requester's confirmation may be as old as the request."}},
		"passkeys, others": {role(func(r *Role) { r.Passkey = PasskeyRule{Approvers: PasskeyAny, Requester: PasskeyAttested, Fresh: 60e9} }), []string{
			"shell: approvers sign with a passkey of any make instead of an attested passkey.",
			"shell: the requester confirms what they ask for with an attested passkey instead of a passkey of any make.",
			"shell: at the first use, the requester's confirmation is at most 1m old instead of 10m."}},
		"sessions": {role(func(r *Role) { r.Session = SessionRule{} }), []string{
			"shell: no session ends because nothing is sent.",
			"shell: nobody need confirm during a session that they are there.",
			"shell: a session may open channels of all kinds but agent and x11.",
			"shell: a session may be opened from any network."}},
		"sessions, others": {role(func(r *Role) {
			r.Session = SessionRule{Idle: 60e9, Reauthenticate: 7200e9, Channels: []string{ChannelExec}, Networks: []string{"10.0.0.0/16"}}
		}), []string{
			"shell: a session ends in which nothing is sent for 1m instead of 15m.",
			"shell: a session ends whose person has not confirmed with a passkey for 2h instead of 1h that they are there.",
			"shell: a session may open channels of the kind exec.",
			"shell: a session may no longer open channels of the kind shell.",
			"shell: a session may be opened from the network 10.0.0.0/16.",
			"shell: a session may no longer be opened from the network 10.0.0.0/8."}},
		"who replays": {role(func(r *Role) { r.Recording.Reviewers = nil }), []string{
			"shell: its sessions are replayed by the organization's reviewers, not its own."}},
		"what is kept": {role(func(r *Role) { r.Recording.Files, r.Recording.Forwards, r.Recording.BulkMebibytes = KeepEvents, "", 0 }), []string{
			"shell: recordings hold names, sizes and digests of copied files, not their content.",
			"shell: recordings hold where forwarded ports lead and how much goes through, not its content.",
			"shell: everything that a command without a terminal sends is kept."}},
		"an outage": {role(func(r *Role) { r.Recording.Outage = OutageEnd }), []string{
			"shell: sessions end when the broker takes no recordings."}},
		"what is kept of bulk": {role(func(r *Role) { r.Recording.BulkMebibytes = 64 }), []string{
			"shell: of what a command without a terminal sends, the first 64 MiB are kept whole, and samples and digests of the rest."}},
		"whom it trusts": {role(func(r *Role) { r.Trust = []string{"risk"} }), []string{
			"shell: it trusts the broker's word on the fact risk.",
			"shell: it no longer trusts the broker's word on the fact on-call."}},
		"an allowance less": {role(func(r *Role) { r.Allow = nil }), []string{
			"shell: the allowance on-call is removed."}},
		"an allowance more": {role(func(r *Role) {
			r.Allow = append(r.Allow, Allowance{Name: "small", When: "ask.duration <\n  duration(\"5m\")", Without: []string{"security"}})
		}), []string{
			"shell: the allowance small is added, of which the condition is “ask.duration < duration(\"5m\")… (2574497cf32b)”.",
			"shell: the allowance small spares the stage security."}},
		"an allowance's condition": {role(func(r *Role) { r.Allow[0].When = "true" }), []string{
			"shell: the allowance on-call has another condition, “true”."}},
		"a requirement": {role(func(r *Role) { r.Require[0].That, r.Require[0].Else = "true", "No." }), []string{
			"shell: the requirement short has another condition, “true”.",
			"shell: whoever does not fulfil the requirement short is told “No.”."}},
		"a restriction less": {role(func(r *Role) { r.Restrict = r.Restrict[:1] }), []string{
			"shell: the restriction root is removed."}},
		"a restriction adds": {role(func(r *Role) {
			r.Restrict[0] = Restriction{Name: "night", When: "now.getHours() < 6", Add: []Stage{{Name: "duty", Relations: []string{RelationOwner}, Count: 1}}}
		}), []string{
			"shell: the restriction night no longer refuses.",
			"shell/night: the stage duty is added, in which 1 must approve.",
			"shell/night: in the stage duty, an owner of the target may approve."}},
		"a restriction's stage": {role(func(r *Role) { r.Restrict[1].Add[0].Count = 2 }), []string{
			"shell/root: in the stage chief 2 must approve instead of 1."}},
		"what a stage waits for": {role(func(r *Role) { r.Approval[1].After, r.Approval[0].When, r.Approval[0].Remind = nil, "", 0 }), []string{
			"shell: the stage lead is always asked.",
			"shell: in the stage lead, nobody is told again.",
			"shell: the stage security no longer waits for the stage lead."}},
		"a stage's condition": {role(func(r *Role) { r.Approval[0].When = "ask.login  == \"app\"" }), []string{
			"shell: the stage lead is asked only when “ask.login == \"app\"… (0001c4bbe7c9)”."}},
		"a stage's relations": {role(func(r *Role) { r.Approval[0].Relations = []string{RelationOwner} }), []string{
			"shell: in the stage lead, an owner of the target may approve.",
			"shell: in the stage lead, a manager of the requester may no longer approve as such."}},
		"a stage's escalations": {role(func(r *Role) { r.Approval[0].Escalate[0].After = 7200e9 }), []string{
			"shell: in the stage lead, after 2h members of directors may approve too.",
			"shell: in the stage lead, after 1h members of directors may no longer approve for that."}},
		"no emergencies": {role(func(r *Role) { r.BreakGlass = nil }), []string{
			"shell: nobody may act alone in an emergency any more."}},
		"emergencies": {role(func(r *Role) {
			r.BreakGlass = &BreakGlass{Requesters: []string{"all"}, Longest: 1800e9, Review: Review{Groups: []string{"audit"}, Within: 3600e9}}
		}), []string{
			"shell: in an emergency, members of all may act alone.",
			"shell: in an emergency, members of on-call may no longer act alone.",
			"shell: an emergency lasts for at most 30m instead of 15m.",
			"shell: members of audit review emergencies.",
			"shell: members of security no longer review emergencies.",
			"shell: an emergency is reviewed within 1h instead of 24h, or the role is locked."}},
		"a separation less": {func(b *Bundle) { b.separations = nil }, []string{
			"The separation keys-or-data is removed."}},
		"a separation more": {func(b *Bundle) {
			b.separations = append(b.separations, Separation{Name: "own", Forbid: ForbidObject, Roles: []string{"shell"}, Labels: []string{"owner"}})
		}, []string{
			"The separation own is added.",
			"The separation own forbids having its roles on a target whose labels name a group of one's own.",
			"The separation own is of the role shell.",
			"The separation own looks at the label owner."}},
		"a separation": {func(b *Bundle) {
			b.separations[0].Forbid, b.separations[0].Days, b.separations[0].Roles = ForbidHeld, 0, []string{"keys", "shell"}
		}, []string{
			"The separation keys-or-data forbids holding two of its roles at once instead of having one of its roles soon after another.",
			"The separation keys-or-data is of the role shell.",
			"The separation keys-or-data is no longer of the role data.",
			"The separation keys-or-data no longer looks back."}},
		"a team": {func(b *Bundle) {
			b.teams[0].Members, b.teams[0].Managers = []string{"web", "design"}, []string{"chiefs"}
		}, []string{
			"Of the team web, whoever is in design is a member.",
			"Of the team web, whoever is in chiefs is a manager.",
			"Of the team web, whoever is in web-leads is no longer a manager."}},
		"a calendar": {func(b *Bundle) {
			b.calendars[0].Zone, b.calendars[0].Open[0].To, b.calendars[0].Closed = "UTC", "24:00", nil
		}, []string{
			"The calendar office goes by the time of UTC instead of Europe/Berlin.",
			"The calendar office is open on monday from 09:00 to 24:00.",
			"The calendar office is no longer open on monday from 09:00 to 17:30.",
			"The calendar office is no longer closed on 2026-12-25."}},
		"any machine": {role(func(r *Role) { r.Device = DeviceRule{} }), []string{"shell: it may be used from any machine.", "shell: the machine's key may be held in a file.", "shell: the machine need no longer say in what state it is.",
			"shell: the machine's firewall need no longer be on.", "shell: the machine's system was updated at most any number of days ago instead of 30 days.",
			"shell: Falcon no longer counts as protection that must run on the machine.", "shell: Fleet need no longer say in what state the machine is.",
			"shell: Fleet need no longer say that the machine's disk-encryption is on.", "shell: the machine must pass none but the named policies of Fleet's instead of all of Fleet's policies.",
			"shell: the machine need no longer pass Fleet's policy “Updated”."}},
		"what Fleet says": {role(func(r *Role) {
			r.Device.Fleet = &FleetRule{Period: 3600e9, Policies: CriticalPolicies, Named: []string{"Updated", "Locked"}}
		}), []string{"shell: by Fleet's word, the machine told in what state it is at most 1h ago instead of 2h.", "shell: Fleet need no longer say that the machine's disk-encryption is on.",
			"shell: the machine must pass Fleet's critical policies instead of all of Fleet's policies.", "shell: the machine must pass Fleet's policy “Locked”."}},
		"posture": {role(func(r *Role) {
			r.Device.Posture = &PostureRule{Period: 60e9, Require: []string{FactScreenLock, FactFirewall}, SystemAgeDays: new(7), Protection: []string{"Falcon", "Defender"}}
		}), []string{"shell: the machine says in what state it is, at most 1m ago instead of 5m.", "shell: the machine's screen-lock must be on.",
			"shell: the machine's system was updated at most 7 days ago instead of 30 days.", "shell: Defender counts as protection that must run on the machine."}},
		"the description": {role(func(r *Role) { r.Description = "“Another”." }), []string{"shell: it is described as ““Another”.”."}},
		"a target less":   {func(b *Bundle) { b.targets = nil }, []string{"The target web-1 is removed."}},
		"a target's place": {func(b *Bundle) { b.targets[0].Address, b.targets[0].HostKey = "elsewhere:22", otherKey }, []string{
			"The target web-1 is at elsewhere:22 instead of localhost:22.",
			"The target web-1 has the host key " + fingerprint(otherKey) + " instead of SHA256:UqTweugTdIgSoJhEfU5zD03yUm2r4zw66bHj634dsDU."}},
		"a target's label": {func(b *Bundle) { b.targets[0].Labels = map[string]string{"env": "production"} }, []string{"The target web-1 bears the label env: production.", "The target web-1 no longer bears the label env: dev."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after := whole()
			c.alter(after)
			got := Difference(whole(), after)
			if !slices.Equal(got, c.want) {
				t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// Whatever single value of a bundle is another, there is a sentence about it: what
// has none could be slipped past those who sign.
func TestDifferenceMissesNothing(t *testing.T) {
	t.Parallel()
	seen, silent := 0, map[string]bool{} // fields by type and name, silent where no value was found in them
	var walk func(path string, v reflect.Value, b *Bundle)
	walk = func(path string, v reflect.Value, b *Bundle) {
		tell := func() {
			seen++
			if len(Difference(whole(), b)) == 0 || len(Difference(b, whole())) == 0 {
				t.Errorf("no sentence tells of another %s", path)
			}
		}
		switch v.Kind() {
		case reflect.String:
			old := v.String()
			v.SetString(old + "x")
			tell()
			v.SetString(old)
		case reflect.Int, reflect.Int64:
			old := v.Int()
			v.SetInt(old + 1e9)
			tell()
			v.SetInt(old)
		case reflect.Bool:
			v.SetBool(!v.Bool())
			tell()
			v.SetBool(!v.Bool())
		case reflect.Pointer:
			if v.IsNil() {
				return
			}
			walk(path, v.Elem(), b)
			old := v.Elem().Addr()
			v.Set(reflect.Zero(v.Type()))
			tell()
			v.Set(old)
		case reflect.Struct:
			for i := range v.NumField() {
				f := v.Type().Field(i)
				if !f.IsExported() {
					continue
				}
				name := v.Type().Name() + "." + f.Name
				_, known := silent[name]
				silent[name] = v.Field(i).IsZero() && (!known || silent[name])
				walk(path+"."+f.Name, v.Field(i), b)
			}
		case reflect.Slice:
			if v.Len() == 0 {
				return
			}
			for i := range v.Len() {
				walk(fmt.Sprintf("%s[%d]", path, i), v.Index(i), b)
			}
			old := v.Slice(0, v.Len())
			v.Set(reflect.Zero(v.Type()))
			tell()
			v.Set(old)
		case reflect.Map:
			for _, key := range v.MapKeys() {
				old := v.MapIndex(key)
				v.SetMapIndex(key, reflect.Value{})
				tell()
				v.SetMapIndex(reflect.ValueOf("another"), old)
				tell()
				v.SetMapIndex(reflect.ValueOf("another"), reflect.Value{})
				v.SetMapIndex(key, old)
			}
		default:
			t.Fatalf("%s is a %s", path, v.Kind())
		}
	}
	b := whole()
	walk("organization", reflect.ValueOf(&b.organization).Elem(), b)
	walk("roles", reflect.ValueOf(&b.roles).Elem(), b)
	walk("targets", reflect.ValueOf(&b.targets).Elem(), b)
	walk("separations", reflect.ValueOf(&b.separations).Elem(), b)
	walk("teams", reflect.ValueOf(&b.teams).Elem(), b)
	walk("calendars", reflect.ValueOf(&b.calendars).Elem(), b)
	for name, nothing := range silent {
		if nothing {
			t.Errorf("%s says nothing in the bundle that is altered", name)
		}
	}
	if seen < 150 {
		t.Errorf("only %d values were altered", seen)
	}
}

func TestDifferenceIsBounded(t *testing.T) {
	t.Parallel()
	before, after := whole(), whole()
	long := strings.Repeat("ä", MostName)
	for i := range 100 {
		after.organization.Reviewers = append(after.organization.Reviewers, fmt.Sprintf("%s%d", long, i))
		after.targets = append(after.targets, Target{Name: fmt.Sprintf("%s-%d", strings.Repeat("t", 60), i), Address: strings.Repeat("a", 253) + ":65535", HostKey: ed25519Key})
	}
	after.roles[0].Description = strings.Repeat("d", MostReason)
	got := Difference(before, after)
	if len(got) != MostDifferences || got[MostDifferences-1] != "And 138 more changes, which do not fit here: read the whole text." {
		t.Errorf("%d sentences, the last %q", len(got), got[len(got)-1])
	}
	distinct := map[string]bool{}
	for _, sentence := range append(got, Difference(after, before)...) {
		if utf8.RuneCountInString(sentence) > MostDifference || CheckText(sentence, MostDifference) != nil {
			t.Errorf("%q is no sentence of a statement", sentence)
		}
		distinct[sentence] = true
	}
	if len(distinct) != 2*MostDifferences-1 { // the last one counts alike
		t.Error("two sentences look alike")
	}
	for range 20 {
		if again := Difference(before, after); !slices.Equal(again, got) {
			t.Fatal("the same difference was told otherwise")
		}
	}
}

// However a policy is laid out, two texts of one meaning have no difference.
func TestDifferenceIsOfMeaning(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a.yaml": "kind: Organization\nreviewers: [security]\nquorum: 2\n", "b.yaml": goodRole}
	before, err := Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	other := maps.Clone(files)
	other["a.yaml"] = "# Said otherwise.\nkind: Organization\nreviewers:\n  - security\n"
	other["b.yaml"] = goodRole + "start: {at: approval}\npending: 24h\npasskey: {approvers: any}\nsingleUse: false\n"
	after, err := Parse(other)
	if err != nil {
		t.Fatal(err)
	}
	if got := Difference(before, after); before.Digest() == after.Digest() || len(got) != 0 {
		text, _ := json.Marshal(got)
		t.Errorf("the difference is %s", text)
	}
}
