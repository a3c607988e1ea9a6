package analysis

import "stint/policies"

// Recorded is a request as it was decided last.
type Recorded struct {
	Request string           `json:"request"`
	Facts   policies.Facts   `json:"facts"`
	Outcome policies.Outcome `json:"outcome"` // as it was then
}

// How a decision differs under another policy.
const (
	ChangeAllowed = "now-allowed"  // wider: would be allowed, and was not
	ChangeOpen    = "now-open"     // wider: could be approved, and was refused
	ChangeFewer   = "needs-fewer"  // wider: needs fewer people, or other stages are spared
	ChangeLonger  = "lasts-longer" // wider
	ChangeRefused = "now-refused"
	ChangeMore    = "needs-more" // people
	ChangeShorter = "lasts-shorter"
	ChangeReasons = "other-reasons" // the outcome is the same
)

// Replay is a history under another policy.
type Replay struct {
	Requests    int          `json:"requests"` // how many were looked at
	Same        int          `json:"same"`
	Counts      []Count      `json:"counts"` // widening ones first
	Differences []Difference `json:"differences"`
}

// Count is how many requests changed in the same manner.
type Count struct {
	Change string `json:"change"` // ChangeAllowed and so on
	Wider  bool   `json:"wider"`
	Number int    `json:"number"`
	Text   string `json:"text"` // "would now be refused: 12"
}

// Difference is a request that would be decided otherwise.
type Difference struct {
	Request string            `json:"request"`
	Change  string            `json:"change"`
	Wider   bool              `json:"wider"`
	Facts   policies.Facts    `json:"-"`
	Role    string            `json:"role"`
	Target  string            `json:"target"`
	Login   string            `json:"login"`
	Who     policies.Person   `json:"who"`
	Then    policies.Outcome  `json:"then"`   // as recorded
	Before  policies.Outcome  `json:"before"` // by the policy of before, now
	After   policies.Outcome  `json:"after"`
	Gained  []policies.Reason `json:"gained"` // reasons that only the new policy gives
	Lost    []policies.Reason `json:"lost"`   // reasons that only the old one gave
	Text    string            `json:"text"`
}

// Backtest decides recorded requests by two policies and says where they differ:
// widening differences first, then changed outcomes, then changed reasons.
func Backtest(before, after *policies.Bundle, history []Recorded) Replay { return Replay{} }
