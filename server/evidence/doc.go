// Package evidence holds the statements people sign, their one canonical
// encoding, and Verify, which the signer runs before it signs anything and an
// auditor runs years later without a network.
//
// A statement is a short text. What a person is shown is that text, byte for
// byte, and what is signed is its SHA-256: as the WebAuthn challenge where a
// passkey signs, as the message where a login key signs. See
// docs/formats/evidence.md for the grammar and test vectors.
//
// What the signer believes changes by entries of its ledger: Beliefs folds them,
// for the signer and for an auditor alike, and checks that each was allowed.
//
// Nothing here does I/O or reads a clock: the caller says what time it is and
// whom it trusts.
package evidence
