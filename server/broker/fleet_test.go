package broker

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	proxywire "stint/recorder/wire"
	"stint/server/api"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

const fleetRule = `device:
  required: true
  fleet: {period: 1m, require: [disk-encryption], named: [Full disk encryption enabled (Linux)]}
`

// fleetServer answers as a Fleet server does, over TLS, with what one recorded.
type fleetServer struct {
	t    testing.TB
	mu   sync.Mutex
	text string
	age  time.Duration // of the machine's answers
	down bool
}

func (f *fleetServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer api-only-token" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if f.down {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	switch strings.TrimPrefix(r.URL.Path, "/api/v1/fleet/hosts/") {
	case "33", "identifier/C0124FXASD6G":
		at := time.Now().Add(-f.age).UTC().Format(time.RFC3339)
		_, _ = w.Write([]byte(strings.NewReplacer("2026-11-22T21:07:53Z", at, "2026-11-22T21:09:12Z", at).Replace(f.text)))
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(f.recorded("unknown.json")))
	}
}

func (f *fleetServer) recorded(name string) string {
	text, err := os.ReadFile(filepath.Join("internal", "fleet", "testdata", name))
	if err != nil {
		f.t.Error(err)
	}
	return string(text)
}

// says changes what it says: a text for a recorded one, and how old it is.
func (f *fleetServer) says(old, text string, age time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text, f.age = strings.ReplaceAll(f.recorded("host.json"), old, text), age
}

