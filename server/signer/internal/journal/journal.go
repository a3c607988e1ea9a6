// Package journal keeps a Merkle log in an append-only file, so that nothing is
// acknowledged before it is on the disk, and nothing acknowledged is ever lost
// unnoticed.
//
// A directory holds three files:
//
//	ledger  a header, then one frame a leaf: length, CRC-32C, bytes
//	head    the last signed checkpoint, in two slots that are written in turn
//	lock    locked while a process uses the directory
//
// Many appends share one fsync. The order is: frames, fsync, checkpoint, and only
// then does [Journal.Wait] return. A kill at any moment therefore leaves at most
// a torn tail that nobody was told about; [Open] cuts it off. Every other
// difference between file and checkpoint makes Open refuse.
//
// The hashes of the tree are kept in memory: Open reads every leaf anyway, to let
// the caller fold them, and 64 bytes a leaf are less than what a caller keeps.
package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"stint/server/ledger"
)

// MaxLeaf is the longest leaf, in bytes.
const MaxLeaf = 16 << 20

// maxPending bounds what waits for the next fsync, in bytes.
const maxPending = 64 << 20

// ErrBusy means that too much waits for the disk; the caller may try again.
var ErrBusy = errors.New("the ledger's disk does not keep up")

// Log is the identity of a Merkle log.
type Log struct {
	Origin   string
	Signer   note.Signer
	Verifier note.Verifier
}

// Journal is an open log. Its methods may be called from many goroutines.
type Journal struct {
	log  Log
	lock *Lock
	file *os.File
	head *head

	wake chan struct{} // tells the writer that something is pending
	stop chan struct{}
	done chan struct{} // closed when the writer is gone

	mu         sync.Mutex
	hashes     []ledger.Hash // of all staged leaves, as ledger.Append numbers them
	ends       []int64       // where each staged leaf's frame ends in the file
	pending    []byte        // frames that are staged and not written
	durable    int64         // leaves on the disk and under checkpoint
	checkpoint []byte        // signed, over the durable leaves
	advanced   chan struct{} // closed when durable or failed changes
	failed     error
}

// Open opens the log in the locked directory, or begins it. It calls replay for
// every leaf in order; leaf is only valid during the call. An error of replay and
// every damage but an unacknowledged torn tail are errors. From then on the lock
// belongs to the journal; after an error it is released.
func Open(lock *Lock, log Log, replay func(index int64, leaf []byte) error) (j *Journal, err error) {
	// 1. One process a directory: that is what the lock is for.
	dir := lock.dir
	j = &Journal{
		log: log, lock: lock,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		advanced: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, j.closeFiles())
			j = nil
		}
	}()
	// 2. What was promised last.
	promised, err := j.openHead(filepath.Join(dir, "head"))
	if err != nil {
		return j, err
	}
	// 3. All leaves, each of which must be whole.
	if j.file, err = openFrames(filepath.Join(dir, "ledger")); err != nil {
		return j, err
	}
	if err = j.load(replay); err != nil {
		var torn *tornError
		if !errors.As(err, &torn) {
			return j, err
		}
		// 4. A tail that was never acknowledged is cut off; an acknowledged entry is not.
		if int64(len(j.ends)) < promised.Size {
			return j, fmt.Errorf("the ledger is damaged: entry %d was acknowledged, but at byte %d %s; restore the data directory from a copy that holds all %d entries",
				len(j.ends), torn.offset, torn.why, promised.Size)
		}
		if err = truncate(j.file, torn.offset); err != nil {
			return j, err
		}
	}
	// 5. The leaves are those that were promised.
	if err = j.compare(promised); err != nil {
		return j, err
	}
	// 6. Whole entries that the last run wrote and did not come to acknowledge stay.
	if err = j.promise(int64(len(j.ends))); err != nil {
		return j, err
	}
	go j.write()
	return j, nil
}

