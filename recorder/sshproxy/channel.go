package sshproxy

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
	"stint/recorder/files"
	"stint/recorder/wire"
)

// maxChannels bounds the channels of a session that are open at once.
const maxChannels = 32

// maxUntold bounds the sentences that wait for a channel on which to tell them.
const maxUntold = 8

// exitTime is how long the status of a command may come after the end of its
// output and still be passed on before that. A command that goes on without its
// outputs has their end told so much later, where the client may still send.
const exitTime = 200 * time.Millisecond

// inputTime is how long the target may take to read what the client sent before
// it closed a channel.
const inputTime = 5 * time.Second

// channel is one session channel, on both sides.
type channel struct {
	session *session
	number  uint32 // in the recording, from 1
	down    ssh.Channel
	up      ssh.Channel

	// recorder takes what the streams pass on; nil until something is started, or said.
	recorder atomic.Pointer[files.Recorder]

	// speak holds one token: whoever has it may write to the client's standard
	// error, or end the output. x/crypto does not lock these.
	speak  chan struct{}
	silent bool // the output is ended; guarded by speak

	started  chan struct{}     // closed when something runs
	hungUp   chan struct{}     // closed when the client closed the channel
	exits    chan *ssh.Request // how the command ended; closed when the target closed the channel
	fed      chan struct{}     // closed when there is no more input to pass
	finished chan struct{}     // closed when both sides are through

	// answering is held until a request of the client's is answered: a command may
	// be through before its client has heard that it started.
	answering sync.Mutex
	denied    string // why nothing is started; used by serveClient alone

	mu          sync.Mutex
	terminal    string
	hasTerminal bool
	size        cast.Size
	settled     bool     // whether there is a terminal is known from here on
	untold      []string // what to tell then
}

// serveChannel carries a channel from its opening until both sides closed it.
func (s *session) serveChannel(opened ssh.NewChannel) {
	up, upRequests, err := s.target.OpenChannel("session", nil)
	if err != nil {
		refused := &ssh.OpenChannelError{}
		if !errors.As(err, &refused) {
			refused = &ssh.OpenChannelError{Reason: ssh.ConnectionFailed, Message: "stint: the connection to the target is gone"}
		}
		s.record(0, cast.Refused{What: opened.ChannelType(), Why: "the target refused it: " + printable(refused.Message)})
		_ = opened.Reject(refused.Reason, printable(refused.Message))
		return
	}
	down, downRequests, err := opened.Accept()
	if err != nil {
		go ssh.DiscardRequests(upRequests) // ends with the channel
		_ = up.Close()
		return
	}
	c := &channel{
		session: s, down: down, up: up,
		speak: make(chan struct{}, 1), started: make(chan struct{}), hungUp: make(chan struct{}),
		exits: make(chan *ssh.Request, 1), fed: make(chan struct{}), finished: make(chan struct{}),
	}
	s.addChannel(c)

	var errorOutput, both sync.WaitGroup
	errorOutput.Go(func() { _ = c.pass(cast.KindErrorOutput, up.Stderr(), errorWriter{c}) })
	both.Go(c.feed)
	both.Go(func() { c.serveClient(downRequests) })
	both.Go(func() { c.serveTarget(upRequests) })
	_ = c.pass(cast.KindOutput, up, down)
	errorOutput.Wait()
	c.finishOutput()
	both.Wait()
	c.settleStreams(true)
	s.record(c.number, cast.ChannelClose{})
	s.removeChannel(c)
	close(c.finished)
}

func (s *session) occupy(change int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy += change
}

// addChannel gives a channel its number, and what is to be told on it.
func (s *session) addChannel(c *channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	c.number = s.opened
	c.untold, s.untold = s.untold, nil
	s.channels[c.number] = c
}

func (s *session) removeChannel(c *channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.channels, c.number)
}

func (s *session) liveChannels() []*channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	channels := make([]*channel, 0, len(s.channels))
	for _, c := range s.channels {
		channels = append(channels, c)
	}
	return channels
}

// waitChannels waits until channels are through, at most for a time.
func (s *session) waitChannels(channels []*channel, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	for _, c := range channels {
		select {
		case <-c.finished:
		case <-timer.C:
			return
		}
	}
}

// tellAll tells the person on every channel that is still open why the session
// ends, and closes them. It does not wait long for a client that does not read.
func (s *session) tellAll(channels []*channel) {
	told := make(chan struct{}, len(channels))
	waiting := 0
	for _, c := range channels {
		select {
		case <-c.finished:
			continue
		default:
		}
		waiting++
		s.work.Go(func() {
			c.tellStatus(s.ending.notice())
			told <- struct{}{}
		})
	}
	timer := time.NewTimer(noticeTime)
	defer timer.Stop()
	for ; waiting > 0; waiting-- {
		select {
		case <-told:
		case <-timer.C:
			return
		}
	}
}

