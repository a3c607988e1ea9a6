package monitor

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/server/access"
	"stint/server/broker/internal/store"
)

// Accepted is a certificate that a target's sshd accepted, by the target's report.
type Accepted struct {
	Serial uint64
	KeyID  string
	Login  string
	Time   time.Time // by the target's clock; zero where its log does not say exactly
}

// acceptedTolerance is how far a target's clock and its log may be apart from what
// the certificate says; sshd itself has held that against the same clock.
const acceptedTolerance = 5 * time.Minute

// CompareAccepted compares a target's report with the ledger as the signer has it
// now, and returns the serials that no entry for this target explains. They raise
// an alarm. An error means that nothing was compared; the report may be sent again.
func (m *Monitor) CompareAccepted(ctx context.Context, target string, accepted []Accepted) (unknown []uint64, err error) {
	log, err := m.config.Mirror.Fetch(ctx)
	if err != nil {
		return nil, fmt.Errorf("bringing the mirror up to date: %w", err)
	}
	unknown = []uint64{}
	var details []string
	for _, a := range accepted {
		why, err := m.targetEntry(ctx, log, target, a)
		if err != nil {
			return nil, err
		}
		if why != "" {
			unknown = append(unknown, a.Serial)
			details = append(details, why)
		}
	}
	if len(unknown) == 0 {
		return unknown, nil
	}
	// One alarm a report, so that a target cannot crowd out every other alarm. What it
	// stands for is all of them: one that is known already must not hide the rest.
	all := sha256.Sum256([]byte(strings.Join(details, "\n")))
	return unknown, m.raise(ctx, []access.Alarm{{
		Kind: access.AlarmSerial, Cause: fmt.Sprintf("%s: %x on %s, %s", access.AlarmSerial, all[:16], target, log.Origin),
		Title: fmt.Sprintf("%s let somebody in by a certificate that the ledger does not hold for it (serial %d, %d in this report).",
			target, slices.Min(unknown), len(unknown)),
		Detail: strings.Join(details, "\n"),
	}})
}

// targetEntry looks for the entry of a target certificate, and says what is wrong
// with it; nothing if it is there.
func (m *Monitor) targetEntry(ctx context.Context, log store.MirroredLog, target string, a Accepted) (why string, err error) {
	entry, err := m.entryOf(ctx, log, a.Serial)
	if err != nil {
		return "", err
	}
	switch {
	case entry == nil:
		return fmt.Sprintf("%s holds no entry for the serial %d (key id %.80q).", log.Origin, a.Serial, a.KeyID), nil
	case entry.Target == nil || entry.Target.Serial != a.Serial:
		return fmt.Sprintf("The entry of %s for the serial %d is no certificate for a target.", log.Origin, a.Serial), nil
	case entry.Target.Principal != a.Login+"@"+target:
		return fmt.Sprintf("The entry of %s for the serial %d is for %.80q.", log.Origin, a.Serial, entry.Target.Principal), nil
	case entry.Target.Request != a.KeyID:
		return fmt.Sprintf("The entry of %s for the serial %d is under the request %.80q, and the certificate says %.80q.", log.Origin, a.Serial, entry.Target.Request, a.KeyID), nil
	// The real one was good for a minute. Whoever has the key can copy its serial, its
	// name and its key id, but not its time.
	case !a.Time.IsZero() && (a.Time.After(entry.Target.Ends.Add(acceptedTolerance)) || a.Time.Before(entry.Time.Add(-acceptedTolerance))):
		return fmt.Sprintf("The entry of %s for the serial %d is good from %s to %s, and the target let it in at %s.", log.Origin, a.Serial,
			entry.Time.UTC().Format(time.RFC3339), entry.Target.Ends.UTC().Format(time.RFC3339), a.Time.UTC().Format(time.RFC3339)), nil
	}
	return "", nil
}
