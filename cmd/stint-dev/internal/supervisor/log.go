package supervisor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	logLimit    = 16 << 20 // a log larger than this is set aside at start
	tailLines   = 12
	tailBytes   = 16 << 10
	followEvery = 100 * time.Millisecond
	lineLimit   = 64 << 10 // what a follower shows of one line
)

// childLog is the file that a child writes to, and the reader that follows it.
type childLog struct {
	path string
	file *os.File
	from int64 // where this run of the supervisor begins

	stopFollowing chan struct{}
	following     sync.WaitGroup
}

// openLog opens the child's log for appending and follows it for child.Line.
func openLog(dir string, child Child) (*childLog, error) {
	path := filepath.Join(dir, child.Name+".log")
	if info, err := os.Stat(path); err == nil && info.Size() > logLimit {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, fmt.Errorf("setting its old log aside: %w", err)
		}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("looking at its log: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening its log: %w", err)
	}
	from, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("opening its log: %w", err)
	}
	l := &childLog{path: path, file: file, from: from, stopFollowing: make(chan struct{})}
	if child.Line != nil {
		l.following.Go(func() { l.follow(child.Line) })
	}
	return l, nil
}

// follow reads what is appended, line by line, until the log is closed.
func (l *childLog) follow(line func(string)) {
	file, err := os.Open(l.path)
	if err != nil {
		return // nothing is lost but the showing
	}
	defer file.Close()
	if _, err := file.Seek(l.from, io.SeekStart); err != nil {
		return
	}
	reader := bufio.NewReader(file)
	var part []byte
	for last := false; ; {
		piece, err := reader.ReadSlice('\n')
		if room := lineLimit - len(part); room > 0 {
			part = append(part, piece[:min(room, len(piece))]...)
		}
		switch {
		case err == nil:
			line(strings.TrimRight(string(part), "\r\n"))
			part = part[:0]
		case errors.Is(err, bufio.ErrBufferFull):
		case last:
			return
		default: // the end, for the moment
			select {
			case <-l.stopFollowing:
				last = true // once more, for what came while we waited
			case <-time.After(followEvery):
			}
		}
	}
}

// tail returns the last lines that the child wrote in this run.
func (l *childLog) tail() string {
	file, err := os.Open(l.path)
	if err != nil {
		return ""
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return ""
	}
	from := max(l.from, info.Size()-tailBytes)
	text, err := io.ReadAll(io.NewSectionReader(file, from, tailBytes))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

func (l *childLog) close() {
	close(l.stopFollowing)
	l.following.Wait()
	l.file.Close()
}