// isCut tells whether nothing may pass any more.
func (s *session) isCut() bool {
	select {
	case <-s.cut:
		return true
	default:
		return false
	}
}

func (c *channel) isStarted() bool {
	select {
	case <-c.started:
		return true
	default:
		return false
	}
}

// feed passes the client's input to the target once something runs there.
func (c *channel) feed() {
	defer close(c.fed)
	select {
	case <-c.started:
	case <-c.hungUp:
		return
	case <-c.session.cut:
		return
	}
	if c.pass(cast.KindInput, c.down, c.up) == nil && c.settleStreams(false) && c.session.record(c.number, cast.EOF{Input: true}) {
		_ = c.up.CloseWrite()
	}
}

// finishOutput ends the output when standard output and standard error are both
// drained, after passing on how the command ended, then closes the channel. Any
// other order loses bytes or the status in some client: OpenSSH closes a channel
// at the end of its output once it has no more input, and x/crypto agrees at
// once, so that nothing can follow.
func (c *channel) finishOutput() {
	// A command that ends tells its status at about the same time. A client that may
	// still send waits for it no longer than this: the command may go on for hours after
	// it closed its outputs. One that has no more input would close the channel, and
	// the status would be lost; for that one the output ends when the status is known.
	var exit *ssh.Request
	open := true
	select {
	case exit, open = <-c.exits:
	case <-time.After(exitTime):
		select {
		case <-c.fed:
			exit, open = <-c.exits
		default:
		}
	}
	if !open {
		c.explain()
	}
	if c.session.isCut() {
		return // the notice goes out first, and then the channel is closed
	}
	c.answering.Lock()
	if exit != nil {
		c.passExit(exit)
	}
	c.settleStreams(false)
	c.session.record(c.number, cast.EOF{})
	c.endOutput()
	c.answering.Unlock()
	if exit == nil && open {
		if exit = <-c.exits; exit != nil {
			c.passExit(exit)
		}
	}
	for range c.exits { // until the target closed the channel
	}
	if !c.session.isCut() {
		_ = c.down.Close()
	}
}

// explain tells a client whose command ended without a status what became of it.
func (c *channel) explain() {
	select {
	case <-c.hungUp:
		return
	case <-c.session.over:
	case <-time.After(exitTime): // the end of the connection shows a moment later
	}
	select {
	case <-c.session.over:
		if c.session.ending.lets() && c.session.ending.reason != wire.ReasonCompleted {
			c.tell(c.session.ending.notice())
		}
	default:
	}
}

// clientClosed closes the channel at the target, after what the client had sent.
func (c *channel) clientClosed() {
	close(c.hungUp)
	select {
	case <-c.fed:
	case <-c.session.over:
	case <-time.After(inputTime):
	}
	_ = c.up.Close()
}

// errorWriter writes to the client's standard error, between notices.
type errorWriter struct{ c *channel }

func (w errorWriter) Write(p []byte) (int, error) {
	w.c.speak <- struct{}{}
	defer func() { <-w.c.speak }()
	return w.c.down.Stderr().Write(p)
}

// endOutput tells the client that no more comes.
func (c *channel) endOutput() {
	c.speak <- struct{}{}
	defer func() { <-c.speak }()
	c.silent = true
	_ = c.down.CloseWrite()
}

// tell writes a sentence for the person on the client's standard error, on a line
// of its own. A terminal needs to be told to go back to the left; until it is
// known whether there is one, the sentence waits.
func (c *channel) tell(sentence string) {
	c.mu.Lock()
	terminal, settled := c.hasTerminal, c.settled
	if !settled && len(c.untold) < maxUntold {
		c.untold = append(c.untold, sentence)
	}
	c.mu.Unlock()
	switch {
	case !settled:
	case terminal:
		c.say("\r\n" + sentence + "\r\n")
	default:
		c.say(sentence + "\n")
	}
}

// settle says that no terminal will be asked for any more.
func (c *channel) settle() {
	c.mu.Lock()
	untold := c.untold
	c.untold, c.settled = nil, true
	c.mu.Unlock()
	for _, sentence := range untold {
		c.tell(sentence)
	}
}

// tellStatus is the last that a channel says: a sentence and the status of what
// was refused.
func (c *channel) tellStatus(sentence string) {
	c.settle()
	c.tell(sentence)
	_, _ = c.down.SendRequest("exit-status", false, ssh.Marshal(exitStatus{refusedStatus}))
	_ = c.down.Close()
}

func (c *channel) say(text string) {
	timer := time.NewTimer(noticeTime)
	defer timer.Stop()
	select {
	case c.speak <- struct{}{}:
		defer func() { <-c.speak }()
	case <-timer.C:
		return // standard error is full of the target's own words
	}
	if !c.silent {
		_, _ = io.WriteString(c.down.Stderr(), text)
	}
}
