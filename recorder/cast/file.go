package cast

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
)

// Operation is what was done with a file: lower-case letters and hyphens, at most 32.
type Operation string

// The operations known today; a reader shows others as they are.
const (
	OpenFile       Operation = "open"
	ReadFile       Operation = "read"  // what went from the file to the client, told when the file is closed
	WriteFile      Operation = "write" // what went from the client to the file, told when the file is closed
	ListDirectory  Operation = "list"
	RemoveFile     Operation = "remove"
	RenameFile     Operation = "rename"
	MakeDirectory  Operation = "mkdir"
	RemoveFolder   Operation = "rmdir"
	SetAttributes  Operation = "setstat"
	MakeSymlink    Operation = "symlink"
	MakeLink       Operation = "link"
	CopyOnTarget   Operation = "copy" // from one file to another at the target; nothing of it went through the proxy
	outcomeOK                = "ok"
	outcomeUnknown           = "unanswered"
)

// Digest is a SHA-256; zero where there is none. Its text is lower-case hexadecimal,
// empty for none.
type Digest [sha256.Size]byte

// String is the digest's text.
func (d Digest) String() string {
	if d == (Digest{}) {
		return ""
	}
	return hex.EncodeToString(d[:])
}

// MarshalText is [Digest.String].
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// FileOperation is an operation on a file, by SFTP or scp: what the client asked for and what the
// target answered. Paths are any bytes, as the client gave them.
type FileOperation struct {
	Operation Operation `json:"operation"`
	// Number counts what was opened on the channel from 1; open, read, write and [Bulk]
	// tell by it that they mean the same file. 0 for operations that open nothing.
	Number uint64 `json:"number"`
	Path   string `json:"path"`
	// Other is a second path: where a rename, link or copy leads, what a symlink points
	// to; for scp the path of the command, which Path may lie below, or be.
	Other string `json:"other"`
	Flags string `json:"flags"` // how it was opened, or which kind of the operation it was: words
	Mode  string `json:"mode"`  // the permissions that were asked for, in octal digits; empty without
	// Attributes are the others that were asked for, in words: "size 0, owner 1000:1000".
	Attributes string `json:"attributes"`
	// Offset is where in the file a read or write began, Size how many bytes of content
	// went through the proxy.
	Offset uint64 `json:"offset"`
	Size   uint64 `json:"size"`
	// SHA256 is of the bytes from Offset to Offset+Size. It is there only if each of them
	// went through once, in order or nearly so; if not, those that came out of order are
	// in the recording.
	SHA256 Digest `json:"sha256"`
	// Whole says that it was the whole file: read from its first byte to its end, or written
	// from its first byte into a file that was empty, or cut to just that size.
	Whole bool `json:"whole"`
	// Outcome is what the target answered: "ok", else the name of SFTP's status such as
	// "permission-denied", "failure", or "unanswered". A word as in Operation.
	Outcome string `json:"outcome"`
	Message string `json:"message"` // what the target said of a failure; any bytes
}

// Bulk says that bytes of a stream passed without being kept. They were counted and
// hashed; where they were in the stream it says exactly.
type Bulk struct {
	// Stream is [KindOutput], [KindErrorOutput] or [KindInput].
	Stream Kind `json:"stream"`
	// Offset is how many bytes the channel's stream had before the first one that was
	// left out, those that were kept and those that were not.
	Offset uint64 `json:"offset"`
	// Spans are lengths that take turns, none of them zero: so many bytes were left out,
	// so many then kept, so many left out and so on. The first and the last were left out.
	Spans []uint64 `json:"spans"`
	// File is the number of the file whose content was left out; 0 if it was no file's.
	File uint64 `json:"file"`
	// From and To bound what SHA256 is of. Of a file: its bytes from offset From, where its
	// transfer began, to To, where the last that was left out here ends. Else both are zero,
	// and SHA256 is of the bytes that were left out here, joined.
	From   uint64 `json:"from"`
	To     uint64 `json:"to"`
	SHA256 Digest `json:"sha256"`
}

// Size is how many bytes were left out.
func (b Bulk) Size() uint64 {
	var size uint64
	for i := 0; i < len(b.Spans); i += 2 {
		size += b.Spans[i]
	}
	return size
}

// Kind is [KindFile].
func (FileOperation) Kind() Kind { return KindFile }

// Kind is [KindBulk].
func (Bulk) Kind() Kind { return KindBulk }

func (f FileOperation) append(b []byte) []byte {
	b = appendString(b, string(f.Operation))
	b = binary.AppendUvarint(b, f.Number)
	for _, s := range [...]string{f.Path, f.Other, f.Flags, f.Mode, f.Attributes} {
		b = appendString(b, s)
	}
	b = binary.AppendUvarint(b, f.Offset)
	b = binary.AppendUvarint(b, f.Size)
	b = append(b, f.SHA256[:]...)
	b = appendBool(b, f.Whole)
	return appendString(appendString(b, f.Outcome), f.Message)
}

