// Package recordings keeps the recordings that proxies upload, one file a
// session, exactly as the proxy wrote them, and reads them for people: as
// events, as bytes, and against the seals in the audit log.
//
// A recording grows only at its end and is never changed. Its bytes are
// acknowledged to the proxy, which then forgets them, after they are on disk.
package recordings

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"sync"

	"stint/recorder/cast"
	"stint/server/access"
)

// ErrOffset means that an upload does not begin where the recording ends.
var ErrOffset = errors.New("the upload does not begin where the recording ends")

// ErrName means that a session id cannot name a file.
var ErrName = errors.New("a session id is 1 to 64 letters, digits, - or _")

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Recording is a recording to be read, by ranges where one likes.
type Recording interface {
	io.ReadSeekCloser
	// Size is its bytes when it was opened.
	Size() int64
}

// Keeper holds the recordings of a directory, and those of an object store that came
// from there. It is safe for concurrent use; one process at a time owns the directory.
type Keeper struct {
	root   *os.Root
	bucket *Bucket // nil for none

	mu      sync.Mutex
	writing map[string]*turn // sessions that somebody writes to now
	checks  checks
}

// turn makes writers of one session wait for each other.
type turn struct {
	sync.Mutex
	waiting int
}

// Open opens a directory of recordings, and makes it if it is not there. The object
// store, which may be nil for none, becomes the Keeper's.
func Open(directory string, bucket *Bucket) (*Keeper, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of recordings: %w", err)
	}
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, fmt.Errorf("opening the directory of recordings: %w", err)
	}
	return &Keeper{root: root, bucket: bucket, writing: map[string]*turn{}, checks: newChecks()}, nil
}

// Close lets go of the directory and the object store.
func (k *Keeper) Close() error {
	if k.bucket == nil {
		return k.root.Close()
	}
	return errors.Join(k.root.Close(), k.bucket.Close())
}

func fileOf(session string) (string, error) {
	if !namePattern.MatchString(session) {
		return "", ErrName
	}
	return session + cast.Extension, nil
}

// Size is how many bytes of a session's recording are held, here or in the object
// store; zero when there are none.
func (k *Keeper) Size(session access.Session) (int64, error) {
	name, err := fileOf(session.ID)
	if err != nil {
		return 0, err
	}
	defer k.turnOf(session.ID)()
	info, err := k.root.Stat(name)
	switch {
	case err == nil:
		return info.Size(), nil
	case !errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("looking at a recording: %w", err)
	case session.Stored.IsZero():
		return 0, nil
	}
	return session.Size, nil
}

// Held is how many bytes are held durably: what an earlier process wrote and
// did not live to acknowledge is brought to disk first.
func (k *Keeper) Held(session string) (int64, error) {
	name, err := fileOf(session)
	if err != nil {
		return 0, err
	}
	defer k.turnOf(session)()
	file, err := k.root.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("opening a recording: %w", err)
	}
	defer file.Close()
	if err := file.Sync(); err != nil {
		return 0, fmt.Errorf("making a recording durable: %w", err)
	}
	if err := k.syncDirectory(); err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, fmt.Errorf("looking at a recording: %w", err)
	}
	return info.Size(), nil
}

// Append adds bytes at the end and returns the new size once they are durable.
// An offset that is not the present size is ErrOffset, and nothing is written;
// the size returned is then the present one.
func (k *Keeper) Append(session string, offset int64, chunk []byte) (int64, error) {
	name, err := fileOf(session)
	if err != nil {
		return 0, err
	}
	defer k.turnOf(session)()

	file, err := k.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, fmt.Errorf("opening a recording: %w", err)
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fmt.Errorf("looking for the end of a recording: %w", err)
	}
	if offset != size {
		return size, ErrOffset
	}
	if _, err := file.WriteAt(chunk, offset); err != nil {
		// What was written of it was not acknowledged, and may be torn.
		return size, errors.Join(fmt.Errorf("writing a recording: %w", err), file.Truncate(offset))
	}
	if err := file.Sync(); err != nil {
		return size, errors.Join(fmt.Errorf("making a recording durable: %w", err), file.Truncate(offset))
	}
	if offset == 0 {
		if err := k.syncDirectory(); err != nil {
			return size, err
		}
	}
	return offset + int64(len(chunk)), nil
}

// syncDirectory makes a new file's name durable.
func (k *Keeper) syncDirectory() error {
	directory, err := k.root.Open(".")
	if err != nil {
		return fmt.Errorf("opening the directory of recordings: %w", err)
	}
	defer directory.Close()
	if err := directory.Sync(); err != nil {
		return fmt.Errorf("making a recording's name durable: %w", err)
	}
	return nil
}

// turnOf waits until nobody else writes to the session, and returns what ends
// the turn.
func (k *Keeper) turnOf(session string) (done func()) {
	k.mu.Lock()
	t := k.writing[session]
	if t == nil {
		t = &turn{}
		k.writing[session] = t
	}
	t.waiting++
	k.mu.Unlock()
	t.Lock()
	return func() {
		t.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			delete(k.writing, session)
		}
	}
}

// Read opens a recording for reading; fs.ErrNotExist when no byte has come. The
// caller closes it. It may grow while it is read; it is read as long as ctx lasts.
func (k *Keeper) Read(ctx context.Context, session string) (Recording, error) {
	name, err := fileOf(session)
	if err != nil {
		return nil, err
	}
	file, err := k.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) && k.bucket != nil {
		return k.bucket.Open(ctx, session)
	}
	if err != nil {
		return nil, fmt.Errorf("opening a recording: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("looking at a recording: %w", err), file.Close())
	}
	return opened{file, info.Size()}, nil
}

// opened is a recording's file.
type opened struct {
	*os.File
	size int64
}

// Size implements [Recording].
func (o opened) Size() int64 { return o.size }
