package broker

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	proxywire "stint/recorder/wire"
	"stint/server/api"
)

// started is a live session of alice's through proxy-1.
func (w *world) started() (*engineer, *person, api.Request, proxywire.SessionStart, *proxywire.Client) {
	t := w.t
	t.Helper()
	dana := w.administrator()
	bob := w.approver("bob", dana, "sre-leads")
	alice := w.commandLine("alice")
	request := alice.granted(bob)
	certificate, err := alice.activate(request)
	must(t, err)
	proxy := w.proxyClient(w.proxy)
	start := proxywire.SessionStart{
		Session: "c0ffee00c0ffee00c0ffee00c0ffee00", Request: request.ID, Serial: serial(t, certificate.Serial), SessionKey: sessionKey(t, certificate.Certificate), Login: "deploy", Target: "web-1",
		ClientAddress: "127.0.0.1:5000", ClientVersion: "SSH-2.0-OpenSSH_9.2",
	}
	_, err = proxy.StartSession(t.Context(), start)
	must(t, err)
	return alice, bob, request, start, proxy
}

func TestProxies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ctx := t.Context()
	_, bob, request, start, proxy := w.started()

	// A key that is not configured gets no connection, whoever signed its certificate.
	if _, err := w.proxyClient(w.stranger).StartSession(ctx, start); err == nil || isWire(err, http.StatusForbidden) {
		t.Errorf("a stranger is answered: %v", err)
	}
	// What no grant explains is refused.
	for name, alter := range map[string]func(*proxywire.SessionStart){
		"another login":  func(s *proxywire.SessionStart) { s.Login = "root" },
		"another target": func(s *proxywire.SessionStart) { s.Target = "demo" },
		"another serial": func(s *proxywire.SessionStart) { s.Serial++ },
		"another grant":  func(s *proxywire.SessionStart) { s.Request = "req-0000000000" },
	} {
		wrong := start
		wrong.Session = "beef0000beef0000beef0000beef0000"
		alter(&wrong)
		if _, err := proxy.StartSession(ctx, wrong); !isWire(err, http.StatusForbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Repeating a start is harmless.
	if _, err := proxy.StartSession(ctx, start); err != nil {
		t.Errorf("repeated: %v", err)
	}

	// The recording goes on exactly where it ends.
	file, seals := recordingOf(t, start.Session, request.ID, "hello")
	upload := func(offset int64, chunk []byte) error {
		_, err := proxy.Upload(ctx, start.Session, offset, bytes.NewReader(chunk), int64(len(chunk)))
		return err
	}
	must(t, upload(0, file[:10]))
	if err := upload(0, file[:10]); !isWire(err, http.StatusConflict) {
		t.Errorf("the same bytes again: %v", err)
	}
	if err := upload(11, file[11:]); !isWire(err, http.StatusConflict) {
		t.Errorf("bytes beyond a hole: %v", err)
	}
	if err := upload(-1, file); !isWire(err, http.StatusUnprocessableEntity) {
		t.Errorf("a negative offset: %v", err)
	}
	state, err := proxy.RecordingState(ctx, start.Session)
	must(t, err)
	if state.Bytes != 10 {
		t.Errorf("%d bytes are held", state.Bytes)
	}
	if _, err := proxy.RecordingState(ctx, "unknown0unknown0unknown0"); !isWire(err, http.StatusNotFound) {
		t.Errorf("an unknown recording: %v", err)
	}
	if _, err := proxy.RecordingState(ctx, "../../../../etc/passwd"); !isWire(err, http.StatusNotFound) {
		t.Errorf("a path as a session: %v", err)
	}
	must(t, upload(10, file[10:]))
	info, err := os.Stat(filepath.Join(w.config.Data, "recordings", start.Session+".stint"))
	must(t, err)
	if info.Mode().Perm() != 0o600 || info.Size() != int64(len(file)) {
		t.Errorf("the file is %v with %d bytes", info.Mode(), info.Size())
	}

	// Killing one session leaves the grant, and is pushed.
	endings := listenForEndings(t, proxy)
	if got := postJSON[api.Session](t, bob, "/api/sessions/"+start.Session+"/kill", api.Taking{Reason: "strange"}, http.StatusOK); !got.Live {
		t.Errorf("killed, the session is %+v before the proxy says that it is over", got)
	}
	select {
	case ending := <-endings:
		if ending.Session != start.Session || ending.Reason != "killed" {
			t.Errorf("the ending is %+v", ending)
		}
	case <-time.After(time.Minute):
		t.Fatal("no ending came")
	}
	if live, err := bob.api.Request(ctx, request.ID); err != nil || live.State != "active" {
		t.Errorf("after one session was killed the grant is %s, %v", live.State, err)
	}
	must(t, proxy.EndSession(ctx, start.Session, proxywire.SessionEnd{Reason: "killed", Ended: time.Now().UTC(), Bytes: int64(len(file))}))

	// Before its seals the recording proves nothing; with other seals it is broken.
	carol := w.portalSignIn("carol")
	if session, err := carol.api.Session(ctx, start.Session); err != nil || session.ChainVerified != "cut" {
		t.Errorf("without seals it is %q: %s, %v", session.ChainVerified, session.ChainDetail, err)
	}
	must(t, proxy.ReportSeals(ctx, start.Session, proxywire.Seals{Seals: seals}))
	changed := seals[0]
	changed.Head[0] ^= 1
	if err := proxy.ReportSeals(ctx, start.Session, proxywire.Seals{Seals: []proxywire.Seal{changed}}); !isWire(err, http.StatusConflict) {
		t.Errorf("another seal for the same segment: %v", err)
	}
	if session, err := carol.api.Session(ctx, start.Session); err != nil || session.ChainVerified != "verified" {
		t.Errorf("with its seals it is %q: %s, %v", session.ChainVerified, session.ChainDetail, err)
	}
	// Altered on disk after a restart, it is found out.
	w.stop()
	path := filepath.Join(w.config.Data, "recordings", start.Session+".stint")
	file[len(file)/2] ^= 1
	must(t, os.WriteFile(path, file, 0o600))
	w.restart()
	if session, err := carol.api.Session(ctx, start.Session); err != nil || session.ChainVerified != "broken" || session.ChainDetail == "" {
		t.Errorf("altered it is %q: %s, %v", session.ChainVerified, session.ChainDetail, err)
	}
	if listed, err := carol.api.Sessions(ctx, api.SessionsQuery{}); err != nil || len(listed.Items) != 1 || listed.Items[0].ChainVerified != "broken" {
		t.Errorf("the list has %+v, %v", listed.Items, err)
	}
}

// A broker that is stopped and started again has everything that it answered.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ctx := t.Context()
	alice, bob, request, start, proxy := w.started()
	file, _ := recordingOf(t, start.Session, request.ID, "hello")
	_, err := proxy.Upload(ctx, start.Session, 0, bytes.NewReader(file[:20]), 20)
	must(t, err)
	proxy.Close()
	w.restart()

	proxy = w.proxyClient(w.proxy)
	leases, err := proxy.RenewLeases(ctx, proxywire.LeaseRequest{Sessions: []string{start.Session}})
	must(t, err)
	if leases.Verdicts[0].Lease != proxywire.Lease {
		t.Errorf("after the restart the verdict is %+v", leases.Verdicts[0])
	}
	if state, err := proxy.RecordingState(ctx, start.Session); err != nil || state.Bytes != 20 {
		t.Errorf("after the restart %d bytes are held, %v", state.Bytes, err)
	}
	if _, err := alice.activate(request); err != nil {
		t.Errorf("after the restart the grant gives no certificate: %v", err)
	}
	endings := listenForEndings(t, proxy)
	if dropped, err := alice.api.Drop(ctx, request.ID, api.Taking{}); err != nil || dropped.EndReason != "dropped" {
		t.Errorf("dropping: %s, %v", dropped.EndReason, err)
	}
	select {
	case ending := <-endings:
		if ending.Reason != "dropped" {
			t.Errorf("the ending is %+v", ending)
		}
	case <-time.After(time.Minute):
		t.Fatal("no ending came")
	}
	if me, err := bob.api.Me(ctx); err != nil || !me.Approver {
		t.Errorf("after the restart bob is %+v, %v", me, err)
	}
}
