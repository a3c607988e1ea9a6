package analysis

import "stint/policies"

// Analysis answers questions about a policy and its people. It never changes, and any
// number of goroutines may use it.
type Analysis struct {
	bundle     *policies.Bundle
	population *Population // nil: every group has enough people, each in one group only
}

// New prepares an analysis. Without a population (nil) every group that the policy names
// is taken to have enough people, each of them in no other group.
func New(bundle *policies.Bundle, population *Population) *Analysis {
	return &Analysis{bundle: bundle, population: population}
}
