package api

import (
	"encoding/json"
	"time"
)

// Paths of the policy's pages, relative to the broker's URL; {name} is a role's.
// Reviewers and administrators see everything, others the roles that they may ask for.
const (
	PathPolicyRoles      = "/api/policy/roles"        // GET -> PolicyRoles
	PathPolicyRole       = "/api/policy/roles/{name}" // GET -> PolicyRole
	PathPolicyPeople     = "/api/policy/people"       // GET -> Population: reviewers and administrators
	PathPolicySimulate   = "/api/policy/simulate"     // POST WhatIf -> Decision: reviewers and administrators; nothing is stored
	PathPolicyCheck      = "/api/policy/check"        // POST PolicyFiles -> PolicyCheck: reviewers and administrators; nothing is stored
	PathPolicySeparation = "/api/policy/separation"   // GET ?limit=&cursor= -> SeparationMatrix: reviewers and administrators
	PathPolicyHistory    = "/api/policy/history"      // GET ?limit=&cursor= -> RecordedRequests: reviewers and administrators
)

// RoleSummary is a role of the policy in force as a list shows it.
type RoleSummary struct {
	Name        string     `json:"name"`
	Description string     `json:"description"`
	Requesters  []string   `json:"requesters" doc:"groups whose members may ask"`
	Mine        bool       `json:"mine" doc:"the caller may ask for it"`
	BreakGlass  bool       `json:"break_glass" doc:"somebody may act alone in an emergency"`
	Locked      string     `json:"locked,omitempty" doc:"why nobody has it until an emergency is reviewed, in a sentence"`
	LastUsed    *time.Time `json:"last_used,omitempty" doc:"when a grant of it was last used for the first time"`
	// What follows is for reviewers and administrators, and absent for others.
	MayAsk     *int `json:"may_ask,omitempty" doc:"how many of the people known may ask for it"`
	MayApprove *int `json:"may_approve,omitempty" doc:"how many people of the signer's roster could approve for somebody"`
	Collusion  *int `json:"collusion,omitempty" doc:"how few people together get it; 0: nobody can"`
}

// PolicyRoles lists roles by name.
type PolicyRoles struct {
	Items []RoleSummary `json:"items"`
	All   bool          `json:"all" doc:"these are all roles, not only those that the caller may ask for"`
}

// PolicyRole is everything about a role.
type PolicyRole struct {
	Summary RoleSummary    `json:"summary"`
	Role    Role           `json:"role" doc:"as the form for asking has it"`
	Words   []WordsSection `json:"words" doc:"all that it says, for reading"`
	// Who, Collusion and Findings are for reviewers and administrators, and absent or
	// empty for others.
	Who       *RoleWho         `json:"who,omitempty"`
	Collusion *CollusionResult `json:"collusion,omitempty"`
	Findings  []Finding        `json:"findings" doc:"what lint says of it"`
	Uses      []RequestSummary `json:"uses" doc:"the latest requests for it that the caller may see"`
}

// WordsSection is a heading with sentences below it.
type WordsSection struct {
	Heading   string   `json:"heading"`
	Sentences []string `json:"sentences"`
}

// RoleWho is who can do what with a role, of those known.
type RoleWho struct {
	Ask        []Who      `json:"ask"`
	Excluded   []Excluded `json:"excluded" doc:"those in a group that may ask, whom a separation of duty keeps out"`
	Stages     []StageWho `json:"stages" doc:"those that a restriction adds too"`
	BreakGlass []Who      `json:"break_glass" doc:"who may act alone in an emergency"`
	Review     []Who      `json:"review" doc:"who closes the review of an emergency"`
	Replay     []Who      `json:"replay" doc:"who may replay its recordings"`
}

// Who is a person to whom something applies, with why.
type Who struct {
	Person Person   `json:"person"`
	Why    []string `json:"why" doc:"a phrase each, for example: in dba-lead"`
}

// Excluded is somebody whom a separation of duty keeps out.
type Excluded struct {
	Person     Person   `json:"person"`
	Separation string   `json:"separation"`
	Targets    []string `json:"targets" doc:"on these only; empty: everywhere"`
	Text       string   `json:"text"`
}

