package policies

import "time"

// Role is what can be asked for.
type Role struct {
	Name        string   `yaml:"name" json:"name"`
	Description string   `yaml:"description" json:"description"`
	Requesters  []string `yaml:"requesters" json:"requesters"` // groups whose members may ask
	Targets     Selector `yaml:"targets" json:"targets"`
	Logins      []string `yaml:"logins" json:"logins"`

	Duration Duration `yaml:"duration" json:"duration"`
	Start    Start    `yaml:"start" json:"start"`
	// Pending is how long a request waits for approvals; DefaultPending where it is absent.
	Pending time.Duration `yaml:"pending" json:"pending"`
	// SingleUse: one session may be opened under a grant, and no second one.
	SingleUse bool `yaml:"singleUse" json:"single_use"`
	// Renewals bounds how often somebody may have the role again; nil: any number of times.
	Renewals *Renewals `yaml:"renewals" json:"renewals,omitempty"`
	// Windows are calendars (see Calendar); a grant begins and ends while one of them is
	// open. None: at any time.
	Windows []string `yaml:"windows" json:"windows,omitempty"`

	// Reason is "required" or "optional".
	Reason string `yaml:"reason" json:"reason"`
	// Ticket is what a ticket must look like; nil: none is asked for.
	Ticket *Ticket `yaml:"ticket" json:"ticket,omitempty"`
	// Passkey says what passkeys must sign; the zero value: approvers', of any make.
	Passkey PasskeyRule `yaml:"passkey" json:"passkey"`
	// Device says from which machines the role may be used; the zero value: from any.
	Device DeviceRule `yaml:"device" json:"device"`
	// Session bounds what can be done in a session.
	Session SessionRule `yaml:"session" json:"session"`
	// Recording says who may replay, and what is kept; sessions are always recorded.
	Recording RecordingRule `yaml:"recording" json:"recording"`

	// Trust names asserted facts (see Organization.Facts) that Allow, Require and the
	// conditions of stages may see too. Whoever can tamper with the broker chooses
	// these; lint says so.
	Trust []string `yaml:"trust" json:"trust,omitempty"`
	// Allow spares approver stages where its conditions hold.
	Allow []Allowance `yaml:"allow" json:"allow,omitempty"`
	// Require must hold, each of them.
	Require []Condition `yaml:"require" json:"require,omitempty"`
	// Restrict refuses or adds stages where its conditions hold. It alone sees all asserted
	// facts; one that it reads and that is missing refuses.
	Restrict []Restriction `yaml:"restrict" json:"restrict,omitempty"`

	// Approval is the chain of stages. A role without stages is granted at
	// once; lint names it.
	Approval []Stage `yaml:"approval" json:"approval"`
	// BreakGlass lets a person act alone in an emergency; nil: nobody may.
	BreakGlass *BreakGlass `yaml:"breakGlass" json:"break_glass,omitempty"`
}

// Selector picks targets: one of Names must fit, where there are any, and every label.
// An asterisk in a name or in a label's value stands for any characters.
type Selector struct {
	Names  []string          `yaml:"names" json:"names,omitempty"`
	Labels map[string]string `yaml:"labels" json:"labels"`
}

// Duration bounds a grant.
type Duration struct {
	Default time.Duration `yaml:"default" json:"default"`
	Longest time.Duration `yaml:"longest" json:"longest"`
}

// When the clock of a grant starts.
const (
	AtApproval = "approval"  // when the last approval was given
	AtFirstUse = "first-use" // when the first certificate is issued
)

// Start says when the clock of a grant starts. Who asks may set a time for it, up to
// Ahead from the asking; then it starts no sooner than that.
type Start struct {
	At     string        `yaml:"at" json:"at"`         // AtApproval, which is the default, or AtFirstUse
	Within time.Duration `yaml:"within" json:"within"` // AtFirstUse: unused for so long, a grant is over
	Ahead  time.Duration `yaml:"ahead" json:"ahead"`   // zero: no time may be set
}

const (
	// DefaultPending is how long a request waits where the role does not say.
	DefaultPending = 24 * time.Hour
	// DefaultWithin is how long a grant waits for its first use where the role does not say.
	DefaultWithin = 8 * time.Hour
)

// Renewals says that nobody may have the role more than Most times in any Days days.
type Renewals struct {
	Most int `yaml:"most" json:"most"`
	Days int `yaml:"days" json:"days"`
}

// Ticket says what must be written into a request's ticket.
type Ticket struct {
	Required bool `yaml:"required" json:"required"`
	// Pattern is a regular expression (RE2) that fits the whole of it; empty: anything does.
	Pattern string `yaml:"pattern" json:"pattern,omitempty"`
}

// Of which strength a passkey must be.
const (
	PasskeyAny      = "any"
	PasskeyAttested = "attested" // of a make that the organization lists, which was proven
)

// PasskeyRule says what passkeys must sign.
type PasskeyRule struct {
	// Approvers is of which strength approvers' passkeys are; empty: PasskeyAny.
	Approvers string `yaml:"approvers" json:"approvers,omitempty"`
	// Requester is of which strength the passkey is with which the requester confirms
	// what they ask for; empty: they need not.
	Requester string `yaml:"requester" json:"requester,omitempty"`
	// Fresh is how old that confirmation may be when the grant is first used; zero:
	// as old as the request.
	Fresh time.Duration `yaml:"fresh" json:"fresh,omitempty"`
}

// Kinds of channels of a session. Whatever a role gives, a channel that cannot be
// recorded is refused.
const (
	ChannelShell         = "shell"
	ChannelExec          = "exec" // scp, rsync and git too
	ChannelSFTP          = "sftp"
	ChannelForward       = "forward"        // from the client through the target (ssh -L, -D and -W)
	ChannelRemoteForward = "remote-forward" // from the target to the client (ssh -R)
	// The last two let the target use what the client has, so a role must name them.
	ChannelAgent = "agent" // the keys in the client's agent (ssh -A)
	ChannelX11   = "x11"   // the client's screen (ssh -X)
)

