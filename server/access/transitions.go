package access

// Transition names a step in a request's life.
type Transition string

// The transitions. Each is made by one function of the Service, on every surface.
const (
	ToApprove  Transition = "approve"
	ToActivate Transition = "activate"
	ToDeny     Transition = "deny"
	ToWithdraw Transition = "withdraw"
	ToDrop     Transition = "drop"
	ToRevoke   Transition = "revoke"
	ToExpire   Transition = "expire"
)

// Step is where a transition leads.
type Step struct {
	State  State
	Reason EndReason
}

// transitions is the one table of what may follow what. A pair that is not
// here cannot happen.
var transitions = map[State]map[Transition]Step{
	Pending: {
		ToApprove:  {State: Approved},
		ToDeny:     {State: Denied},
		ToWithdraw: {State: Withdrawn},
		ToExpire:   {State: Expired},
	},
	Approved: {
		ToActivate: {State: Active},
		ToDrop:     {State: Ended, Reason: EndDropped},
		ToRevoke:   {State: Ended, Reason: EndRevoked},
		ToExpire:   {State: Ended, Reason: EndExpired},
	},
	Active: {
		ToActivate: {State: Active}, // another certificate
		ToDrop:     {State: Ended, Reason: EndDropped},
		ToRevoke:   {State: Ended, Reason: EndRevoked},
		ToExpire:   {State: Ended, Reason: EndCompleted},
	},
}

// Next says where a transition leads from a state, if it is legal.
func Next(from State, by Transition) (Step, bool) {
	step, ok := transitions[from][by]
	return step, ok
}
