package sshproxy

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
)

// Payloads of channel requests (RFC 4254, section 6).
type (
	terminalRequest struct {
		Terminal                     string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}
	environmentRequest struct{ Name, Value string }
	windowChange       struct{ Columns, Rows, Width, Height uint32 }
	commandRequest     struct{ Command string }
	signalRequest      struct{ Signal string }
	exitSignal         struct {
		Signal     string
		CoreDumped bool
		Message    string
		Language   string
	}
)

// Reasons that a user is given.
const (
	whySubsystem = "stint: only the subsystem sftp goes through the proxy"
	whyMosh      = "stint: mosh does not go through the proxy: after its start it talks by UDP past whatever records; use ssh, and tmux on the target where a connection may break"
	whyTooLong   = "stint: that is too long to be recorded"
	whyUnknown   = "stint: the proxy does not know this request, so it cannot record it"
)

// mayPass tells which variables a client may set on the target: those that say
// how to show things, and git's version of its protocol.
func mayPass(name string) bool {
	switch name {
	case "LANG", "LANGUAGE", "TERM", "COLORTERM", "NO_COLOR", "TZ", "GIT_PROTOCOL":
		return true
	}
	return strings.HasPrefix(name, "LC_")
}

// serveRequests answers global requests of the client.
func (s *session) serveRequests(requests <-chan *ssh.Request) {
	for request := range requests {
		switch request.Type {
		case "keepalive@openssh.com":
			_ = request.Reply(true, nil)
		case "no-more-sessions@openssh.com":
			s.mu.Lock()
			s.noMore = true
			s.mu.Unlock()
		case "tcpip-forward", "streamlocal-forward@openssh.com":
			s.listen(request)
		case "cancel-tcpip-forward", "cancel-streamlocal-forward@openssh.com":
			s.cancelListen(request)
		default:
			s.record(0, cast.Refused{What: request.Type, Why: whyUnknown})
			_ = request.Reply(false, nil)
		}
	}
}

// refuseRequest refuses a global request. Such a refusal carries no text, so the
// reason goes to a channel: one that is open, or the next.
func (s *session) refuseRequest(request *ssh.Request, why string) {
	s.record(0, cast.Refused{What: request.Type, Why: why})
	_ = request.Reply(false, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.channels {
		s.work.Go(func() { c.tell(why) })
		return
	}
	if len(s.untold) < maxUntold {
		s.untold = append(s.untold, why)
	}
}

// openChannel opens a channel that the client asked for, or refuses it.
func (s *session) openChannel(opened ssh.NewChannel) {
	refuse := func(reason ssh.RejectionReason, why string) {
		s.record(0, cast.Refused{What: opened.ChannelType(), Why: why})
		_ = opened.Reject(reason, why)
	}
	s.mu.Lock()
	noMore, full := s.noMore, s.busy >= maxChannels
	s.mu.Unlock()
	switch {
	case opened.ChannelType() == "direct-tcpip", opened.ChannelType() == "direct-streamlocal@openssh.com":
		s.openForward(opened)
	case opened.ChannelType() != "session":
		refuse(ssh.UnknownChannelType, fmt.Sprintf("stint: the proxy cannot record a channel of the type %s", printable(opened.ChannelType())))
	case noMore:
		refuse(ssh.Prohibited, "stint: this connection was announced to need no more channels")
	case full:
		refuse(ssh.ResourceShortage, fmt.Sprintf("stint: a connection may have at most %d channels", maxChannels))
	default:
		s.occupy(1) // now, not when the target has opened it: the next may be here by then
		s.work.Go(func() {
			defer s.occupy(-1)
			s.serveChannel(opened)
		})
	}
}

// serveClient answers the client's requests on a channel until it closes it.
func (c *channel) serveClient(requests <-chan *ssh.Request) {
	for request := range requests {
		c.answering.Lock()
		ok := c.fromClient(request)
		if request.WantReply {
			_ = request.Reply(ok, nil)
		}
		c.answering.Unlock()
		if c.denied != "" {
			c.tellStatus(c.denied)
		}
	}
	c.clientClosed()
}

// fromClient records a request, passes it on, and tells whether it was granted.
// What is not named here is refused.
func (c *channel) fromClient(request *ssh.Request) bool {
	switch request.Type {
	case "pty-req":
		var want terminalRequest
		if ssh.Unmarshal(request.Payload, &want) != nil || c.isStarted() || c.asksForTerminal() || !terminalPattern.MatchString(want.Terminal) {
			return c.refuse(request.Type, whyUnknown)
		}
		want.Modes = plainModes(want.Modes)
		request.Payload = ssh.Marshal(want)
		if !c.forward(request) {
			return false
		}
		c.setSize(cast.Size{Columns: want.Columns, Rows: want.Rows, Width: want.Width, Height: want.Height})
		c.mu.Lock()
		defer c.mu.Unlock()
		c.terminal, c.hasTerminal = want.Terminal, true
		return true
	case "env":
		var want environmentRequest
		if ssh.Unmarshal(request.Payload, &want) != nil {
			return c.refuse(request.Type, whyUnknown)
		}
		if !mayPass(want.Name) {
			return c.refuse("env "+want.Name, "stint: this variable does not go through the proxy")
		}
		return c.session.record(c.number, cast.Environment(want)) && c.forward(request)
	case "shell":
		request.Payload = nil // the standard has none, so nothing would record it
		return c.begin(request, cast.Shell, "")
	case "exec":
		var want commandRequest
		if ssh.Unmarshal(request.Payload, &want) != nil {
			return c.refuse(request.Type, whyUnknown)
		}
		return c.begin(request, cast.Exec, want.Command)
	case "subsystem":
		var want commandRequest
		if ssh.Unmarshal(request.Payload, &want) != nil {
			return c.refuse(request.Type, whyUnknown)
		}
		if want.Command != "sftp" {
			return c.deny("subsystem "+want.Command, whySubsystem)
		}
		return c.begin(request, cast.Subsystem, want.Command)
	case "window-change":
		var want windowChange
		if ssh.Unmarshal(request.Payload, &want) != nil {
			return c.refuse(request.Type, whyUnknown)
		}
		if !c.isStarted() {
			c.setSize(cast.Size(want)) // recorded again with what is started
		}
		return c.session.record(c.number, cast.WindowChange(want)) && c.forward(request)
	case "signal":
		var want signalRequest
		if ssh.Unmarshal(request.Payload, &want) != nil {
			return c.refuse(request.Type, whyUnknown)
		}
		return c.session.record(c.number, cast.Signal(want.Signal)) && c.forward(request)
	case "eow@openssh.com": // the client reads no more; it says nothing else
		request.Payload = nil
		return c.forward(request)
	case "keepalive@openssh.com":
		return true
	case "auth-agent-req@openssh.com":
		request.Payload = nil // the standard has none
		return c.lend(request, cast.Agent, &c.session.agentLent)
	case "x11-req":
		return c.lend(request, cast.X11, &c.session.screenLent)
	default:
		return c.refuse(request.Type, whyUnknown)
	}
}

// startsMosh tells whether a command is what the mosh client asks for, which may print an
// address first. It is to save people from a client that waits for what can never come, and
// keeps nobody from anything: a shell may start what it likes, and no UDP reaches it
// through the proxy.
func startsMosh(command string) bool {
	for part := range strings.SplitSeq(command, ";") {
		words := strings.Fields(part)
		if len(words) > 0 && path.Base(words[0]) == "mosh-server" {
			return true
		}
	}
	return false
}

// asksForTerminal tells whether the target granted a terminal already.
func (c *channel) asksForTerminal() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hasTerminal
}

