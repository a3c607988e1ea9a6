package condition

import "cel.dev/cel-go/cel"

// Fails tells whether the condition has no answer for any of the requests that Could
// speaks of, for example because the target lacks a label that it reads.
func (c *Condition) Fails(f Facts) bool {
	if c.partial == nil {
		return true // it was never compiled
	}
	program, err := c.partial()
	if err != nil {
		return false
	}
	known, err := cel.PartialVars((*values)(&f), unknowns...)
	if err != nil {
		return false
	}
	// What is unknown goes before what fails, wherever the answer could hang on it.
	_, _, err = program.Eval(known)
	return err != nil
}
