package sshproxy

import (
	"net"
	"strconv"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
)

// maxListening bounds what the target listens on for one session.
const maxListening = 64

// Payloads of forwarding: RFC 4254, section 7, and OpenSSH's PROTOCOL, section 2.4.
// directTCPIP is in jump.go.
type (
	directStreamlocal struct {
		Path     string
		Reserved string
		Port     uint32 // reserved
	}
	forwardRequest struct { // tcpip-forward and its cancelling
		Address string
		Port    uint32
	}
	streamlocalRequest struct{ Path string }
	forwardedTCPIP     struct {
		Address    string
		Port       uint32
		Origin     string
		OriginPort uint32
	}
	forwardedStreamlocal struct{ Path, Reserved string }
)

// Reasons that a user is given.
const (
	whySenseless   = "stint: the request makes no sense"
	whyManyListens = "stint: a session may have at most 64 remote forwards"
	whyNoListen    = "stint: there is no such remote forward"
	whyNotGranted  = "stint: a target opens no connection to the client that the client did not ask for"
)

// address is how a host and a port are written in the recording. It never looks
// like a socket's.
func address(host string, port uint32) string {
	if host == "" && port == 0 {
		return "" // what has no address: a socket, for one
	}
	return net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))
}

// socket is how the path of a socket is written in the recording.
func socket(path string) string { return "unix:" + path }

// openForward makes a connection that the client asked the target for, or refuses it.
func (s *session) openForward(opened ssh.NewChannel) {
	refuse := func(reason ssh.RejectionReason, why string) {
		s.record(0, cast.Refused{What: opened.ChannelType(), Why: why})
		_ = opened.Reject(reason, why)
	}

	// 1. It says where to.
	event, payload, ok := readForward(opened)
	if !ok {
		refuse(ssh.ConnectionFailed, whySenseless)
		return
	}

	// 2. The role gives such connections.
	if why := s.rules.refuses(cast.Forward); why != "" {
		s.record(0, cast.Refused{What: opened.ChannelType() + " to " + printable(event.To), Why: why})
		_ = opened.Reject(ssh.Prohibited, why)
		return
	}

	// 3. There is room for it.
	if !s.enterConnection() {
		refuse(ssh.ResourceShortage, whyManyForwarded)
		return
	}
	s.work.Go(func() {
		defer s.leaveConnection()
		s.carry(opened, payload, event)
	})
}

// readForward reads what a client asks for. The payload for the target holds what
// the event holds and nothing beside it.
func readForward(opened ssh.NewChannel) (event cast.Connection, payload []byte, ok bool) {
	switch opened.ChannelType() {
	case "direct-tcpip":
		var to directTCPIP
		if ssh.Unmarshal(opened.ExtraData(), &to) != nil {
			return cast.Connection{}, nil, false
		}
		return cast.Connection{Type: cast.Forward, From: address(to.Origin, to.OriginPort), To: address(to.Host, to.Port)}, ssh.Marshal(to), true
	case "direct-streamlocal@openssh.com":
		var to directStreamlocal
		if ssh.Unmarshal(opened.ExtraData(), &to) != nil {
			return cast.Connection{}, nil, false
		}
		return cast.Connection{Type: cast.Forward, To: socket(to.Path)}, ssh.Marshal(directStreamlocal{Path: to.Path}), true
	}
	return cast.Connection{}, nil, false
}

// listen asks the target to listen for the client, or refuses that.
func (s *session) listen(request *ssh.Request) {
	// 1. It says where.
	at, ok := readListen(request)
	if !ok {
		s.refuseRequest(request, whySenseless)
		return
	}

	// 2. The role gives such connections.
	if why := s.rules.refuses(cast.RemoteForward); why != "" {
		s.refuseRequest(request, why)
		return
	}

	// From here on no connection is let in until the client knows what was granted.
	s.listening.Lock()
	defer s.listening.Unlock()

	// 3. There is room for it.
	if len(s.listens) >= maxListening {
		s.refuseRequest(request, whyManyListens)
		return
	}

	// 4. It is recorded, and the target asked.
	said := cast.Listen{Type: cast.RemoteForward, State: cast.ListenAsked, Address: at.address()}
	if !s.record(0, said) || s.isCut() {
		_ = request.Reply(false, nil)
		return
	}
	granted, answer, err := s.target.SendRequest(request.Type, true, at.payload)
	if err != nil || !granted {
		said.State = cast.ListenRefused
		s.record(0, said)
		_ = request.Reply(false, nil)
		return
	}

	// 5. The port that it chose, where it could, is the one that counts.
	var chosen struct{ Port uint32 }
	var reply []byte
	if at.path == "" && at.port == 0 {
		if ssh.Unmarshal(answer, &chosen) != nil || chosen.Port == 0 || chosen.Port > 65535 {
			s.refuseRequest(request, "stint: the target did not say which port it listens on")
			return
		}
		at.port, reply = chosen.Port, ssh.Marshal(chosen)
	}
	said.State, said.Address = cast.ListenGranted, at.address()
	if !s.record(0, said) {
		_ = request.Reply(false, nil)
		return
	}
	s.listens[at.address()] = struct{}{}
	_ = request.Reply(true, reply)
}

// cancelListen ends what listen began. Whatever the target says of it, nothing
// more is let in.
func (s *session) cancelListen(request *ssh.Request) {
	at, ok := readListen(request)
	s.listening.Lock()
	defer s.listening.Unlock()
	if _, known := s.listens[at.address()]; !ok || !known {
		s.refuseRequest(request, whyNoListen)
		return
	}
	delete(s.listens, at.address())
	if !s.record(0, cast.Listen{Type: cast.RemoteForward, State: cast.ListenCancelled, Address: at.address()}) || s.isCut() {
		_ = request.Reply(false, nil)
		return
	}
	cancelled, _, err := s.target.SendRequest(request.Type, true, at.payload)
	_ = request.Reply(err == nil && cancelled, nil)
}

