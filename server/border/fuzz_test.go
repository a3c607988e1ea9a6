package border

import (
	"crypto/tls"
	"net/http"
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
		if called := base.JoinPath("/v1/x").String(); base.Host == "" || called != "https://"+base.Host+"/v1/x" || client == nil {
			t.Errorf("%q leads to %s", address, called)
		}
	})
}
