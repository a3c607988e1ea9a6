package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/server/ledger"
)

// targetTrustHeader is the first extension line; the version is its last word.
const targetTrustHeader = "stint target-trust 1"

// TargetTrust is what a target needs to know of the signer: whose certificates
// open it, and whose never again. The signer states it under its log key,
// together with the head of its ledger, as one signed note (docs/formats/target-trust.md).
type TargetTrust struct {
	Checkpoint ledger.Checkpoint
	Issued     time.Time   // by the signer's clock; whole seconds
	Keys       []TargetKey // accepted now: one that is current, and any that are next or retired
	Withdrawn  []string    // accepted no longer, whatever else is said of them
}

// TargetKey is a target CA key that targets accept, and why.
type TargetKey struct {
	State string // KeyCurrent, KeyNext or KeyRetired
	Key   string // authorized_keys form, without a comment
}

// TargetTrustEvidence is what a target is handed: the signed note, the proof that
// its ledger continues the one the target has seen, and the statements by which
// each key names the one after it.
type TargetTrustEvidence struct {
	Note        string             `json:"note"`
	Consistency ledger.Consistency `json:"consistency"`
	// Successions are those of the target CA, the oldest first. They need not be
	// of keys that are accepted still: they are the way from one that a target
	// trusts to one that it does not know yet.
	Successions []SignedByKey `json:"successions"`
}

// targetStates are the states of accepted keys, in the order of their lines.
var targetStates = []string{KeyCurrent, KeyNext, KeyRetired}

// SignTargetTrust writes the note. The first signer is the log's own key.
func SignTargetTrust(t TargetTrust, signers ...note.Signer) (string, error) {
	lines, err := t.lines()
	if err != nil {
		return "", fmt.Errorf("writing what targets trust: %w", err)
	}
	signed, err := ledger.SignLines(t.Checkpoint, lines, signers...)
	return string(signed), err
}

// OpenTargetTrust reads a note that SignTargetTrust wrote, signed by the log
// whose key is given (as [Trust.Log]), and refuses everything else.
func OpenTargetTrust(text, logKey string) (TargetTrust, error) {
	verifier, err := note.NewVerifier(logKey)
	if err != nil {
		return TargetTrust{}, fmt.Errorf("the key of the signer's log: %w", err)
	}
	checkpoint, lines, err := ledger.OpenLines([]byte(text), verifier.Name(), verifier)
	if err != nil {
		return TargetTrust{}, err
	}
	t := TargetTrust{Checkpoint: checkpoint}
	if err := t.read(lines); err != nil {
		return TargetTrust{}, fmt.Errorf("reading what targets trust: %w", err)
	}
	return t, nil
}

// lines are the extension lines, in the one order and spelling there is.
func (t TargetTrust) lines() ([]string, error) {
	issued, err := timeForm.write(t.Issued)
	if err != nil {
		return nil, fmt.Errorf("issued: %w", err)
	}
	if _, err := timeForm.read(issued); err != nil {
		return nil, fmt.Errorf("issued: %w", err)
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	keys, withdrawn := slices.Clone(t.Keys), slices.Clone(t.Withdrawn)
	slices.SortFunc(keys, func(a, b TargetKey) int {
		return cmp.Or(slices.Index(targetStates, a.State)-slices.Index(targetStates, b.State), strings.Compare(a.Key, b.Key))
	})
	slices.Sort(withdrawn)
	lines := []string{targetTrustHeader, "issued " + issued}
	for _, k := range keys {
		lines = append(lines, "target-ca "+k.State+" "+k.Key)
	}
	for _, key := range withdrawn {
		lines = append(lines, "withdrawn "+key)
	}
	return lines, nil
}

// check refuses values that the note does not state.
func (t TargetTrust) check() error {
	seen, current := map[string]bool{}, 0
	once := func(key string) error {
		if _, err := ParseAuthorityKey(key); err != nil {
			return err
		}
		if seen[key] {
			return errors.New("a key is named twice")
		}
		seen[key] = true
		return nil
	}
	for _, k := range t.Keys {
		if !slices.Contains(targetStates, k.State) {
			return fmt.Errorf("a key that targets accept is one of %s, not %.20q", strings.Join(targetStates, ", "), k.State)
		}
		if k.State == KeyCurrent {
			current++
		}
		if err := once(k.Key); err != nil {
			return err
		}
	}
	for _, key := range t.Withdrawn {
		if err := once(key); err != nil {
			return err
		}
	}
	if current != 1 {
		return fmt.Errorf("%d keys are current; one is", current)
	}
	return nil
}

func (t *TargetTrust) read(lines []string) error {
	if len(lines) < 2 || lines[0] != targetTrustHeader {
		return errors.New("its lines are of another kind or version")
	}
	issued, found := strings.CutPrefix(lines[1], "issued ")
	if !found {
		return errors.New("it does not say when it was issued")
	}
	var err error
	if t.Issued, err = timeForm.read(issued); err != nil {
		return fmt.Errorf("issued: %w", err)
	}
	for _, line := range lines[2:] {
		if key, found := strings.CutPrefix(line, "withdrawn "); found {
			t.Withdrawn = append(t.Withdrawn, key)
			continue
		}
		rest, found := strings.CutPrefix(line, "target-ca ")
		state, key, spaced := strings.Cut(rest, " ")
		if !found || !spaced {
			return fmt.Errorf("%.40q is no line that this version knows", line)
		}
		t.Keys = append(t.Keys, TargetKey{State: state, Key: key})
	}
	// Every value is checked in writing it again, and so is the order of the lines.
	if again, err := t.lines(); err != nil {
		return err
	} else if !slices.Equal(again, lines) {
		return errors.New("its lines are not in their one order")
	}
	return nil
}
