package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
)

// ErrNoRoom means that recordings fill what the spool may hold.
var ErrNoRoom = errors.New("recordings that the broker has not taken fill the spool")

// Why says in a clause for people why something could not be recorded; empty where the
// error says nothing that helps them.
func Why(err error) string {
	switch {
	case errors.Is(err, ErrNoRoom):
		return "the proxy has no more room for recordings that the broker does not take"
	case IsFull(err):
		return "the proxy's disk is full"
	case errors.Is(err, ErrOutage):
		return "the broker takes no recordings"
	}
	return ""
}

// IsFull tells whether a disk, or what somebody may use of it, is used up.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// largestEvent is more than one event takes in a recording.
const largestEvent = 320 << 10

// room bounds the bytes of all recordings in a spool. Ends and seals may go beyond it:
// some KiB a recording.
type room struct {
	most int64 // zero: no bound but the disk
	used atomic.Int64
}

// take keeps room for one event until done is called; false when there is none.
func (r *room) take() (done func(), ok bool) {
	if used := r.used.Add(largestEvent); r.most > 0 && used > r.most {
		r.used.Add(-largestEvent)
		return nil, false
	}
	return func() { r.used.Add(-largestEvent) }, true
}

// counted is a recording's file, whose bytes are counted as they are written.
type counted struct {
	*os.File
	transfer *transfer
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.File.Write(p)
	c.transfer.count(int64(n))
	return n, err
}

// count moves the bytes that a recording takes.
func (t *transfer) count(n int64) {
	t.counted.Add(n)
	t.spool.room.used.Add(n)
}

const (
	reserveName = "reserve"
	reserveSize = 1 << 20
)

// reserve is a file that nobody reads. When the disk is full it makes way, so that
// recordings can still be ended. While it is not there, none begins.
type reserve struct {
	directory string
	mu        sync.Mutex
	kept      bool
}

func (r *reserve) path() string { return filepath.Join(r.directory, reserveName) }

// keep makes the reserve, if it is not there.
func (r *reserve) keep() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept {
		return nil
	}
	if info, err := os.Stat(r.path()); err == nil && info.Size() == reserveSize {
		r.kept = true // an earlier process made it
		return nil
	}
	file, err := os.OpenFile(r.path(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keeping a reserve: %w", err)
	}
	noise := make([]byte, reserveSize) // some file systems give zeros no room
	_, _ = rand.Read(noise)            // never fails (crypto/rand)
	_, err = file.Write(noise)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(fmt.Errorf("keeping a reserve: %w", err), os.Remove(r.path()))
	}
	r.kept = true
	return nil
}

// release gives the reserve to whoever writes next.
func (r *reserve) release() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = false
	if err := os.Remove(r.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("giving up the reserve: %w", err)
	}
	return nil
}

// bytesOf is the size of a recording's file.
func bytesOf(entry fs.DirEntry) int64 {
	if info, err := entry.Info(); err == nil {
		return info.Size()
	}
	return 0
}
