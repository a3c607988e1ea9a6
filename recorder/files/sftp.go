package files

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"

	"stint/recorder/cast"
)

const (
	maxHandles  = 1024
	maxRequests = 4096
)

// SFTP records a channel that runs the subsystem sftp, and tells of files as SFTP
// version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's extensions has them. With
// content the content of files is kept, too.
func SFTP(sink Sink, content bool) Recorder {
	r := newParsed("SFTP version 3", sink, content)
	r.protocol = &sftp{parsed: r, handles: make(map[string]*handle), requests: make(map[uint32]request)}
	return r
}

// sftp is what is known of both sides.
type sftp struct {
	*parsed
	client, target packets
	handles        map[string]*handle // open, or being closed
	requests       map[uint32]request // not answered yet
	opened         uint64             // files so far
	waiting        int                // bytes of all files that wait for their turn
}

// handle is an open file or directory.
type handle struct {
	name      string // the target's, any bytes
	path      string
	flags     uint32 // of the request to open it
	directory bool
	closing   bool // the client uses it no more
	closed    bool
	sized     bool // its size was set, to size
	size      uint64
	altered   bool // its content was changed in another way as well
	asked     bool // the client asked to read
	number    uint64
	read      content
	write     content
	outcome   string // of the first read or write that failed; empty without
	message   string
}

// Flags of SSH_FXP_OPEN.
const (
	flagRead      = 1
	flagWrite     = 2
	flagAppend    = 4
	flagCreate    = 8
	flagTruncate  = 16
	flagExclusive = 32
)

var errVersion = errors.New("it is another version")

// read implements protocol.
func (f *sftp) read(s *stream) error {
	p, step := &f.target, f.answer
	if s == &f.input {
		p, step = &f.client, f.request
	}
	for len(s.rest()) > 0 {
		if p.want == 0 {
			p.head, p.want, p.more, p.content = p.head[:0], prefixBytes, 0, nil
		}
		if missing := p.want - len(p.head); missing > 0 {
			n := min(missing, len(s.rest()))
			p.head = append(p.head, s.rest()[:n]...)
			s.keep(n)
			if n < missing {
				return nil
			}
			if err := f.gathered(s, p, step); err != nil {
				return err
			}
			continue
		}
		f.pass(s, p, int(min(p.more, uint64(len(s.rest())))))
	}
	return nil
}

// gathered goes on with a packet of which the head is there as far as it was wanted:
// either more is wanted of it, or it is dealt with.
func (f *sftp) gathered(s *stream, p *packets, step func(p *packets) error) error {
	if len(p.head) == prefixBytes {
		p.size, p.kind = uint64(binary.BigEndian.Uint32(p.head))-1, p.head[4]
		if p.size >= maxPacket { // of length 0, too
			return errLength
		}
		if isFirst := p.kind == packetInit || p.kind == packetVersion; isFirst == p.begun {
			return errOrder
		}
		p.begun = true
	}
	want, err := p.wants()
	if err != nil {
		return err
	}
	if p.want = prefixBytes + want; p.want > len(p.head) {
		return nil
	}
	if p.size < uint64(want) {
		return errLength
	}
	p.more = p.size - uint64(want)
	if err := step(p); err != nil {
		return err
	}
	if p.content != nil && p.place == early {
		p.block = make([]byte, 0, p.more)
	}
	if p.more == 0 {
		f.passed(s, p)
	}
	return nil
}

// wants is how many bytes behind the type have to be gathered before anything can be
// said of a packet.
func (p *packets) wants() (int, error) {
	switch p.kind {
	case packetWrite: // number, length of the handle; handle, offset, length
		if len(p.head) < prefixBytes+8 {
			return 8, nil
		}
		length := binary.BigEndian.Uint32(p.head[prefixBytes+4:])
		if length > maxHandle {
			return 0, errLength
		}
		return 8 + int(length) + 8 + 4, nil
	case packetData: // number, length
		return 8, nil
	case packetName, packetAttributes, packetExtendedReply: // number
		return 4, nil
	case packetInit, packetVersion: // version; the rest names extensions
		return 4, nil
	}
	if p.size > maxSmall {
		return 0, errLength
	}
	return int(p.size), nil
}

