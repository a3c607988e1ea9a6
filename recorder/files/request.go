package files

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stint/recorder/cast"
)

// request waits for its answer.
type request struct {
	kind   byte
	event  *cast.FileOperation // what to tell when it is answered; nil for nothing
	handle *handle             // that it is about; nil for none
	flags  uint32
	offset uint64
	length uint32
	sized  bool // it sets the size of an open file
	names  bool // the answer may be names, attributes, or an extension's
}

// request deals with a packet of the client's.
func (f *sftp) request(p *packets) error {
	in := fields{rest: p.head[prefixBytes:]}
	if p.kind == packetInit {
		if in.uint32() < 3 {
			return errVersion
		}
		return nil
	}
	id := in.uint32()
	asked, err := f.asks(p, &in)
	if err != nil {
		return err
	}
	if !in.done() {
		return errLength
	}
	if _, twice := f.requests[id]; twice {
		return errReused
	}
	if len(f.requests) >= maxRequests {
		return errTooMuch
	}
	asked.kind = p.kind
	f.requests[id] = asked
	return nil
}

// asks reads what a request is for.
func (f *sftp) asks(p *packets, in *fields) (asked request, err error) {
	tell := func(operation cast.Operation, path string) *cast.FileOperation {
		asked.event = &cast.FileOperation{Operation: operation, Path: path}
		return asked.event
	}
	switch p.kind {
	case packetOpen:
		event := tell(cast.OpenFile, in.string())
		asked.flags = in.uint32()
		event.Flags = flagWords(asked.flags)
		in.attributes(event)
	case packetClose:
		if asked.handle, err = f.open(in); err == nil {
			asked.handle.closing = true
		}
	case packetRead:
		if asked.handle, err = f.openFile(in); err != nil {
			return asked, err
		}
		asked.offset, asked.length = in.uint64(), in.uint32()
		asked.handle.asked = true
		asked.handle.read.begin(asked.handle.number, asked.offset)
	case packetWrite:
		if asked.handle, err = f.openFile(in); err != nil {
			return asked, err
		}
		offset, length := in.uint64(), in.uint32()
		if uint64(length) != p.more {
			return asked, errLength
		}
		asked.handle.write.begin(asked.handle.number, offset)
		return asked, f.expect(p, &asked.handle.write, offset, uint64(length))
	case packetFsetstat:
		if asked.handle, err = f.open(in); err != nil {
			return asked, err
		}
		size, sized := in.attributes(tell(cast.SetAttributes, asked.handle.path))
		if asked.sized = sized; sized {
			asked.handle.resize(size)
		}
	case packetFstat, packetReaddir:
		asked.names = true
		asked.handle, err = f.open(in)
	case packetSetstat:
		in.attributes(tell(cast.SetAttributes, in.string()))
	case packetOpendir:
		tell(cast.ListDirectory, in.string())
	case packetRemove:
		tell(cast.RemoveFile, in.string())
	case packetMkdir:
		in.attributes(tell(cast.MakeDirectory, in.string()))
	case packetRmdir:
		tell(cast.RemoveFolder, in.string())
	case packetRename:
		tell(cast.RenameFile, in.string()).Other = in.string()
	case packetSymlink:
		// OpenSSH's order, which all follow: what it points to, then where it is.
		to := in.string()
		tell(cast.MakeSymlink, in.string()).Other = to
	case packetLstat, packetStat, packetRealpath, packetReadlink:
		asked.names = true
		in.bytes()
	case packetExtended:
		err = f.asksMore(in, &asked, tell)
	default:
		err = errUnknown
	}
	return asked, err
}