func (j *Journal) openHead(path string) (promised ledger.Checkpoint, err error) {
	if j.head, err = openHead(path); err != nil {
		return ledger.Checkpoint{}, err
	}
	return j.head.last(func(data []byte) (ledger.Checkpoint, error) {
		return ledger.Open(data, j.log.Origin, j.log.Verifier)
	})
}

// load reads the whole file, and leaves in j what was whole up to an error.
func (j *Journal) load(replay func(int64, []byte) error) error {
	return readFrames(j.file, func(leaf []byte, end int64) error {
		index := int64(len(j.ends))
		hashes, _, err := ledger.Append(index, leaf, ledger.HashReaderFunc(j.readHashes))
		if err != nil {
			return err
		}
		if err := replay(index, leaf); err != nil {
			return fmt.Errorf("entry %d of the ledger: %w", index, err)
		}
		j.hashes = append(j.hashes, hashes...)
		j.ends = append(j.ends, end)
		return nil
	})
}

func (j *Journal) compare(promised ledger.Checkpoint) error {
	have := int64(len(j.ends))
	if have < promised.Size {
		return fmt.Errorf("the ledger is cut short: it holds %d entries, %d were acknowledged; restore the data directory from a copy that holds them all", have, promised.Size)
	}
	if promised.Size == 0 {
		return nil
	}
	root, err := ledger.Root(promised.Size, ledger.HashReaderFunc(j.readHashes))
	if err != nil {
		return err
	}
	if root != promised.Root {
		return fmt.Errorf("the ledger was altered: its first %d entries are not those that were signed; restore the data directory from an unaltered copy", promised.Size)
	}
	return nil
}

// readHashes serves stored hashes to package ledger; the caller holds the mutex
// or is alone.
func (j *Journal) readHashes(indexes []int64) ([]ledger.Hash, error) {
	return readHashes(j.hashes, indexes)
}

func readHashes(hashes []ledger.Hash, indexes []int64) ([]ledger.Hash, error) {
	out := make([]ledger.Hash, len(indexes))
	for i, index := range indexes {
		if index < 0 || index >= int64(len(hashes)) {
			return nil, fmt.Errorf("there is no hash %d", index)
		}
		out[i] = hashes[index]
	}
	return out, nil
}

// promise signs and keeps a checkpoint over the first size leaves, all of which
// are on the disk.
func (j *Journal) promise(size int64) error {
	j.mu.Lock()
	hashes := j.hashes // only ever appended to
	j.mu.Unlock()
	root, err := ledger.Root(size, ledger.HashReaderFunc(func(indexes []int64) ([]ledger.Hash, error) {
		return readHashes(hashes, indexes)
	}))
	if err != nil {
		return err
	}
	checkpoint, err := ledger.Sign(ledger.Checkpoint{Origin: j.log.Origin, Size: size, Root: root}, j.log.Signer)
	if err != nil {
		return err
	}
	if err := j.head.keep(checkpoint); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.durable, j.checkpoint = size, checkpoint
	j.announce()
	return nil
}

// announce wakes everybody in Wait; the caller holds the mutex.
func (j *Journal) announce() {
	close(j.advanced)
	j.advanced = make(chan struct{})
}

// Size is the number of leaves, those included that are not yet on the disk. It
// is the index that the next leaf gets.
func (j *Journal) Size() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return int64(len(j.ends))
}

