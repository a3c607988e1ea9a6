package cast

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Summary is what a recording holds, in brief.
type Summary struct {
	Header   Header        `json:"header"`
	Duration time.Duration `json:"duration"` // offset of the last event, nanoseconds
	Events   int64         `json:"events"`
	// Closed and ClosedInput count the blocks of the session and input track for
	// which there was no key; nothing here tells what they hold. Redacted counts
	// those whose content was taken out.
	Closed      int64 `json:"closed"`
	ClosedInput int64 `json:"closedInput"`
	Redacted    int64 `json:"redacted"`
	// Output, ErrorOutput and Input count the bytes of those kinds.
	Output      int64 `json:"output"`
	ErrorOutput int64 `json:"errorOutput"`
	Input       int64 `json:"input"`
	// Channels are the channels by their opening, at most 1000 of them; a longer
	// session counts the rest in MoreChannels.
	Channels     []ChannelSummary `json:"channels"`
	MoreChannels int64            `json:"moreChannels"`
	Refused      int64            `json:"refused"` // channels and requests that were refused
	// End is how the session ended; nil when the recording is cut.
	End   *End   `json:"end"`
	Seals []Seal `json:"seals"`
	Bytes int64  `json:"bytes"` // length of the stream as far as it is whole
}

// ChannelSummary is one channel of a session.
type ChannelSummary struct {
	Channel uint32        `json:"channel"`
	Opened  time.Duration `json:"opened"` // offset, nanoseconds
	// Open is how it was opened; Command and Terminal are made valid UTF-8 and cut
	// at 4 KiB.
	Open       ChannelOpen `json:"open"`
	ExitStatus *ExitStatus `json:"exitStatus"` // nil when none came
	ExitSignal *ExitSignal `json:"exitSignal"` // nil when none came; texts as in Open
}

const (
	maxChannels    = 1000
	maxSummaryText = 4 << 10
)

// Verify reads a whole recording and compares it with its seals from the Merkle
// log, in order from the first. It returns a [*Break] that names the first place
// at which the recording is cut ([ErrCut]), or damaged, altered or not what was
// sealed ([ErrCorrupt]); the Summary then holds what came before. A whole
// recording whose seals are exactly these gives nil.
//
// It needs no key: with open nil, or one that opens the session track alone, blocks
// that stay closed are proven unaltered all the same. What is opened is checked
// event by event, too.
//
// With seals nil only the recording's own chain is checked. That finds damage, not
// somebody who computed the chain again. An empty slice that is not nil says that
// nothing was sealed, and no sealed segment fits it.
func Verify(stream io.Reader, seals []Seal, open Opener) (Summary, error) {
	r, err := NewReader(stream, open)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{Header: r.Header()}
	index := make(map[uint32]int)
	compared := 0
	for {
		e, err := r.Next()
		// Seals come before events: the first break is named, not the last.
		for ; seals != nil && compared < len(r.seals); compared++ {
			if wrong := compare(r.seals, seals, compared); wrong != nil {
				return s.finish(r), wrong
			}
		}
		if err == io.EOF {
			err = agree(r, seals)
			return s.finish(r), err
		}
		if err != nil {
			if missing := agree(r, seals); missing != nil && errors.Is(err, ErrCut) {
				// It stops earlier than what was sealed and durable: not a crash.
				err = missing
			}
			return s.finish(r), err
		}
		s.add(e, index)
	}
}

func compare(have, promised []Seal, i int) error {
	if i >= len(promised) {
		return &Break{Segment: have[i].Sequence, Offset: start(have, i), Err: ErrCorrupt,
			Why: fmt.Sprintf("only %d segments were sealed in the log, and this is one more", len(promised))}
	}
	if promised[i].Sequence != have[i].Sequence || promised[i].Head != have[i].Head {
		return notAsSealed(have[i].Sequence, start(have, i))
	}
	return nil
}

func (s *Summary) finish(r *Reader) Summary {
	s.Seals, s.Bytes = r.Seals(), r.good
	s.Closed, s.ClosedInput, s.Redacted = r.Closed(SessionTrack), r.Closed(InputTrack), r.Redacted()
	s.Duration = max(s.Duration, r.last)
	return *s
}

func (s *Summary) add(e Event, index map[uint32]int) {
	s.Events++
	s.Duration = e.Offset
	channel := func() *ChannelSummary {
		if i, ok := index[e.Channel]; ok {
			return &s.Channels[i]
		}
		return &ChannelSummary{} // never opened, or beyond the bound
	}
	switch body := e.Body.(type) {
	case Output:
		s.Output += int64(len(body))
	case ErrorOutput:
		s.ErrorOutput += int64(len(body))
	case Input:
		s.Input += int64(len(body))
	case Refused:
		s.Refused++
	case ChannelOpen:
		if len(s.Channels) == maxChannels {
			s.MoreChannels++
			delete(index, e.Channel)
			return
		}
		body.Command, body.Terminal = brief(body.Command), brief(body.Terminal)
		index[e.Channel] = len(s.Channels)
		s.Channels = append(s.Channels, ChannelSummary{Channel: e.Channel, Opened: e.Offset, Open: body})
	case ExitStatus:
		channel().ExitStatus = &body
	case ExitSignal:
		body.Signal, body.Message = brief(body.Signal), brief(body.Message)
		channel().ExitSignal = &body
	case End:
		s.End = &body
	}
}

func brief(s string) string {
	if len(s) > maxSummaryText {
		s = s[:maxSummaryText]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
