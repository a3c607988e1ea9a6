package sshproxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// streamBuffer is what is read from the system, or handed to it, at once.
	streamBuffer = 256 << 10
	// bulkWrite is the size from which a write is taken for a part of a large
	// packet: x/crypto writes through a buffer of this size, and so in two or more
	// pieces.
	bulkWrite = 4 << 10
	// flushTime is how long a stream that is closed may take to hand over what was
	// written to it before.
	flushTime = 2 * time.Second
)

var streamBuffers = sync.Pool{New: func() any { b := make([]byte, streamBuffer); return &b }}

// errTooMuch ends a client that says too much before it has authenticated.
var errTooMuch = errors.New("too many bytes before authentication")

// errSilent ends a client that says nothing at all, as what checks whether somebody
// listens does. It costs nothing, and is not held against anybody.
var errSilent = errors.New("the client said nothing")

// stream is how x/crypto meets the kernel. The library reads and writes through
// buffers of 4 KiB, so that a packet of 32 KiB costs two calls or more each way;
// here one call takes what is there. Reads are served from a large buffer that a
// stream holds only while there is something in it. Small writes go out at once;
// pieces of large packets are queued, and a goroutine hands over all that is
// queued in one call, while the next packet is being encrypted. It runs only while
// something is queued, and ends before Close closes the connection.
//
// What is queued was recorded before it was written. It has one reader and one
// writer at a time, as x/crypto has.
type stream struct {
	net.Conn
	system syscall.RawConn // nil for a channel of another connection

	buffer  *[]byte      // of the reader; nil when nothing is in it
	unread  []byte       // in buffer
	allowed atomic.Int64 // bytes that may still be read

	greeted []byte             // was written, and is dropped when x/crypto writes it again
	replay  []byte             // was read, and is read again
	first   <-chan firstPacket // to be replayed next; nil when nothing is to come

	mu      sync.Mutex
	changed *sync.Cond // queued, flushing, closed or failed changed
	queue   *[]byte    // holds queued; nil when nothing is queued
	queued  []byte
	writing bool // a write that is not queued is under way
	flushes bool // the goroutine runs
	closed  bool
	failed  error

	gone context.Context // over when Close has closed the connection
	over context.CancelFunc
}

// newStream makes a stream of a connection, from which at most so many bytes may
// be read until trust is called.
func newStream(conn net.Conn, allowed int64) *stream {
	s := &stream{Conn: conn}
	s.gone, s.over = context.WithCancel(context.Background())
	s.allowed.Store(allowed)
	s.changed = sync.NewCond(&s.mu)
	if tcp, ok := conn.(*net.TCPConn); ok {
		s.system, _ = tcp.SyscallConn()
	}
	return s
}

// trust takes the bound off what may be read.
func (s *stream) trust() { s.allowed.Store(math.MaxInt64) }

// firstPacket is a client's first packet, and what it says when it is the usual one.
type firstPacket struct {
	raw     []byte
	message *kexInit
}

// greet says the version to a client, and returns what the client says that it can
// do, before x/crypto makes an offer of its own. It is nil where the client says that
// no earlier than it hears the same from here (some do): patience is for how
// long that is waited for. x/crypto meets the conversation as if it had not begun.
func (s *stream) greet(version string, patience time.Duration) (*kexInit, error) {
	greeting := []byte(version + "\r\n")
	if _, err := s.Write(greeting); err != nil {
		return nil, err
	}
	line, err := readVersion(s)
	if err != nil && len(line) == 0 {
		return nil, errSilent
	}
	if err != nil {
		return nil, err
	}
	s.greeted, s.replay = greeting, line
	first := make(chan firstPacket, 1)
	go func() { // Read waits for it; it ends with the connection
		raw, message := readKexInit(readerFunc(s.receive))
		first <- firstPacket{raw, message}
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case got := <-first:
		s.replay = append(s.replay, got.raw...)
		return got.message, nil
	case <-late.C:
		s.first = first
		return nil, nil
	}
}

// readerFunc makes a reader of a function.
type readerFunc func([]byte) (int, error)

func (read readerFunc) Read(p []byte) (int, error) { return read(p) }

// count takes bytes off what may be read.
func (s *stream) count(n int) error {
	if s.allowed.Add(-int64(n)) < 0 {
		return errTooMuch
	}
	return nil
}