// StageWho is who may fill a stage.
type StageWho struct {
	Name      string   `json:"name"`
	Count     int      `json:"count"`
	Added     string   `json:"added,omitempty" doc:"by which restriction"`
	When      string   `json:"when,omitempty" doc:"only where this holds"`
	After     []string `json:"after" doc:"stages that come first"`
	Spared    []string `json:"spared" doc:"by which allowances"`
	Approvers []Who    `json:"approvers"`
}

// CollusionResult is how few people together get a role.
type CollusionResult struct {
	People int            `json:"people" doc:"the smallest number over all ways; 0: nobody can have it"`
	Ways   []CollusionWay `json:"ways" doc:"the one with the fewest people first"`
}

// CollusionWay is one way to a role, with the smallest number of people who go it together.
type CollusionWay struct {
	Way     string         `json:"way" doc:"ask, allow, break-glass, policy or enrolment"`
	People  int            `json:"people"`
	Target  string         `json:"target,omitempty"`
	Login   string         `json:"login,omitempty"`
	Parts   []CollusionAct `json:"parts" doc:"an example: one for each person"`
	Assumed []string       `json:"assumed" doc:"what was taken to suit them: conditions, and passkeys that they would enrol"`
	Text    string         `json:"text" doc:"the example in a sentence"`
}

// CollusionAct is what one person of the example does.
type CollusionAct struct {
	Person Person `json:"person"`
	Acts   string `json:"acts"`
}

