package files

import (
	"crypto/sha256"
	"hash"

	"stint/recorder/cast"
)

// content is what went one way between a client and one open file.
type content struct {
	number  uint64 // of the file
	begun   bool
	first   uint64 // offset in the file where the transfer began
	next    uint64 // offset up to which every byte went through once and is hashed
	size    uint64 // bytes that went through
	hash    hash.Hash
	chaotic bool              // bytes went through too early or twice: there is no hash
	waiting map[uint64][]byte // by offset: what went through before its turn

	// Where reading ended: asked is the end of what the last answer in order had been asked
	// for; ends is the lowest offset at which the target said that the file ends.
	asked uint64
	ended bool
	ends  uint64
}

// place is where the next bytes of a file stand among those that went through.
type place int

const (
	inOrder place = iota
	early         // kept in the recording, and hashed in their turn
	elsewhere
)

// begin says where the transfer begins, once.
func (c *content) begin(number, offset uint64) {
	if !c.begun {
		c.number, c.begun, c.first, c.next = number, true, offset, offset
	}
}

// find tells the place of n bytes at an offset, n not 0; room is what may wait.
func (c *content) find(offset, n uint64, room int) place {
	switch {
	case c.chaotic:
		return elsewhere
	case offset == c.next:
		return inOrder
	case offset > c.next && offset-c.next <= window && n <= uint64(room) && c.waiting[offset] == nil:
		return early
	default:
		return elsewhere
	}
}

// take hashes the bytes at next.
func (c *content) take(p []byte) {
	if c.hash == nil {
		c.hash = sha256.New()
	}
	c.hash.Write(p)
	c.next += uint64(len(p))
	c.size += uint64(len(p))
}

// wait keeps bytes until those before them went through.
func (c *content) wait(offset uint64, p []byte) {
	if c.waiting == nil {
		c.waiting = make(map[uint64][]byte)
	}
	c.waiting[offset] = p
}

// isDue tells whether bytes wait whose turn it is.
func (c *content) isDue() bool { return c.waiting[c.next] != nil }

// catchUp hashes what waited for its turn and returns how many bytes that were. Their
// size was counted when they went through.
func (c *content) catchUp() (n int) {
	for p := c.waiting[c.next]; p != nil; p = c.waiting[c.next] {
		delete(c.waiting, c.next)
		c.take(p)
		c.size -= uint64(len(p))
		n += len(p)
	}
	c.asked = max(c.asked, c.next)
	return n
}

// giveUp says that there can be no hash any more. It returns how many bytes waited.
func (c *content) giveUp() (n int) {
	for _, p := range c.waiting {
		n += len(p)
	}
	c.chaotic, c.waiting = true, nil
	return n
}

// end says that the target told of the file's end at an offset.
func (c *content) end(offset uint64) {
	if !c.ended || offset < c.ends {
		c.ended, c.ends = true, offset
	}
}

// sum is of the bytes from first to next.
func (c *content) sum() (sum cast.Digest) {
	if c.hash == nil {
		return sha256.Sum256(nil)
	}
	c.hash.Sum(sum[:0])
	return sum
}

// isOrdered tells whether each byte went through once, and all are hashed.
func (c *content) isOrdered() bool {
	return !c.chaotic && len(c.waiting) == 0 && c.size == c.next-c.first
}

// fill says in an event what went through.
func (c *content) fill(event *cast.FileOperation) {
	event.Offset, event.Size = c.first, c.size
	if c.isOrdered() {
		event.SHA256 = c.sum()
	}
}

// isWhole tells whether everything from the first byte to the end was read.
func (c *content) isWhole() bool {
	return c.isOrdered() && c.first == 0 && c.ended && c.ends <= max(c.next, c.asked)
}