func (b Bulk) append(p []byte) []byte {
	p = append(p, byte(b.Stream))
	p = binary.AppendUvarint(p, b.Offset)
	p = binary.AppendUvarint(p, uint64(len(b.Spans)))
	for _, n := range b.Spans {
		p = binary.AppendUvarint(p, n)
	}
	for _, n := range [...]uint64{b.File, b.From, b.To} {
		p = binary.AppendUvarint(p, n)
	}
	return append(p, b.SHA256[:]...)
}

func (p *parser) file() FileOperation {
	return FileOperation{
		Operation: Operation(p.string()), Number: p.uvarint(),
		Path: p.string(), Other: p.string(), Flags: p.string(), Mode: p.string(), Attributes: p.string(),
		Offset: p.uvarint(), Size: p.uvarint(), SHA256: p.digest(), Whole: p.bool(),
		Outcome: p.string(), Message: p.string(),
	}
}

func (p *parser) bulk() Bulk {
	return Bulk{
		Stream: Kind(p.byte()), Offset: p.uvarint(), Spans: p.lengths(),
		File: p.uvarint(), From: p.uvarint(), To: p.uvarint(), SHA256: p.digest(),
	}
}

func (p *parser) digest() (d Digest) {
	if len(p.rest) < len(d) {
		p.bad = true
		return d
	}
	p.rest = p.rest[copy(d[:], p.rest):]
	return d
}

func (p *parser) lengths() []uint64 {
	n := p.uvarint()
	if p.bad || n > uint64(len(p.rest)) { // each takes a byte at least
		p.bad = true
		return nil
	}
	lengths := make([]uint64, n)
	for i := range lengths {
		lengths[i] = p.uvarint()
	}
	return lengths
}

var errFile = errors.New("a file's operation and its outcome are words, and its mode is octal")

func (f FileOperation) check() error {
	if !isWord(string(f.Operation)) || !isWord(f.Outcome) || f.Offset+f.Size < f.Offset {
		return errFile
	}
	if f.Mode != "" {
		if mode, err := strconv.ParseUint(f.Mode, 8, 32); err != nil || fmt.Sprintf("%04o", mode) != f.Mode {
			return errFile
		}
	}
	return nil
}

func (b Bulk) check() error {
	if b.Stream != KindOutput && b.Stream != KindErrorOutput && b.Stream != KindInput {
		return fmt.Errorf("bytes were left out of the stream %d, which there is not", b.Stream)
	}
	if len(b.Spans)%2 == 0 || b.From > b.To || b.File == 0 && b.To != 0 {
		return errors.New("bytes were left out, and it is not told properly where")
	}
	end := b.Offset
	for _, n := range b.Spans {
		if n == 0 || end+n < end {
			return errors.New("bytes were left out, and it is not told properly where")
		}
		end += n
	}
	return nil
}

// isWord tells whether a name is 1 to 32 lower-case letters and hyphens.
func isWord(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return len(name) > 0 && len(name) <= 32
}

// fileWords says in words what was done with a file.
func fileWords(f FileOperation) string {
	text := "file: " + string(f.Operation) + " " + f.Path
	switch {
	case f.Other == "":
	case f.Operation == MakeSymlink || f.Operation == RenameFile || f.Operation == MakeLink || f.Operation == CopyOnTarget:
		text += " to " + f.Other
	default:
		text += " (scp " + f.Other + ")"
	}
	for _, part := range [...]string{f.Flags, f.Attributes} {
		if part != "" {
			text += ", " + part
		}
	}
	if f.Mode != "" {
		text += ", mode " + f.Mode
	}
	if f.Operation == ReadFile || f.Operation == WriteFile {
		text += ", " + strconv.FormatUint(f.Size, 10) + " bytes"
		if f.Offset != 0 {
			text += " from byte " + strconv.FormatUint(f.Offset, 10)
		}
		if !f.Whole {
			text += ", perhaps not the whole file"
		}
		if f.SHA256 == (Digest{}) {
			text += ", out of order"
		} else {
			text += ", SHA-256 " + f.SHA256.String()
		}
	}
	switch {
	case f.Outcome == outcomeOK:
	case f.Outcome == outcomeUnknown:
		text += ": not answered"
	case f.Message != "":
		text += ": failed: " + f.Message
	default:
		text += ": failed: " + f.Outcome
	}
	return text
}

func bulkWords(b Bulk) string {
	return fmt.Sprintf("%d bytes of %s are not kept, SHA-256 %s", b.Size(), b.Stream, b.SHA256)
}
