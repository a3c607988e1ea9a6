// Package proof checks an export of evidence offline, years later, on a machine
// of somebody who was not there: what was asked and agreed to, who let the people
// into the roster who agreed, by which policy, under which keys.
//
//	export file ─► Read ─► Verify ─► Finding ─► Write (in words)
//	trust.json  ─► ReadAnchor ─┘
//
// It believes the anchor and nothing else. The entries of the signer's ledger
// that the file holds lead from the beginning of the ledger to the certificate:
// each that changed whom the signer believed is verified by what was believed
// before it. docs/formats/evidence.md describes file and anchor.
package proof
