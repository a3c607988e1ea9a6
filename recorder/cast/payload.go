package cast

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// maxPayload bounds one event. OpenSSH's largest packet is 256 KiB, so that every
// request it can send fits.
const maxPayload = 256 << 10

var errFrame = errors.New("an event is not in its one encoding")

// appendFrame encodes an event: kind, channel, offset, length, payload.
func appendFrame(b []byte, e Event, payload []byte) []byte {
	b = append(b, byte(e.Body.Kind()))
	b = binary.AppendUvarint(b, uint64(e.Channel))
	b = binary.AppendUvarint(b, uint64(e.Offset/time.Microsecond))
	b = binary.AppendUvarint(b, uint64(len(payload)))
	return append(b, payload...)
}

// parseFrame decodes the first event of block and returns what follows it. Bytes
// of Output, ErrorOutput and Input stay part of block.
func parseFrame(block []byte) (Event, []byte, error) {
	p := parser{rest: block}
	kind := Kind(p.byte())
	channel := p.uint32()
	micros := p.uvarint()
	length := p.uvarint()
	if p.bad || micros > math.MaxInt64/1000 || length > maxPayload || length > uint64(len(p.rest)) {
		return Event{}, nil, errFrame
	}
	payload, rest := p.rest[:length:length], p.rest[length:]
	body, err := parseBody(kind, payload)
	if err != nil {
		return Event{}, nil, err
	}
	return Event{Offset: time.Duration(micros) * time.Microsecond, Channel: channel, Body: body}, rest, nil
}

func parseBody(kind Kind, payload []byte) (Body, error) {
	p := parser{rest: payload}
	var body Body
	switch kind {
	case KindOutput:
		return Output(payload), nil
	case KindErrorOutput:
		return ErrorOutput(payload), nil
	case KindInput:
		return Input(payload), nil
	case KindSignal:
		return Signal(payload), nil
	case KindNote:
		return Note(payload), nil
	case KindChannelOpen:
		body = ChannelOpen{Type: p.channelType(), Command: p.string(), Terminal: p.string(), Size: p.size()}
	case KindWindowChange:
		body = WindowChange(p.size())
	case KindExitStatus:
		body = ExitStatus(p.uint32())
	case KindExitSignal:
		body = ExitSignal{Signal: p.string(), CoreDumped: p.bool(), Message: p.string()}
	case KindEOF:
		body = EOF{Input: p.bool()}
	case KindChannelClose:
		body = ChannelClose{}
	case KindRefused:
		body = Refused{What: p.string(), Why: p.string()}
	case KindEnvironment:
		body = Environment{Name: p.string(), Value: p.string()}
	case KindEnd:
		body = End{Reason: Reason(p.string()), Detail: p.string()}
	case KindConnection:
		body = p.connection()
	case KindConnectionEnd:
		body = p.connectionEnd()
	case KindAgentSignature:
		body = p.agentSignature()
	case KindListen:
		body = p.listen()
	case KindFile:
		body = p.file()
	case KindBulk:
		body = p.bulk()
	default:
		return nil, fmt.Errorf("an event is of the unknown kind %d", kind)
	}
	if p.bad || len(p.rest) != 0 {
		return nil, errFrame
	}
	return body, body.check()
}

// parser takes values off the front; bad stays set once one was missing or not in
// its shortest form.
type parser struct {
	rest []byte
	bad  bool
}

func (p *parser) byte() byte {
	if len(p.rest) == 0 {
		p.bad = true
		return 0
	}
	b := p.rest[0]
	p.rest = p.rest[1:]
	return b
}

func (p *parser) bool() bool {
	b := p.byte()
	p.bad = p.bad || b > 1
	return b == 1
}

func (p *parser) uvarint() uint64 {
	v, n := binary.Uvarint(p.rest)
	if n <= 0 || n > 1 && p.rest[n-1] == 0 { // a last byte of zero: not the shortest form
		p.bad = true
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

func (p *parser) uint32() uint32 {
	v := p.uvarint()
	p.bad = p.bad || v > math.MaxUint32
	return uint32(v)
}

func (p *parser) string() string {
	n := p.uvarint()
	if p.bad || n > uint64(len(p.rest)) {
		p.bad = true
		return ""
	}
	s := string(p.rest[:n])
	p.rest = p.rest[n:]
	return s
}

func (p *parser) size() Size {
	return Size{Columns: p.uint32(), Rows: p.uint32(), Width: p.uint32(), Height: p.uint32()}
}

var channelTypes = [...]ChannelType{1: Shell, 2: Exec, 3: Subsystem, 4: Forward, 5: RemoteForward, 6: Agent, 7: X11}

func (p *parser) channelType() ChannelType {
	return word(p, channelTypes[:])
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func (s Size) append(b []byte) []byte {
	for _, v := range [...]uint32{s.Columns, s.Rows, s.Width, s.Height} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return b
}

func (o Output) append(b []byte) []byte      { return append(b, o...) }
func (o ErrorOutput) append(b []byte) []byte { return append(b, o...) }
func (i Input) append(b []byte) []byte       { return append(b, i...) }
func (s Signal) append(b []byte) []byte      { return append(b, s...) }
func (n Note) append(b []byte) []byte        { return append(b, n...) }

func (o ChannelOpen) append(b []byte) []byte {
	b = append(b, number(channelTypes[:], o.Type))
	return o.Size.append(appendString(appendString(b, o.Command), o.Terminal))
}

func (w WindowChange) append(b []byte) []byte { return Size(w).append(b) }

func (s ExitStatus) append(b []byte) []byte { return binary.AppendUvarint(b, uint64(s)) }

func (s ExitSignal) append(b []byte) []byte {
	return appendString(appendBool(appendString(b, s.Signal), s.CoreDumped), s.Message)
}

func (e EOF) append(b []byte) []byte { return appendBool(b, e.Input) }

func (ChannelClose) append(b []byte) []byte { return b }

func (r Refused) append(b []byte) []byte { return appendString(appendString(b, r.What), r.Why) }

func (e Environment) append(b []byte) []byte { return appendString(appendString(b, e.Name), e.Value) }

func (e End) append(b []byte) []byte {
	return appendString(appendString(b, string(e.Reason)), e.Detail)
}

func (Output) check() error       { return nil }
func (ErrorOutput) check() error  { return nil }
func (Input) check() error        { return nil }
func (Signal) check() error       { return nil }
func (Note) check() error         { return nil }
func (WindowChange) check() error { return nil }
func (ExitStatus) check() error   { return nil }
func (ExitSignal) check() error   { return nil }
func (EOF) check() error          { return nil }
func (ChannelClose) check() error { return nil }
func (Refused) check() error      { return nil }
func (Environment) check() error  { return nil }

func (o ChannelOpen) check() error {
	switch o.Type {
	case Shell, Exec, Subsystem:
		return nil
	}
	return fmt.Errorf("a channel cannot be of the type %q", o.Type)
}

func (e End) check() error {
	if !isWord(string(e.Reason)) {
		return errors.New("an end's reason is made of 1 to 32 lower-case letters and hyphens")
	}
	return nil
}