func (c *channel) setSize(size cast.Size) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size = size
}

// begin starts a shell, a command or a subsystem: once a channel.
func (c *channel) begin(request *ssh.Request, kind cast.ChannelType, command string) bool {
	if c.isStarted() || c.denied != "" {
		return c.refuse(request.Type, "stint: something runs on this channel already")
	}
	if why := c.session.rules.refuses(kind); why != "" {
		what := request.Type
		if command != "" {
			what += " " + printable(command)
		}
		return c.deny(what, why)
	}
	if kind == cast.Exec && startsMosh(command) {
		return c.deny(request.Type+" "+printable(command), whyMosh)
	}
	c.mu.Lock()
	event := cast.ChannelOpen{Type: kind, Command: command, Terminal: c.terminal, Size: c.size}
	c.mu.Unlock()
	if !c.session.record(c.number, event) {
		return c.deny(request.Type, whyTooLong)
	}
	c.session.stir()
	c.settle()
	c.follow(kind, command)
	// Input follows the request, never the other way round.
	if !c.forward(request) {
		c.session.record(c.number, cast.Refused{What: request.Type, Why: "the target refused it"})
		return false
	}
	close(c.started)
	return true
}

// serveTarget takes the target's requests on a channel until the target closes it.
func (c *channel) serveTarget(requests <-chan *ssh.Request) {
	defer close(c.exits)
	for request := range requests {
		switch request.Type {
		case "exit-status", "exit-signal":
			select {
			case c.exits <- request: // goes on when everything before it has
			default: // a second one; the first counts
			}
		case "eow@openssh.com": // the target reads no more input
			_, _ = c.down.SendRequest(request.Type, false, nil)
		default: // keepalive@openssh.com among them: any answer will do
			_ = request.Reply(false, nil)
		}
	}
}

// passExit records how the command ended and tells the client.
func (c *channel) passExit(request *ssh.Request) {
	var body cast.Body
	var status exitStatus
	var signal exitSignal
	switch {
	case request.Type == "exit-status" && ssh.Unmarshal(request.Payload, &status) == nil:
		body = cast.ExitStatus(status.Status)
	case request.Type == "exit-signal" && ssh.Unmarshal(request.Payload, &signal) == nil:
		body = cast.ExitSignal{Signal: signal.Signal, CoreDumped: signal.CoreDumped, Message: signal.Message}
		signal.Language = "" // the recording has no place for it
		request.Payload = ssh.Marshal(signal)
	default:
		return // the client sees that none came
	}
	if c.session.record(c.number, body) {
		_, _ = c.down.SendRequest(request.Type, false, request.Payload)
	}
}

// forward passes a request to the target and returns its answer; true for a
// request that wants none.
func (c *channel) forward(request *ssh.Request) bool {
	if c.session.isCut() {
		return false
	}
	ok, err := c.up.SendRequest(request.Type, request.WantReply, request.Payload)
	return err == nil && (ok || !request.WantReply)
}

// refuse refuses a request and notes it.
func (c *channel) refuse(what, why string) bool {
	c.session.record(c.number, cast.Refused{What: what, Why: why})
	return false
}

// refuseAloud refuses a request and tells the person why.
func (c *channel) refuseAloud(what, why string) bool {
	c.tell(why)
	return c.refuse(what, why)
}

// deny refuses to start something. Said as a failure, it would make the client
// leave without a look at the reason; so the request is granted, and what was
// started is the reason and a status.
func (c *channel) deny(what, why string) bool {
	c.refuse(what, why)
	c.denied = why
	return true
}
