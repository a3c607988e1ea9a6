package login

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzCallback: only a redirect with the state of this sign-in ends it, once, and
// what it says is fit for a terminal.
func FuzzCallback(f *testing.F) {
	const state = "the-state-of-this-sign-in"
	f.Fuzz(func(t *testing.T, query string) {
		codes := make(chan codeOrError, 1)
		handler := callback(state, codes)
		request := httptest.NewRequest(http.MethodGet, "/callback", nil)
		request.URL.RawQuery = query
		for range 2 { // a browser may load it again
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			if strings.Contains(answer.Body.String(), "script") || answer.Code != http.StatusOK && answer.Code != http.StatusBadRequest {
				t.Errorf("%q: %d %s", query, answer.Code, answer.Body)
			}
		}
		values, _ := url.ParseQuery(query)
		select {
		case got := <-codes:
			if values.Get("state") != state || got.err == nil && got.code != values.Get("code") || got.err != nil && printable(got.err.Error()) != got.err.Error() {
				t.Errorf("%q ended the sign-in: %+v", query, got)
			}
		default:
			if values.Get("state") == state {
				t.Errorf("%q did not end the sign-in", query)
			}
		}
	})
}
