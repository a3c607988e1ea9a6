package cast

import (
	"fmt"
	"io"
	"unicode/utf8"
)

// ExportOptions say what an export holds.
type ExportOptions struct {
	// Channel exports one channel only; 0 exports all, in the order of time.
	Channel uint32
	// Input adds what was typed or sent, passwords included.
	Input bool
	// Faithful leaves an asciicast as the terminal got it, with sequences that can
	// set a reviewer's clipboard or window title when played. [Text] is always inert.
	Faithful bool
}

// wants reports whether an event belongs into the export. What concerns the whole
// session always does.
func (o ExportOptions) wants(e Event) bool {
	if o.Channel != 0 && e.Channel != 0 && e.Channel != o.Channel {
		return false
	}
	return o.Input || e.Body.Kind() != KindInput
}

// track is one stream of one channel: characters and control sequences may be split
// over its events, and events of other streams lie between them.
type track struct {
	channel uint32
	kind    Kind
}

// maxTracks bounds the streams whose state is kept. A recording that has more open
// at once shares one state among the rest: a character split there is lost.
const maxTracks = 1024

// tracks keeps a T for each stream.
type tracks[T any] map[track]*T

func (t tracks[T]) of(e Event) *T {
	key := track{e.Channel, e.Body.Kind()}
	if t[key] == nil {
		if len(t) >= maxTracks {
			key = track{}
		}
		if t[key] == nil {
			t[key] = new(T)
		}
	}
	return t[key]
}

// data gives the bytes of Output, ErrorOutput and Input.
func data(b Body) ([]byte, bool) {
	switch b := b.(type) {
	case Output:
		return b, true
	case ErrorOutput:
		return b, true
	case Input:
		return b, true
	}
	return nil, false
}

// events calls each for all events of the export and returns nil for a whole
// recording, ErrCut or ErrCorrupt after what could be read, or each's error. What a
// subsystem such as sftp sends, and what goes through a connection, is not text: a
// note says how much it was.
func events(r *Reader, o ExportOptions, each func(Event) error) error {
	unshown := make(map[uint32]*traffic)
	for {
		e, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		t := unshown[e.Channel]
		switch body := e.Body.(type) {
		case ChannelOpen:
			delete(unshown, e.Channel)
			if body.Type == Subsystem && len(unshown) < maxTracks {
				unshown[e.Channel] = new(traffic)
			}
		case Connection:
			delete(unshown, e.Channel)
			if body.Content && len(unshown) < maxTracks {
				unshown[e.Channel] = new(traffic)
			}
		case ChannelClose:
			delete(unshown, e.Channel)
			if t != nil && o.wants(e) {
				if err := each(Event{Offset: e.Offset, Channel: e.Channel, Body: t.note()}); err != nil {
					return err
				}
			}
		default:
			if t.takes(e.Body) {
				continue
			}
		}
		if !o.wants(e) {
			continue
		}
		if err := each(e); err != nil {
			return err
		}
	}
}

// traffic counts the bytes of a channel that an export does not show.
type traffic struct {
	in, out int64
}

func (t *traffic) takes(b Body) bool {
	if bulk, ok := b.(Bulk); ok {
		if t != nil && bulk.Stream == KindInput {
			t.in += int64(bulk.Size())
		} else if t != nil {
			t.out += int64(bulk.Size())
		}
		return t != nil || bulk.File != 0 // of a file enough is told when it is closed
	}
	p, ok := data(b)
	if t == nil || !ok {
		return false
	}
	if b.Kind() == KindInput {
		t.in += int64(len(p))
	} else {
		t.out += int64(len(p))
	}
	return true
}

func (t *traffic) note() Note {
	return Note(fmt.Sprintf("%d bytes from the client and %d from the target are not shown", t.in, t.out))
}

// joiner makes UTF-8 of bytes and leaves everything else as it is.
type joiner struct {
	runes []byte
}

func (j *joiner) feed(dst, p []byte) []byte {
	j.runes = append(j.runes, p...)
	p = j.runes
	for len(p) > 0 && utf8.FullRune(p) {
		r, n := utf8.DecodeRune(p)
		dst = utf8.AppendRune(dst, r)
		p = p[n:]
	}
	j.runes = j.runes[:copy(j.runes, p)]
	return dst
}

func (j *joiner) finish(dst []byte) []byte {
	for range j.runes {
		dst = append(dst, "\uFFFD"...)
	}
	j.runes = j.runes[:0]
	return dst
}

// oneLine makes a string from a session fit to stand in a line of its own.
func oneLine(s string) string {
	f := inert{plain: true}
	out := f.finish(f.feed(nil, []byte(s)))
	for i, b := range out {
		if b < ' ' {
			out[i] = ' '
		}
	}
	return string(out)
}
