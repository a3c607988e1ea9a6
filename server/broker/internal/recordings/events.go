package recordings

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"stint/recorder/cast"
)

// kindHeader is the kind of the first frame.
const kindHeader = 0

// WriteEvents writes a recording as decoded events, in the format that
// server/api.EventsFormat describes. Input, which may hold passwords, is left
// out unless it is asked for. It writes all that can be read; that a recording
// is cut, because it still grows, is no error.
func WriteEvents(w io.Writer, recording io.Reader, input bool) error {
	reader, err := cast.NewReader(bufio.NewReaderSize(recording, 256<<10))
	if errors.Is(err, cast.ErrCut) {
		return nil
	}
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	header, err := json.Marshal(reader.Header())
	if err != nil {
		return fmt.Errorf("encoding a recording's header: %w", err)
	}
	if err := writeFrame(out, kindHeader, cast.Event{}, header); err != nil {
		return err
	}
	carried := make(map[uint32]bool) // connections, whose bytes are for no screen
	for {
		event, err := reader.Next()
		if err == io.EOF || errors.Is(err, cast.ErrCut) {
			return out.Flush()
		}
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		switch event.Body.(type) {
		case cast.Connection:
			carried[event.Channel] = true
		case cast.ChannelClose:
			delete(carried, event.Channel)
		case cast.Output, cast.ErrorOutput:
			if carried[event.Channel] {
				continue
			}
		case cast.Input:
			if !input || carried[event.Channel] {
				continue
			}
		}
		payload, err := payloadOf(event.Body)
		if err != nil {
			return err
		}
		if err := writeFrame(out, uint8(event.Body.Kind()), event, payload); err != nil {
			return err
		}
	}
}

func payloadOf(body cast.Body) ([]byte, error) {
	switch body := body.(type) {
	case cast.Output:
		return body, nil
	case cast.ErrorOutput:
		return body, nil
	case cast.Input:
		return body, nil
	default:
		payload, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encoding an event: %w", err)
		}
		return payload, nil
	}
}

func writeFrame(w io.Writer, kind uint8, event cast.Event, payload []byte) error {
	var head [16]byte
	head[0] = kind
	binary.LittleEndian.PutUint16(head[2:], uint16(min(event.Channel, math.MaxUint16)))
	binary.LittleEndian.PutUint32(head[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint64(head[8:], uint64(event.Offset.Microseconds()))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(payload)
	return err
}
