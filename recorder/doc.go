// Package recorder is the recording proxy, as one process: it terminates SSH,
// records, and opens the connection to the target anew.
//
//	engineer ── ssh ──► sshproxy ── certificate of 60 s ──► target's sshd
//	                      │    │
//	         signer/wire ─┘    ├─ recorder/wire ─► broker: session start, leases, endings
//	                           └─► spool ─► broker: the recording, as it is written
//
// [Run] is all there is to it; cmd/stint-proxy calls it. A proxy holds one
// long-lived secret, its host key; everything that opens a target is made for
// one connection and lives a minute.
package recorder
