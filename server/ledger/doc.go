// Package ledger is the Merkle log of Stint: what to store when a leaf is
// appended, proofs that a leaf is in a tree and that one tree continues
// another, signed checkpoints, and the check of a whole log.
//
// The package is pure. It opens no file and no database: callers store the
// hashes that [Append] returns, in the same transaction or the same fsynced
// write as the leaf, and hand them back through a [HashReader]. The signer does
// this with append-only files, the broker with SQL tables.
//
//	leaf ─► Append ─► hashes to store (level 0 is the leaf's own hash)
//	                      │
//	        Root ◄────────┤ HashReader
//	        ProveInclusion, ProveConsistency
//	          │
//	        Checkpoint ─► Sign ─► Open ─► Inclusion.Check, Consistency.Check, VerifyAll
//
// Trees and proofs are those of RFC 6962 (SHA-256, prefix 0x00 for leaves and
// 0x01 for nodes), computed by golang.org/x/mod/sumdb/tlog. Checkpoints are C2SP
// tlog-checkpoint in C2SP signed-note, with Ed25519 keys.
//
// A checkpoint's signature says which log promised it. Every check here compares
// with a [Checkpoint], never with a bare root, so that the size of the tree is
// always part of what is compared.
package ledger
