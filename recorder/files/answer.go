package files

const (
	outcomeOK         = "ok"
	outcomeFailure    = "failure"
	outcomeUnanswered = "unanswered"
)

const (
	statusOK        = 0
	statusEndOfFile = 1
)

// outcomes are the names of SFTP's statuses.
var outcomes = [...]string{
	statusOK: outcomeOK, statusEndOfFile: "end-of-file", 2: "no-such-file", 3: "permission-denied", 4: outcomeFailure,
	5: "bad-message", 6: "no-connection", 7: "connection-lost", 8: "operation-unsupported",
}

// answer deals with a packet of the target's.
func (f *sftp) answer(p *packets) error {
	in := fields{rest: p.head[prefixBytes:]}
	if p.kind == packetVersion {
		if in.uint32() != 3 {
			return errVersion
		}
		return nil
	}
	id := in.uint32()
	asked, ok := f.requests[id]
	if !ok {
		return errAnswer
	}
	delete(f.requests, id)
	switch p.kind {
	case packetStatus:
		return f.status(asked, &in)
	case packetHandle:
		return f.opens(asked, &in)
	case packetData:
		length := in.uint32()
		switch {
		case asked.kind != packetRead || asked.handle.closed:
			return errAnswer
		case uint64(length) != p.more || length > asked.length:
			return errLength
		}
		return f.expect(p, &asked.handle.read, asked.offset, uint64(asked.length))
	case packetName, packetAttributes, packetExtendedReply:
		if !asked.names {
			return errAnswer
		}
		return nil
	}
	return errUnknown
}

// status ends a request with a success or a failure.
func (f *sftp) status(asked request, in *fields) error {
	status := in.uint32()
	message := ""
	if len(in.rest) > 0 { // some leave it out
		if text := in.bytes(); status != statusOK {
			message = string(text[:min(len(text), maxMessage)])
		}
		if len(in.rest) > 0 {
			in.bytes() // the language
		}
	}
	if !in.done() {
		return errLength
	}
	outcome := outcomeFailure
	if int(status) < len(outcomes) {
		outcome = outcomes[status]
	}
	if status == statusOK && (asked.kind == packetOpen || asked.kind == packetOpendir || asked.kind == packetRead) {
		return errAnswer
	}
	h := asked.handle
	switch asked.kind {
	case packetClose:
		f.finishFile(h, outcome, message)
		delete(f.handles, h.name)
	case packetRead:
		if status == statusEndOfFile {
			h.read.end(asked.offset)
			return nil
		}
		h.fail(outcome, message)
	case packetWrite:
		if status != statusOK {
			h.fail(outcome, message)
		}
	case packetFsetstat:
		h.altered = h.altered || asked.sized && status != statusOK
	}
	if asked.event != nil {
		asked.event.Outcome, asked.event.Message = outcome, message
		f.event(*asked.event)
	}
	return nil
}

// fail keeps the first failure of a read or write.
func (h *handle) fail(outcome, message string) {
	if h.outcome == "" {
		h.outcome, h.message = outcome, message
	}
}

// opens takes the handle of what was opened.
func (f *sftp) opens(asked request, in *fields) error {
	name := in.string()
	switch {
	case asked.kind != packetOpen && asked.kind != packetOpendir:
		return errAnswer
	case !in.done() || len(name) > maxHandle:
		return errLength
	case f.handles[name] != nil:
		return errReused
	case len(f.handles) >= maxHandles:
		return errTooMuch
	}
	h := &handle{name: name, path: asked.event.Path, flags: asked.flags, directory: asked.kind == packetOpendir}
	if !h.directory {
		f.opened++
		h.number = f.opened
		asked.event.Number = h.number
	}
	f.handles[name] = h
	asked.event.Outcome = outcomeOK
	f.event(*asked.event)
	return nil
}
