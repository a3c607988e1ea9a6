// Package server holds no code. It is the map: read it first.
//
// Stint gives an engineer access to a host for a while, if the people whom policy
// names agree, and takes it back. Three processes do that, and none of them
// trusts the others more than it must.
//
//	a person ── portal (browser) ─┐                              ┌─ signer ── the only private keys
//	         ── stint (command) ──┴─► broker ── evidence ────────►  checks it all again, logs, signs
//	                                    │ ▲                      └─► ledger (its own Merkle log)
//	                     lease, endings │ │ sessions, recordings
//	                                    ▼ │
//	a person ── ssh ────────────────► proxy ── certificate for one connection ──► target sshd
//	                                    records each byte before it passes it on
//
// # One request, from end to end
//
//  1. Ask. access.Service.Ask puts the wish to policy (policies.Bundle.Decide) and
//     writes it down as a statement: a short text (server/evidence). Request,
//     audit event and all that follows from them commit in one transaction.
//
//  2. Approve. An approver is handed a text that repeats the request in full
//     (access.Service.Challenge). Their passkey signs the SHA-256 of exactly that
//     text. access.Service.Approve takes it once, checks it, asks policy again,
//     and when nothing is missing any more the request is a grant with an end.
//
//  3. Activate. The command line makes a fresh SSH key and signs, with a login
//     key that never leaves the person's machine, that it wants a certificate for
//     it. access.Service.Activate sends the signer the whole bundle: request,
//     approvals, ID token, activation.
//
//  4. Sign. The signer believes nothing of what the broker decided. It runs
//     evidence.Verify on the bundle with its own roster of passkeys, its own copy
//     of the policy and its own clock, appends to its ledger, and only then signs
//     a user certificate: one person, one grant, one login on one target.
//
//  5. Connect. ssh shows the certificate to a proxy (recorder). The proxy asks
//     the broker whether the grant is live at this moment
//     (access.Service.StartSession) and the signer for a certificate of its own,
//     good for one minute and one target. It records, then forwards. Every few
//     seconds it renews a lease (access.Service.RenewLeases); a session whose lease
//     runs out is closed.
//
//  6. End. Time, the person (Drop) or anybody entitled (Revoke) ends the grant.
//     The end is checked at every use from that moment on, is pushed to the
//     proxies after the commit (access.Notifier), and stands in an outbox until the
//     signer has it in its ledger (access.Service.Run), after which nothing can be
//     signed for it.
//
//  7. Review. The recording is sealed in segments (recorder/cast), whose seals
//     are leaves of the audit log beside every state change. Whoever holds a
//     checkpoint can show that nothing was edited, dropped or reordered
//     (server/ledger), and evidence verifies offline, years later.
//
// # How the rules themselves change
//
// Who is in which group and what the policy says are the signer's own beliefs.
// They change by a statement that several different administrators sign, as many as
// the policy's quorum says. access.Service keeps the signatures of a change
// (propose.go, ratify.go) or of an enrolment (authorise.go) until they are enough;
// the signer checks all of them again. The first administrators join at the
// signer's own page, before there is anybody who could sign for them. Suspending
// somebody (suspend.go) takes away, so one entitled person does it at once; lifting
// it takes the quorum.
//
// # Who watches the signer
//
// The broker keeps a copy of the signer's ledger (broker/internal/mirror) with a
// tree of its own, and witnesses cosign it (signer/witness): a ledger that lacks or
// contradicts what they have seen is refused. A monitor (broker/internal/monitor)
// joins the copy with grants, certificates and sessions, and with what targets
// report that their sshd accepted; what does not fit is an alarm
// (server/access/alarm.go). Targets follow the signer's keys from one that they
// pinned (stint trust sync), and believe nothing that the broker says of them.
//
// # Machines and keys that are lost
//
// A role may ask for an enrolled device. The signer checks its key, and where a TPM holds
// it the TPM's proof and answer (server/evidence: tpm.go, challenge.go). What a machine
// says of its state is signed by that key; the signer judges it at an activation, the
// broker as long as a session is up. What a Fleet server says of the machine
// (broker/internal/fleet) the broker alone asks. Both can only refuse.
//
// After a key of the signer's was withdrawn, the certificates of live grants are issued
// once more under the next one (server/access and server/signer: reissue.go): from what
// the ledger holds, and without asking anybody again.
//
// # What gives, and what takes away
//
// Giving needs proof: a signature over a text, checked by the signer. Taking away
// needs none, works while the signer or the provider is away and with a clock
// that is wrong, and is never undone without proof. Whenever there is a doubt, giving stops.
//
// # Where to read on
//
//	policies          the rules, pure: facts in, decision and reasons out
//	server/access     the flow; transitions.go is the one table of what may follow what
//	server/evidence   statements, passkey signatures, Verify
//	server/ledger     the Merkle log that both broker and signer keep
//	server/api        the HTTP API's types
//	server/broker     the process that people and proxies talk to; internal/store is its database
//	server/signer     the process that holds the keys; Sign in numbered steps
//	server/border     how one process knows another, for every wire between them
//	recorder          the proxy; recorder/cast is the format of recordings
//	cmd               one directory a program; cmd/imports_test.go says who may import whom
//
// One word means one thing everywhere: in Go, SQL, JSON, addresses, on the command
// line and on the screen.
package server