// asksMore reads the extensions that OpenSSH has (its PROTOCOL, section 4).
func (f *sftp) asksMore(in *fields, asked *request, tell func(cast.Operation, string) *cast.FileOperation) (err error) {
	switch name := in.string(); name {
	case "posix-rename@openssh.com":
		event := tell(cast.RenameFile, in.string())
		event.Other, event.Flags = in.string(), "replacing"
	case "hardlink@openssh.com":
		from := in.string()
		event := tell(cast.MakeLink, from)
		event.Other = in.string()
	case "lsetstat@openssh.com":
		event := tell(cast.SetAttributes, in.string())
		event.Flags = "of the link itself"
		in.attributes(event)
	case "copy-data":
		from, err := f.openFile(in)
		if err != nil {
			return err
		}
		offset, length := in.uint64(), in.uint64()
		to, err := f.openFile(in)
		if err != nil {
			return err
		}
		event := tell(cast.CopyOnTarget, from.path)
		event.Other, event.Offset = to.path, offset
		if offset+length >= offset { // of a length that makes no sense nothing is said; 0 is up to the end
			event.Size = length
		}
		event.Attributes = fmt.Sprintf("to offset %d", in.uint64())
		to.altered = true
	case "fsync@openssh.com", "fstatvfs@openssh.com":
		asked.names = true
		asked.handle, err = f.open(in)
	case "statvfs@openssh.com", "expand-path@openssh.com", "home-directory", "limits@openssh.com", "users-groups-by-id@openssh.com":
		asked.names = true // they change nothing and read no file
		in.rest = nil
	default:
		err = errUnknown
	}
	return err
}

// open is the open file or directory that a request names.
func (f *sftp) open(in *fields) (*handle, error) {
	h := f.handles[string(in.bytes())]
	if h == nil || h.closing || in.bad {
		return nil, errHandle
	}
	return h, nil
}

// openFile is the same for what is not a directory.
func (f *sftp) openFile(in *fields) (*handle, error) {
	h, err := f.open(in)
	if err == nil && h.directory {
		return nil, errHandle
	}
	return h, err
}

// Flags of the attributes of a file.
const (
	attributeSize     = 1
	attributeOwner    = 2
	attributeMode     = 4
	attributeTimes    = 8
	attributeExtended = 1 << 31
)

// attributes reads attributes into an event, and tells the size, if it was among them.
func (f *fields) attributes(event *cast.FileOperation) (size uint64, sized bool) {
	flags := f.uint32()
	var words []string
	if flags&attributeSize != 0 {
		size, sized = f.uint64(), true
		words = append(words, fmt.Sprintf("size %d", size))
	}
	if flags&attributeOwner != 0 {
		words = append(words, fmt.Sprintf("owner %d:%d", f.uint32(), f.uint32()))
	}
	if flags&attributeMode != 0 {
		event.Mode = fmt.Sprintf("%04o", f.uint32()&0o7777)
	}
	if flags&attributeTimes != 0 {
		accessed := f.uint32()
		words = append(words, timeWords(int64(accessed), int64(f.uint32())))
	}
	if flags&attributeExtended != 0 {
		for n := f.uint32(); n > 0 && !f.bad; n-- {
			f.bytes()
			f.bytes()
		}
	}
	if flags&^(attributeSize|attributeOwner|attributeMode|attributeTimes|attributeExtended) != 0 {
		f.bad = true
	}
	event.Attributes = strings.Join(words, ", ")
	return size, sized
}

// timeWords says when a file was read and changed last, from seconds since 1970.
func timeWords(accessed, modified int64) string {
	return fmt.Sprintf("accessed %s, modified %s", time.Unix(accessed, 0).UTC().Format(time.RFC3339), time.Unix(modified, 0).UTC().Format(time.RFC3339))
}

func sortedKeys(requests map[uint32]request) []uint32 { return slices.Sorted(maps.Keys(requests)) }

func byNumber(handles map[string]*handle) []string {
	return slices.SortedFunc(maps.Keys(handles), func(a, b string) int {
		return cmp.Or(cmp.Compare(handles[a].number, handles[b].number), cmp.Compare(a, b))
	})
}
