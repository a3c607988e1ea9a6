// Package signer is the process that holds Stint's private keys. It trusts
// nobody's word: not the broker's, which stores requests and approvals, and not a
// proxy's. Whatever it is asked to sign, it is given the evidence and checks it
// itself, against its own roster, its own copy of the policy, its own clock and
// its own ledger. A stolen copy of the broker makes it sign nothing.
//
//	call ─► server: mutual TLS, pinned key, strict JSON, bounds
//	          │
//	          ▼
//	  session · target · host                            numbered steps, each
//	  enrol · change · policy · inventory                with a named refusal
//	  remove · suspend · end
//	          │
//	          ▼
//	  book.decide: one decision at a time, on the state that all earlier
//	          │    decisions left; an entry is staged in the ledger
//	          ▼
//	  book.settle: the entry is on the disk, with inclusion proof and
//	          │    signed checkpoint
//	          ▼
//	  certificates are made from settled entries, and from nothing else
//
// The ledger is the only memory. The state (roster, keys, policy, inventories,
// grants, endings) is a fold over its entries: what happened before a restart and
// after it is the same code.
//
// The first people join at the signer's own page (internal/ceremony), which the
// broker has no part in.
//
// A disk that was put back to an older state is in itself without a fault. So a
// ledger that is not empty takes no entry at all until somebody with another
// memory has confirmed it: the broker's mirror, or witnesses (confirm.go,
// witnesses.go; package witness is one).
//
// Taking away needs no proof and is not held up by anything else: an ending is
// taken even when the clock is wrong. Giving stops whenever there is a doubt.
package signer