// Stage puts a leaf at the end of the log and returns its index. The leaf counts
// for nothing until [Journal.Wait] for that index has returned nil.
func (j *Journal) Stage(leaf []byte) (index int64, err error) {
	if len(leaf) == 0 || len(leaf) > MaxLeaf {
		return 0, fmt.Errorf("a ledger entry of %d bytes", len(leaf))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed != nil {
		return 0, j.failed
	}
	if len(j.pending) > maxPending {
		return 0, ErrBusy
	}
	index = int64(len(j.ends))
	hashes, _, err := ledger.Append(index, leaf, ledger.HashReaderFunc(j.readHashes))
	if err != nil {
		return 0, err
	}
	j.hashes = append(j.hashes, hashes...)
	j.ends = append(j.ends, j.end(index)+frameLength(leaf))
	j.pending = appendFrame(j.pending, leaf)
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return index, nil
}

// end is where the frame of leaf index begins.
func (j *Journal) end(index int64) int64 {
	if index == 0 {
		return int64(len(header))
	}
	return j.ends[index-1]
}

// Wait returns when leaf index is on the disk and under a signed checkpoint.
func (j *Journal) Wait(ctx context.Context, index int64) error {
	for {
		j.mu.Lock()
		durable, failed, advanced := j.durable, j.failed, j.advanced
		j.mu.Unlock()
		if index < durable {
			return nil
		}
		if failed != nil {
			return failed
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the ledger: %w", context.Cause(ctx))
		}
	}
}

// Prove shows that leaf index, for which Wait has returned, is in the log.
func (j *Journal) Prove(index int64) (ledger.Inclusion, []byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if index < 0 || index >= j.durable {
		return ledger.Inclusion{}, nil, fmt.Errorf("the ledger holds no acknowledged entry %d", index)
	}
	inclusion, err := ledger.ProveInclusion(index, j.durable, ledger.HashReaderFunc(j.readHashes))
	return inclusion, j.checkpoint, err
}

// Checkpoint is the signed checkpoint over all acknowledged leaves.
func (j *Journal) Checkpoint() (checkpoint []byte, size int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.checkpoint, j.durable
}

// Read returns an acknowledged leaf, compared with its hash.
func (j *Journal) Read(index int64) ([]byte, error) {
	j.mu.Lock()
	if index < 0 || index >= j.durable {
		j.mu.Unlock()
		return nil, fmt.Errorf("the ledger holds no acknowledged entry %d", index)
	}
	from, to, hash := j.end(index), j.ends[index], j.hashes[ledger.LeafIndex(index)]
	j.mu.Unlock()
	leaf, err := readFrame(j.file, from, to)
	if err != nil {
		return nil, fmt.Errorf("reading entry %d of the ledger: %w", index, err)
	}
	if ledger.LeafHash(leaf) != hash {
		return nil, fmt.Errorf("entry %d of the ledger changed on the disk", index)
	}
	return leaf, nil
}

// Failed returns a channel that is closed when the log can take no more, and
// the reason. After a failed write or fsync nobody knows what the disk holds, so
// there is no second try: the process must end and open the log anew.
func (j *Journal) Failed() <-chan struct{} { return j.done }

// Err is why the log takes no more, or nil.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

// write is the one goroutine that writes; Close waits for it.
func (j *Journal) write() {
	defer close(j.done)
	for {
		stopping := false
		select {
		case <-j.wake:
		case <-j.stop:
			stopping = true
		}
		err := j.flush()
		if err == nil && !stopping {
			continue
		}
		if err == nil {
			err = errors.New("the ledger is closed")
		}
		j.mu.Lock()
		j.failed = err
		j.announce()
		j.mu.Unlock()
		return
	}
}

// flush brings everything that is pending to the disk with one fsync.
func (j *Journal) flush() error {
	j.mu.Lock()
	frames, size := j.pending, int64(len(j.ends))
	j.pending = nil
	j.mu.Unlock()
	if len(frames) == 0 {
		return nil
	}
	if _, err := j.file.Write(frames); err != nil {
		return fmt.Errorf("writing the ledger: %w", err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("bringing the ledger to the disk: %w", err)
	}
	return j.promise(size)
}

// Close brings what is staged to the disk and releases the directory.
func (j *Journal) Close() error {
	close(j.stop)
	<-j.done
	return j.closeFiles()
}

func (j *Journal) closeFiles() error {
	var errs []error
	if j.file != nil {
		errs = append(errs, j.file.Close())
	}
	if j.head != nil {
		errs = append(errs, j.head.file.Close())
	}
	return errors.Join(append(errs, j.lock.Release())...)
}
