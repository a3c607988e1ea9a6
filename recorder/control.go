package recorder

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// What is said over the control socket, a line each: another process of the same user
// asks for the listener, or has the one that serves drain. The answer to either is one line,
// controlDone; to the first it carries the listener's file descriptor.
const (
	controlListener = "listener"
	controlDrain    = "drain"
	controlDone     = "done"
)

const (
	// controlTime bounds one exchange over the control socket.
	controlTime = 10 * time.Second
	// controlWait is how long a caller may take to say what it wants.
	controlWait = time.Second
	// longestSocketPath is what the address of a socket holds on every system.
	longestSocketPath = 100
)

// control answers other processes of the same user: the data directory is closed to
// everybody else.
type control struct {
	socket   *net.UnixListener
	listener *net.TCPListener // nil where the proxy listens on none
	drains   chan struct{}    // closed when somebody asks to drain
	once     sync.Once
	drained  chan struct{} // closed when the data directory is free
	serving  sync.WaitGroup
}

func controlPath(data string) string { return filepath.Join(data, "control") }

// openControl serves the control socket until close. The caller holds the data directory.
func openControl(data string, listener net.Listener, log *slog.Logger) (*control, error) {
	path := controlPath(data)
	if len(path) > longestSocketPath {
		return nil, fmt.Errorf("%s is too long for the address of a socket", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	socket.SetUnlinkOnClose(false) // whoever holds the directory next removes it
	c := &control{socket: socket, drains: make(chan struct{}), drained: make(chan struct{})}
	c.listener, _ = listener.(*net.TCPListener)
	c.serving.Go(func() {
		for {
			conn, err := socket.AcceptUnix()
			if err != nil {
				return
			}
			// One at a time: there is one successor.
			if err := c.answer(conn); err != nil {
				log.Warn("a call on the control socket failed", "error", err)
			}
			conn.Close()
		}
	})
	return c, nil
}

// answer serves one connection, with one line.
func (c *control) answer(conn *net.UnixConn) error {
	if err := conn.SetDeadline(time.Now().Add(controlWait)); err != nil {
		return err
	}
	line, err := bufio.NewReader(io.LimitReader(conn, 64)).ReadString('\n')
	if err == io.EOF && line == "" {
		return nil // it only wanted to know whether somebody is there
	}
	if err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(controlTime + controlWait)); err != nil {
		return err
	}
	switch word := strings.TrimSpace(line); word {
	case controlListener:
		return c.give(conn)
	case controlDrain:
		c.once.Do(func() { close(c.drains) })
		select {
		case <-c.drained:
			_, err = io.WriteString(conn, controlDone+"\n")
			return err
		case <-time.After(controlTime):
			return errors.New("draining did not begin in time")
		}
	default:
		return fmt.Errorf("%.20q is not understood", word)
	}
}

// give hands over the listener. This process goes on accepting until it is told to drain,
// so that nobody who connects meanwhile is turned away.
func (c *control) give(conn *net.UnixConn) error {
	if c.listener == nil {
		_, err := io.WriteString(conn, controlDone+"\n")
		return err
	}
	raw, err := c.listener.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(descriptor uintptr) {
		_, _, sent = conn.WriteMsgUnix([]byte(controlDone+"\n"), unix.UnixRights(int(descriptor)), nil)
	})
	return errors.Join(err, sent)
}

// free says that the data directory is free, and closes.
func (c *control) free() {
	close(c.drained)
	c.socket.Close()
	c.serving.Wait()
}

// predecessor is the process that serves with a data directory, seen from another.
type predecessor struct{ path string }

// findPredecessor calls the process that serves; nil where there is none.
func findPredecessor(data string) (*predecessor, error) {
	p := &predecessor{controlPath(data)}
	conn, err := p.call(context.Background())
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return p, conn.Close()
}

func (p *predecessor) call(ctx context.Context) (*net.UnixConn, error) {
	dialer := net.Dialer{Timeout: controlTime}
	conn, err := dialer.DialContext(ctx, "unix", p.path)
	if err != nil {
		return nil, fmt.Errorf("calling the proxy that serves: %w", err)
	}
	return conn.(*net.UnixConn), nil
}

// ask says a word and waits for the answer, with the file that came along, if one did.
func (p *predecessor) ask(ctx context.Context, word string) (*os.File, error) {
	conn, err := p.call(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(2 * controlTime)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, word+"\n"); err != nil {
		return nil, err
	}
	text, beside := make([]byte, len(controlDone)+1), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := conn.ReadMsgUnix(text, beside)
	if err != nil {
		return nil, fmt.Errorf("the proxy that serves did not answer: %w", err)
	}
	if string(text[:n]) != controlDone+"\n" {
		return nil, errors.New("the proxy that serves did not understand; is it of another version?")
	}
	messages, err := unix.ParseSocketControlMessage(beside[:m])
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(descriptors) != 1 {
		return nil, errors.Join(errors.New("the proxy that serves sent another thing than its listener"), err)
	}
	unix.CloseOnExec(descriptors[0])
	return os.NewFile(uintptr(descriptors[0]), "listener"), nil
}

// listener is where the other process listens; nil where it listens elsewhere than this
// one is to.
func (p *predecessor) listener(ctx context.Context, address string) (net.Listener, error) {
	file, err := p.ask(ctx, controlListener)
	if err != nil || file == nil {
		return nil, err
	}
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("taking over the listener: %w", err)
	}
	_, wanted, _ := net.SplitHostPort(address)
	if _, port, err := net.SplitHostPort(listener.Addr().String()); err != nil || wanted != port && wanted != "0" {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// drain has the other process drain, and returns when its data directory is free.
func (p *predecessor) drain(ctx context.Context) error {
	_, err := p.ask(ctx, controlDrain)
	return err
}