// channelKinds are all that a role may name.
var channelKinds = []string{ChannelShell, ChannelExec, ChannelSFTP, ChannelForward, ChannelRemoteForward, ChannelAgent, ChannelX11}

// SessionRule bounds what can be done in a session.
type SessionRule struct {
	// Idle ends a session in which nothing was sent either way for so long; zero: never.
	Idle time.Duration `yaml:"idle" json:"idle,omitempty"`
	// Reauthenticate ends a session whose person has not said by passkey for so long that
	// they are there; zero: never.
	Reauthenticate time.Duration `yaml:"reauthenticate" json:"reauthenticate,omitempty"`
	// Channels are the kinds that may be opened; none: all but ChannelAgent and ChannelX11.
	Channels []string `yaml:"channels" json:"channels,omitempty"`
	// Networks are those from which a session may be opened, as CIDR; none: all.
	Networks []string `yaml:"networks" json:"networks,omitempty"`
}

// RecordingRule says who may replay the role's sessions, and what they find there
// beside terminals and commands, of which everything is kept.
type RecordingRule struct {
	// Reviewers are groups that may, in the place of the organization's; none: those.
	Reviewers []string `yaml:"reviewers" json:"reviewers,omitempty"`
	// Files says what is kept of files that sftp and scp copy, KeepEvents or
	// KeepContent; empty: KeepEvents.
	Files string `yaml:"files" json:"files,omitempty"`
	// Forwards says what is kept of forwarded connections; empty: KeepEvents.
	Forwards string `yaml:"forwards" json:"forwards,omitempty"`
	// BulkMebibytes bounds what is kept whole of each direction of a command without a
	// terminal; of the rest, samples and digests. Zero: no bound.
	BulkMebibytes int `yaml:"bulkMebibytes" json:"bulk_mebibytes,omitempty"`
	// Outage says what becomes of a session while the broker takes no recordings,
	// OutageEnd or OutageHold; empty: OutageEnd.
	Outage string `yaml:"outage" json:"outage,omitempty"`
}

// Condition must hold.
type Condition struct {
	Name string `yaml:"name" json:"name"`
	That string `yaml:"that" json:"that"` // CEL, attested facts
	Else string `yaml:"else" json:"else"` // a sentence for whoever does not fulfil it
}

// Allowance spares stages where its condition holds.
type Allowance struct {
	Name    string   `yaml:"name" json:"name"`
	When    string   `yaml:"when" json:"when"`       // CEL, attested facts
	Without []string `yaml:"without" json:"without"` // names of stages that are not needed then
}

// Restriction takes something away where its condition holds. It does exactly one of both.
type Restriction struct {
	Name   string  `yaml:"name" json:"name"`
	When   string  `yaml:"when" json:"when"` // CEL, all facts
	Refuse string  `yaml:"refuse" json:"refuse,omitempty"`
	Add    []Stage `yaml:"add" json:"add,omitempty"`
}

// Who a person is to a request.
const (
	RelationManager = "manager" // of a team that the requester is in, see Team
	RelationOwner   = "owner"   // in the group that the target's label OwnerLabel names
)

// OwnerLabel is the label of a target that names the group which owns it.
const OwnerLabel = "owner"

// Stage asks for Count distinct approvers out of Groups and Relations.
type Stage struct {
	Name      string   `yaml:"name" json:"name"`
	Groups    []string `yaml:"groups" json:"groups"`
	Relations []string `yaml:"relations" json:"relations,omitempty"` // RelationManager, RelationOwner
	Count     int      `yaml:"count" json:"count"`
	// After names stages that must be full before this one takes an approval.
	After []string `yaml:"after" json:"after,omitempty"`
	// When is a condition (CEL, attested facts) without which the stage is not there;
	// empty: it always is.
	When string `yaml:"when" json:"when,omitempty"`
	// Remind is how long after the asking, and each time again, those who have not
	// answered are told; zero: never.
	Remind time.Duration `yaml:"remind" json:"remind,omitempty"`
	// Escalate lets others approve too once a request has waited.
	Escalate []Escalation `yaml:"escalate" json:"escalate,omitempty"`
}

// Escalation lets members of Groups approve what was asked for longer than After ago.
type Escalation struct {
	After  time.Duration `yaml:"after" json:"after"`
	Groups []string      `yaml:"groups" json:"groups"`
}

// BreakGlass is how a person acts alone in an emergency: no stage is asked, they confirm
// with an attested passkey of their own, all approvers are told, and the role
// locks unless the use is reviewed.
type BreakGlass struct {
	Requesters []string      `yaml:"requesters" json:"requesters"` // groups of those who may ask for the role that may do so
	Longest    time.Duration `yaml:"longest" json:"longest"`
	Review     Review        `yaml:"review" json:"review"`
}

// Review is who closes the review of an emergency, and by when. From then on nobody has
// the role until they have.
type Review struct {
	Groups []string      `yaml:"groups" json:"groups"`
	Within time.Duration `yaml:"within" json:"within"` // of the grant's beginning
}

// Target is one host. Its address and host key are policy, not discovery, so
// that nobody can relabel or redirect it without a change of the bundle.
type Target struct {
	Name    string            `yaml:"name" json:"name"`
	Address string            `yaml:"address" json:"address"`  // host:port
	HostKey string            `yaml:"hostKey" json:"host_key"` // authorized_keys form
	Labels  map[string]string `yaml:"labels" json:"labels"`
}
