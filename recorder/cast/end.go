package cast

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"time"
)

const (
	endFixed  = 8 + 8 + 1 // offset, removed, length of the reason
	maxReason = 32
	// maxDetail bounds the sentence of an end: ending must not fail for its length.
	maxDetail = 4 << 10
)

// append encodes an end without its offset.
func (e End) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Removed))
	b = append(append(b, byte(len(e.Reason))), e.Reason...)
	return append(b, e.Detail...)
}

func (e End) check() error {
	if len(e.Reason) == 0 || len(e.Reason) > maxReason {
		return errors.New("an end needs a reason of at most 32 letters")
	}
	for _, c := range []byte(e.Reason) {
		if (c < 'a' || c > 'z') && c != '-' {
			return errors.New("an end's reason is made of lower-case letters and hyphens")
		}
	}
	if e.Removed < 0 {
		return errors.New("an end cannot have removed less than nothing")
	}
	return nil
}

// fitting cuts the end's sentence to what the format takes.
func (e End) fitting() End {
	e.Detail = e.Detail[:min(len(e.Detail), maxDetail)]
	return e
}

// appendEnd encodes an end's record and returns what the chain takes of it.
func appendEnd(b []byte, at time.Duration, e End) (record, entry []byte) {
	start := len(b)
	b = e.append(appendOffset(beginRecord(b, recordEnd), at))
	entry = endEntry(b[start+recordPrefix:])
	return endRecord(b, start), entry
}

// endEntry is what the chain takes of an end: type, SHA-256 of the body.
func endEntry(body []byte) []byte {
	digest := sha256.Sum256(body)
	return append([]byte{recordEnd}, digest[:]...)
}

// parseEnd decodes an end's body, which has a body's length.
func parseEnd(body []byte) (at time.Duration, e End, err error) {
	if at, err = parseOffset(body); err != nil {
		return 0, End{}, err
	}
	removed, reason, rest := binary.LittleEndian.Uint64(body[8:]), int(body[16]), body[endFixed:]
	if removed > math.MaxInt64 || reason > len(rest) || len(rest)-reason > maxDetail {
		return 0, End{}, errors.New("the end is not in its one encoding")
	}
	e = End{Reason: Reason(rest[:reason]), Detail: string(rest[reason:]), Removed: int64(removed)}
	return at, e, e.check()
}
