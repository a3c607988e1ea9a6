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
	LastUsed    *time.Time `json:"last_used,omitempty" doc:"when a certificate was last issued for it"`
	// What follows is for reviewers and administrators, and absent for others.
	MayAsk     *int       `json:"may_ask,omitempty" doc:"how many of the people known may ask for it"`
	MayApprove *int       `json:"may_approve,omitempty" doc:"how many people of the signer's roster could approve for somebody"`
	Collusion  *Collusion `json:"collusion,omitempty"`
}

// PolicyRoles lists roles by name.
type PolicyRoles struct {
	Items []RoleSummary `json:"items"`
	All   bool          `json:"all" doc:"these are all roles, not only those that the caller may ask for"`
}

// PolicyRole is everything about a role.
type PolicyRole struct {
	Summary  RoleSummary      `json:"summary"`
	Role     Role             `json:"role" doc:"as the form for asking has it"`
	Words    []WordsSection   `json:"words" doc:"all that it says, for reading"`
	Askers   []Person         `json:"askers" doc:"who may ask for it, of those known; for reviewers and administrators"`
	Findings []Finding        `json:"findings" doc:"what lint says of it; for reviewers and administrators"`
	Uses     []RequestSummary `json:"uses" doc:"the latest requests for it that the caller may see"`
}

// WordsSection is a heading with sentences below it.
type WordsSection struct {
	Heading   string   `json:"heading"`
	Sentences []string `json:"sentences"`
}

// Collusion is how many people must act together to get a role.
type Collusion struct {
	Number int `json:"number" doc:"the smallest number of people; 0: nobody can get it"`
	// Example is one such set, empty in lists.
	Example []Conspirator `json:"example"`
	// Way says how they get it, and Note what the number leaves out.
	Way  string `json:"way,omitempty"`
	Note string `json:"note,omitempty"`
}

// Conspirator is one of them with what they do.
type Conspirator struct {
	Person Person   `json:"person"`
	Does   []string `json:"does"`
}

// Finding is something that lint says.
type Finding struct {
	Rule string `json:"rule" doc:"stable"`
	Role string `json:"role,omitempty"`
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Text string `json:"text"`
}

// Population is everybody who is known, as stint policy's commands take it.
type Population struct {
	Taken time.Time `json:"taken"`
	// People is the population document of stint policy: JSON that these commands read.
	People json.RawMessage `json:"people"`
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
	Requests  int               `json:"requests" doc:"how many were decided anew, the newest ones"`
	Since     *time.Time        `json:"since,omitempty" doc:"when the oldest of them was asked for"`
	Changed   []ChangedDecision `json:"changed" doc:"those that would now come out otherwise, newest first"`
	Unchanged int               `json:"unchanged"`
	// Note says what of the recorded facts is approximated.
	Note string `json:"note"`
}

// ChangedDecision is a recorded request that would come out otherwise.
type ChangedDecision struct {
	Request   string    `json:"request"`
	Requester Person    `json:"requester"`
	Role      string    `json:"role"`
	Target    string    `json:"target"`
	Login     string    `json:"login"`
	Asked     time.Time `json:"asked"`
	Before    string    `json:"before" enum:"refused,needs-approval,scheduled,allowed"`
	After     string    `json:"after" enum:"refused,needs-approval,scheduled,allowed"`
	Why       []string  `json:"why" doc:"the sentences that differ"`
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
	Role     string     `json:"role"`
	Held     bool       `json:"held" doc:"they hold it now"`
	LastUsed *time.Time `json:"last_used,omitempty"`
	Against  []string   `json:"against" doc:"rules that stand against it for them now"`
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
