package cast

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

const (
	blockStart = 1 + sha256.Size // track, commitment
	blockForm  = saltSize + 2    // salt, form, length of the padding
	saltSize   = 16
	gcmTag     = 16

	// Forms of what a block holds.
	formPlain      = 0
	formCompressed = 1

	// padTo is what the length of an input block is rounded up to, so that it does not tell
	// the length of a password that was sent at once.
	padTo      = 64
	maxPadding = padTo - 1

	// entrySize is what a block is in the chain: type, track, commitment, SHA-256 of the
	// ciphertext. Without the type it is the body of a redacted block.
	entrySize = 1 + blockStart + sha256.Size
)

// zeros are what pads.
var zeros [maxPadding]byte

// entry is what the chain takes of a block. It lets the ciphertext go, and the chain
// still fits. The salt in the block, which is then gone as well, keeps the digest from telling
// a guess right from wrong, even to who has the key.
type entry [entrySize]byte

func newEntry(start, ciphertext []byte) (e entry) {
	e[0] = recordBlock
	copy(e[1:], start)
	digest := sha256.Sum256(ciphertext)
	copy(e[1+blockStart:], digest[:])
	return e
}

// padding is how much stands before the content of a block.
func padding(t Track, content int) int {
	if t != InputTrack {
		return 0
	}
	return (padTo - (blockForm+content)%padTo) % padTo
}

// sealer makes blocks of events. Its buffers are used again by each.
type sealer struct {
	random         io.Reader   // of the salts
	tracks         [2]*ratchet // by track, from SessionTrack
	head           []byte      // of the event
	frame, scratch []byte      // for compressing
}

func newSealer(s *secrets, random io.Reader) sealer {
	return sealer{random: random, tracks: [2]*ratchet{newRatchet(&s.session), newRatchet(&s.input)}}
}

func (s *sealer) nextSegment() {
	for _, track := range s.tracks {
		track.nextSegment()
	}
}

// appendEvent encrypts one event as a block of its own and tells what the chain takes
// of it, and the bytes of the event.
func (s *sealer) appendEvent(b []byte, e Event, payload []byte) ([]byte, entry, int, error) {
	s.head = appendFrameHead(s.head[:0], e, len(payload))
	size := len(s.head) + len(payload)
	track := trackOf(e.Body)
	var try bool
	if try, s.scratch = compressible(payload, s.scratch); try {
		s.frame = append(append(s.frame[:0], s.head...), payload...)
		if s.scratch = compress(s.scratch[:0], s.frame); len(s.scratch) < size {
			b, in, err := s.appendBlock(b, track, formCompressed, s.scratch, nil)
			return b, in, size, err
		}
	}
	b, in, err := s.appendBlock(b, track, formPlain, s.head, payload)
	return b, in, size, err
}

// appendBlock encrypts content, which comes in two parts, under the track's next key.
func (s *sealer) appendBlock(b []byte, track Track, form byte, content, more []byte) ([]byte, entry, error) {
	var key secret
	s.tracks[track-SessionTrack].nextBlock(&key)
	bound := commitment(&key)
	pad := padding(track, len(content)+len(more))

	start := len(b)
	b = append(append(beginRecord(b, recordBlock), byte(track)), bound[:]...)
	body := len(b)
	b = append(b, make([]byte, saltSize)...)
	if _, err := io.ReadFull(s.random, b[body:]); err != nil {
		return nil, entry{}, fmt.Errorf("making a salt: %w", err)
	}
	b = append(b, form, byte(pad))
	b = append(b, zeros[:pad]...)
	b = append(append(b, content...), more...)
	b = aead(&key).Seal(b[:body], zeroNonce[:], b[body:], nil)
	clear(key[:])
	in := newEntry(b[start+recordPrefix:body], b[body:])
	return endRecord(b, start), in, nil
}

// openBlock decrypts a block's body in place and returns its events in memory of
// their own.
func openBlock(body []byte, key *secret) ([]byte, error) {
	track, bound, ciphertext := Track(body[0]), body[1:blockStart], body[blockStart:]
	if own := commitment(key); !bytes.Equal(own[:], bound) {
		return nil, errors.New("a block is not under its key")
	}
	plain, err := aead(key).Open(ciphertext[:0], zeroNonce[:], ciphertext, nil)
	if err != nil {
		return nil, errors.New("a block does not decrypt")
	}
	form, pad := plain[saltSize], int(plain[saltSize+1])
	if blockForm+pad > len(plain) {
		return nil, errors.New("a block's padding is longer than the block")
	}
	content := plain[blockForm+pad:]
	if pad > maxPadding || !bytes.Equal(plain[blockForm:blockForm+pad], zeros[:pad]) {
		return nil, errors.New("a block's padding is not zero")
	}
	if pad != padding(track, len(content)) {
		return nil, errors.New("a block's padding has another length")
	}
	switch form {
	case formPlain:
		return bytes.Clone(content), nil
	case formCompressed:
		return decompress(content)
	}
	return nil, errors.New("a block is of an unknown form")
}
