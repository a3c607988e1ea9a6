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
)

// alike is a signer that answers every call alike.
type alike func() *http.Response

// RoundTrip answers.
func (a alike) RoundTrip(*http.Request) (*http.Response, error) { return a(), nil }

// FuzzAnswers: an answer at the signer's address is taken whole or not at all, and a
// refusal is what the signer says is one: others are tried again.
func FuzzAnswers(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte, status uint16, kind string) {
		code := 200 + int(status)%400
		client := &Client{base: &url.URL{Scheme: "https", Host: "signer"}, http: &http.Client{
			Transport: alike(func() *http.Response {
				return &http.Response{StatusCode: code, Status: "status", Body: io.NopCloser(bytes.NewReader(body)), Header: http.Header{"Content-Type": {kind}}}
			}),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}
		for _, call := range []func() (any, error){
			func() (any, error) { return client.Trust(t.Context()) },
			func() (any, error) { return client.SignTarget(t.Context(), TargetRequest{}) },
			func() (any, error) { return client.Ledger(t.Context(), 0, 1) },
		} {
			answer, err := call()
			var refused *Error
			if errors.As(err, &refused) && (code/100 != 4 || refused.Status != code || refused.Code == "") {
				t.Fatalf("%d %q %q is a refusal: %+v", code, kind, body, refused)
			}
			if err != nil {
				continue
			}
			if again, err := json.Marshal(answer); code != http.StatusOK || err == nil && !json.Valid(again) || strings.Contains(string(body), `"another_field"`) {
				t.Fatalf("%d %q is taken as %+v", code, body, answer)
			}
		}
	})
}
