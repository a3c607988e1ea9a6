package sshproxy

import (
	"time"

	"stint/recorder/cast"
	"stint/recorder/files"
)

// toldEvery is how often the recording is told of what was left out of it.
const toldEvery = time.Second

// track is a channel's part of the recording. As a files.Recorder it keeps every byte.
type track struct {
	session *session
	number  uint32
}

// Bytes implements files.Sink.
func (t track) Bytes(stream cast.Kind, p []byte) error {
	var body cast.Body
	switch stream {
	case cast.KindOutput:
		body = cast.Output(p)
	case cast.KindErrorOutput:
		body = cast.ErrorOutput(p)
	default:
		body = cast.Input(p)
	}
	return t.Event(body)
}

// Event implements files.Sink.
func (t track) Event(body cast.Body) error {
	if !t.session.record(t.number, body) {
		return errNotPassed
	}
	return nil
}

func (t track) Record(stream cast.Kind, p []byte) error { return t.Bytes(stream, p) }
func (t track) Flush() error                            { return nil }
func (t track) Close() error                            { return nil }

// keep records what a stream is about to pass on, and tells whether it may. Bytes that
// come before anything was started, which only a hostile target sends, decide that
// every byte of the channel is kept: what reads them would begin in the wrong place.
func (c *channel) keep(stream cast.Kind, p []byte) bool {
	recorder := c.recorder.Load()
	if recorder == nil {
		c.recorder.CompareAndSwap(nil, c.plain())
		recorder = c.recorder.Load()
	}
	return (*recorder).Record(stream, p) == nil
}

func (c *channel) plain() *files.Recorder {
	var plain files.Recorder = track{c.session, c.number}
	return &plain
}

// follow decides how the streams of what is about to start are recorded. With a
// terminal, in a shell, and on a second try after the target refused the first, every
// byte is kept.
func (c *channel) follow(kind cast.ChannelType, command string) {
	recorder, rules := c.plain(), c.session.rules
	to := track{c.session, c.number}
	switch {
	case c.asksForTerminal():
	case kind == cast.Subsystem:
		*recorder = files.SFTP(to, rules.fileContent)
	case kind == cast.Exec:
		if scp, ok := files.SCP(to, command, rules.fileContent); ok {
			*recorder = scp
		} else if rules.bulkBytes > 0 {
			*recorder = files.Bounded(to, rules.bulkBytes)
		}
	}
	if !c.recorder.CompareAndSwap(nil, recorder) {
		_ = (*c.recorder.Swap(c.plain())).Close()
		return
	}
	if _, plain := (*recorder).(track); !plain {
		c.session.work.Go(func() { c.tellRecording(*recorder) })
	}
}

// tellRecording bounds the time for which the recording is not told of what was left
// out, until the channel is through.
func (c *channel) tellRecording(recorder files.Recorder) {
	ticker := time.NewTicker(toldEvery)
	defer ticker.Stop()
	for {
		select {
		case <-c.finished:
			return
		case <-ticker.C:
		}
		if recorder.Flush() != nil {
			return // the session ends
		}
	}
}

// settleStreams tells the recording of all that was left out, before it is told of an
// end. It returns false when that is not recorded.
func (c *channel) settleStreams(last bool) bool {
	recorder := c.recorder.Load()
	switch {
	case recorder == nil:
		return true
	case last:
		return (*recorder).Close() == nil
	default:
		return (*recorder).Flush() == nil
	}
}
