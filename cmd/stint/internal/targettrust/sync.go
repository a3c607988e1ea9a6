package targettrust

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"stint/server/api"
	"stint/server/border"
	"stint/server/evidence"
)

// reloadTimeout bounds the operator's reload command.
const reloadTimeout = time.Minute

// ErrStale means that the last accepted document is older than the target was told
// to bear. The files stay as they are.
var ErrStale = errors.New("what this target trusts is out of date")

// Config says what to keep and where. Every field is required but those that say
// otherwise.
type Config struct {
	Broker *api.Client
	CA     string // file for TrustedUserCAKeys
	KRL    string // file for RevokedKeys
	State  string
	Pins   *State        // what to begin with where there is no state yet; else nil
	Reload string        // shell command to run when a file changed; may be empty
	MaxAge time.Duration // how old the last document may be
	Report *Report       // where sshd's log is, if serials are to be reported; else nil
	Now    func() time.Time
}

// Result says in words what a sync did.
type Result struct {
	Document evidence.TargetTrust // in force
	Changed  bool                 // a file was written
	Reported int                  // serials that the broker took
	Warnings []string             // a sentence each
}

// Sync brings a target's files up to date once. While the broker is away the last
// good state stays, with a warning; the error is ErrStale once that is too old. A
// document that does not convince is a *RefusedError, and changes nothing.
func Sync(ctx context.Context, c Config) (result Result, err error) {
	// 1. One at a time.
	unlock, err := lock(c.State)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	// 2. What was known, or what the operator pins.
	state, err := Load(c.State)
	if errors.Is(err, fs.ErrNotExist) {
		if c.Pins == nil {
			return Result{}, errors.New("this target has pinned no signer yet: say whom to trust with --trust FILE (stint trust export writes one), or with --log-key and --target-ca")
		}
		state, err = *c.Pins, nil
	}
	if err != nil {
		return Result{}, err
	}
	// 3. What the broker hands over, if it convinces. The state comes first: it is
	// what the files are made from.
	offered, away := fetch(ctx, c.Broker, state)
	if away == nil {
		next, err := Follow(state, offered, c.Now())
		if err != nil {
			return Result{}, err
		}
		if next.Note != state.Note {
			if err := next.save(c.State); err != nil {
				return Result{}, err
			}
		}
		state = next
	} else if state.Note == "" {
		return Result{}, away
	} else {
		result.Warnings = append(result.Warnings, "The broker gave no answer, so what was trusted before stays in force: "+away.Error())
	}
	if result.Document, err = state.document(); err != nil {
		return Result{}, err
	}
	// 4. The files, and sshd's knowledge of them.
	if result.Changed, err = c.write(ctx, &state); err != nil {
		return result, err
	}
	// 5. What sshd let in. The broker's absence loses nothing: it is sent next time.
	if c.Report != nil && away == nil {
		sent, unknown, err := c.Report.send(ctx, c, &state)
		result.Reported = sent
		if len(unknown) > 0 {
			result.Warnings = append(result.Warnings, fmt.Sprintf("sshd accepted certificates that the signer never issued (serials %v): somebody may hold a key of the signer's. The broker has raised an alarm.", unknown))
		}
		if err != nil {
			result.Warnings = append(result.Warnings, "What sshd accepted is not reported, and will be tried again: "+err.Error())
		}
	}
	// 6. How old it is by now, whatever happened.
	if age := c.Now().Sub(result.Document.Issued); age > c.MaxAge {
		return result, fmt.Errorf("%w: the signer's last word is from %s", ErrStale, result.Document.Issued.Format(time.RFC3339))
	}
	return result, nil
}

// fetch asks the broker. Whatever it answers but a document counts as no answer:
// only the signer's word is worth more than the last one.
func fetch(ctx context.Context, broker *api.Client, s State) (offered evidence.TargetTrustEvidence, err error) {
	seen, err := s.document()
	if err != nil {
		return offered, err
	}
	answer, err := broker.TargetTrust(ctx, seen.Checkpoint.Size)
	if err != nil {
		return offered, err
	}
	if err := border.DecodeStrict(answer.Evidence, &offered); err != nil {
		return offered, fmt.Errorf("the broker's answer is not understood; are it and this program of the same version? (%w)", err)
	}
	return offered, nil
}

// write makes the files what the state says, the revocations first, and runs the
// reload command where sshd was not yet told of what they say.
func (c Config) write(ctx context.Context, state *State) (changed bool, err error) {
	authorities, revoked, err := state.files()
	if err != nil {
		return false, err
	}
	for _, file := range []struct {
		path string
		want []byte
	}{{c.KRL, revoked}, {c.CA, authorities}} {
		if have, err := os.ReadFile(file.path); err == nil && bytes.Equal(have, file.want) {
			continue
		}
		if err := replace(file.path, file.want); err != nil {
			return changed, err
		}
		changed = true
	}
	sum := sha256.Sum256(append(append([]byte{}, authorities...), revoked...))
	digest := hex.EncodeToString(sum[:])
	if digest == state.Reloaded || c.Reload == "" {
		return changed, nil
	}
	if err := reload(ctx, c.Reload); err != nil {
		return changed, err
	}
	state.Reloaded = digest
	return changed, state.save(c.State)
}

func reload(ctx context.Context, command string) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	run := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	run.WaitDelay = time.Second
	if output, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("the files are written, but --reload failed and will be tried again: %w %.400s", err, strings.TrimSpace(string(output)))
	}
	return nil
}
