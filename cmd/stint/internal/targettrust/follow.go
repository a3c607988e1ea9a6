package targettrust

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/server/evidence"
	"stint/server/ledger"
)

// clockTolerance is how far a document may be ahead of this machine's clock. One
// from the far future would make every later one look old.
const clockTolerance = 5 * time.Minute

// cacheTolerance is how much older than the last one a document of the same ledger
// may be without meaning anything: brokers keep an answer for a second.
const cacheTolerance = 5 * time.Second

// RefusedError is a document that did not convince this target. Its sentence says
// why; nothing was changed.
type RefusedError struct{ Why string }

// Error is the sentence.
func (e *RefusedError) Error() string {
	return "what the broker handed over is not accepted, and nothing was changed: " + e.Why
}

func refuse(format string, arguments ...any) error {
	return &RefusedError{fmt.Sprintf(format, arguments...)}
}

// Follow checks what the broker handed over against all that this target knows,
// and returns what it knows from then on. It changes nothing and reads no clock.
// The error is a *RefusedError.
func Follow(s State, offered evidence.TargetTrustEvidence, now time.Time) (State, error) {
	// 1. The pinned log key signed it.
	document, err := evidence.OpenTargetTrust(offered.Note, s.Log)
	if errors.Is(err, ledger.ErrCheckpoint) {
		return State{}, refuse("it is not signed, whole and unchanged, by the signer's log key that this target pinned (%v)", err)
	} else if err != nil {
		return State{}, refuse("%v", err)
	}
	// 2. It is not from before the last one, nor from a time that has not come.
	seen, err := s.document()
	if err != nil {
		return State{}, fmt.Errorf("reading the last accepted document: %w", err)
	}
	if err := forward(seen, document, now); err != nil {
		return State{}, err
	}
	// 3. Its ledger continues the one that was seen: nothing in it was changed or dropped.
	if seen.Checkpoint.Origin == "" {
		if seen.Checkpoint, err = beginning(document.Checkpoint.Origin); err != nil {
			return State{}, err
		}
	}
	if err := offered.Consistency.Check(seen.Checkpoint, document.Checkpoint); err != nil {
		return State{}, refuse("its ledger does not continue the one that this target has seen: one of the two was forked or rewritten (%v)", err)
	}
	// 4. What was withdrawn once stays withdrawn.
	for _, k := range document.Keys {
		if s.withdrawn(k.Key) {
			return State{}, refuse("it brings back the key %s, which was withdrawn", fingerprint(k.Key))
		}
	}
	// 5. Each key is trusted already, or was named by one that is.
	if err := s.reaches(document, offered.Successions); err != nil {
		return State{}, err
	}
	// 6. One that a broker kept for a moment is as good, and tells nothing new.
	if document.Issued.Before(seen.Issued) {
		return s, nil
	}
	return s.after(document, offered.Note), nil
}

// forward refuses a document from before the last one or from the future.
func forward(seen, document evidence.TargetTrust, now time.Time) error {
	switch {
	case document.Checkpoint.Size < seen.Checkpoint.Size:
		return refuse("it is older than the one before: its ledger holds %d entries, and held %d", document.Checkpoint.Size, seen.Checkpoint.Size)
	case document.Issued.Before(seen.Issued.Add(-cacheTolerance)), document.Issued.Before(seen.Issued) && document.Checkpoint.Size > seen.Checkpoint.Size:
		return refuse("it is older than the one before: issued at %s, and that one at %s", document.Issued.Format(time.RFC3339), seen.Issued.Format(time.RFC3339))
	case document.Issued.After(now.Add(clockTolerance)):
		return refuse("it was issued at %s, which is ahead of this machine's clock (%s): set the clock that is wrong", document.Issued.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// beginning is the checkpoint of a log before its first entry.
func beginning(origin string) (ledger.Checkpoint, error) {
	root, err := ledger.Root(0, nil)
	return ledger.Checkpoint{Origin: origin, Root: root}, err
}

// reaches refuses a document with a key that no chain of successions leads to. The
// chain begins at any key that this target ever accepted and that no document
// before this one withdrew: a target that was away for long has only old ones.
func (s State) reaches(document evidence.TargetTrust, successions []evidence.SignedByKey) error {
	var trusted []string
	for _, a := range s.Authorities {
		if a.Withdrawn == nil {
			trusted = append(trusted, a.Key)
		}
	}
	reached, err := evidence.FollowSuccessions(evidence.PurposeTargetCA, trusted, successions)
	if err != nil {
		return refuse("%v", err)
	}
	for _, k := range document.Keys {
		if !slices.Contains(reached, k.Key) {
			return refuse("the key %s (%s) was not named by any key that this target trusts", fingerprint(k.Key), k.State)
		}
	}
	return nil
}

// after is the state once a document is accepted.
func (s State) after(document evidence.TargetTrust, note string) State {
	next := s
	next.Note, next.Authorities = note, slices.Clone(s.Authorities)
	place := func(key string) *Authority {
		i := slices.IndexFunc(next.Authorities, func(a Authority) bool { return a.Key == key })
		if i < 0 {
			i = len(next.Authorities)
			next.Authorities = append(next.Authorities, Authority{Key: key})
		}
		return &next.Authorities[i]
	}
	for _, k := range document.Keys {
		place(k.Key)
	}
	for _, key := range document.Withdrawn {
		if a := place(key); a.Withdrawn == nil {
			a.Withdrawn = &document.Issued
		}
	}
	return next
}

// fingerprints are all that sshd may call a key by in its log. MD5 serves to tell
// whose keys are meant, not to believe anything: one that collides is reported too.
func fingerprints(key string) []string {
	parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key))
	if err != nil {
		return nil
	}
	return []string{ssh.FingerprintSHA256(parsed), "MD5:" + ssh.FingerprintLegacyMD5(parsed)}
}

// fingerprint names a key as ssh-keygen -l does.
func fingerprint(key string) string {
	parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(strings.TrimSpace(key)))
	if err != nil {
		return fmt.Sprintf("%.60q", key)
	}
	return ssh.FingerprintSHA256(parsed)
}
