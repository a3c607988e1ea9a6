// Package witness is the process that cosigns checkpoints of logs (C2SP
// tlog-witness). It remembers the newest checkpoint of each log that it knows,
// and signs a newer one only with a proof that it continues that. It sees sizes
// and hashes, never an entry.
//
// Run it on another machine than the signer, with another backup: what it is
// worth is that it remembers when the signer's disk has been put back.
//
//	POST /add-checkpoint ─► parse ─► known log ─► log's signature ─► old size
//	      ─► consistency proof ─► on the disk ─► cosignature
package witness
