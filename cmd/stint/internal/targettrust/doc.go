// Package targettrust keeps the files by which a target's sshd knows whose
// certificates to accept: TrustedUserCAKeys and RevokedKeys. It believes neither
// the broker, which hands the document on, nor one key alone: the document is
// signed by the log key that was pinned, its ledger continues the one that was
// seen last, and each new key was named by one that the target trusts already.
//
//	broker ─► evidence ─► Follow (pure: every check) ─► state file ─► KRL, CA file ─► reload
//	sshd's log ─► serials that were accepted ─► signed with the host key ─► broker
//
// The state file is the truth; the two others are made from it, and made again
// where they differ. A kill at any moment leaves each of them whole.
package targettrust
