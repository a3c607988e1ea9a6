// Package cases tests and explains policies. Its cases stand as YAML documents of kind
// Case in the folder tests/ of a policy, with the people (kind: Person) and, where the
// policy has none, the targets (kind: Target) that they are about:
//
//	kind: Case
//	name: an engineer reaches production when a lead agrees
//	by: ada
//	ask: {role: production-shell}
//	approvals:
//	  - {by: mara, after: 5m}
//	expect: {outcome: allowed, ends: 35m}
//
// Whatever a case leaves out is filled in from the role, so that it says only what it is
// about; rows under `cases` say only what differs between them. What a policy says beside its
// decisions is stated in Grant and Whole. Run decides each case by
// a policy, Coverage says which rules no case has seen fulfilled or not, and Explain puts
// a decision into words.
package cases
