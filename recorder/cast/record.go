package cast

import (
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// magic begins every recording and names the version.
const magic = "stint-recording/1\n"

// The types of records, which are all that follows the magic.
const (
	recordHeader     = 'H'
	recordEvents     = 'E'
	recordCompressed = 'Z'
	recordSeal       = 'S'
)

const (
	recordPrefix = 1 + 4 // type, length
	recordSuffix = 4     // checksum
	sealBody     = 8 + 32

	maxHeader   = 64 << 10
	maxBlock    = 1 << 20 // raw bytes of the events of one block
	maxSegments = 1 << 20

	// compressFrom is the size below which compressing a block gains nothing.
	compressFrom = 512
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maxBody is the largest body of a record of a type, and whether the type exists.
func maxBody(kind byte) (int, bool) {
	switch kind {
	case recordHeader:
		return maxHeader, true
	case recordEvents, recordCompressed:
		return maxBlock, true
	case recordSeal:
		return sealBody, true
	}
	return 0, false
}

// appendRecord encodes a record: type, length of the body, body, CRC-32C of all that.
func appendRecord(b []byte, kind byte, body []byte) []byte {
	start := len(b)
	b = append(b, kind)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = append(b, body...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// appendBlock encodes a block of events, compressed when that makes it shorter.
// scratch is used for the compressed form and returned to be used again.
func appendBlock(b, frames, scratch []byte) (record, scratchAgain []byte) {
	if len(frames) >= compressFrom {
		scratch = binary.LittleEndian.AppendUint32(scratch[:0], uint32(len(frames)))
		scratch = encoder().EncodeAll(frames, scratch)
		if len(scratch) < len(frames) {
			return appendRecord(b, recordCompressed, scratch), scratch
		}
	}
	return appendRecord(b, recordEvents, frames), scratch
}

// decompress returns the frames of a compressed block in memory of their own. It
// never allocates more than maxBlock, whatever the block says of itself.
func decompress(body []byte) ([]byte, error) {
	if len(body) < 4 {
		return nil, errors.New("a compressed block has no length")
	}
	length := binary.LittleEndian.Uint32(body)
	if length > maxBlock {
		return nil, errors.New("a compressed block is too long")
	}
	frames, err := decoder().DecodeAll(body[4:], make([]byte, 0, length))
	if err != nil || len(frames) != int(length) {
		return nil, errors.New("a compressed block does not decompress to its length")
	}
	return frames, nil
}

// One encoder and one decoder serve all recordings of the process: both may be
// used concurrently, and a session then costs no window of its own.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(maxBlock), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err) // the options are constant
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxBlock), zstd.WithDecoderMaxWindow(maxBlock),
			zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			panic(err) // the options are constant
		}
		return d
	})
)

// chain is the state of the hash chain, the same in writer and reader.
type chain struct {
	head     Head      // of the last seal, or of the header
	sequence uint64    // of the last seal
	segment  hash.Hash // of the open segment; nil while it is empty
}

// add takes the bytes of a whole block record into the open segment.
func (c *chain) add(record ...[]byte) {
	if c.segment == nil {
		c.segment = segmentHash(c.head, c.sequence+1)
	}
	for _, part := range record {
		c.segment.Write(part)
	}
}

// seal closes the open segment and returns its seal, without End.
func (c *chain) seal() Seal {
	c.head = Head(c.segment.Sum(nil))
	c.sequence++
	c.segment = nil
	return Seal{Sequence: c.sequence, Head: c.head}
}

// appendSeal encodes a seal's record.
func appendSeal(b []byte, s Seal) []byte {
	var body [sealBody]byte
	binary.LittleEndian.PutUint64(body[:], s.Sequence)
	copy(body[8:], s.Head[:])
	return appendRecord(b, recordSeal, body[:])
}
