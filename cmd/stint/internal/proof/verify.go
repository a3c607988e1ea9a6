package proof

import (
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/policies"
	"stint/server/api"
	"stint/server/evidence"
	"stint/server/ledger"
)

// Finding is what a file proves.
type Finding struct {
	Checkpoint ledger.Checkpoint
	Witnesses  []string // names of those believed who cosigned
	Entries    int      // proven to be in the tree

	// History is everything that changed whom the signer believed, up to the
	// request's last entry. It is empty in a file made by somebody who may not see
	// it; then Whole is false and nothing about people or policy is proven.
	History []Event
	Whole   bool

	Request string
	Issues  []Issue      // certificates for the requester, oldest first; with who agreed if Whole
	Entered []Connection // certificates for proxies to the target
	// Extended are sessions that were opened under other requests and went on under this one.
	Extended []Extension
	// Presences are when the requester confirmed that they were there.
	Presences []Present
	Ending    *Ending
	Reviews   []Reviewed // of emergencies
	// Agreed are the approvals so far, where no certificate was issued.
	Agreed *Agreement
}

// Agreement is who agreed to what.
type Agreement struct {
	Request   evidence.Request
	Digest    string // of the request's statement
	Approvals []Approval
	// Confirmed is the requester's own confirmation; nil where there is none.
	Confirmed *policies.Confirmation
	// Asserted are the facts that policy took from the broker, whom nobody can check.
	Asserted []policies.Assertion
	// Policy is the digest of the policy that was in force; Decision what it says,
	// run again. The decision is empty where no certificate was issued.
	Policy   string
	Decision policies.Decision
}

// Approval is one agreement, with the passkey that signed it as the roster had it.
type Approval struct {
	evidence.Approval
	Passkey evidence.Passkey
}

// Issue is a certificate with what it was issued for.
type Issue struct {
	Agreement
	Index     int64
	Time      time.Time
	Serial    uint64
	Principal string
	Ends      time.Time
	// Authority is the key that signed it, as the file's own copy of the
	// certificate shows; empty where the file holds no copy.
	Authority string
	// Reissues is the serial of the certificate in whose place it was issued, after that
	// one's key was withdrawn; 0 for none.
	Reissues uint64

	requester policies.Person // as the provider attested them
	entry     evidence.SessionEntry
	origin    evidence.SessionEntry // the one with the bundle: entry, unless it was issued once more
	signedBy  string                // the key that signed when the entry was made

	authorities []string // accepted at that time
}

// Connection is a certificate that let a proxy in to the target.
type Connection struct {
	Index  int64
	Time   time.Time
	Proxy  string
	Serial uint64
	Ends   time.Time
}

// Extension is a live session that went on under the request's grant.
type Extension struct {
	Index   int64
	Time    time.Time
	Proxy   string
	Session string // the proxy's id of it
	Extends string // the request whose grant it had until then
	Ends    time.Time
}

// Present is the requester's word, during a session, that they were there.
type Present struct {
	Index   int64
	Time    time.Time
	Session string // the proxy's id of it
	Signed  time.Time
}

// Ending is how the request ended.
type Ending struct {
	Index  int64
	Time   time.Time
	Reason string
	By     policies.Subject // as the broker said
	Word   *Word            // somebody's own statement of it, if one is there
}

// Event is one entry that changed whom the signer believed.
type Event struct {
	Index int64
	Entry evidence.Entry
	// Before is the roster in front of it.
	Before evidence.Roster
}

// Verify checks a file from end to end and gives what it proves. It reads no clock
// and asks nobody. A refusal is an *evidence.Failure that names the check.
//
// Where the history is missing, Finding.Whole says so, and what the ledger's entries
// state is all that is known: not that it was right.
func Verify(file api.Evidence, anchor Anchor) (Finding, error) {
	found := Finding{Request: file.Request, Entries: len(file.Entries)}
	// 1. The log's key signed the checkpoint, and a witness did where one must.
	if err := openCheckpoint(&found, file.Checkpoint, anchor); err != nil {
		return Finding{}, err
	}
	// 2. Every entry is in that tree, as it stands here.
	leaves, err := proven(file.Entries, found.Checkpoint)
	if err != nil {
		return Finding{}, err
	}
	// 3. Nothing is missing that changed whom the signer believed.
	if found.Whole, err = chained(leaves); err != nil {
		return Finding{}, err
	}
	// 4. Everything that did change it was right by what was believed before. And
	// 5. each certificate was right by what was believed when it was issued.
	if err := replay(&found, file, leaves, anchor); err != nil {
		return Finding{}, err
	}
	// 6. The certificates that the file holds are the ledger's.
	return found, checkCertificates(&found, file.Certificates)
}

func openCheckpoint(found *Finding, text string, anchor Anchor) error {
	log, err := note.NewVerifier(anchor.Log)
	if err != nil {
		return failed("trust", "the log's key in the trust file cannot be read: %v", err)
	}
	if found.Checkpoint, err = ledger.Open([]byte(text), log.Name(), log); err != nil {
		return failed("checkpoint", "%v", err)
	}
	for _, key := range anchor.Witnesses {
		witness, err := ledger.NewWitnessVerifier(key)
		if err != nil {
			return failed("trust", "a witness's key in the trust file cannot be read: %v", err)
		}
		if _, err := ledger.Open([]byte(text), log.Name(), log, witness); err == nil {
			found.Witnesses = append(found.Witnesses, witness.Name())
		}
	}
	if len(anchor.Witnesses) > 0 && len(found.Witnesses) == 0 {
		return failed("witness", "no witness that the trust file names cosigned the checkpoint")
	}
	return nil
}

// chained checks that each entry names the believing entry in front of it, so that
// none was left out from the first to the last. It is false where there is no
// history.
func chained(leaves []leaf) (bool, error) {
	if !slices.ContainsFunc(leaves, func(l leaf) bool { return l.entry.ChangesBeliefs() }) {
		return false, nil
	}
	latest := int64(-1)
	for _, l := range leaves {
		if l.entry.Believed != latest {
			return false, failed("history", "entry %d stands on entry %d, and the file leads to entry %d only: something was left out or put in", l.index, l.entry.Believed, latest)
		}
		if l.entry.ChangesBeliefs() {
			latest = l.index
		}
	}
	return true, nil
}
