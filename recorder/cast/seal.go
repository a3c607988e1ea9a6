package cast

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"math"
	"time"
)

// Head is one link of the chain of a recording: SHA-256 over the link before and
// the segment's bytes. Its text and JSON form is standard base64 with padding.
type Head [sha256.Size]byte

// String is the text form.
func (h Head) String() string { return base64.StdEncoding.EncodeToString(h[:]) }

// MarshalText gives the text form.
func (h Head) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads the text form and nothing else.
func (h *Head) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || len(raw) != len(h) || Head(raw).String() != string(text) {
		return errors.New("a segment's head is 32 bytes in base64")
	}
	copy(h[:], raw)
	return nil
}

// Seal closes a segment. It commits to everything before it, the header included;
// it goes into the Merkle log.
type Seal struct {
	Sequence uint64 `json:"sequence"` // number of the segment, counted from 1
	Head     Head   `json:"head"`
	End      int64  `json:"end"` // bytes of the stream up to and including the seal
	// First and Last are the offsets of the segment's first and last event, in
	// nanoseconds; [Unknown] in the last seal of a recording that [Resume] finished.
	First time.Duration `json:"first"`
	Last  time.Duration `json:"last"`
}

// Unknown stands for an offset that [Resume] could not know, having no key.
const Unknown time.Duration = -1

// appendOffset encodes an offset in microseconds; all ones are Unknown.
func appendOffset(b []byte, d time.Duration) []byte {
	if d == Unknown {
		return binary.LittleEndian.AppendUint64(b, math.MaxUint64)
	}
	return binary.LittleEndian.AppendUint64(b, uint64(d/time.Microsecond))
}

func parseOffset(b []byte) (time.Duration, error) {
	switch micros := binary.LittleEndian.Uint64(b); {
	case micros == math.MaxUint64:
		return Unknown, nil
	case micros > math.MaxInt64/1000:
		return 0, errors.New("a time is too late")
	default:
		return time.Duration(micros) * time.Microsecond, nil
	}
}

// The domains of the two hashes, so that a header is never taken for a segment.
const (
	headerDomain  = "stint-recording/1 header\x00"
	segmentDomain = "stint-recording/1 segment\x00"
)

// headerHead is the chain's beginning: it commits to magic and header record.
func headerHead(start []byte) Head {
	h := sha256.New()
	h.Write([]byte(headerDomain))
	h.Write(start)
	return Head(h.Sum(nil))
}

// segmentHash begins the hash of a segment; what it takes of its records follows.
func segmentHash(previous Head, sequence uint64) hash.Hash {
	h := sha256.New()
	h.Write([]byte(segmentDomain))
	h.Write(previous[:])
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], sequence)
	h.Write(number[:])
	return h
}

// chain is the state of the hash chain, the same in writer and reader.
type chain struct {
	head     Head      // of the last seal, or of the header
	sequence uint64    // of the last seal
	segment  hash.Hash // of the open segment; nil while it is empty
}

// add takes a record into the open segment: a block's entry, or an end's.
func (c *chain) add(entry []byte) {
	if c.segment == nil {
		c.segment = segmentHash(c.head, c.sequence+1)
	}
	c.segment.Write(entry)
}

// seal closes the open segment and returns its seal, without End.
func (c *chain) seal(first, last time.Duration) Seal {
	var times [1 + 8 + 8]byte
	c.segment.Write(appendOffset(appendOffset(append(times[:0], recordSeal), first), last))
	c.head = Head(c.segment.Sum(nil))
	c.sequence++
	c.segment = nil
	return Seal{Sequence: c.sequence, Head: c.head, First: first, Last: last}
}
