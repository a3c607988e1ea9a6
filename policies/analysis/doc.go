// Package analysis says what can be said of a policy and the people it is for: who may
// have a role and who agrees, how few people together get it, what in the policy is
// dangerous or idle, and what another policy would have decided.
package analysis
