package condition

// MostCost is what a condition may cost.
const MostCost = mostCost

// Spent is what an evaluation of the condition cost, whatever the sizes of the facts.
func (c *Condition) Spent(f Facts) uint64 {
	program, err := c.bounded()
	if err != nil {
		return 0
	}
	_, details, _ := program.Eval((*values)(&f))
	return *details.ActualCost()
}

// AsEstimated tells whether the facts are of the sizes that the estimate is made for.
func (f Facts) AsEstimated() bool { return f.asEstimated() }