// listenAddress is where a target is asked to listen: at a port or a socket.
type listenAddress struct {
	host    string
	port    uint32
	path    string
	payload []byte
}

func (l listenAddress) address() string {
	if l.path != "" {
		return socket(l.path)
	}
	return address(l.host, l.port)
}

func readListen(request *ssh.Request) (listenAddress, bool) {
	switch request.Type {
	case "tcpip-forward", "cancel-tcpip-forward":
		var at forwardRequest
		if ssh.Unmarshal(request.Payload, &at) != nil || at.Port > 65535 {
			return listenAddress{}, false
		}
		return listenAddress{host: at.Address, port: at.Port, payload: ssh.Marshal(at)}, true
	case "streamlocal-forward@openssh.com", "cancel-streamlocal-forward@openssh.com":
		var at streamlocalRequest
		if ssh.Unmarshal(request.Payload, &at) != nil || at.Path == "" {
			return listenAddress{}, false
		}
		return listenAddress{path: at.Path, payload: ssh.Marshal(at)}, true
	}
	return listenAddress{}, false
}

// serveTarget takes the channels that the target opens until it is gone. Its
// announcements (new host keys above all, hostkeys-00@openssh.com) are not for the
// client: all requests are refused.
func (s *session) serveTarget(channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	for channels != nil || requests != nil {
		select {
		case opened, ok := <-channels:
			if !ok {
				channels = nil
				continue
			}
			s.takeOpened(opened)
		case request, ok := <-requests:
			if !ok {
				requests = nil
				continue
			}
			refuseRequest(request)
		}
	}
}

// takeOpened takes a channel that the target opens. What becomes of it may depend on the
// target's answer to a request, so that it may not keep the next from being read.
func (s *session) takeOpened(opened ssh.NewChannel) {
	if !s.enterConnection() {
		s.refuseOpened(opened, ssh.ResourceShortage, whyManyForwarded)
		return
	}
	s.work.Go(func() {
		defer s.leaveConnection()
		event, payload, ok := s.readOpened(opened)
		if !ok {
			s.refuseOpened(opened, ssh.Prohibited, whyNotGranted)
			return
		}
		s.carry(opened, payload, event)
	})
}

func (s *session) refuseOpened(opened ssh.NewChannel, reason ssh.RejectionReason, why string) {
	s.record(0, cast.Refused{What: "target " + printable(opened.ChannelType()), Why: why})
	_ = opened.Reject(reason, why)
}

// readOpened reads what a target opens; ok when the client asked for it and the
// target granted it. The payload for the client holds what the event holds.
func (s *session) readOpened(opened ssh.NewChannel) (event cast.Connection, payload []byte, ok bool) {
	s.listening.Lock()
	defer s.listening.Unlock()
	switch opened.ChannelType() {
	case "forwarded-tcpip":
		var from forwardedTCPIP
		if ssh.Unmarshal(opened.ExtraData(), &from) != nil {
			return cast.Connection{}, nil, false
		}
		event = cast.Connection{Type: cast.RemoteForward, From: address(from.Origin, from.OriginPort), To: address(from.Address, from.Port)}
		_, ok = s.listens[event.To]
		return event, ssh.Marshal(from), ok
	case "forwarded-streamlocal@openssh.com":
		var from forwardedStreamlocal
		if ssh.Unmarshal(opened.ExtraData(), &from) != nil {
			return cast.Connection{}, nil, false
		}
		event = cast.Connection{Type: cast.RemoteForward, To: socket(from.Path)}
		_, ok = s.listens[event.To]
		return event, ssh.Marshal(forwardedStreamlocal{Path: from.Path}), ok
	case "auth-agent@openssh.com":
		return cast.Connection{Type: cast.Agent}, nil, s.agentLent
	case "x11":
		var from x11Origin
		if ssh.Unmarshal(opened.ExtraData(), &from) != nil {
			return cast.Connection{}, nil, false
		}
		return cast.Connection{Type: cast.X11, From: address(from.Address, from.Port)}, ssh.Marshal(from), s.screenLent
	}
	return cast.Connection{}, nil, false
}

// lend asks the target for what it may then open towards the client: the agent, or
// the screen of whoever is there.
func (c *channel) lend(request *ssh.Request, kind cast.ChannelType, lent *bool) bool {
	if why := c.session.rules.refuses(kind); why != "" {
		return c.refuseAloud(request.Type, why)
	}
	if kind == cast.X11 && !plainX11(request.Payload) {
		return c.refuseAloud(request.Type, whySenseless)
	}
	if !c.askToLend(request, kind, lent) {
		c.tell("stint: the target refuses " + forwardWords[kind])
		return false
	}
	return true
}

func (c *channel) askToLend(request *ssh.Request, kind cast.ChannelType, lent *bool) bool {
	s := c.session
	s.listening.Lock()
	defer s.listening.Unlock()
	said := cast.Listen{Type: kind, State: cast.ListenAsked}
	if !s.record(c.number, said) || s.isCut() {
		return false
	}
	// OpenSSH wants no answer for its agent; the recording does.
	ok, err := c.up.SendRequest(request.Type, true, request.Payload)
	if err != nil || !ok {
		said.State = cast.ListenRefused
		s.record(c.number, said)
		return false
	}
	said.State = cast.ListenGranted
	*lent = s.record(c.number, said)
	return *lent
}
