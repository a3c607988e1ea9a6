package cast

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Extension ends the name of a recording's file.
const Extension = ".stint"

// Encoding is how the recordings of format version 1 are compressed and encrypted.
const Encoding = "zstd+age+hkdf-sha256+aes-256-gcm"

// Person is who worked in the session. Identity is issuer and subject; the name
// is for people.
type Person struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
	Name    string `json:"name"`
}

// Header opens a recording and says whose it is. It is not encrypted. The caller of
// [NewWriter] fills it; Encoding, Started and Keys are set there.
type Header struct {
	Encoding string    `json:"encoding"`
	Session  string    `json:"session"`  // session id, required
	Request  string    `json:"request"`  // request id, required
	Protocol string    `json:"protocol"` // "ssh", required
	Started  time.Time `json:"started"`  // UTC; event offsets count from here
	Person   Person    `json:"person"`
	Login    string    `json:"login"`  // account on the target
	Target   string    `json:"target"` // name of the target
	Proxy    string    `json:"proxy"`  // name of the proxy that recorded
	Client   string    `json:"client"` // client's software version as it stated it; any text
	Keys     Keys      `json:"keys"`
}

// encode gives the header's one encoding: JSON as FORMAT.md states it.
func (h Header) encode() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(h); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// check refuses a header that names no session.
func (h Header) check() error {
	switch {
	case h.Encoding != Encoding:
		return fmt.Errorf("%w: encoding %q", ErrUnsupported, h.Encoding)
	case h.Session == "" || h.Request == "" || h.Protocol == "":
		return errors.New("the header lacks session, request or protocol")
	case h.Started.IsZero() || h.Started.Location() != time.UTC:
		return errors.New("the header lacks its start in UTC")
	case len(h.Keys.Session) == 0 || len(h.Keys.Input) == 0:
		return errors.New("the header lacks a key")
	}
	return nil
}

// valid makes every string of the header valid UTF-8, as JSON needs it. What a
// client says of itself may be any bytes.
func (h Header) valid() Header {
	for _, s := range []*string{&h.Session, &h.Request, &h.Protocol, &h.Person.Issuer, &h.Person.Subject,
		&h.Person.Name, &h.Login, &h.Target, &h.Proxy, &h.Client} {
		*s = strings.ToValidUTF8(*s, "\uFFFD")
	}
	return h
}

// decodeHeader accepts exactly what encode writes. Comparing the encodings refuses
// unknown and repeated fields, other spellings and trailing bytes at once, so that
// two readers never see two headers.
func decodeHeader(data []byte) (Header, error) {
	var h Header
	if err := json.Unmarshal(data, &h); err != nil {
		return Header{}, err
	}
	if h.Encoding != Encoding {
		// Said before all else: a later version's header has fields that are unknown here.
		return Header{}, fmt.Errorf("%w: encoding %q", ErrUnsupported, h.Encoding)
	}
	h.Started = h.Started.UTC()
	again, err := h.encode()
	if err != nil {
		return Header{}, err
	}
	if !bytes.Equal(again, data) {
		return Header{}, errors.New("the header is not in its one encoding")
	}
	return h, h.check()
}
