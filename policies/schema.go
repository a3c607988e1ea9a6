package policies

import "stint/policies/internal/document"

// Schema is a JSON Schema (draft 2020-12) of one document of a policy file, for editors:
// they complete and explain as somebody writes. It refuses nothing that Load takes but
// what Load reads leniently, such as a duration in an unusual spelling or a label that
// looks like a number; Load checks much more.
func Schema() []byte {
	return document.Schema(kinds, document.About{
		Title:  "Stint policy",
		Says:   "One document of a policy file. A file holds any number of them, with a line of three hyphens between each two.",
		Kinds:  kindWords,
		Fields: fieldWords,
		Shapes: map[string]document.Shape{
			"Selector":    {Least: 1},
			"Stage":       {AnyOf: []string{"groups", "relations"}},
			"Restriction": {OneOf: []string{"refuse", "add"}},
			"Separation":  {Needs: []document.Need{{Field: "forbid", Word: ForbidHistory, Needed: "days"}, {Field: "forbid", Word: ForbidObject, Needed: "labels"}}},
		},
	})
}

// kindWords say what each kind of document is for.
var kindWords = map[string]string{
	"Organization": "What is true for the whole installation. There is one such document at most.",
	"Role":         "What can be asked for: which targets, by whom, for how long, and who must agree.",
	"Target":       "One host. Its address and host key stand here so that nobody can redirect or relabel it without a change of the policy.",
	"Separation":   "Duties that nobody may have together.",
	"Team":         "Who manages whom, for stages that ask for a manager of the requester.",
	"Calendar":     "When something is open, by the clock on the wall somewhere. Roles name calendars as `windows`.",
}

const groupPattern = `^\S(.*\S)?$`

// Kinds of fields that many types have.
var (
	aName        = document.Field{Says: "The name by which it is known: small letters, digits and hyphens.", Always: true, Pattern: namePattern.String()}
	aDescription = document.Field{Says: "What it is for, for whoever comes upon it.", Longest: MostReason}
)

func groupsFor(says string, always bool) document.Field {
	return document.Field{Says: says, Always: always, Least: 1, Pattern: groupPattern, Longest: MostName}
}

func recipients(says string) document.Field {
	return document.Field{Says: says, Always: true, Least: 1, Most: MostRecipients, Pattern: `^age1[a-z0-9]+$`}
}

func conditionThat(says string, always bool) document.Field {
	return document.Field{Says: says, Always: always, Shortest: 1}
}

