// Package access is the flow: how an ask becomes a grant, a certificate, a
// session, and ends.
//
//	              ┌─ ToApprove ─► approved ── ToActivate ─► active ─┐
//	Ask ─► pending┤                   │                       │     │ ToDrop, ToRevoke,
//	              ├─ ToDeny ─► denied └───────── ended ◄──────┘◄────┘ ToExpire
//	              ├─ ToWithdraw ─► withdrawn
//	              └─ ToExpire ─► expired
//
// The table of legal transitions is in transitions.go, and one method of
// [Service] makes each, whatever the surface. A transition runs in one
// transaction of the [Store]: it reads the state again, asks policy again,
// writes the new state where the old one still stands, and with it the audit
// event and, for an end, the row that will carry the end to the signer. Who
// loses a race gets an ordinary error that says what the state is now.
//
// Taking away needs no proof and works while the signer is away. Giving needs
// a signature over a statement, which the signer checks again by itself: what
// this package decides is for people to see early; it opens nothing alone.
//
// Time is checked at every use. Nothing depends on [Service.Run], which only
// writes down in good time what time has ended already.
//
// The package does no I/O. What it needs of the world is in ports.go.
package access