func (f *fleetServer) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// startFleet starts a Fleet server, and gives a broker's configuration for it.
func (w *world) startFleet() (*fleetServer, *Fleet) {
	f := &fleetServer{t: w.t}
	f.says("", "", 0)
	server := httptest.NewTLSServer(f)
	w.t.Cleanup(server.Close)
	w.write("fleet/token", "api-only-token\n")
	w.write("fleet/roots.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	return f, &Fleet{URL: server.URL, TokenFile: filepath.Join(w.dir, "fleet", "token"), RootsFile: filepath.Join(w.dir, "fleet", "roots.pem")}
}

// enrols takes a device as the engineer's.
func (e *engineer) enrols(name string) *evidencetest.Device {
	t := e.w.t
	t.Helper()
	id := make([]byte, 8)
	_, _ = rand.Read(id)
	d := evidencetest.NewDevice(t, "dev-"+hex.EncodeToString(id))
	now := time.Now().UTC().Truncate(time.Second)
	text, err := evidence.Encode(&evidence.Device{
		Instance: "test1234", Person: e.w.provider.Person(e.name).Subject, Device: d.ID, DeviceName: name, DeviceKey: d.Public, Held: evidence.HeldFile,
		Issued: now, Expires: now.Add(time.Hour), Nonce: evidencetest.Nonce(),
	})
	must(t, err)
	_, err = e.api.EnrolDevice(t.Context(), api.DeviceEnrolment{
		Statement: text, Possession: d.Sign(t, text), Signature: evidence.SignWithKey(text, e.key.Private).Signature, Login: e.binding,
	})
	must(t, err)
	return d
}

// activateFrom gets a certificate for a session key from a device.
func (e *engineer) activateFrom(request api.Request, d *evidencetest.Device) (api.Certificate, error) {
	t := e.w.t
	t.Helper()
	activation, err := evidence.ActivationOf(request.Statement, evidencetest.NewKey(t).Public, time.Now().UTC().Truncate(time.Second), evidencetest.Nonce())
	must(t, err)
	activation.Device = d.ID
	text, err := evidence.Encode(activation)
	must(t, err)
	return e.api.Activate(t.Context(), request.ID, api.Activation{
		Statement: text, Signature: evidence.SignWithKey(text, e.key.Private).Signature, Login: e.binding, Device: &api.DeviceProof{Signature: d.Sign(t, text)},
	})
}

func wantProblem(t *testing.T, err error, status int, code, title string) {
	t.Helper()
	var problem *api.Error
	if !errors.As(err, &problem) || problem.Status != status || problem.Code != code || !strings.Contains(problem.Title, title) {
		t.Errorf("got %v, want %d %s %q", err, status, code, title)
	}
}

// From an unbound device to the end of a live session, with real parts but for Fleet
// and the proxy.
func TestFleet(t *testing.T) {
	t.Parallel()
	var fleet *fleetServer
	w := newWorld(t, options{device: fleetRule, alter: func(w *world) { fleet, w.config.Fleet = w.startFleet() }})
	ctx := t.Context()
	dana := w.administrator()
	bob := w.approver("bob", dana, "sre-leads")
	alice := w.commandLine("alice")
	d := alice.enrols("Alice's laptop")
	request := alice.granted(bob)

	// 1. Nobody has bound the device to its host. Its owner may not, and another machine is
	// not known.
	_, err := alice.activateFrom(request, d)
	wantProblem(t, err, http.StatusForbidden, "device.refused", "Fleet says nothing of this machine")
	bind := func(by *api.Client, host string) (api.Device, error) {
		return by.BindFleet(ctx, d.ID, api.FleetChoice{Host: host})
	}
	_, err = bind(alice.api, "C0124FXASD6G")
	wantProblem(t, err, http.StatusForbidden, "forbidden", "Somebody else binds your device")
	_, err = bind(bob.api, "C0124FXASD6G")
	wantProblem(t, err, http.StatusNotFound, "device.not-found", "")
	_, err = bind(dana.api, "annas-laptop") // a name proves nothing
	wantProblem(t, err, http.StatusNotFound, "fleet.unknown", "Fleet knows no machine")
	_, err = bind(dana.api, "../../users")
	wantProblem(t, err, http.StatusNotFound, "fleet.unknown", "Fleet knows no machine")

	// 2. What Fleet heard long ago does not count.
	fleet.says("", "", 2*time.Minute)
	_, err = bind(dana.api, "C0124FXASD6G")
	must(t, err)
	_, err = alice.activateFrom(request, d)
	wantProblem(t, err, http.StatusForbidden, "device.refused", "older than 1m")

	// 3. Fleet is away: that is an answer too.
	fleet.setDown(true)
	_, err = bind(dana.api, "C0124FXASD6G")
	wantProblem(t, err, http.StatusServiceUnavailable, "fleet.unavailable", "does not answer")
	if health := w.troubles(); !strings.Contains(health, "The Fleet server does not answer") {
		t.Errorf("the broker's troubles are %q", health)
	}
	_, err = alice.activateFrom(request, d)
	wantProblem(t, err, http.StatusForbidden, "device.refused", "older than 1m")

	// 4. It is back, and the machine has told it how it is.
	fleet.setDown(false)
	fleet.says("", "", 0)
	device, err := bind(dana.api, "C0124FXASD6G")
	must(t, err)
	if f := device.Fleet; f == nil || f.Host != 33 || f.By.Name == "" || f.Word == nil || f.Word.Name != "annas-laptop" || f.Word.DiskEncryption != "on" ||
		f.Word.Passing != 1 || len(f.Word.Failing) != 2 || f.Word.Collected == nil {
		t.Errorf("the device is %+v", device)
	}
	certificate, err := alice.activateFrom(request, d)
	must(t, err)
	proxy := w.proxyClient(w.proxy)
	start := proxywire.SessionStart{
		Session: "c0ffee00c0ffee00c0ffee00c0ffee00", Request: request.ID, Serial: serial(t, certificate.Serial), SessionKey: sessionKey(t, certificate.Certificate),
		Login: "deploy", Target: "web-1", ClientAddress: "127.0.0.1:5000", ClientVersion: "SSH-2.0-OpenSSH_9.2",
	}
	_, err = proxy.StartSession(ctx, start)
	must(t, err)

	// 5. It complies no more: the live session ends within the period, by the broker's own
	// asking, and nothing more begins.
	began, stood := time.Now(), standstill(t)
	fleet.says(`"disk_encryption_enabled": true`, `"disk_encryption_enabled": false`, 0)
	ended := ""
	for deadline := time.Now().Add(2 * time.Minute); ended == "" && time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		result, err := proxy.RenewLeases(ctx, proxywire.LeaseRequest{Sessions: []string{start.Session}})
		must(t, err)
		ended = result.Verdicts[0].Ended
	}
	if ended != proxywire.ReasonDevice {
		t.Errorf("after %s the session ended by %q", time.Since(began), ended)
	}
	if took := time.Since(began); took > time.Minute+stood() {
		t.Errorf("it took %s, of which this process stood still for %s", took, stood())
	}
	after, err := alice.api.Request(ctx, request.ID)
	must(t, err)
	if after.State != "active" || !strings.Contains(mustJSON(t, after.Timeline), "By Fleet's word, the disk of this machine is not encrypted") {
		t.Errorf("the request is %s: %s", after.State, mustJSON(t, after.Timeline))
	}
	start.Session = "beef0000beef0000beef0000beef0000"
	if _, err = proxy.StartSession(ctx, start); !isWire(err, http.StatusForbidden) {
		t.Errorf("another session: %v", err)
	}
	_, err = alice.activateFrom(request, d)
	wantProblem(t, err, http.StatusForbidden, "device.refused", "the disk of this machine is not encrypted")
}

// A policy that asks for Fleet's word, and a broker that asks no Fleet server.
func TestFleetIsNotConfigured(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{device: fleetRule})
	dana := w.administrator()
	bob := w.approver("bob", dana, "sre-leads")
	alice := w.commandLine("alice")
	d := alice.enrols("Alice's laptop")
	if troubles := w.troubles(); !strings.Contains(troubles, "names no Fleet server") {
		t.Errorf("the broker's troubles are %q", troubles)
	}
	_, err := alice.activateFrom(alice.granted(bob), d)
	wantProblem(t, err, http.StatusForbidden, "device.refused", "Fleet says nothing of this machine")
	_, err = dana.api.BindFleet(t.Context(), d.ID, api.FleetChoice{Host: "C0124FXASD6G"})
	wantProblem(t, err, http.StatusConflict, "fleet.unavailable", "asks no Fleet server")
}

func (w *world) troubles() string {
	w.t.Helper()
	return strings.Join(getJSON[api.Health](w.t, w.portalSignIn("carol"), api.PathHealth).Troubles, " ")
}
