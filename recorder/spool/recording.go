package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

	"stint/recorder/cast"
	"stint/recorder/wire"
)

const sealsSuffix = ".seals"

// sessionPattern is what a session id looks like; it names files.
var sessionPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Recording is the recording of a session that runs. It is safe for concurrent
// use.
type Recording struct {
	writer   *cast.Writer
	file     *os.File
	seals    *os.File
	transfer *transfer
}

func newRecording(s *Spool, header cast.Header, to cast.Recipients, onOutage func()) (_ *Recording, err error) {
	if !sessionPattern.MatchString(header.Session) {
		return nil, fmt.Errorf("%q is not a session id", header.Session)
	}
	t := newTransfer(s, header.Session, onOutage)
	r := &Recording{transfer: t}
	defer func() {
		if err != nil {
			r.closeFiles()
			_ = os.Remove(t.path(cast.Extension))
			_ = os.Remove(t.path(sealsSuffix))
			t.count(-t.counted.Load())
		}
	}()
	if r.file, err = os.OpenFile(t.path(cast.Extension), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("creating a recording: %w", err)
	}
	if r.seals, err = os.OpenFile(t.path(sealsSuffix), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, fmt.Errorf("creating the list of seals: %w", err)
	}
	if r.writer, err = cast.NewWriter(counted{r.file, t}, header, to, cast.Options{Now: s.options.Now, OnSeal: r.sealed}); err != nil {
		return nil, fmt.Errorf("beginning a recording: %w", err)
	}
	if err = syncDirectory(s.options.Directory); err != nil {
		_ = r.writer.Close(cast.End{Reason: cast.Failed})
		return nil, err
	}
	t.writer = r.writer
	return r, nil
}

// Write records an event. When it returns nil, the event survives the death of
// this process. After an error the session must end: what cannot be recorded is
// not forwarded. [ErrNoRoom] is such an error, after which the recording can still be ended
// as it should.
func (r *Recording) Write(channel uint32, body cast.Body) error {
	done, ok := r.transfer.spool.room.take()
	if !ok {
		return ErrNoRoom
	}
	defer done()
	err := r.writer.Write(channel, body)
	r.transfer.wake()
	return err
}

// Failed is closed when the recording can no longer be written.
func (r *Recording) Failed() <-chan struct{} { return r.writer.Failed() }

// Err says why it can no longer be written; nil while it can.
func (r *Recording) Err() error { return r.writer.Err() }

// End closes the recording and hands it over for delivery. An error says that
// its last part may be missing; it is delivered all the same.
func (r *Recording) End(reason, detail string) error {
	end := cast.End{Reason: cast.Reason(reason), Detail: detail}
	err := r.writer.Close(end)
	r.closeFiles()
	if err != nil {
		// The file may stop in the middle of a block. Repairing it takes off the
		// torn tail, and has the reserve on a disk that is full.
		if IsFull(err) {
			err = errors.Join(err, r.transfer.spool.reserve.release())
		}
		r.transfer.repair(end)
		return fmt.Errorf("closing the recording: %w", err)
	}
	r.transfer.finish(wire.SessionEnd{Reason: reason, Ended: r.transfer.spool.options.Now().UTC(), Bytes: r.writer.Size()})
	return nil
}

// sealed is called by the writer for each seal, in order.
func (r *Recording) sealed(seal cast.Seal) {
	line, err := json.Marshal(seal)
	if err == nil {
		_, err = r.seals.Write(append(line, '\n'))
	}
	if err != nil {
		// The file is a help for the next start, not the place of record: the seal
		// is in the recording and goes to the broker.
		r.transfer.spool.options.Log.Warn("a seal could not be noted", "session", r.transfer.session, "error", err)
	}
	r.transfer.addSeal(seal)
}

func (r *Recording) closeFiles() {
	for _, file := range []*os.File{r.file, r.seals} {
		if file != nil {
			_ = file.Close()
		}
	}
}

// readSeals reads the list of seals as far as it is whole.
func readSeals(path string) ([]cast.Seal, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var seals []cast.Seal
	for decoder := json.NewDecoder(file); ; {
		var seal cast.Seal
		if decoder.Decode(&seal) != nil {
			return seals, nil // its end, or a line that the proxy died in
		}
		seals = append(seals, seal)
	}
}

func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	defer directory.Close()
	return directory.Sync()
}
