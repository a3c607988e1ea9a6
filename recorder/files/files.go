// Package files records what goes through a channel that carries files, or bulk.
//
// A session's proxy hands each packet to a [Recorder] before it forwards it, and
// forwards it only if that was recorded. A Recorder that reads SFTP ([SFTP]) or the
// scp protocol ([SCP]) tells what is done with files as cast.FileOperation, and
// leaves the content of files out of the recording, where the role lets it: content
// is counted and hashed, and cast.Bulk says where it was. [Bounded] does the same
// for what a command without a terminal reads and writes, beyond a bound.
//
//	which bytes are kept, which left out   stream.go
//	a file's content and its hash          content.go
//	what SFTP and scp have in common       parsed.go
//	SFTP version 3                         sftp.go, request.go, answer.go, packet.go
//	scp                                    scp.go, command.go
//	beyond a bound                         bounded.go
//
// Three rules hold throughout. A byte is left out only if it was hashed just then,
// as the content of an open file that its target agreed to, in order; every other
// byte is kept. What is not understood ends the reading: from there on every byte of
// the channel is kept. And memory is bounded, whatever the two sides say.
package files

import "stint/recorder/cast"

// Sink is the recording of one channel. What it returned nil for is recorded; after
// an error nothing may be forwarded any more. Neither slices nor bodies are kept.
type Sink interface {
	// Bytes records bytes of a stream: cast.KindOutput, KindErrorOutput or KindInput.
	Bytes(stream cast.Kind, p []byte) error
	// Event records an event.
	Event(body cast.Body) error
}

// Recorder records the streams of one channel, from their first byte. It may be used
// by several goroutines, each of which has a stream. After its Sink's first error it
// returns that.
type Recorder interface {
	// Record returns nil when p is recorded, or accounted for, and may be forwarded.
	Record(stream cast.Kind, p []byte) error
	// Flush tells the recording of everything that was left out so far. Whoever owns
	// the Recorder calls it once a second, and before it records the end of a stream.
	Flush() error
	// Close does, and tells of the operations that were not answered, when nothing more
	// will go through the channel.
	Close() error
}

const (
	// pieceBytes is how much is left out at most before the recording is told.
	pieceBytes = 4 << 20
	// maxSpans bounds the parts of a piece.
	maxSpans = 2048
	// window bounds the bytes of a channel that wait for others of their file that come
	// before them, and how far ahead of those they may be.
	window = 4 << 20
	// maxMessage bounds what is kept of a message in the event; all of it is among the bytes.
	maxMessage = 256
)
