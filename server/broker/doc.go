// Package broker is the process that people and proxies talk to: the API, the
// portal, sign-in, and the flow behind them (server/access) on a database.
//
//	people ── portal, command line ─► internal/portal ──┐
//	          provider ◄── internal/login               ├─► access.Service ─► internal/store
//	          passkeys ◄── internal/passkeys            │        │
//	proxies ─► internal/proxies ────────────────────────┘        └─► internal/signing ─► signer
//	               └─► internal/recordings
//
//	signer's ledger ─► internal/mirror ─► internal/monitor ─► alarms (access.Service)
//	targets' reports ─► internal/portal ──────┘
//
// It holds no key that opens anything. What it decides is for people to see
// early; the signer decides again, by itself.
//
// It starts, and goes on, while signer, provider and proxies are away: whatever
// takes away works, whatever gives says in words why it cannot.
package broker
