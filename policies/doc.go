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
//	              makers of TPMs count, whose key may bring targets
//	Role          what can be asked for: targets, logins, durations, approver stages
//	Target        one host: its address, host key and labels
//
// Groups of a requester are attested by the identity provider; groups of an
// approver come from the signer's roster, never from a directory.
package policies
