package broker

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"

	"stint/policies/bundle"
	"stint/recorder/cast/casttest"
	proxywire "stint/recorder/wire"
	"stint/server/broker/internal/providertest"
	"stint/server/evidence/evidencetest"
	"stint/server/signer"
	"stint/server/signer/ceremonytest"
)

// world is a broker with all that belongs to it: a real signer, a real
// provider, SQLite, and a certificate for a proxy.
type world struct {
	t        testing.TB
	log      io.Writer // the broker's
	dir      string
	config   Config
	broker   *broker
	provider *providertest.Provider
	own      identity // the broker's
	proxy    identity
	stranger identity // of the same authority, not configured
	proxyURL string
	stop     func()     // ends the broker and waits
	host     ssh.Signer // the host key of web-1

	signer      signer.Config
	stopSigner  func() error
	signerEnded chan error // once, when the signer ends by itself or is stopped
}

type options struct {
	withoutSigner bool
	tokenLife     time.Duration
	balancers     []string
	quorum        int            // of administrators; 1 where it is 0. So many join in the ceremony.
	device        string         // what production-shell asks of devices
	extra         string         // more policy documents, in rules.yaml
	alter         func(w *world) // runs before the broker starts
	log           io.Writer      // where the broker's log goes; to the test's where it is nil
}

// firstAdministrators join in this order.
var firstAdministrators = []string{"dana", "frank"}

// standstill adds up for how long this process stood still from now on, as it does where
// the machine runs much else: what is promised in time is promised beside that.
func standstill(t testing.TB) func() time.Duration {
	const look = 20 * time.Millisecond
	var stood atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for before := time.Now(); ; {
			select {
			case <-stop:
				return
			case <-time.After(look):
			}
			now := time.Now()
			if late := now.Sub(before) - look; late > 5*look {
				stood.Add(int64(late))
			}
			before = now
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
	return func() time.Duration { return time.Duration(stood.Load()) }
}

func newWorld(t testing.TB, o options) *world {
	t.Helper()
	if o.tokenLife == 0 {
		o.tokenLife = time.Hour
	}
	o.quorum = max(o.quorum, 1)
	w := &world{t: t, dir: t.TempDir(), log: o.log}
	if w.log == nil {
		w.log = logWriter{t}
	}
	people := listen(t)
	_, port, _ := net.SplitHostPort(people.Addr().String())
	url := "http://localhost:" + port
	w.provider = providertest.Start(t, url, o.tokenLife)

	authority := newAuthority(t, filepath.Join(w.dir, "tls"))
	brokerIdentity, signerIdentity := authority.issue("broker"), authority.issue("signer")
	w.own = brokerIdentity
	w.proxy, w.stranger = authority.issue("proxy-1"), authority.issue("proxy-2")
	w.writePolicy(o.quorum, o.device)
	if o.extra != "" {
		w.write("policy/rules.yaml", o.extra)
	}
	w.write("secret", providertest.PortalSecret+"\n")
	w.write("playback", string(casttest.PlaybackFile()))

	signerURL := "https://127.0.0.1:1"
	if !o.withoutSigner {
		signerURL = w.startSigner(brokerIdentity, signerIdentity, url, o.quorum)
	}
	w.config = Config{
		Instance: "test1234", Data: filepath.Join(w.dir, "broker"), Listen: "127.0.0.1:0", URL: url, ProxyListen: "127.0.0.1:0",
		TLS: brokerIdentity.files, Proxies: []Proxy{{Name: "proxy-1", Key: w.proxy.key, Address: "localhost:2222"}},
		Signer: Signer{URL: signerURL, Key: signerIdentity.key}, Database: "sqlite:" + filepath.Join(w.dir, "stint.db"),
		Policy: filepath.Join(w.dir, "policy"), Balancers: o.balancers,
		Issuer: Issuer{
			URL: w.provider.URL, PortalClientID: providertest.PortalClient, PortalClientSecretFile: filepath.Join(w.dir, "secret"),
			CommandLineClientID: providertest.CommandLineClient,
		},
		RelyingParty: "localhost", Origins: []string{url},
		Recordings: Recordings{Identities: []string{filepath.Join(w.dir, "playback")}},
	}
	if o.alter != nil {
		o.alter(w)
	}
	must(t, w.config.Check())
	w.start(people)
	return w
}

func (w *world) start(people net.Listener) {
	t := w.t
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	w.broker, err = assemble(ctx, w.config, slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelWarn})))
	must(t, err)
	machines := listen(t)
	w.proxyURL = "https://" + machines.Addr().String()
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- w.broker.serve(ctx, people, machines, func(Ready) error { close(ready); return nil })
	}()
	stopped := false
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the broker ended: %v", err)
		}
		must(t, w.broker.close())
	}
	t.Cleanup(w.stop)
	<-ready
	w.eventually("the provider is known", func() bool { return w.broker.login.Trouble() == "" })
	if w.config.Signer.URL != "https://127.0.0.1:1" {
		<-w.broker.signing.Heard()
	}
}

