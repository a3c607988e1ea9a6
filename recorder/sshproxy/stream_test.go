package sshproxy

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"math"
	"net"
	"testing"
	"time"
)

// streamPair is a stream and the connection at its other end.
func streamPair(t *testing.T, allowed int64) (*stream, *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	far, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := newStream(near, allowed)
	t.Cleanup(func() {
		far.Close()
		s.Close()
	})
	return s, far.(*net.TCPConn)
}

// noise is bytes in which any disorder shows.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// cutUp splits bytes into pieces small and large, as packets of all kinds are
// written.
func cutUp(b []byte) (pieces [][]byte) {
	sizes := []int{1, 64, bulkWrite - 1, bulkWrite, 28 << 10, 36, bulkWrite + 1, streamBuffer - 1, streamBuffer + 7, 3 * streamBuffer}
	for i := 0; len(b) > 0; i++ {
		n := min(sizes[i%len(sizes)], len(b))
		pieces, b = append(pieces, b[:n]), b[n:]
	}
	return pieces
}

func TestStreamKeepsEveryByteInOrder(t *testing.T) {
	t.Parallel()
	s, far := streamPair(t, math.MaxInt64)
	want := noise(8 << 20)
	go func() {
		for _, piece := range cutUp(want) {
			scratch := bytes.Clone(piece)
			if _, err := s.Write(scratch); err != nil {
				t.Error(err)
			}
			clear(scratch) // the writer uses it again
		}
		s.Close()
	}()
	if got, err := io.ReadAll(far); err != nil || !bytes.Equal(got, want) {
		t.Errorf("written: %d bytes arrived of %d, or others: %v", len(got), len(want), err)
	}

	s, far = streamPair(t, math.MaxInt64)
	go func() {
		for _, piece := range cutUp(want) {
			_, _ = far.Write(piece)
		}
		_ = far.CloseWrite()
	}()
	if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read: %d bytes arrived of %d, or others: %v", len(got), len(want), err)
	}
	if s.buffer != nil {
		t.Error("a stream in which nothing is to be read holds a buffer")
	}
}

// A key of a terminal must not wait for anything.
func TestSmallWriteGoesOutAtOnce(t *testing.T) {
	t.Parallel()
	s, far := streamPair(t, math.MaxInt64)
	if _, err := s.Write([]byte("k")); err != nil {
		t.Fatal(err)
	}
	if s.queue != nil || s.flushes {
		t.Error("a small write was queued")
	}
	if _, err := io.ReadFull(far, make([]byte, 1)); err != nil {
		t.Error(err)
	}
}

// A peer that reads nothing holds up the writer, in bounded memory, and cannot
// keep the connection from being closed.
func TestStreamToADeafPeerIsClosed(t *testing.T) {
	t.Parallel()
	s, _ := streamPair(t, math.MaxInt64)
	wrote := make(chan error, 1)
	go func() {
		piece := noise(32 << 10)
		for {
			if _, err := s.Write(piece); err != nil {
				wrote <- err
				return
			}
		}
	}()
	read := make(chan error, 1)
	go func() {
		_, err := s.Read(make([]byte, 1))
		read <- err
	}()
	awaitFull(t, s)
	go s.Close()
	for what, ended := range map[string]chan error{"writer": wrote, "reader": read} {
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("the %s went on", what)
			}
		case <-time.After(time.Minute):
			t.Fatalf("the %s of a closed stream still waits", what)
		}
	}
}

// awaitFull waits until a stream has queued as much as it may.
func awaitFull(t *testing.T, s *stream) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		full := len(s.queued) == streamBuffer
		s.mu.Unlock()
		if full {
			return
		}
	}
	t.Fatal("the peer reads all the same")
}

func TestStreamBoundsWhatIsSaidBefore(t *testing.T) {
	t.Parallel()
	s, far := streamPair(t, 1000)
	if _, err := far.Write(noise(1001)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(s); !errors.Is(err, errTooMuch) {
		t.Errorf("a stranger said more than it may: %v", err)
	}

	s, far = streamPair(t, 1000)
	_, _ = far.Write(noise(1000))
	if _, err := io.ReadFull(s, make([]byte, 1000)); err != nil {
		t.Error(err)
	}
	s.trust()
	go far.Write(noise(5000))
	if _, err := io.ReadFull(s, make([]byte, 5000)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
