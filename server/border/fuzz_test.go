package border

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"testing"
)

// FuzzNewClient: a client calls one server, by TLS, with nothing in its address that a
// path could be put behind.
func FuzzNewClient(f *testing.F) {
	certificate := tls.Certificate{Certificate: [][]byte{{1}}}
	f.Fuzz(func(t *testing.T, address, key string) {
		base, client, err := NewClient("the broker", address, key, certificate, &http.Transport{})
		if err != nil {
			return
		}
		called, err := url.Parse(base.JoinPath("/v1/x").String())
		if err != nil || *called != (url.URL{Scheme: "https", Host: base.Host, Path: "/v1/x"}) || base.Host == "" || client == nil {
			t.Errorf("%q leads to %s, %v", address, called, err)
		}
	})
}