// pass lets the next n bytes of a packet through.
func (f *sftp) pass(s *stream, p *packets, n int) {
	switch {
	case p.content == nil:
		s.keep(n)
	case p.place == inOrder:
		s.leaveOut(n, p.content)
	default:
		if p.place == early {
			p.block = append(p.block, s.rest()[:n]...)
		}
		p.content.size += uint64(n)
		s.keep(n)
	}
	if p.more -= uint64(n); p.more == 0 {
		f.passed(s, p)
	}
}

// passed ends a packet.
func (f *sftp) passed(s *stream, p *packets) {
	p.want = 0
	if cap(p.head) > mostScratch {
		p.head = nil
	}
	c := p.content
	switch {
	case c == nil:
	case p.place == inOrder:
		c.asked = p.asked
		if c.isDue() {
			s.tell() // what is left out ends here, and the hash with it
			f.waiting -= c.catchUp()
		}
	case p.place == early:
		c.wait(p.offset, p.block)
		f.waiting += len(p.block)
		p.block = nil
	}
}

// expect says that the rest of a packet is content: n bytes at an offset of a file.
func (f *sftp) expect(p *packets, c *content, offset, asked uint64) error {
	if offset > math.MaxUint64-maxPacket-asked {
		return errLength
	}
	if p.more == 0 {
		return nil
	}
	p.content, p.offset, p.asked = c, offset, offset+asked
	p.place = c.find(offset, p.more, window-f.waiting)
	if p.place == elsewhere && !c.chaotic {
		f.waiting -= c.giveUp()
	}
	return nil
}

// end implements protocol.
func (f *sftp) end() {
	for _, id := range sortedKeys(f.requests) {
		if event := f.requests[id].event; event != nil {
			event.Outcome = outcomeUnanswered
			f.event(*event)
		}
	}
	for _, name := range byNumber(f.handles) {
		f.finishFile(f.handles[name], outcomeUnanswered, "")
	}
	clear(f.requests)
	clear(f.handles)
}

// finishFile tells what went to and from a file that is closed now.
func (f *sftp) finishFile(h *handle, outcome, message string) {
	h.closed = true
	if h.directory {
		return
	}
	if h.outcome != "" {
		outcome, message = h.outcome, h.message
	}
	for _, one := range [...]struct {
		operation cast.Operation
		s         *stream
		c         *content
		told      bool
		whole     bool
	}{
		{cast.ReadFile, &f.output, &h.read, h.asked, h.read.isWhole()},
		{cast.WriteFile, &f.input, &h.write, h.flags&flagWrite != 0 || h.write.begun, h.isWritten()},
	} {
		if one.s.content == one.c {
			one.s.tell()
		}
		if one.told {
			event := cast.FileOperation{
				Operation: one.operation, Number: h.number, Path: h.path,
				Whole: one.whole && outcome == outcomeOK, Outcome: outcome, Message: message,
			}
			one.c.fill(&event)
			f.event(event)
		}
		f.waiting -= one.c.giveUp()
	}
}

// resize notes that the client sets the size of a file.
func (h *handle) resize(size uint64) {
	h.altered = h.altered || h.sized && h.size != size
	h.sized, h.size = true, size
}

// isWritten tells whether the file has what was written to it and nothing else: from its
// first byte on, and it was empty before, or cut to just that size.
func (h *handle) isWritten() bool {
	w := &h.write
	return w.isOrdered() && w.first == 0 && !h.altered &&
		(h.sized && h.size == w.next || !h.sized && h.flags&(flagTruncate|flagExclusive) != 0)
}

// flagWords says how a file is opened.
func flagWords(flags uint32) string {
	var words []string
	for i, word := range [...]string{"read", "write", "append", "create", "truncate", "exclusive"} {
		if flags&(1<<i) != 0 {
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}