// restart ends the broker and starts another on the same data and port.
func (w *world) restart() {
	w.stop()
	people, err := net.Listen("tcp", "127.0.0.1:"+w.config.URL[strings.LastIndexByte(w.config.URL, ':')+1:])
	must(w.t, err)
	w.start(people)
}

func (w *world) startSigner(broker, own identity, url string, administrators int) string {
	address, origin := ceremonytest.Address(w.t)
	ceremony := &signer.CeremonyConfig{Listen: address, Origin: origin}
	for _, name := range firstAdministrators[:administrators] {
		ceremony.Administrators = append(ceremony.Administrators, w.provider.Person(name))
	}
	config := signer.Config{
		Instance: "test1234", Data: filepath.Join(w.dir, "signer"), Listen: "127.0.0.1:0",
		TLS: signer.TLSFiles(own.files), Broker: broker.key, Proxies: []signer.ProxyConfig{{Name: "proxy-1", Key: w.proxy.key, Names: []string{"localhost"}}},
		Policy: filepath.Join(w.dir, "policy"), Issuer: signer.IssuerConfig{URL: w.provider.URL, ClientID: providertest.CommandLineClient},
		RelyingParty: "localhost", Origins: []string{url}, Ceremony: ceremony,
	}
	must(w.t, os.MkdirAll(config.Data, 0o700))
	w.signer = config
	w.runSigner()
	w.t.Cleanup(func() {
		if err := w.stopSigner(); err != nil {
			w.t.Errorf("the signer ended: %v", err)
		}
	})
	return "https://" + w.signer.Listen
}

// runSigner starts the signer, from the second time on where it was before.
func (w *world) runSigner() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	listening, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- signer.Run(ctx, w.signer, slog.Default(), func(ready signer.Ready) error { listening <- ready.Listen; return nil })
	}()
	w.signerEnded = ended
	w.stopSigner = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	select {
	case w.signer.Listen = <-listening:
	case err := <-ended:
		ended <- nil
		w.t.Fatalf("the signer did not start: %v", err)
	}
}

func (w *world) writePolicy(quorum int, device string) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(w.t, err)
	w.host, err = ssh.NewSignerFromKey(private)
	must(w.t, err)
	hostKey := string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(w.host.PublicKey())))
	files, err := bundle.Write("deploy", quorum, bundle.Recordings{Recipients: casttest.Session(), First: casttest.First(), Second: casttest.Second()}, []bundle.Target{
		{Name: "web-1", Address: "127.0.0.1:2022", HostKey: hostKey, Labels: map[string]string{"env": "production"}},
		{Name: "demo", Address: "127.0.0.1:2023", HostKey: newSSHKey(w.t), Labels: map[string]string{"env": "demo"}},
	})
	must(w.t, err)
	for name, text := range files {
		w.write(filepath.Join("policy", name), strings.Replace(text, "\nname: production-shell\n", "\nname: production-shell\n"+device, 1))
	}
}

