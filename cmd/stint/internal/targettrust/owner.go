package targettrust

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// errLocked means that another sync is at work on the same state.
var errLocked = errors.New("another stint trust sync is at work on the same state file; one is enough")

// keepOwner gives a file to whoever owns the one that it will replace.
func keepOwner(file *os.File, before fs.FileInfo) error {
	made, err := file.Stat()
	if err != nil {
		return err
	}
	was, ok := before.Sys().(*syscall.Stat_t)
	is, alsoOK := made.Sys().(*syscall.Stat_t)
	if !ok || !alsoOK || was.Uid == is.Uid && was.Gid == is.Gid {
		return nil
	}
	return file.Chown(int(was.Uid), int(was.Gid))
}

// lock makes sure that one sync at a time works on a state file. The lock ends
// with the process, however it ends.
func lock(path string) (unlock func() error, err error) {
	file, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(errLocked, file.Close())
	}
	return func() error {
		// Closing alone would leave the lock to a child that is just being forked.
		return errors.Join(syscall.Flock(int(file.Fd()), syscall.LOCK_UN), file.Close())
	}, nil
}
