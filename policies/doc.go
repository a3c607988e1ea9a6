// Package policies decides who may have which access, and who must agree.
//
// It is pure: facts in, decision and reasons out. It reads a bundle of YAML
// documents from an fs.FS, checks it strictly, and answers Decide for the
// broker, for the signer (which runs its own copy and trusts no other) and for
// an auditor's laptop. It knows no clock, no network and no file system.
//
// A bundle is a set of documents, each with a kind:
//
//	Organization  who may review recordings, which identities are one person, how many
//	              administrators sign a change, which authenticators and which
//	              makers of TPMs count, whose key may bring targets, who is too close to
//	              approve, what the broker may assert
//	Role          what can be asked for: targets, logins, durations, conditions, approver
//	              stages, what holds in a session and in an emergency
//	Target        one host: its address, host key and labels
//	Separation    duties that nobody may have together
//	Team          who manages whom
//	Calendar      when something is open
//
// Groups of a requester are attested by the identity provider; groups of an
// approver come from the signer's roster, never from a directory.
package policies
