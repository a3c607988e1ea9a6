package cast

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
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

// segmentHash begins the hash of a segment; its bytes follow.
func segmentHash(previous Head, sequence uint64) hash.Hash {
	h := sha256.New()
	h.Write([]byte(segmentDomain))
	h.Write(previous[:])
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], sequence)
	h.Write(number[:])
	return h
}