// Finding is something that lint says.
type Finding struct {
	Severity string `json:"severity" enum:"error,warning,note"`
	Rule     string `json:"rule" doc:"stable"`
	Role     string `json:"role,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Text     string `json:"text"`
	Remedy   string `json:"remedy,omitempty"`
}

// Population is everybody who is known, as the analyses of stint policy take it.
type Population struct {
	People      []Inhabitant      `json:"people"`
	Delegations []PopulationProxy `json:"delegations" doc:"those in force"`
}

// Inhabitant is one identity of somebody.
type Inhabitant struct {
	Issuer   string          `json:"issuer"`
	Subject  string          `json:"subject"`
	Name     string          `json:"name"`
	Email    string          `json:"email,omitempty"`
	Groups   []string        `json:"groups" doc:"as the identity provider said at the last sign-in"`
	Passkeys []PopulationKey `json:"passkeys" doc:"of the signer's roster, that may sign"`
}

// PopulationKey is a passkey of somebody's.
type PopulationKey struct {
	Groups   []string `json:"groups" doc:"of the roster, that it speaks for"`
	Attested bool     `json:"attested"`
}

// PopulationProxy is a delegation in force.
type PopulationProxy struct {
	From   Identity `json:"from"`
	To     Identity `json:"to"`
	Groups []string `json:"groups"`
}

// Identity is an issuer with the subject that it gave.
type Identity struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// WhatIf is somebody's ask that is only imagined.
type WhatIf struct {
	Issuer  string `json:"issuer" minLength:"1" maxLength:"512"`
	Subject string `json:"subject" minLength:"1" maxLength:"512"`
	Ask     Ask    `json:"ask"`
	// At is the moment; absent: now.
	At *time.Time `json:"at,omitempty"`
	// Files are another policy to decide by; absent: the one in force.
	Files map[string]string `json:"files,omitempty"`
}

// PolicyFiles is a policy, whole.
type PolicyFiles struct {
	Files map[string]string `json:"files" doc:"every file of the bundle, text by name"`
}

// Fault is something wrong with a policy file.
type Fault struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
}

// PolicyCheck is what is to be said of a policy before anybody proposes it.
type PolicyCheck struct {
	Faults   []Fault   `json:"faults" doc:"with any of them, it cannot be proposed, and nothing else is said"`
	Digest   string    `json:"digest,omitempty"`
	Changes  []string  `json:"changes" doc:"what differs from the policy in force, a sentence each"`
	Findings []Finding `json:"findings" doc:"what lint says"`
	Backtest *Backtest `json:"backtest,omitempty"`
}

// Backtest is what recorded requests would come to under another policy.
type Backtest struct {
	Requests    int                  `json:"requests" doc:"how many were decided anew, the newest ones"`
	Since       *time.Time           `json:"since,omitempty" doc:"when the oldest of them was asked for"`
	Same        int                  `json:"same"`
	Counts      []BacktestCount      `json:"counts" doc:"widening ones first"`
	Differences []BacktestDifference `json:"differences" doc:"those that would come out otherwise: widening ones first, then other outcomes, then other reasons"`
	// Note says what of the recorded facts is approximated.
	Note string `json:"note"`
}

// BacktestCount is how many requests changed in the same manner.
type BacktestCount struct {
	Change string `json:"change" doc:"now-allowed, now-open, needs-fewer, lasts-longer, now-refused, needs-more, lasts-shorter or other-reasons"`
	Wider  bool   `json:"wider"`
	Number int    `json:"number"`
	Text   string `json:"text"`
}

// BacktestDifference is a recorded request that would be decided otherwise.
type BacktestDifference struct {
	Request string    `json:"request"`
	Change  string    `json:"change" doc:"as in the counts"`
	Wider   bool      `json:"wider"`
	Who     Person    `json:"who"`
	Role    string    `json:"role"`
	Target  string    `json:"target"`
	Login   string    `json:"login"`
	Asked   time.Time `json:"asked"`
	Then    string    `json:"then" doc:"as it was decided"`
	Before  string    `json:"before" doc:"by the policy in force, now"`
	After   string    `json:"after" doc:"by the other policy, now"`
	Gained  []Reason  `json:"gained" doc:"reasons that only the other policy gives"`
	Lost    []Reason  `json:"lost" doc:"reasons that only the policy in force gives"`
	Text    string    `json:"text" doc:"one sentence"`
}

// SeparationMatrix says who can have what beside what.
type SeparationMatrix struct {
	Rules  []SeparationRule `json:"rules"`
	Roles  []string         `json:"roles" doc:"those that a rule names"`
	Rows   []SeparationRow  `json:"rows" doc:"a page of the people who may ask for one of them"`
	Cursor string           `json:"cursor,omitempty"`
}

// SeparationRule is one separation of duty.
type SeparationRule struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Forbid      string   `json:"forbid" enum:"eligible,held,history,object"`
	Roles       []string `json:"roles"`
	Text        string   `json:"text" doc:"what it says, in a sentence"`
}

// SeparationRow is a person with the roles that they may ask for.
type SeparationRow struct {
	Person Person           `json:"person"`
	Cells  []SeparationCell `json:"cells" doc:"those of the roles that they may ask for"`
}

// SeparationCell is a person's standing towards a role.
type SeparationCell struct {
	Role       string       `json:"role"`
	Held       bool         `json:"held" doc:"they hold it now"`
	LastUsed   *time.Time   `json:"last_used,omitempty"`
	Against    []string     `json:"against" doc:"rules that stand against it for them now"`
	OwnTargets []OwnTargets `json:"own_targets" doc:"what rules by object keep from them of the role's targets"`
}

// OwnTargets are targets that a rule keeps from somebody because their labels name a group
// that they are in.
type OwnTargets struct {
	Separation string   `json:"separation"`
	Targets    []string `json:"targets" doc:"the first ones"`
	Number     int      `json:"number" doc:"how many there are"`
}

// RecordedRequest is a request as facts that policy decides by.
type RecordedRequest struct {
	Request string          `json:"request"`
	Outcome string          `json:"outcome" enum:"refused,needs-approval,scheduled,allowed" doc:"what it was decided to be when it last changed"`
	Facts   json.RawMessage `json:"facts" doc:"policies.Facts: JSON that stint policy's commands read"`
}

// RecordedRequests is a page of them, newest first.
type RecordedRequests struct {
	Items  []RecordedRequest `json:"items"`
	Cursor string            `json:"cursor,omitempty"`
	// Note says what of the facts is approximated.
	Note string `json:"note"`
}
