package recordings

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"stint/recorder/cast"
	"stint/server/access"
)

// What a check finds, by the words of server/api.Session.ChainVerified.
const (
	Verified  = "verified"
	Cut       = "cut"
	Broken    = "broken"
	Live      = "live"
	Unchecked = "unchecked"
	Removed   = "removed"
)

// Verdict is what a recording is worth against its seals.
type Verdict struct {
	Chain  string
	Detail string // one sentence; empty when verified or live
}

// maxAtOnce is the largest recording that a list reads by the way.
const maxAtOnce = 4 << 20

// maxRemembered bounds the verdicts kept.
const maxRemembered = 4096

// checks remembers verdicts by what they were found on.
type checks struct {
	mu    *sync.Mutex
	known map[string]remembered
	slots chan struct{} // bounds how many recordings are read at a time
}

type remembered struct {
	size    int64
	seals   []access.Seal
	verdict Verdict
}

func newChecks() checks {
	return checks{mu: &sync.Mutex{}, known: map[string]remembered{}, slots: make(chan struct{}, 2)}
}

// Check compares an ended session's whole recording with its seals from the
// audit log. A verdict is remembered as long as size and seals stay the same; in
// brief, as long as their number does, and a long recording that was not read
// before is left Unchecked.
func (k *Keeper) Check(ctx context.Context, session access.Session, load func() ([]access.Seal, error), brief bool) (Verdict, error) {
	if session.Live() {
		return Verdict{Chain: Live}, nil
	}
	if !session.Removed.IsZero() {
		return Verdict{Removed, "Its time was over. Its seals are still in the audit log."}, nil
	}
	size, err := k.Size(session)
	if err != nil {
		return Verdict{}, err
	}
	known, ok := k.checks.recall(session.ID)
	ok = ok && known.size == size
	if ok && brief && int64(len(known.seals)) == session.Seals {
		return known.verdict, nil
	}
	if brief && size > maxAtOnce {
		return Verdict{Unchecked, "The recording has not been read against its seals yet; open the session to do that."}, nil
	}
	seals, err := load()
	if err != nil {
		return Verdict{}, err
	}
	if ok && slices.Equal(known.seals, seals) {
		return known.verdict, nil
	}
	select {
	case k.checks.slots <- struct{}{}:
		defer func() { <-k.checks.slots }()
	case <-ctx.Done():
		return Verdict{}, ctx.Err()
	}
	verdict, err := k.read(ctx, session, size, seals)
	if err != nil {
		return Verdict{}, err
	}
	k.checks.remember(session.ID, remembered{size, seals, verdict})
	return verdict, nil
}

func (k *Keeper) read(ctx context.Context, session access.Session, size int64, seals []access.Seal) (Verdict, error) {
	file, err := k.Read(ctx, session.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return Verdict{Cut, "No byte of the recording has arrived."}, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	defer file.Close()
	expected := make([]cast.Seal, len(seals))
	for i, seal := range seals {
		if seal.Sequence != int64(i+1) {
			return Verdict{Broken, fmt.Sprintf("The audit log has no seal for segment %d.", i+1)}, nil
		}
		expected[i] = cast.Seal{Sequence: uint64(seal.Sequence), Head: cast.Head(seal.Head), End: seal.Offset}
	}
	summary, err := cast.Verify(io.LimitReader(file, size), expected)
	if errors.Is(err, cast.ErrCorrupt) {
		if verdict, ok := incomplete(file, size, session, expected); ok {
			return verdict, nil
		}
	}
	var broken *cast.Break
	switch {
	case err == nil && summary.Header.Session != session.ID:
		return Verdict{Broken, "The recording is of another session."}, nil
	case err == nil && summary.Header.Request != session.Request:
		return Verdict{Broken, "The recording is of another request."}, nil
	case err == nil:
		return Verdict{Chain: Verified}, nil
	case errors.Is(err, cast.ErrCut):
		if size < session.Size {
			return arriving(size, session), nil
		}
		errors.As(err, &broken)
		return Verdict{Cut, sentence(broken, "The recording stops in the middle.")}, nil
	case errors.Is(err, cast.ErrCorrupt), errors.Is(err, cast.ErrUnsupported):
		errors.As(err, &broken)
		return Verdict{Broken, sentence(broken, "The recording is not the one that was sealed.")}, nil
	default:
		return Verdict{}, fmt.Errorf("reading a recording: %w", err)
	}
}

// incomplete explains a recording that does not fit its seals only because
// bytes or seals are still on their way from the proxy: it is whole as far as it
// goes, by its own chain, and everything that is both held and sealed agrees.
// That is no damage, and no proof.
func incomplete(file io.ReadSeeker, size int64, session access.Session, sealed []cast.Seal) (Verdict, bool) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return Verdict{}, false
	}
	summary, err := cast.Verify(io.LimitReader(file, size), nil)
	held := summary.Seals
	both := min(len(held), len(sealed))
	switch {
	case err != nil && !errors.Is(err, cast.ErrCut), !slices.Equal(held[:both], sealed[:both]):
		return Verdict{}, false
	case size < session.Size:
		return arriving(size, session), true
	case err == nil && len(held) > len(sealed):
		return Verdict{Cut, fmt.Sprintf("%d of its %d segments are sealed in the audit log so far; the rest is not proven.", len(sealed), len(held))}, true
	default:
		return Verdict{}, false
	}
}

func arriving(size int64, session access.Session) Verdict {
	return Verdict{Cut, fmt.Sprintf("%d of %d bytes have arrived; the proxy sends the rest.", size, session.Size)}
}

func sentence(b *cast.Break, otherwise string) string {
	if b == nil || b.Why == "" {
		return otherwise
	}
	return b.Why
}

func (c checks) recall(session string) (remembered, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.known[session]
	return r, ok
}

func (c checks) remember(session string, r remembered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxRemembered {
		clear(c.known)
	}
	c.known[session] = r
}
