package sshproxy

import (
	"bytes"
	"encoding/binary"
	"regexp"

	"golang.org/x/crypto/ssh"
)

// Payloads of X11 forwarding (RFC 4254, section 6.3).
type (
	x11Request struct {
		Single   bool
		Protocol string
		Cookie   string
		Screen   uint32
	}
	x11Origin struct {
		Address string
		Port    uint32
	}
)

var (
	x11Protocol = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	x11Cookie   = regexp.MustCompile(`^([0-9a-fA-F]{2}){1,256}$`)
)

// plainX11 tells whether a request is one for a screen: its cookie is passed on
// unrecorded, so nothing else may travel in its place.
func plainX11(payload []byte) bool {
	var want x11Request
	return ssh.Unmarshal(payload, &want) == nil && x11Protocol.MatchString(want.Protocol) && x11Cookie.MatchString(want.Cookie)
}

// setupHead is the length of the fixed part of what an X client says first: byte
// order, version, and the lengths of the name and data of its authorization (X
// Window System Protocol, section 8).
const setupHead = 12

// cookieMask makes zeros of the cookie in what an X client says first, for the
// recording. Whoever has it may open windows on the person's screen and read what
// they type there, for as long as the session lasts.
type cookieMask struct {
	head     []byte
	at       int // bytes seen; counted until the cookie is past
	from, to int // where the cookie is; known when head is whole
	past     bool
}

// hide returns the bytes as the recording gets them; p stays as it is. It returns
// false for what no X client says.
func (m *cookieMask) hide(p []byte) ([]byte, bool) {
	if m.past {
		return p, true
	}
	m.head = append(m.head, p[:min(len(p), setupHead-len(m.head))]...)
	if m.head[0] != 'B' && m.head[0] != 'l' {
		return nil, false
	}
	begin := m.at
	m.at += len(p)
	if len(m.head) < setupHead {
		return p, true
	}
	if m.to == 0 {
		order := binary.ByteOrder(binary.BigEndian)
		if m.head[0] == 'l' {
			order = binary.LittleEndian
		}
		name, data := int(order.Uint16(m.head[6:])), int(order.Uint16(m.head[8:]))
		m.from = setupHead + (name+3)/4*4
		m.to = m.from + data
	}
	m.past = m.at >= m.to
	if from, to := max(m.from-begin, 0), min(m.to-begin, len(p)); from < to {
		p = bytes.Clone(p)
		clear(p[from:to])
	}
	return p, true
}