// Read implements io.Reader for one reader.
func (s *stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(s.replay) == 0 && s.first != nil {
		s.replay, s.first = (<-s.first).raw, nil
	}
	if len(s.replay) > 0 {
		n := copy(p, s.replay)
		if s.replay = s.replay[n:]; len(s.replay) == 0 {
			s.replay = nil
		}
		return n, nil
	}
	return s.receive(p)
}

// receive reads what the peer sent.
func (s *stream) receive(p []byte) (int, error) {
	if len(s.unread) == 0 {
		if s.system == nil {
			n, err := s.Conn.Read(p)
			if err == nil {
				err = s.count(n)
			}
			return n, err
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.unread)
	if s.unread = s.unread[n:]; len(s.unread) == 0 {
		streamBuffers.Put(s.buffer)
		s.buffer = nil
	}
	return n, s.count(n)
}

// fill waits until there is something to read, without holding a buffer.
func (s *stream) fill() error {
	var failed error
	n := 0
	err := s.system.Read(func(descriptor uintptr) bool {
		buffer := streamBuffers.Get().(*[]byte)
		for {
			n, failed = syscall.Read(int(descriptor), *buffer)
			if failed != syscall.EINTR {
				break
			}
		}
		if n > 0 {
			s.buffer, s.unread = buffer, (*buffer)[:n]
			return true
		}
		streamBuffers.Put(buffer)
		return failed != syscall.EAGAIN
	})
	switch {
	case err != nil:
		return err
	case failed != nil:
		return &net.OpError{Op: "read", Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: os.NewSyscallError("read", failed)}
	case n == 0:
		return io.EOF
	}
	return nil
}

// Write implements io.Writer for one writer. When it returns, p is on its way or
// will be; an error may be that of an earlier write.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayWrite(); err != nil {
		return 0, err
	}
	if s.greeted != nil {
		if !bytes.Equal(p, s.greeted) {
			return 0, errors.New("another version was said before")
		}
		s.greeted = nil
		return len(p), nil
	}
	if len(p) < bulkWrite && !s.flushes && !s.writing {
		s.writing = true
		s.mu.Unlock()
		n, err := s.Conn.Write(p)
		s.mu.Lock()
		s.writing = false
		s.changed.Broadcast()
		return n, err
	}
	return s.enqueue(p)
}

// mayWrite tells why nothing can be written any more. Holding mu.
func (s *stream) mayWrite() error {
	if s.failed != nil {
		return s.failed
	}
	if s.closed {
		return net.ErrClosed
	}
	return nil
}

// enqueue queues bytes, and waits where more than a buffer is queued. Holding mu.
func (s *stream) enqueue(p []byte) (written int, err error) {
	for len(p) > 0 {
		for len(s.queued) == streamBuffer && s.mayWrite() == nil {
			s.changed.Wait()
		}
		if err := s.mayWrite(); err != nil {
			return written, err
		}
		if s.queue == nil {
			s.queue = streamBuffers.Get().(*[]byte)
			s.queued = (*s.queue)[:0]
		}
		n := min(len(p), streamBuffer-len(s.queued))
		s.queued = append(s.queued, p[:n]...)
		p, written = p[n:], written+n
		if !s.flushes {
			s.flushes = true
			go s.flush() // ends when nothing is queued; Close waits for it, in bounded time
		}
	}
	return written, nil
}

// flush hands over what is queued until nothing is.
func (s *stream) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queued) > 0 && s.failed == nil {
		queue, queued := s.queue, s.queued
		s.queue, s.queued = nil, nil
		s.changed.Broadcast()
		s.mu.Unlock()
		_, err := s.Conn.Write(queued)
		streamBuffers.Put(queue)
		s.mu.Lock()
		if s.failed == nil {
			s.failed = err
		}
	}
	s.flushes = false
	s.changed.Broadcast()
}

// Close lets what was written go out, for a bounded time, and closes the
// connection. What waits to be read is not read any more. x/crypto calls it too, when
// the conversation has ended or cannot go on.
func (s *stream) Close() error {
	s.mu.Lock()
	if s.closed = true; s.flushes {
		_ = s.Conn.SetReadDeadline(time.Now())
		late := time.AfterFunc(flushTime, func() { s.fail(os.ErrDeadlineExceeded) })
		for s.flushes && s.failed == nil {
			s.changed.Wait()
		}
		late.Stop()
	}
	s.changed.Broadcast()
	s.mu.Unlock()
	err := s.Conn.Close()
	s.over()
	return err
}

// fail keeps the first failure of writing.
func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
	s.changed.Broadcast()
}
