package cast

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
)

// What the ratchet derives, as FORMAT.md names it.
const (
	segmentInfo    = "stint-recording/1 segment"
	blockInfo      = "stint-recording/1 block"
	commitmentInfo = "stint-recording/1 commitment"
)

// ratchet gives each block of a track a key of its own and forgets it: from what it
// holds nothing can be derived that lies before. Segments have secrets apart from
// those of blocks, so that a reader gets to any segment without the blocks before.
type ratchet struct {
	chain secret // gives this track's segments from the next on
	block secret // gives the blocks of this segment from the next on
}

func newRatchet(root *secret) *ratchet {
	r := &ratchet{chain: *root}
	r.nextSegment()
	return r
}

// nextSegment goes on to the first block of the next segment.
func (r *ratchet) nextSegment() { step(&r.chain, segmentInfo, &r.block) }

// nextBlock puts the key of the next block into key.
func (r *ratchet) nextBlock(key *secret) { step(&r.block, blockInfo, key) }

// step derives 64 bytes: the first half is given, the second replaces the state.
func step(state *secret, info string, given *secret) {
	var derived [2 * sha256.Size]byte
	expand(state, info, derived[:])
	copy(given[:], derived[:])
	copy(state[:], derived[sha256.Size:])
	clear(derived[:])
}

// commitment binds a block to its key: AES-GCM alone would let one ciphertext be
// opened by two keys to two texts.
func commitment(key *secret) (c [sha256.Size]byte) {
	expand(key, commitmentInfo, c[:])
	return c
}

// expand is HKDF-Expand with SHA-256 (RFC 5869) of at most 64 bytes. It is written
// out because crypto/hkdf allocates, and this runs for every event.
func expand(key *secret, info string, out []byte) {
	var inner, outer [3 * sha256.BlockSize]byte
	const pad = sha256.BlockSize
	for i := range pad {
		inner[i], outer[i] = 0x36, 0x5c
	}
	for i, b := range key {
		inner[i] ^= b
		outer[i] ^= b
	}
	var previous []byte
	for counter := byte(1); len(out) > 0; counter++ {
		n := pad + copy(inner[pad:], previous)
		n += copy(inner[n:], info)
		inner[n] = counter
		sum := sha256.Sum256(inner[:n+1])
		copy(outer[pad:], sum[:])
		sum = sha256.Sum256(outer[:pad+len(sum)])
		n = copy(out, sum[:])
		previous, out = out[:n], out[n:]
	}
	clear(inner[:])
	clear(outer[:])
}

// zeroNonce serves every block, since no key serves twice.
var zeroNonce [12]byte

func aead(key *secret) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has a key's length
	}
	sealed, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has GCM's block size
	}
	return sealed
}
