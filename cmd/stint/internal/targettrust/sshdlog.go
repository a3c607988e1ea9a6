package targettrust

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

const (
	journalTimeout = 2 * time.Minute
	maxLine        = 64 << 10 // bytes; sshd writes far shorter ones
)

// Journal is the name of systemd's journal where the path of a log is meant.
const Journal = "journal"

// Accepted is a certificate by which sshd let somebody in.
type Accepted struct {
	Login  string
	KeyID  string
	Serial uint64
	CA     string // fingerprint of the key that signed it, as sshd writes it: SHA256:… or MD5:…
	// Cut says that the key id is so long that sshd's log has no room for what follows
	// it: Serial and CA are not known. Whoever holds a CA key chooses the key id, and
	// could hide in such a line, or behind the serial of another certificate.
	Cut bool
}

// Position is how far a log was read.
type Position struct {
	Log    string `json:"log"`              // Journal, or the path
	Cursor string `json:"cursor,omitempty"` // of the journal
	Inode  uint64 `json:"inode,omitempty"`  // of the file
	Offset int64  `json:"offset,omitempty"` // bytes
}

// print is a fingerprint as sshd writes it, by what FingerprintHash says.
const print = `(?:SHA256:[A-Za-z0-9+/]{43}|MD5:[0-9a-f]{2}(?::[0-9a-f]{2}){15})`

// mostMessage is less than sshd's log takes of one message (MSGBUFSIZ, 1024 bytes).
// Of a longer one the end cannot be believed.
const mostMessage = 1000 // bytes

// accepted is what sshd logs of a sign-in with a certificate, up to its key id. It
// stands at the beginning of its line, behind a front that syslog wrote: further on
// in a line there may be a user name, which is whatever a stranger typed.
var accepted = regexp.MustCompile(`^(?:(?:(?:\S+|[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}) \S+ )?sshd(?:-session)?\[[0-9]+\]: )?` +
	`(Accepted publickey for (\S+) from \S+ port [0-9]+ ssh2: \S+-CERT ` + print + ` ID (.*))$`)

// authority is the end of such a line. The key id in front of it may hold anything;
// the last serial is the one that sshd wrote.
var authority = regexp.MustCompile(`^(.*) \(serial ([0-9]+)\) CA \S+ (` + print + `)$`)

// ParseAccepted reads one line of sshd's log, with or without syslog's front. It
// is false for every line but that of a sign-in with a certificate.
func ParseAccepted(text string) (Accepted, bool) {
	found := accepted.FindStringSubmatch(text)
	if found == nil {
		return Accepted{}, false
	}
	if len(found[1]) >= mostMessage {
		return Accepted{Login: found[2], KeyID: found[3], Cut: true}, true
	}
	end := authority.FindStringSubmatch(found[3])
	if end == nil {
		return Accepted{}, false
	}
	serial, err := strconv.ParseUint(end[2], 10, 64)
	if err != nil {
		return Accepted{}, false
	}
	return Accepted{Login: found[2], KeyID: end[1], Serial: serial, CA: end[3]}, true
}

// line is one line of a log.
type line struct {
	text  string
	at    time.Time // zero where the log does not say exactly
	after Position
}

// lines reads what a log holds behind a position; all of it where that is nil.
func lines(ctx context.Context, log string, from *Position) iter.Seq2[line, error] {
	if from != nil && from.Log != log {
		from = nil
	}
	return func(yield func(line, error) bool) {
		var err error
		if log == Journal {
			err = readJournal(ctx, from, func(l line) bool { return yield(l, nil) })
		} else {
			err = readFiles(log, from, func(l line) bool { return yield(l, nil) })
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(line{}, err)
		}
	}
}

// errEnough means that whoever reads wants no more.
var errEnough = errors.New("enough was read")

// readFiles reads a log file, and before it the rest of the one that logrotate
// has put away since.
func readFiles(path string, from *Position, each func(line) bool) error {
	if from != nil {
		if old, err := os.Open(path + ".1"); err == nil {
			inode, err := inodeOf(old)
			if err == nil && inode == from.Inode {
				err = readFile(old, path, from.Offset, each)
			}
			if err := errors.Join(err, old.Close()); err != nil {
				return err
			}
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	inode, err := inodeOf(file)
	var offset int64
	if err == nil && from != nil && inode == from.Inode {
		offset = from.Offset
	}
	if err == nil {
		err = readFile(file, path, offset, each)
	}
	return errors.Join(err, file.Close())
}

func inodeOf(file *os.File) (uint64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a file of this machine", file.Name())
	}
	return stat.Ino, nil
}

// readFile reads whole lines from an offset on. A file that became shorter was
// emptied and begins anew.
func readFile(file *os.File, path string, offset int64, each func(line) bool) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	inode, err := inodeOf(file)
	if err != nil {
		return err
	}
	if info.Size() < offset {
		offset = 0
	}
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	return eachLine(file, func(text []byte, length int64) bool {
		offset += length
		front, _, _ := bytes.Cut(text, []byte(" "))
		at, err := time.Parse(time.RFC3339Nano, string(front))
		if err != nil {
			at = time.Time{}
		}
		return each(line{string(text), at, Position{Log: path, Inode: inode, Offset: offset}})
	})
}

// eachLine calls f with every line that is whole, and its length with the line
// feed. Of one that is too long it gives the beginning.
func eachLine(r io.Reader, f func(text []byte, length int64) bool) error {
	reader := bufio.NewReaderSize(r, maxLine)
	var length int64
	var kept []byte
	for {
		part, err := reader.ReadSlice('\n')
		if length == 0 {
			kept = bytes.Clone(part)
		}
		length += int64(len(part))
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return nil // what is there of the next line is read when it is whole
		case err != nil:
			return err
		}
		if !f(bytes.TrimRight(kept, "\r\n"), length) { // sshd -E ends its lines with both
			return errEnough
		}
		length = 0
	}
}

// readJournal reads sshd's lines from systemd's journal; at the first time those
// of the last day.
func readJournal(ctx context.Context, from *Position, each func(line) bool) error {
	ctx, cancel := context.WithTimeout(ctx, journalTimeout)
	defer cancel()
	where := "--since=-1d"
	if from != nil {
		where = "--after-cursor=" + from.Cursor
	}
	command := exec.CommandContext(ctx, "journalctl", "--output=json", "--no-pager", "--quiet", where,
		"_UID=0", "_COMM=sshd", "_COMM=sshd-session") // fields that no other program can claim
	command.WaitDelay = time.Second
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	readErr := eachLine(output, func(text []byte, _ int64) bool {
		l, ok := parseJournal(text)
		return !ok || each(l)
	})
	if readErr != nil {
		cancel()
	}
	if err := command.Wait(); err != nil && readErr == nil {
		return fmt.Errorf("reading the journal: %w: %.400s", err, bytes.TrimSpace(complaint.Bytes()))
	}
	return readErr
}

// parseJournal reads one line of journalctl --output=json. A message that is no
// text (journalctl then lists its bytes) was not written by sshd's sign-in.
func parseJournal(text []byte) (line, bool) {
	var entry struct {
		Message string `json:"MESSAGE"`
		Cursor  string `json:"__CURSOR"`
		Time    string `json:"__REALTIME_TIMESTAMP"` // microseconds
	}
	if err := json.Unmarshal(text, &entry); err != nil || entry.Cursor == "" {
		return line{}, false
	}
	l := line{text: entry.Message, after: Position{Log: Journal, Cursor: entry.Cursor}}
	if micros, err := strconv.ParseInt(entry.Time, 10, 64); err == nil {
		l.at = time.UnixMicro(micros)
	}
	return l, true
}