func (w *world) write(name, text string) {
	path := filepath.Join(w.dir, name)
	must(w.t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(w.t, os.WriteFile(path, []byte(text), 0o600))
}

func (w *world) eventually(what string, is func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); { // a loaded machine, under the race detector
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("it never came about that %s", what)
}

// proxyClient is the wire's client with a certificate.
func (w *world) proxyClient(as identity) *proxywire.Client {
	client, err := proxywire.NewClient(w.proxyURL, w.own.key, as.pair)
	must(w.t, err)
	w.t.Cleanup(client.Close)
	return client
}

// register answers navigator.credentials.create in software.
func register(t testing.TB, key *evidencetest.Passkey, options json.RawMessage) json.RawMessage {
	t.Helper()
	var asked struct {
		Challenge string `json:"challenge"`
	}
	must(t, json.Unmarshal(options, &asked))
	id, err := base64.RawURLEncoding.DecodeString(key.Credential)
	must(t, err)
	cose, err := base64.RawURLEncoding.DecodeString(key.PublicKey)
	must(t, err)
	party := sha256.Sum256([]byte(key.RelyingParty))
	data := append(party[:], 0x45, 0, 0, 0, 0)
	data = append(data, make([]byte, 16)...)
	data = append(data, 0, byte(len(id)))
	data = append(append(data, id...), cose...)
	attestation, err := webauthncbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	must(t, err)
	client, err := json.Marshal(map[string]any{"type": "webauthn.create", "challenge": asked.Challenge, "origin": key.Origin, "crossOrigin": false})
	must(t, err)
	encode := base64.RawURLEncoding.EncodeToString
	answer, err := json.Marshal(map[string]any{
		"id": key.Credential, "rawId": key.Credential, "type": "public-key", "clientExtensionResults": map[string]any{},
		"response": map[string]any{"clientDataJSON": encode(client), "attestationObject": encode(attestation), "transports": []string{"internal"}},
	})
	must(t, err)
	return answer
}

func newSSHKey(t testing.TB) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	key, err := ssh.NewPublicKey(public)
	must(t, err)
	return string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(key)))
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	return listener
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// logWriter passes the broker's log on to the test's.
type logWriter struct{ t testing.TB }

func (w logWriter) Write(line []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}

// signInUpToCallback signs in at the provider and returns path and query of the
// callback that it leads to.
func (w *world) signInUpToCallback(browser *http.Client, address, name string) string {
	w.t.Helper()
	ended := providertest.SignIn(w.t, browser, address, name)
	target, err := ended.Location()
	if err != nil {
		w.t.Fatalf("signing in ended at %s with %s", ended.Request.URL, ended.Status)
	}
	return target.RequestURI()
}

func auditSigner(w *world) note.Signer {
	w.t.Helper()
	key, err := openAuditKey(filepath.Join(w.config.Data, "audit.key"), "stint-broker/test1234", rand.Reader)
	must(w.t, err)
	return key.Signer
}

// postJSON makes a call with somebody's cookie that must be answered with status.
func postJSON[Out any](t testing.TB, p *person, path string, in any, status int) (out Out) {
	t.Helper()
	body := ""
	if in != nil {
		text, err := json.Marshal(in)
		must(t, err)
		body = string(text)
	}
	got := p.w.do(p.browser, call{method: http.MethodPost, path: path, body: body})
	if got.status != status {
		t.Fatalf("%s: %d %s", path, got.status, got.body)
	}
	must(t, json.Unmarshal(got.body, &out))
	return out
}

func mustURL(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	must(t, err)
	return u
}

// getJSON reads something with somebody's cookie.
func getJSON[Out any](t testing.TB, p *person, path string) (out Out) {
	t.Helper()
	got := p.w.do(p.browser, call{method: http.MethodGet, path: path})
	if got.status != http.StatusOK {
		t.Fatalf("%s: %d %s", path, got.status, got.body)
	}
	must(t, json.Unmarshal(got.body, &out))
	return out
}

func mustJSON(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	must(t, err)
	return string(text)
}
