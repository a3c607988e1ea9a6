package border

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// serve starts a server with a certificate that no authority of ours vouches
// for, which callers show too. It answers with the key that the caller showed.
func serve(t *testing.T, newest uint16) (address string, own tls.Certificate, key string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, KeyOf(r.TLS.PeerCertificates[0]))
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: newest}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, server.TLS.Certificates[0], KeyOf(server.Certificate())
}

func TestTheServerIsKnownByItsKeyAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		newest uint16
		path   string
		key    func(string) string // what is pinned, of the server's key
		status int                 // zero where no call must be made
		says   string
	}{
		"the right server":   {tls.VersionTLS13, "/", func(key string) string { return key }, http.StatusOK, ""},
		"a key in capitals":  {tls.VersionTLS13, "/", strings.ToUpper, http.StatusOK, ""},
		"another key":        {tls.VersionTLS13, "/", func(key string) string { return key[1:] + key[:1] }, 0, "is not the broker: its key is "},
		"an old TLS":         {tls.VersionTLS12, "/", func(key string) string { return key }, 0, "protocol version"},
		"a redirect is told": {tls.VersionTLS13, "/redirect", func(key string) string { return key }, http.StatusFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, own, key := serve(t, c.newest)
			base, client, err := NewClient("the broker", address, c.key(key), own, &http.Transport{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.CloseIdleConnections)
			response, err := client.Get(base.JoinPath(c.path).String())
			if c.status == 0 {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, want %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			shown, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != c.status || c.status == http.StatusOK && string(shown) != key {
				t.Errorf("status %d, the server saw the key %q, %v", response.StatusCode, shown, err)
			}
		})
	}
}

func TestNewClientRefusesBadWiring(t *testing.T) {
	t.Parallel()
	key, own := strings.Repeat("0", 64), tls.Certificate{Certificate: [][]byte{{}}}
	for name, c := range map[string]struct {
		address, key string
		own          tls.Certificate
		says         string
	}{
		"good":            {"https://127.0.0.1:1", key, own, ""},
		"a slash":         {"https://127.0.0.1:1/", key, own, ""},
		"http":            {"http://127.0.0.1:1", key, own, `the broker's address "http://127.0.0.1:1"`},
		"a path":          {"https://127.0.0.1:1/x", key, own, "the broker's address"},
		"no host":         {"https://", key, own, "the broker's address"},
		"no address":      {"", key, own, "the broker's address"},
		"no key":          {"https://127.0.0.1:1", "", own, `the broker's key ""`},
		"half a key":      {"https://127.0.0.1:1", key[:32], own, "the broker's key"},
		"a key and more":  {"https://127.0.0.1:1", key + "00", own, "the broker's key"},
		"no hex":          {"https://127.0.0.1:1", key[:63] + "x", own, "the broker's key"},
		"no certificate":  {"https://127.0.0.1:1", key, tls.Certificate{}, "calling the broker without a client certificate"},
		"all of it wrong": {"", "", tls.Certificate{}, "the broker's address"},
	} {
		base, client, err := NewClient("the broker", c.address, c.key, c.own, &http.Transport{})
		if c.says == "" {
			if err != nil || base == nil || client == nil {
				t.Errorf("%s: %v", name, err)
			}
		} else if err == nil || !strings.HasPrefix(err.Error(), c.says) || client != nil {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}
