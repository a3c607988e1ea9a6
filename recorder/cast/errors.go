package cast

import (
	"errors"
	"fmt"
)

var (
	// ErrCut means that a recording stops without its end: the proxy died, or the
	// session still runs. Everything up to there has been returned.
	ErrCut = errors.New("the recording is cut")
	// ErrCorrupt means that a recording was damaged or altered. What was returned
	// before stands only as far as its seals.
	ErrCorrupt = errors.New("the recording is damaged or was altered")
	// ErrUnsupported means that a recording is of a later version or encoding.
	ErrUnsupported = errors.New("the recording needs a newer version of stint")
	// ErrClosed means that the Writer was closed before.
	ErrClosed = errors.New("the recording is closed")
	// ErrNoKey means that none of the keys at hand opens the recording, or the track of
	// it that was asked for.
	ErrNoKey = errors.New("there is no key for this recording")
	// ErrNoRecipients means that nobody could ever open a recording, which is therefore
	// not begun.
	ErrNoRecipients = errors.New("nobody could open it")
	// ErrTooLong means that an event or the header does not fit the format's
	// bounds. Nothing was written, and the Writer goes on working.
	ErrTooLong = errors.New("too long to be recorded")
)

// Break is the first place at which a recording is not whole. It wraps [ErrCut] or
// [ErrCorrupt].
type Break struct {
	Segment uint64 // counted from 1
	Offset  int64  // bytes of the stream before it
	Why     string // a sentence for people
	Err     error  // ErrCut, ErrCorrupt or ErrUnsupported
}

// Error says what is wrong and where.
func (b *Break) Error() string {
	return fmt.Sprintf("%v in segment %d at byte %d: %s", b.Err, b.Segment, b.Offset, b.Why)
}

// Unwrap is Err.
func (b *Break) Unwrap() error { return b.Err }
