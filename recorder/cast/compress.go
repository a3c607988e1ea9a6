package cast

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// compressFrom is the size below which compressing gains nothing.
	compressFrom = 512
	// sampleFrom is the size from which a sample tells whether compressing gains anything.
	sampleFrom = 4 * sampleSize
	sampleSize = 4 << 10
)

// compressible reports whether it is worth trying to compress what an event carries.
// scratch is used and returned to be used again.
func compressible(p, scratch []byte) (bool, []byte) {
	if len(p) < compressFrom {
		return false, scratch
	}
	if len(p) < sampleFrom {
		return true, scratch
	}
	middle := (len(p) - sampleSize) / 2
	scratch = encoder().EncodeAll(p[middle:middle+sampleSize], scratch[:0])
	return len(scratch) < sampleSize*15/16, scratch
}

// compress appends the compressed form of events to b: their length and a Zstandard frame.
func compress(b, events []byte) []byte {
	return encoder().EncodeAll(events, binary.LittleEndian.AppendUint32(b, uint32(len(events))))
}

// decompress returns the events of a compressed block in memory of their own. It
// never allocates more than maxBlock, whatever the block says of itself.
func decompress(body []byte) ([]byte, error) {
	if len(body) < 4 {
		return nil, errors.New("a compressed block has no length")
	}
	length := binary.LittleEndian.Uint32(body)
	if length > maxBlock {
		return nil, errors.New("a compressed block is too long")
	}
	events, err := decoder().DecodeAll(body[4:], make([]byte, 0, length))
	if err != nil || len(events) != int(length) {
		return nil, errors.New("a compressed block does not decompress to its length")
	}
	return events, nil
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
