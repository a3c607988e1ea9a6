package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
)

// answering is a broker that answers every call alike.
type answering func() *http.Response

// RoundTrip answers.
func (a answering) RoundTrip(*http.Request) (*http.Response, error) { return a(), nil }

// FuzzAnswers: whatever stands at the broker's address, a call gives an answer or an
// *Error with a code and a sentence, and the status is that of the answer.
func FuzzAnswers(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte, status uint16, kind string) {
		code := 200 + int(status)%400
		client, err := NewClient("https://stint.example.com", "", &http.Client{
			Transport: answering(func() *http.Response {
				return &http.Response{
					StatusCode: code, Status: "status", Body: io.NopCloser(bytes.NewReader(body)), Header: http.Header{"Content-Type": {kind}},
				}
			}),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Request(t.Context(), "r1")
		if err == nil && code/100 == 2 {
			return
		}
		var problem *Error
		if !errors.As(err, &problem) || problem.Code == "" || problem.Title == "" || problem.Code != "unreachable" && problem.Status != code {
			t.Fatalf("%d %q %q: %+v, %v", code, kind, body, problem, err)
		}
	})
}
