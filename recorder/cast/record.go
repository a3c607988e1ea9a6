package cast

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
)

// magic begins every recording and names the version.
const magic = "stint-recording/1\n"

// The types of records, which are all that follows the magic.
const (
	recordHeader   = 'H'
	recordBlock    = 'B'
	recordRedacted = 'R'
	recordEnd      = 'E'
	recordSeal     = 'S'
)

const (
	recordPrefix = 1 + 4 // type, length
	recordSuffix = 4     // checksum
	sealBody     = 8 + 8 + 8 + sha256.Size

	maxHeader   = 64 << 10
	maxBlock    = 1 << 20 // raw bytes of the events of one block
	maxSegments = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// bounds are the shortest and longest body of a record of a type, and whether the
// type exists.
func bounds(kind byte) (shortest, longest uint32, exists bool) {
	switch kind {
	case recordHeader:
		return 0, maxHeader, true
	case recordBlock:
		return blockStart + blockForm + 1 + gcmTag, blockStart + blockForm + maxPadding + maxBlock + gcmTag, true
	case recordRedacted:
		return entrySize - 1, entrySize - 1, true
	case recordEnd:
		return endFixed + 1, endFixed + maxReason + maxDetail, true
	case recordSeal:
		return sealBody, sealBody, true
	}
	return 0, 0, false
}

// beginRecord reserves a record's type and length; endRecord fills them in when the
// body stands behind, and adds the checksum.
func beginRecord(b []byte, kind byte) []byte {
	return append(b, kind, 0, 0, 0, 0)
}

func endRecord(b []byte, start int) []byte {
	binary.LittleEndian.PutUint32(b[start+1:], uint32(len(b)-start-recordPrefix))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// appendRecord encodes a record: type, length of the body, body, CRC-32C of all that.
func appendRecord(b []byte, kind byte, body []byte) []byte {
	start := len(b)
	return endRecord(append(beginRecord(b, kind), body...), start)
}

// appendSeal encodes a seal's record.
func appendSeal(b []byte, s Seal) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint64(beginRecord(b, recordSeal), s.Sequence)
	b = appendOffset(appendOffset(b, s.First), s.Last)
	return endRecord(append(b, s.Head[:]...), start)
}
