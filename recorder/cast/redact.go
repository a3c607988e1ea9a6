package cast

import (
	"bufio"
	"fmt"
	"io"
)

// Redact copies a whole recording and leaves out the content of every block of which omit
// says so of an event, or that open does not open: nobody has seen what that holds. It
// returns how many blocks it took out.
//
// The copy has the chain and the seals of the original, and is verified in the same way.
// What was taken out cannot be found by trying: that takes a salt that was in it, which
// the keys of the recording do not give either. After an error, which are those of
// [NewReader] and [Reader.Next], what was written of the copy is of no use.
func Redact(w io.Writer, stream io.Reader, open Opener, omit func(Event) bool) (int64, error) {
	r, err := NewReader(stream, open)
	if err != nil {
		return 0, err
	}
	if !r.Opens(SessionTrack) {
		return 0, ErrNoKey
	}
	header, err := r.header.encode()
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriter(w)
	_, _ = out.Write(appendRecord([]byte(magic), recordHeader, header)) // a failed writer fails its Flush, too
	var taken int64
	var original, left []byte
	for {
		record, err := r.record()
		if err == nil {
			// Opening a block overwrites it.
			original = appendRecord(original[:0], record.kind, record.body)
		}
		if err = r.take(record, err); err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		left = original
		if record.kind == recordBlock && r.redacts(omit) {
			body := original[recordPrefix : len(original)-recordSuffix]
			in := newEntry(body[:blockStart], body[blockStart:])
			left = appendRecord(nil, recordRedacted, in[1:])
			taken++
		}
		if _, err := out.Write(left); err != nil {
			return 0, fmt.Errorf("writing the redacted recording: %w", err)
		}
		r.frames, r.end = nil, nil
	}
	if err := out.Flush(); err != nil {
		return 0, fmt.Errorf("writing the redacted recording: %w", err)
	}
	return taken, nil
}

// redacts tells whether the block that was just taken is to be left out.
func (r *Reader) redacts(omit func(Event) bool) bool {
	if len(r.frames) == 0 {
		return true // it stayed closed
	}
	for frames := r.frames; len(frames) > 0; {
		e, rest, err := parseFrame(frames)
		if err != nil || omit(e) {
			return true
		}
		frames = rest
	}
	return false
}
