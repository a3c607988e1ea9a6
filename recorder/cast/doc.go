// Package cast is the recording of a session: its format, and the writer, reader
// and verifier of it. FORMAT.md states the format byte for byte.
//
// A recording is one append-only stream, in a file named <session>.stint:
//
//	magic · header · block · block · seal · block · … · block (end) · seal
//
// A block holds events (bytes of a channel, window changes, exit statuses and so
// on) and a checksum, and may be compressed. A seal closes a segment: it chains
// the SHA-256 of the segment's bytes to the seal before it, and the first chains
// to the header. Seals are what goes into the Merkle log, so that a recording can
// be neither edited nor shortened unnoticed.
//
//	proxy ─► Writer.Write ─► write(2) ─► (fsync within a second) ─► forward
//	             └► OnSeal ─► ledger
//	after a crash ─► Resume
//	player, auditor ─► Reader, Verify, Text, Asciicast2, Asciicast3, InertWriter
//
// What is recorded is hostile: whoever types in the session, or runs the host,
// chooses the bytes. The reader bounds every allocation, and what is shown to a
// person goes through [NewInertWriter] or [Text].
package cast
