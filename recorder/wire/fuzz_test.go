package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
)

// answering is a broker that answers every call alike.
type answering func() *http.Response

// RoundTrip answers.
func (a answering) RoundTrip(*http.Request) (*http.Response, error) { return a(), nil }

func answered(body func() io.Reader, status int) *Client {
	return &Client{base: &url.URL{Scheme: "https", Host: "broker"}, http: &http.Client{Transport: answering(func() *http.Response {
		return &http.Response{StatusCode: status, Body: io.NopCloser(body()), Header: http.Header{}}
	})}}
}

// FuzzEndings: a stream of endings is read alike in whatever pieces it arrives; what
// was heard before a line that is none counts, and nothing behind it.
func FuzzEndings(f *testing.F) {
	f.Fuzz(func(t *testing.T, stream []byte) {
		read := func(body func() io.Reader) (heard []Ending) {
			begun := 0
			err := answered(body, http.StatusOK).Endings(t.Context(), func() { begun++ }, func(e Ending) { heard = append(heard, e) })
			if err == nil || begun != 1 {
				t.Fatalf("it ended with %v, and began %d times", err, begun)
			}
			return heard
		}
		heard := read(func() io.Reader { return bytes.NewReader(stream) })
		pieces := read(func() io.Reader { return iotest.OneByteReader(bytes.NewReader(stream)) })
		first, err := json.Marshal(heard)
		if err != nil {
			return // a time beyond the year 9999 in UTC
		}
		if second, err := json.Marshal(pieces); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s, in pieces %s, %v", first, second, err)
		}
		if lines := bytes.Count(stream, []byte("\n")) + 1; len(heard) > lines {
			t.Fatalf("%d endings in %d lines", len(heard), lines)
		}
	})
}

// FuzzAnswers: an answer of a broker is taken whole or refused, and only what has a
// code and a status of a refusal counts as one.
func FuzzAnswers(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte, status uint16) {
		code := 200 + int(status)%400
		client := answered(func() io.Reader { return bytes.NewReader(body) }, code)
		for _, call := range []func() (any, error){
			func() (any, error) { return client.StartSession(t.Context(), SessionStart{}) },
			func() (any, error) { return client.RenewLeases(t.Context(), LeaseRequest{}) },
			func() (any, error) { return client.RecordingState(t.Context(), "s") },
		} {
			answer, err := call()
			var refused *Error
			if errors.As(err, &refused) {
				if code/100 != 4 || refused.Status != code || refused.Code == "" {
					t.Fatalf("%d %q is a refusal: %+v", code, body, refused)
				}
				continue
			}
			if err != nil {
				continue
			}
			again, err := json.Marshal(answer)
			if code/100 != 2 || err == nil && !json.Valid(again) {
				t.Fatalf("%d %q is taken as %+v", code, body, answer)
			}
			if strings.Contains(string(body), `"another_field"`) {
				t.Fatalf("an unknown field was read over: %q", body)
			}
		}
	})
}
