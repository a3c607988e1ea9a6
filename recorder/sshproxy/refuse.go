package sshproxy

import (
	"errors"
	"io"
	"time"
	"unicode"

	"golang.org/x/crypto/ssh"

	"stint/recorder/wire"
)

const (
	// refuseWait is how long a refused client may take to open the channel on
	// which it can be told, and then to start something on it.
	refuseWait = 10 * time.Second
	// refuseTime is how long telling it may take in all, whatever it reads. Then it
	// is hung up on.
	refuseTime = 15 * time.Second
	// refusedStatus is the exit status of what was refused, as ssh itself has it.
	refusedStatus = 255
)

// exitStatus is the payload of an exit-status request (RFC 4254, section 6.10).
type exitStatus struct{ Status uint32 }

// refuse tells a client that has authenticated why there is no session. The
// session ends first: why is decided here, and not by a client that hangs up.
func (s *session) refuse(err error) {
	refused := &refusedSession{}
	if !errors.As(err, &refused) {
		refused = &refusedSession{wire.ReasonFailed, "the session could not be started", err}
	}
	sentence, why := "stint: "+refused.sentence, ending{reason: refused.reason, detail: refused.sentence, at: s.proxy.now()}
	if s.end(why); s.ending != why {
		// It ended while it was being opened; that says more than the failed step.
		sentence = s.ending.notice()
	}
	s.work.Go(func() {
		defer close(s.heard)
		refuseRequests(s.client.requests)
	})
	told := make(chan struct{})
	s.work.Go(func() {
		defer close(told)
		refuseChannels(s.client.channels, sentence)
	})
	timer := time.NewTimer(refuseTime)
	defer timer.Stop()
	select {
	case <-told:
	case <-timer.C:
	}
}

// refuseChannels tells a client why there is no session: on the standard error
// of the first session channel that it opens, in the reason of every other.
func refuseChannels(channels <-chan ssh.NewChannel, sentence string) {
	timer := time.NewTimer(refuseWait)
	defer timer.Stop()
	told := false
	for {
		select {
		case <-timer.C:
			return
		case opened, ok := <-channels:
			if !ok {
				return
			}
			if opened.ChannelType() != "session" || told {
				_ = opened.Reject(ssh.Prohibited, sentence)
				continue
			}
			told = true
			tellRefused(opened, sentence)
			timer.Reset(lingerTime)
		}
	}
}

// tellRefused accepts a channel only to write the sentence on it.
func tellRefused(opened ssh.NewChannel, sentence string) {
	channel, requests, err := opened.Accept()
	if err != nil {
		return
	}
	timer := time.NewTimer(refuseWait)
	defer timer.Stop()
	end := "\n"
	for {
		select {
		case <-timer.C:
			go ssh.DiscardRequests(requests) // ends with the channel
			_ = channel.Close()
			return
		case request, ok := <-requests:
			if !ok {
				return
			}
			switch request.Type {
			case "pty-req":
				end = "\r\n"
				_ = request.Reply(true, nil)
			case "shell", "exec", "subsystem":
				_ = request.Reply(true, nil)
				go ssh.DiscardRequests(requests) // ends with the channel
				_, _ = io.WriteString(channel.Stderr(), sentence+end)
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(exitStatus{refusedStatus}))
				_ = channel.Close()
				return
			default:
				_ = request.Reply(false, nil)
			}
		}
	}
}

// refuseRequests says no to every global request. A client that only wants to
// know whether the connection lives takes that for an answer too.
func refuseRequests(requests <-chan *ssh.Request) {
	for request := range requests {
		refuseRequest(request)
	}
}

func refuseRequest(request *ssh.Request) {
	if request.WantReply {
		_ = request.Reply(false, nil)
	}
}

// isVisible tells whether a rune shows as itself: no control character, none
// that changes the direction of text.
func isVisible(r rune) bool {
	return r != unicode.ReplacementChar && (r == ' ' || unicode.IsGraphic(r)) && !unicode.Is(unicode.Bidi_Control, r) && !unicode.Is(unicode.Cf, r)
}
