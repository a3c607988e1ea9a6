package policies

// fieldWord says of a field what its type does not, for Schema.
type fieldWord struct {
	says     string // what it is for, to somebody who writes a policy
	always   bool   // it must be there
	without  string // what holds where it is absent, if that is a word
	words    []string
	pattern  string
	shortest int // characters
	longest  int
	least    int // of a number, or of the items of a list
	most     int
	repeats  bool // items of a list may be equal
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
	aName        = fieldWord{says: "The name by which it is known: small letters, digits and hyphens.", always: true, pattern: namePattern.String()}
	aDescription = fieldWord{says: "What it is for, for whoever comes upon it.", longest: MostReason}
)

func groupsFor(says string, always bool) fieldWord {
	return fieldWord{says: says, always: always, least: 1, pattern: groupPattern, longest: MostName}
}

func conditionThat(says string, always bool) fieldWord {
	return fieldWord{says: says, always: always, shortest: 1}
}

// fieldWords are by type and field. A test holds them against the types.
var fieldWords = map[string]fieldWord{
	"Organization.reviewers":    {says: "Groups whose members see every request, session and audit event, and replay recordings.", pattern: groupPattern, longest: MostName},
	"Organization.aliases":      {says: "Sets of identities that belong to one person: none of them approves what another asks for. Equal e-mail addresses count as one person anyway."},
	"Organization.quorum":       {says: "How many different administrators must sign a change of the policy, or of who is who. With one, whoever holds that passkey decides alone.", least: 1, most: MostQuorum, without: "2"},
	"Organization.attestation":  {says: "Who needs a passkey on an authenticator of a known make, and which makes are known."},
	"Organization.tpmMakers":    {says: "Makers of TPMs that are believed, for roles whose device keys must be held in one.", most: mostTPMMakers},
	"Organization.independence": {says: "Who is too close to a requester to approve."},
	"Organization.facts":        {says: "Facts that the broker may assert of a request, such as the state of its ticket. Only `restrict` sees them, and roles that name them as `trust`.", most: mostAsserted},
	"Organization.inventories":  {says: "Sources of targets that come and go, each signed by a key of its own.", most: mostInventories},

	"Subject.issuer":  {says: "The issuer of the identity, as in its ID tokens.", always: true, shortest: 1, longest: 255},
	"Subject.subject": {says: "The subject that the issuer gave, as in its ID tokens. An e-mail address is never an identity.", always: true, shortest: 1, longest: 255},

	"Attestation.groups":         {says: "Whoever is enrolled for one of these groups proves on which make of authenticator the passkey lives.", pattern: groupPattern, longest: MostName},
	"Attestation.authenticators": {says: "The makes of authenticators that are known.", most: mostAuthenticators},
	"Authenticator.aaguid":       {says: "The make's AAGUID: a UUID, or its 32 hex digits.", always: true, pattern: `^[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}$`},
	"Authenticator.name":         {says: "What people call it.", always: true, shortest: 1, longest: MostName},
	"Authenticator.roots":        {says: "The certificates that its attestations lead to, each in PEM.", always: true, least: 1, most: mostRoots, repeats: true},
	"TPMMaker.name":              {says: "What people call the maker.", always: true, shortest: 1, longest: MostName},
	"TPMMaker.roots":             {says: "The certificates that its endorsement certificates lead to, each in PEM.", always: true, least: 1, most: mostRoots, repeats: true},

	"Independence.directReports":    {says: "Nobody approves what a manager of a team of theirs asks for. It needs documents of kind Team."},
	"Independence.reciprocalDays":   {says: "Nobody approves for somebody who approved for them in so many days. 0 asks nothing.", most: mostDays},
	"Independence.policyChangeDays": {says: "Those who signed a change of a role are not its only approvers for so many days. 0 asks nothing.", most: mostDays},

	"AssertedFact.name":        {says: "Conditions call it `asserted.NAME`, with underscores in the place of hyphens.", always: true, pattern: factName.String()},
	"AssertedFact.type":        {says: "Of which type it is: true or false, a whole number, or text.", always: true, words: []string{FactBool, FactNumber, FactText}},
	"AssertedFact.description": aDescription,

	"Inventory.name":   aName,
	"Inventory.key":    {says: "The key that signs it: ssh-ed25519 or ecdsa-sha2-nistp256 and its base64, without a comment.", always: true, pattern: `^(ssh-ed25519|ecdsa-sha2-nistp256) [A-Za-z0-9+/]+=*$`},
	"Inventory.labels": {says: "The labels that its targets may bear, each with the values that it may have.", always: true, least: 1, pattern: labelValue.String()},

	"Role.name":        aName,
	"Role.description": aDescription,
	"Role.requesters":  groupsFor("Groups whose members may ask for it, by their ID tokens.", true),
	"Role.targets":     {says: "Which hosts it reaches.", always: true},
	"Role.logins":      {says: "The logins that it gives on them.", always: true, least: 1, pattern: loginPattern.String()},
	"Role.duration":    {says: "For how long it is had.", always: true},
	"Role.start":       {says: "When the time that was granted begins to run."},
	"Role.pending":     {says: "How long a request waits for approvals before it expires, from 1m to 744h.", without: FormatDuration(DefaultPending)},
	"Role.singleUse":   {says: "One session may be opened under a grant, and no second one."},
	"Role.renewals":    {says: "How often one person may have the role. Without it: any number of times."},
	"Role.windows":     {says: "Calendars: a grant begins and ends while one of them is open. Without any: at any time.", most: mostWindows, pattern: namePattern.String()},
	"Role.reason":      {says: "Whether a reason must be given.", always: true, words: []string{"required", "optional"}},
	"Role.ticket":      {says: "What a ticket must look like. Without it: none is asked for."},
	"Role.passkey":     {says: "What passkeys must sign."},
	"Role.device":      {says: "From which machines it may be used. Without it: from any."},
	"Role.session":     {says: "What can be done in a session, and from where."},
	"Role.recording":   {says: "Who may replay its sessions. They are always recorded."},
	"Role.trust":       {says: "Asserted facts that `allow`, `require` and the conditions of stages may see too. Whoever can tamper with the broker chooses these: lint says so.", most: mostRules, pattern: factName.String()},
	"Role.allow":       {says: "Where such a condition holds, some approver stages are not needed. It sees attested facts only, and those that are trusted.", most: mostRules},
	"Role.require":     {says: "Conditions that must hold, each of them. They see attested facts only, and those that are trusted.", most: mostRules},
	"Role.restrict":    {says: "Where such a condition holds, it is refused or more stages are asked. It sees all asserted facts; one that it reads and that is missing refuses.", most: mostRules},
	"Role.approval":    {says: "The chain of stages, all of which must be full. `[]` grants it at once, to one person alone; lint names it.", always: true, most: mostStages},
	"Role.breakGlass":  {says: "How somebody acts alone in an emergency. Without it: nobody may."},

	"Selector.names":    {says: "Names of targets, of which one must fit. An asterisk stands for any characters.", least: 1, most: mostPatterns, pattern: namesPattern.String()},
	"Selector.labels":   {says: "Labels that a target must bear, each of them. An asterisk in a value stands for any characters.", least: 1, most: mostLabels, pattern: labelsPattern.String()},
	"Duration.default":  {says: "How long it is had where nothing else is asked, such as 30m.", always: true},
	"Duration.longest":  {says: "How long it may be had at most, up to 168h.", always: true},
	"Start.at":          {says: "The time runs from the last approval, or from the first use.", words: []string{AtApproval, AtFirstUse}, without: AtApproval},
	"Start.within":      {says: "With `at: first-use`: unused for so long, a grant is over. From 1m to 168h; 8h where it is absent."},
	"Start.ahead":       {says: "How far ahead of the asking a time may be set for the beginning, up to 2160h. Without it: no time may be set."},
	"Renewals.most":     {says: "How often at most.", always: true, least: 1, most: mostRenewals},
	"Renewals.days":     {says: "In how many days.", always: true, least: 1, most: mostDays},
	"Ticket.required":   {says: "A request without a ticket is refused."},
	"Ticket.pattern":    {says: "A regular expression (RE2) that fits the whole of a ticket, such as OPS-[0-9]+.", longest: mostTicket},
	"Condition.name":    aName,
	"Condition.that":    conditionThat("What must hold, in CEL, such as `ask.login != \"root\"`.", true),
	"Condition.else":    {says: "A sentence for whoever does not fulfil it, which says what to do.", always: true, shortest: 1, longest: MostReason},
	"Allowance.name":    aName,
	"Allowance.when":    conditionThat("When it holds, in CEL, such as `ask.duration <= duration(\"1h\")`.", true),
	"Allowance.without": {says: "Names of stages that are not needed then.", always: true, least: 1, pattern: namePattern.String()},
	"Restriction.name":  aName,
	"Restriction.when":  conditionThat("When it holds, in CEL. It may see `asserted` facts.", true),
	"Restriction.refuse": {
		says: "A sentence for whoever is refused. A restriction either refuses or adds stages.", shortest: 1, longest: MostReason,
	},
	"Restriction.add": {says: "Stages that are asked for too.", least: 1, most: mostStages},

	"PasskeyRule.approvers": {says: "Of which strength approvers' passkeys are: of any make, or of a make that the organization lists.", words: []string{PasskeyAny, PasskeyAttested}, without: PasskeyAny},
	"PasskeyRule.requester": {says: "Of which strength the passkey is with which the requester confirms what they ask for. Without it: they need not.", words: []string{PasskeyAny, PasskeyAttested}},
	"PasskeyRule.fresh":     {says: "How old that confirmation may be when the grant is first used. Without it: as old as the request."},

	"SessionRule.idle":        {says: "A session in which nothing is sent either way for so long ends. From 10s to 24h."},
	"SessionRule.channels":    {says: "Kinds of channels that may be opened; exec is scp, rsync and git too. Without any: all.", least: 1, words: []string{ChannelShell, ChannelExec, ChannelSFTP}},
	"SessionRule.networks":    {says: "Networks from which a session may be opened, such as 10.20.0.0/16. Without any: all.", least: 1, most: mostNetworks, pattern: `^[0-9a-f.:]+/[0-9]{1,3}$`},
	"RecordingRule.reviewers": groupsFor("Groups that may replay, in the place of the organization's reviewers.", false),

	"DeviceRule.required":       {says: "It is used from an enrolled device only. A rule about devices says true.", always: true},
	"DeviceRule.held":           {says: "The device's key must be proven to be in a TPM of a maker that the organization lists.", words: []string{HeldTPM}},
	"DeviceRule.posture":        {says: "What the machine must say of itself. It is the requester's own word: it can only refuse."},
	"DeviceRule.fleet":          {says: "What a Fleet server must say of the machine."},
	"PostureRule.period":        {says: "How old the machine's word may be, from 15s to 24h.", without: FormatDuration(DefaultPeriod)},
	"PostureRule.require":       {says: "What must be on.", words: postureFacts()},
	"PostureRule.systemAgeDays": {says: "How many days ago its system was last updated at most.", most: mostAgeDays},
	"PostureRule.protection":    {says: "Agents of which at least one must run.", most: mostProtection, pattern: groupPattern, longest: MostName},
	"FleetRule.period":          {says: "How old Fleet's word may be, from 1m to 24h.", without: FormatDuration(DefaultFleetPeriod)},
	"FleetRule.require":         {says: "What must be on, by Fleet's word.", words: []string{FactDiskEncryption}},
	"FleetRule.policies":        {says: "Which of Fleet's policies the machine must pass. Without it: only those that are named.", words: []string{AllPolicies, CriticalPolicies}},
	"FleetRule.named":           {says: "Policies of Fleet's that it must pass too, by their names.", most: mostNamed, pattern: groupPattern, longest: MostName},

	"Stage.name":        aName,
	"Stage.groups":      groupsFor("Groups whose members may approve, by the signer's roster.", false),
	"Stage.relations":   {says: "Who else may approve: a manager of the requester (by a document of kind Team), or an owner of the target (by its label owner).", words: []string{RelationManager, RelationOwner}},
	"Stage.count":       {says: "How many different people must approve. Nobody counts in two stages.", always: true, least: 1, most: mostCount},
	"Stage.after":       {says: "Stages that must be full before this one takes an approval. Without any, stages are asked side by side.", pattern: namePattern.String()},
	"Stage.when":        conditionThat("A condition, in CEL, without which the stage is not there.", false),
	"Stage.remind":      {says: "How long after the asking, and each time again, those who have not answered are told."},
	"Stage.escalate":    {says: "Who else may approve once a request has waited.", most: mostEscalations},
	"Escalation.after":  {says: "How long it has waited then. Each stands later than the one before.", always: true},
	"Escalation.groups": groupsFor("Groups whose members may approve too.", true),

	"BreakGlass.requesters": groupsFor("Groups of those who may ask for the role that may act alone.", true),
	"BreakGlass.longest":    {says: "How long an emergency lasts at most; no longer than the role.", always: true},
	"BreakGlass.review":     {says: "Who closes the review of an emergency, and by when.", always: true},
	"Review.groups":         groupsFor("Groups whose members close it.", true),
	"Review.within":         {says: "How long after the grant's beginning it must be closed, from 1m to 744h. From then on nobody has the role until it is.", always: true},

	"Target.name":    aName,
	"Target.address": {says: "Where it is: host:port, with an IPv6 address in brackets.", always: true, pattern: `^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[1-9][0-9]{0,4}$`},
	"Target.hostKey": {says: "Its host key: the first two fields of a line of ssh_host_ed25519_key.pub.", always: true, pattern: `^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa) [A-Za-z0-9+/]+=*$`},
	"Target.labels":  {says: "What roles select it by. The label owner names the group that owns it.", pattern: labelValue.String()},

	"Separation.name":        aName,
	"Separation.description": aDescription,
	"Separation.forbid": {says: "eligible: being in groups that may ask for two of the roles. held: holding two of them at once. history: having one within some days of having had another. " +
		"object: having one on a target whose labels name a group one is in.", always: true, words: []string{ForbidEligible, ForbidHeld, ForbidHistory, ForbidObject}},
	"Separation.roles":  {says: "The roles: two or more, and one or more with `forbid: object`.", always: true, least: 1, most: mostApart, pattern: namePattern.String()},
	"Separation.days":   {says: "With `forbid: history`: how many days must lie between.", least: 1, most: mostDays},
	"Separation.labels": {says: "With `forbid: object`: labels of targets that name a group, such as owner or builder.", least: 1, most: mostLabels, pattern: labelKey.String()},

	"Team.name":     aName,
	"Team.members":  groupsFor("Groups of those who are managed.", true),
	"Team.managers": groupsFor("Groups of those who manage them.", true),

	"Calendar.name":   aName,
	"Calendar.zone":   {says: "A zone of the IANA time zone database, such as Europe/Berlin.", always: true, pattern: zoneName.String()},
	"Calendar.open":   {says: "When it is open.", always: true, least: 1, most: mostHours},
	"Calendar.closed": {says: "Days on which it is not, as 2026-12-25, or spans of them, as 2026-12-24..2027-01-01.", most: mostClosed, pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}(\.\.[0-9]{4}-[0-9]{2}-[0-9]{2})?$`},
	"Hours.days":      {says: "Days of the week with these hours.", always: true, least: 1, words: weekdays},
	"Hours.from":      {says: "When they begin, as 09:00.", always: true, pattern: `^([01][0-9]|2[0-3]):[0-5][0-9]$`},
	"Hours.to":        {says: "When they end, as 17:30. 24:00 is the end of the day; write a night over midnight as two.", always: true, pattern: `^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`},
}
