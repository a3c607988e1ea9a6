package sshproxy

import (
	"errors"
	"io"
	"sync"

	"stint/recorder/cast"
)

const (
	smallBuffer = 2 << 10
	largeBuffer = 256 << 10 // several packets, where they are there already
)

// Most channels are idle most of the time; only those through which much goes
// hold a large buffer.
var (
	smallBuffers = sync.Pool{New: func() any { b := make([]byte, smallBuffer); return &b }}
	largeBuffers = sync.Pool{New: func() any { b := make([]byte, largeBuffer); return &b }}
)

// errNotPassed means that bytes were read that could not be recorded, or may no
// longer pass.
var errNotPassed = errors.New("not passed on")

// pass copies a stream to its end, recording before it forwards. It returns nil
// at the end of the stream.
func (c *channel) pass(stream cast.Kind, from io.Reader, to io.Writer) error {
	return c.session.relay(from, to, func(p []byte) bool { return c.keep(stream, p) })
}

// relay copies a stream to its end. What keep does not take is not forwarded. It
// returns nil at the end of the stream.
func (s *session) relay(from io.Reader, to io.Writer, keep func([]byte) bool) error {
	pool := &smallBuffers
	buffer := pool.Get().(*[]byte)
	defer func() { pool.Put(buffer) }()
	for {
		n, err := from.Read(*buffer)
		if n > 0 {
			if s.isCut() || !keep((*buffer)[:n]) {
				return errNotPassed
			}
			s.stir()
			if _, err := to.Write((*buffer)[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if want := poolFor(n, len(*buffer)); want != pool {
			pool.Put(buffer)
			pool, buffer = want, want.Get().(*[]byte)
		}
	}
}

// poolFor picks the next buffer: a large one after a full one, a small one after
// little.
func poolFor(n, size int) *sync.Pool {
	if n == size || size == largeBuffer && n > smallBuffer {
		return &largeBuffers
	}
	return &smallBuffers
}
