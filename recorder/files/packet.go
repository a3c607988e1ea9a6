package files

import "encoding/binary"

// The types of packets of SFTP version 3 (draft-ietf-secsh-filexfer-02, section 3).
const (
	packetInit          = 1
	packetVersion       = 2
	packetOpen          = 3
	packetClose         = 4
	packetRead          = 5
	packetWrite         = 6
	packetLstat         = 7
	packetFstat         = 8
	packetSetstat       = 9
	packetFsetstat      = 10
	packetOpendir       = 11
	packetReaddir       = 12
	packetRemove        = 13
	packetMkdir         = 14
	packetRmdir         = 15
	packetRealpath      = 16
	packetStat          = 17
	packetRename        = 18
	packetReadlink      = 19
	packetSymlink       = 20
	packetStatus        = 101
	packetHandle        = 102
	packetData          = 103
	packetName          = 104
	packetAttributes    = 105
	packetExtended      = 200
	packetExtendedReply = 201
)

const (
	maxPacket = 1 << 20  // that content may have; the largest that is common has 256 KiB
	maxSmall  = 64 << 10 // that any other packet may have which is read as a whole
	maxHandle = 256      // as the draft has it

	prefixBytes = 4 + 1 // length and type
)

// packets takes a stream apart into packets. What has to be read of a packet is
// gathered in head; the rest of it is content, or is kept and passed over.
type packets struct {
	begun bool // the first of them is there
	head  []byte
	want  int // length of the head that is to be gathered
	more  uint64
	kind  byte
	size  uint64 // bytes of the packet behind its type

	// Whose content the rest is; nil if it is none.
	content *content
	place   place
	offset  uint64
	asked   uint64
	block   []byte // the content so far, if it is early
}

// fields takes values off the front of a packet; bad stays set once one was missing.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) take(n uint64) []byte {
	if n > uint64(len(f.rest)) {
		f.bad, f.rest = true, nil
		return nil
	}
	p := f.rest[:n]
	f.rest = f.rest[n:]
	return p
}

func (f *fields) uint32() uint32 {
	if p := f.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (f *fields) uint64() uint64 {
	if p := f.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// bytes is a string of the packet, part of its memory.
func (f *fields) bytes() []byte { return f.take(uint64(f.uint32())) }

func (f *fields) string() string { return string(f.bytes()) }

// done tells whether nothing was missing and nothing is left.
func (f *fields) done() bool { return !f.bad && len(f.rest) == 0 }