// fieldWords are by type and field. A test holds them against the types.
var fieldWords = map[string]document.Field{
	"Organization.reviewers":    {Says: "Groups whose members see every request, session and audit event, and replay recordings.", Pattern: groupPattern, Longest: MostName},
	"Organization.aliases":      {Says: "Sets of identities that belong to one person: none of them approves what another asks for. Equal e-mail addresses count as one person anyway."},
	"Organization.quorum":       {Says: "How many different administrators must sign a change of the policy, or of who is who. With one, whoever holds that passkey decides alone.", Least: 1, Most: MostQuorum, Without: "2"},
	"Organization.attestation":  {Says: "Who needs a passkey on an authenticator of a known make, and which makes are known."},
	"Organization.tpmMakers":    {Says: "Makers of TPMs that are believed, for roles whose device keys must be held in one.", Most: mostTPMMakers},
	"Organization.independence": {Says: "Who is too close to a requester to approve."},
	"Organization.facts":        {Says: "Facts that the broker may assert of a request, such as the state of its ticket. Only `restrict` sees them, and roles that name them as `trust`.", Most: mostAsserted},
	"Organization.inventories":  {Says: "Sources of targets that come and go, each signed by a key of its own.", Most: mostInventories},
	"Organization.recordings":   {Says: "For whom recordings are sealed. Without it no session is opened."},

	"Recordings.recipients": recipients("age recipients, any one of which opens everything in a recording but what was typed."),
	"Recordings.input":      {Says: "Who opens what was typed: it takes one of each side.", Always: true},
	"InputReviewers.first":  recipients("age recipients of one side."),
	"InputReviewers.second": recipients("age recipients of the other side, none of which stands in the first."),

	"Subject.issuer":  {Says: "The issuer of the identity, as in its ID tokens.", Always: true, Shortest: 1, Longest: 255},
	"Subject.subject": {Says: "The subject that the issuer gave, as in its ID tokens. An e-mail address is never an identity.", Always: true, Shortest: 1, Longest: 255},

	"Attestation.groups":         {Says: "Whoever is enrolled for one of these groups proves on which make of authenticator the passkey lives.", Pattern: groupPattern, Longest: MostName},
	"Attestation.authenticators": {Says: "The makes of authenticators that are known.", Most: mostAuthenticators},
	"Authenticator.aaguid":       {Says: "The make's AAGUID: a UUID, or its 32 hex digits.", Always: true, Pattern: `^[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}$`},
	"Authenticator.name":         {Says: "What people call it.", Always: true, Shortest: 1, Longest: MostName},
	"Authenticator.roots":        {Says: "The certificates that its attestations lead to, each in PEM.", Always: true, Least: 1, Most: mostRoots, Repeats: true},
	"TPMMaker.name":              {Says: "What people call the maker.", Always: true, Shortest: 1, Longest: MostName},
	"TPMMaker.roots":             {Says: "The certificates that its endorsement certificates lead to, each in PEM.", Always: true, Least: 1, Most: mostRoots, Repeats: true},

	"Independence.directReports":    {Says: "Nobody approves what a manager of a team of theirs asks for. It needs documents of kind Team."},
	"Independence.reciprocalDays":   {Says: "Nobody approves for somebody who approved for them in so many days. 0 asks nothing.", Most: mostDays},
	"Independence.policyChangeDays": {Says: "Those who signed a change of a role are not its only approvers for so many days. 0 asks nothing.", Most: mostDays},

	"AssertedFact.name":        {Says: "Conditions call it `asserted.NAME`, with underscores in the place of hyphens.", Always: true, Pattern: factName.String()},
	"AssertedFact.type":        {Says: "Of which type it is: true or false, a whole number, or text.", Always: true, Words: []string{FactBool, FactNumber, FactText}},
	"AssertedFact.description": aDescription,

	"Inventory.name":   aName,
	"Inventory.key":    {Says: "The key that signs it: ssh-ed25519 or ecdsa-sha2-nistp256 and its base64, without a comment.", Always: true, Pattern: `^(ssh-ed25519|ecdsa-sha2-nistp256) [A-Za-z0-9+/]+=*$`},
	"Inventory.labels": {Says: "The labels that its targets may bear, each with the values that it may have.", Always: true, Least: 1, Pattern: labelValue.String(), Keys: labelKey.String(), Each: mostAllowed},

	"Role.name":        aName,
	"Role.description": aDescription,
	"Role.requesters":  groupsFor("Groups whose members may ask for it, by their ID tokens.", true),
	"Role.targets":     {Says: "Which hosts it reaches.", Always: true},
	"Role.logins":      {Says: "The logins that it gives on them.", Always: true, Least: 1, Pattern: loginPattern.String()},
	"Role.duration":    {Says: "For how long it is had.", Always: true},
	"Role.start":       {Says: "When the time that was granted begins to run."},
	"Role.pending":     {Says: "How long a request waits for approvals before it expires, from 1m to 744h.", Without: FormatDuration(DefaultPending)},
	"Role.singleUse":   {Says: "One session may be opened under a grant, and no second one."},
	"Role.renewals":    {Says: "How often one person may have the role. Without it: any number of times."},
	"Role.windows":     {Says: "Calendars: a grant begins and ends while one of them is open. Without any: at any time.", Most: mostWindows, Pattern: namePattern.String()},
	"Role.reason":      {Says: "Whether a reason must be given.", Always: true, Words: []string{"required", "optional"}},
	"Role.ticket":      {Says: "What a ticket must look like. Without it: none is asked for."},
	"Role.passkey":     {Says: "What passkeys must sign."},
	"Role.device":      {Says: "From which machines it may be used. Without it: from any."},
	"Role.session":     {Says: "What can be done in a session, and from where."},
	"Role.recording":   {Says: "Who may replay its sessions, and what is kept. They are always recorded."},
	"Role.trust":       {Says: "Asserted facts that `allow`, `require` and the conditions of stages may see too. Whoever can tamper with the broker chooses these: lint says so.", Most: mostRules, Pattern: factName.String()},
	"Role.allow":       {Says: "Where such a condition holds, some approver stages are not needed. It sees attested facts only, and those that are trusted.", Most: mostRules},
	"Role.require":     {Says: "Conditions that must hold, each of them. They see attested facts only, and those that are trusted.", Most: mostRules},
	"Role.restrict":    {Says: "Where such a condition holds, it is refused or more stages are asked. It sees all asserted facts; one that it reads and that is missing refuses.", Most: mostRules},
	"Role.approval":    {Says: "The chain of stages, all of which must be full. `[]` grants it at once, to one person alone; lint names it.", Always: true, Most: mostStages},
	"Role.breakGlass":  {Says: "How somebody acts alone in an emergency. Without it: nobody may."},

	"Selector.names":    {Says: "Names of targets, of which one must fit. An asterisk stands for any characters.", Least: 1, Most: mostPatterns, Pattern: namesPattern.String()},
	"Selector.labels":   {Says: "Labels that a target must bear, each of them. An asterisk in a value stands for any characters.", Least: 1, Most: mostLabels, Pattern: labelsPattern.String(), Keys: labelKey.String()},
	"Duration.default":  {Says: "How long it is had where nothing else is asked, such as 30m.", Always: true},
	"Duration.longest":  {Says: "How long it may be had at most, up to 168h.", Always: true},
	"Start.at":          {Says: "The time runs from the last approval, or from the first use.", Words: []string{AtApproval, AtFirstUse}, Without: AtApproval},
	"Start.within":      {Says: "With `at: first-use`: unused for so long, a grant is over. From 1m to 168h; 8h where it is absent."},
	"Start.ahead":       {Says: "How far ahead of the asking a time may be set for the beginning, up to 2160h. Without it: no time may be set."},
	"Renewals.most":     {Says: "How often at most.", Always: true, Least: 1, Most: mostRenewals},
	"Renewals.days":     {Says: "In how many days.", Always: true, Least: 1, Most: mostDays},
	"Ticket.required":   {Says: "A request without a ticket is refused."},
	"Ticket.pattern":    {Says: "A regular expression (RE2) that fits the whole of a ticket, such as OPS-[0-9]+.", Longest: mostTicket},
	"Condition.name":    aName,
	"Condition.that":    conditionThat("What must hold, in CEL, such as `ask.login != \"root\"`.", true),
	"Condition.else":    {Says: "A sentence for whoever does not fulfil it, which says what to do.", Always: true, Shortest: 1, Longest: MostReason},
	"Allowance.name":    aName,
	"Allowance.when":    conditionThat("When it holds, in CEL, such as `ask.duration <= duration(\"1h\")`.", true),
	"Allowance.without": {Says: "Names of stages that are not needed then.", Always: true, Least: 1, Pattern: namePattern.String()},
	"Restriction.name":  aName,
	"Restriction.when":  conditionThat("When it holds, in CEL. It may see `asserted` facts.", true),
	"Restriction.refuse": {
		Says: "A sentence for whoever is refused. A restriction either refuses or adds stages.", Shortest: 1, Longest: MostReason,
	},
	"Restriction.add": {Says: "Stages that are asked for too.", Least: 1, Most: mostStages},

	"PasskeyRule.approvers": {Says: "Of which strength approvers' passkeys are: of any make, or of a make that the organization lists.", Words: []string{PasskeyAny, PasskeyAttested}, Without: PasskeyAny},
	"PasskeyRule.requester": {Says: "Of which strength the passkey is with which the requester confirms what they ask for. Without it: they need not.", Words: []string{PasskeyAny, PasskeyAttested}},
	"PasskeyRule.fresh":     {Says: "How old that confirmation may be when the grant is first used. Without it: as old as the request."},

	"SessionRule.reauthenticate":  {Says: "A session ends whose person has not confirmed with a passkey for so long that they are there. From 2m to 24h."},
	"SessionRule.idle":            {Says: "A session in which nothing is sent either way for so long ends. From 10s to 24h."},
	"SessionRule.channels":        {Says: "Kinds of channels that may be opened; exec is scp, rsync and git too. forward is ssh -L, -D and -W, remote-forward ssh -R. Without any: all but agent and x11.", Least: 1, Words: channelKinds},
	"SessionRule.networks":        {Says: "Networks from which a session may be opened, such as 10.20.0.0/16. Without any: all.", Least: 1, Most: mostNetworks, Pattern: `^[0-9a-f.:]+/[0-9]{1,3}$`},
	"RecordingRule.reviewers":     groupsFor("Groups that may replay, in the place of the organization's reviewers.", false),
	"RecordingRule.files":         {Says: "What is kept of files that sftp and scp copy: what was done, with names, sizes and digests, or their content too.", Words: []string{KeepEvents, KeepContent}, Without: KeepEvents},
	"RecordingRule.forwards":      {Says: "What is kept of forwarded connections: where they led and how much went through, or its content too.", Words: []string{KeepEvents, KeepContent}, Without: KeepEvents},
	"RecordingRule.bulkMebibytes": {Says: "Of each direction of a command without a terminal, so many MiB are kept whole, and samples and digests of the rest. Without it: everything.", Least: 1, Most: mostBulk},
	"RecordingRule.outage":        {Says: "What becomes of a session while the broker takes no recordings, since its disk is full or its store away: it ends after a minute, or goes on as long as the proxy has room.", Words: []string{OutageEnd, OutageHold}, Without: OutageEnd},

	"DeviceRule.required":       {Says: "It is used from an enrolled device only. A rule about devices says true.", Always: true},
	"DeviceRule.held":           {Says: "The device's key must be proven to be in a TPM of a maker that the organization lists.", Words: []string{HeldTPM}},
	"DeviceRule.posture":        {Says: "What the machine must say of itself. It is the requester's own word: it can only refuse."},
	"DeviceRule.fleet":          {Says: "What a Fleet server must say of the machine."},
	"PostureRule.period":        {Says: "How old the machine's word may be, from 15s to 24h.", Without: FormatDuration(DefaultPeriod)},
	"PostureRule.require":       {Says: "What must be on.", Words: postureFacts()},
	"PostureRule.systemAgeDays": {Says: "How many days ago its system was last updated at most.", Most: mostAgeDays},
	"PostureRule.protection":    {Says: "Agents of which at least one must run.", Most: mostProtection, Pattern: groupPattern, Longest: MostName},
	"FleetRule.period":          {Says: "How old Fleet's word may be, from 1m to 24h.", Without: FormatDuration(DefaultFleetPeriod)},
	"FleetRule.require":         {Says: "What must be on, by Fleet's word.", Words: []string{FactDiskEncryption}},
	"FleetRule.policies":        {Says: "Which of Fleet's policies the machine must pass. Without it: only those that are named.", Words: []string{AllPolicies, CriticalPolicies}},
	"FleetRule.named":           {Says: "Policies of Fleet's that it must pass too, by their names.", Most: mostNamed, Pattern: groupPattern, Longest: MostName},

	"Stage.name":        aName,
	"Stage.groups":      groupsFor("Groups whose members may approve, by the signer's roster.", false),
	"Stage.relations":   {Says: "Who else may approve: a manager of the requester (by a document of kind Team), or an owner of the target (by its label owner).", Words: []string{RelationManager, RelationOwner}},
	"Stage.count":       {Says: "How many different people must approve. Nobody counts in two stages.", Always: true, Least: 1, Most: mostCount},
	"Stage.after":       {Says: "Stages that must be full before this one takes an approval. Without any, stages are asked side by side.", Pattern: namePattern.String()},
	"Stage.when":        conditionThat("A condition, in CEL, without which the stage is not there.", false),
	"Stage.remind":      {Says: "How long after the asking, and each time again, those who have not answered are told."},
	"Stage.escalate":    {Says: "Who else may approve once a request has waited.", Most: mostEscalations},
	"Escalation.after":  {Says: "How long it has waited then. Each stands later than the one before.", Always: true},
	"Escalation.groups": groupsFor("Groups whose members may approve too.", true),

	"BreakGlass.requesters": groupsFor("Groups of those who may ask for the role that may act alone.", true),
	"BreakGlass.longest":    {Says: "How long an emergency lasts at most; no longer than the role.", Always: true},
	"BreakGlass.review":     {Says: "Who closes the review of an emergency, and by when.", Always: true},
	"Review.groups":         groupsFor("Groups whose members close it.", true),
	"Review.within":         {Says: "How long after the grant's beginning it must be closed, from 1m to 744h. From then on nobody has the role until it is.", Always: true},

	"Target.name":    aName,
	"Target.address": {Says: "Where it is: host:port, with an IPv6 address in brackets.", Always: true, Pattern: `^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[1-9][0-9]{0,4}$`},
	"Target.hostKey": {Says: "Its host key: the first two fields of a line of ssh_host_ed25519_key.pub.", Always: true, Pattern: `^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa) [A-Za-z0-9+/]+=*$`},
	"Target.labels":  {Says: "What roles select it by. The label owner names the group that owns it.", Pattern: labelValue.String(), Keys: labelKey.String()},

	"Separation.name":        aName,
	"Separation.description": aDescription,
	"Separation.forbid": {Says: "eligible: being in groups that may ask for two of the roles. held: holding two of them at once. history: having one within some days of having had another. " +
		"object: having one on a target whose labels name a group one is in.", Always: true, Words: []string{ForbidEligible, ForbidHeld, ForbidHistory, ForbidObject}},
	"Separation.roles":  {Says: "The roles: two or more, and one or more with `forbid: object`.", Always: true, Least: 1, Most: mostApart, Pattern: namePattern.String()},
	"Separation.days":   {Says: "With `forbid: history`: how many days must lie between.", Least: 1, Most: mostDays},
	"Separation.labels": {Says: "With `forbid: object`: labels of targets that name a group, such as owner or builder.", Least: 1, Most: mostLabels, Pattern: labelKey.String()},

	"Team.name":     aName,
	"Team.members":  groupsFor("Groups of those who are managed.", true),
	"Team.managers": groupsFor("Groups of those who manage them.", true),

	"Calendar.name":   aName,
	"Calendar.zone":   {Says: "A zone of the IANA time zone database, such as Europe/Berlin.", Always: true, Pattern: zoneName.String()},
	"Calendar.open":   {Says: "When it is open.", Always: true, Least: 1, Most: mostHours},
	"Calendar.closed": {Says: "Days on which it is not, as 2026-12-25, or spans of them, as 2026-12-24..2027-01-01.", Most: mostClosed, Pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}(\.\.[0-9]{4}-[0-9]{2}-[0-9]{2})?$`},
	"Hours.days":      {Says: "Days of the week with these hours.", Always: true, Least: 1, Words: weekdays},
	"Hours.from":      {Says: "When they begin, as 09:00.", Always: true, Pattern: `^([01][0-9]|2[0-3]):[0-5][0-9]$`},
	"Hours.to":        {Says: "When they end, as 17:30. 24:00 is the end of the day; write a night over midnight as two.", Always: true, Pattern: `^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`},
}
