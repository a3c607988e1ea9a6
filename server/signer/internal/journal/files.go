package journal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"stint/server/ledger"
)

// header is the first line of the file; it names the format's version.
const header = "stint-ledger 1\n"

// A frame is the payload's length and the CRC-32C of length and payload, both
// big-endian, and the payload.
const frameOverhead = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func frameLength(leaf []byte) int64 { return int64(frameOverhead + len(leaf)) }

func appendFrame(to, leaf []byte) []byte {
	var prefix [frameOverhead]byte
	binary.BigEndian.PutUint32(prefix[:4], uint32(len(leaf)))
	binary.BigEndian.PutUint32(prefix[4:], frameSum(prefix[:4], leaf))
	return append(append(to, prefix[:]...), leaf...)
}

func frameSum(length, leaf []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, leaf)
}

// tornError says that from offset on the file holds no whole frame.
type tornError struct {
	offset int64
	why    string
}

func (e *tornError) Error() string { return fmt.Sprintf("at byte %d %s", e.offset, e.why) }

// readFrames calls each with every frame's payload and the offset of its end.
// The error is a *tornError where a frame is not whole.
func readFrames(file *os.File, each func(leaf []byte, end int64) error) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	offset := int64(len(header))
	reader := bufio.NewReaderSize(io.NewSectionReader(file, offset, info.Size()-offset), 1<<20)
	var leaf []byte
	for {
		var prefix [frameOverhead]byte
		n, err := io.ReadFull(reader, prefix[:])
		if n == 0 && errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return &tornError{offset, "the file ends inside a frame"}
		}
		if err != nil {
			return fmt.Errorf("reading the ledger: %w", err)
		}
		length := int64(binary.BigEndian.Uint32(prefix[:4]))
		if length == 0 || length > MaxLeaf {
			return &tornError{offset, "there is no frame"}
		}
		if int64(cap(leaf)) < length {
			leaf = make([]byte, length)
		}
		leaf = leaf[:length]
		if _, err := io.ReadFull(reader, leaf); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return &tornError{offset, "the file ends inside a frame"}
		} else if err != nil {
			return fmt.Errorf("reading the ledger: %w", err)
		}
		if frameSum(prefix[:4], leaf) != binary.BigEndian.Uint32(prefix[4:]) {
			return &tornError{offset, "the frame's checksum is wrong"}
		}
		offset += frameOverhead + length
		if err := each(leaf, offset); err != nil {
			return err
		}
	}
}

// readFrame reads the one frame that lies between two offsets.
func readFrame(file *os.File, from, to int64) ([]byte, error) {
	frame := make([]byte, to-from)
	if _, err := file.ReadAt(frame, from); err != nil {
		return nil, err
	}
	return frame[frameOverhead:], nil
}

// openFrames opens the file of frames for appending, or begins it.
func openFrames(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	begin := make([]byte, len(header))
	n, err := io.ReadFull(io.NewSectionReader(file, 0, int64(len(header))), begin)
	switch {
	case err == nil && string(begin) == header:
		return file, nil
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && header[:n] == string(begin[:n]):
		// New, or killed while it was begun.
		if err := beginFrames(file); err != nil {
			return nil, errors.Join(fmt.Errorf("beginning the ledger: %w", err), file.Close())
		}
		return file, nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.Join(err, file.Close())
	default:
		return nil, errors.Join(fmt.Errorf("%s is not a ledger of this version: it does not begin with %q", path, header), file.Close())
	}
}

func beginFrames(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	if _, err := file.WriteString(header); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(file.Name()))
}

func truncate(file *os.File, size int64) error {
	if err := file.Truncate(size); err != nil {
		return fmt.Errorf("cutting off the ledger's torn tail: %w", err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("cutting off the ledger's torn tail: %w", err)
	}
	return nil
}

func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// PrivateDirectory makes a directory that nobody else can look into, and refuses
// one that is there and open to others.
func PrivateDirectory(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("the data directory %s is open to others (mode %04o): take that away (chmod 700)", path, info.Mode().Perm())
	}
	return nil
}

// Lock keeps a second process away from a directory.
type Lock struct {
	dir  string
	file *os.File
}

// Acquire locks a directory, which must exist. The end of the process, however
// it ends, releases it too.
func Acquire(dir string) (*Lock, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another process uses %s (%w); stop it first", dir, err), file.Close())
	}
	return &Lock{dir, file}, nil
}

// Release gives the directory back. A journal that was opened with the lock does
// it when it is closed.
func (l *Lock) Release() error {
	// Closing alone would leave the lock to a child that is just being forked.
	return errors.Join(unix.Flock(int(l.file.Fd()), unix.LOCK_UN), l.file.Close())
}

// Begun reports whether the directory holds a log with at least one entry, or
// something that once was one.
func (l *Lock) Begun() (bool, error) {
	for _, name := range []string{"ledger", "head"} {
		info, err := os.Stat(filepath.Join(l.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		if info.Size() > int64(len(header)) {
			return true, nil
		}
	}
	return false, nil
}

// head keeps the last signed checkpoint. Its two slots are written in turn, so
// that a kill or a power cut spoils at most the one that was not yet needed. It
// is not fsynced: what it promises is on the disk before it is written, and an
// older promise is still true.
type head struct {
	file *os.File
	next int64 // slot that is written next
}

const slotLength = 4096

func openHead(path string) (*head, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return &head{file: file}, nil
}

// last returns the later of the checkpoints in the two slots, or one of size
// zero if there never was any.
func (h *head) last(open func([]byte) (ledger.Checkpoint, error)) (ledger.Checkpoint, error) {
	var last ledger.Checkpoint
	var failure error
	found := false
	for slot := range int64(2) {
		data := make([]byte, slotLength)
		n, err := h.file.ReadAt(data, slot*slotLength)
		if err != nil && !errors.Is(err, io.EOF) {
			return last, fmt.Errorf("reading the ledger's checkpoint: %w", err)
		}
		data = bytes.TrimRight(data[:n], "\x00")
		if len(data) == 0 {
			continue
		}
		checkpoint, err := open(data)
		if err != nil {
			failure = err
			continue
		}
		if !found || checkpoint.Size >= last.Size {
			last, h.next = checkpoint, 1-slot
		}
		found = true
	}
	if !found && failure != nil {
		return last, fmt.Errorf("%s holds no checkpoint that the log key signed (%w); restore the data directory from an unaltered copy", h.file.Name(), failure)
	}
	return last, nil
}

func (h *head) keep(checkpoint []byte) error {
	slot := make([]byte, slotLength)
	if len(checkpoint) > len(slot) {
		return fmt.Errorf("a checkpoint of %d bytes", len(checkpoint))
	}
	copy(slot, checkpoint)
	if _, err := h.file.WriteAt(slot, h.next*slotLength); err != nil {
		return fmt.Errorf("writing the ledger's checkpoint: %w", err)
	}
	h.next = 1 - h.next
	return nil
}
