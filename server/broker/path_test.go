package broker

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
	"stint/recorder/cast/casttest"
	proxywire "stint/recorder/wire"
	"stint/server/api"
	"stint/server/evidence"
	"stint/server/ledger"
)

// The whole path through the broker, with a real signer and a real provider:
// asked, approved, activated, recorded, revoked, replayed, checked.
func TestPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ctx := t.Context()
	dana := w.administrator()
	bob := w.approver("bob", dana, "sre-leads")
	alice := w.commandLine("alice")

	me, err := bob.api.Me(ctx)
	must(t, err)
	if !me.Approver || me.Administrator || me.Ceremony || !slices.Equal(me.RosterGroups, []string{"sre-leads"}) {
		t.Errorf("bob is %+v", me)
	}
	roles, err := alice.api.Roles(ctx)
	must(t, err)
	if i := slices.IndexFunc(roles.Items, func(r api.Role) bool { return r.Name == "production-shell" }); i < 0 || len(roles.Items[i].Stages[0].Approvers) != 1 {
		t.Errorf("alice may ask for %+v", roles.Items)
	}

	// 1. Asked, seen by the approver, approved for less, activated.
	request := alice.granted(bob)
	if request.DurationSeconds != 1800 || len(request.Approvals) != 1 || !request.Approvals[0].Counts {
		t.Errorf("the approved request is %+v", request)
	}
	certificate, err := alice.activate(request)
	must(t, err)
	if certificate.Login != "deploy" || certificate.Target != "web-1" || len(certificate.Proxies) != 1 {
		t.Errorf("the certificate is %+v", certificate)
	}

	// 2. A session, its lease, and its recording.
	proxy := w.proxyClient(w.proxy)
	endings := listenForEndings(t, proxy)
	start := proxywire.SessionStart{
		Session: "c0ffee00c0ffee00c0ffee00c0ffee00", Request: request.ID, Serial: serial(t, certificate.Serial), SessionKey: sessionKey(t, certificate.Certificate), Login: "deploy", Target: "web-1",
		ClientAddress: "127.0.0.1:5000", ClientVersion: "SSH-2.0-OpenSSH_9.2",
	}
	started, err := proxy.StartSession(ctx, start)
	must(t, err)
	if started.Name != "Alice" || started.Lease != proxywire.Lease {
		t.Errorf("the session is %+v", started)
	}
	file, seals := recordingOf(t, start.Session, request.ID, "hello \xff from web-1\r\n")
	half := int64(len(file) / 2)
	state, err := proxy.Upload(ctx, start.Session, 0, bytes.NewReader(file[:half]), half)
	must(t, err)
	if state.Bytes != half {
		t.Errorf("%d bytes are held, not %d", state.Bytes, half)
	}
	leases, err := proxy.RenewLeases(ctx, proxywire.LeaseRequest{Sessions: []string{start.Session, "unknown-session-id"}})
	must(t, err)
	if leases.Verdicts[0].Lease != proxywire.Lease || leases.Verdicts[1].Ended == "" {
		t.Errorf("the verdicts are %+v", leases.Verdicts)
	}

	// 3. Revoked: the proxy hears of it at once.
	began, stood := time.Now(), standstill(t)
	revoked, err := bob.api.Revoke(ctx, request.ID, api.Taking{Reason: "wrong host"})
	must(t, err)
	if revoked.State != "ended" || revoked.EndReason != "revoked" {
		t.Errorf("the revoked request is %s, %s", revoked.State, revoked.EndReason)
	}
	select {
	case ending := <-endings:
		if ending.Request != request.ID || ending.Reason != "revoked" || ending.By != "Bob" {
			t.Errorf("the ending is %+v", ending)
		}
		took := time.Since(began)
		t.Logf("the end came %v after it was asked for", took)
		if took > time.Second+stood() {
			t.Errorf("the ending took %v, of which this process stood still for %v", took, stood())
		}
	case <-time.After(time.Minute):
		t.Fatal("no ending came")
	}
	leases, err = proxy.RenewLeases(ctx, proxywire.LeaseRequest{Sessions: []string{start.Session}})
	must(t, err)
	if leases.Verdicts[0].Ended != "revoked" {
		t.Errorf("the verdict after the end is %+v", leases.Verdicts[0])
	}
	if _, err := alice.activate(request); err == nil {
		t.Error("a revoked grant gave a certificate")
	}
	again := start
	again.Session = "beef0000beef0000beef0000beef0000"
	if _, err := proxy.StartSession(ctx, again); !isWire(err, http.StatusConflict) {
		t.Errorf("a session of a revoked grant: %v", err)
	}
	must(t, proxy.EndSession(ctx, start.Session, proxywire.SessionEnd{Reason: "revoked", Ended: time.Now().UTC(), Bytes: int64(len(file))}))

	// 4. The rest of the recording comes after the end, then the seals.
	carol := w.portalSignIn("carol")
	session, err := carol.api.Session(ctx, start.Session)
	must(t, err)
	if session.Live || session.ChainVerified != "cut" || !strings.Contains(session.ChainDetail, "have arrived") {
		t.Errorf("with half of its recording the session is %q, %q", session.ChainVerified, session.ChainDetail)
	}
	_, err = proxy.Upload(ctx, start.Session, half, bytes.NewReader(file[half:]), int64(len(file))-half)
	must(t, err)
	must(t, proxy.ReportSeals(ctx, start.Session, proxywire.Seals{Seals: seals}))
	session, err = carol.api.Session(ctx, start.Session)
	must(t, err)
	if session.ChainVerified != "verified" || session.Bytes != int64(len(file)) || !slices.Contains(session.May, "replay") {
		t.Errorf("the session is %+v", session)
	}

	// 5. Replayed: events and bytes.
	checkEvents(t, carol, start.Session)
	recording, keys, err := carol.api.Recording(ctx, start.Session)
	must(t, err)
	got, err := io.ReadAll(recording)
	must(t, errors.Join(err, recording.Close()))
	if !bytes.Equal(got, file) {
		t.Error("the recording is not what was uploaded")
	}
	var revealed cast.Revealed
	text, err := base64.StdEncoding.DecodeString(keys)
	must(t, errors.Join(err, json.Unmarshal(text, &revealed)))
	if summary, err := cast.Verify(bytes.NewReader(got), nil, revealed); err != nil || summary.Output == 0 || summary.Input != 0 || summary.ClosedInput != 1 {
		t.Errorf("with the keys that came with it: %+v, %v", summary, err)
	}
	if part := carol.get(api.PathRecordingFile, start.Session, "Range", "bytes=4-9"); part.status != http.StatusPartialContent || !bytes.Equal(part.body, file[4:10]) {
		t.Errorf("a range is %d %q", part.status, part.body)
	}
	if erin := w.portalSignIn("erin"); erin.get(api.PathEvents, start.Session).status != http.StatusNotFound {
		t.Error("somebody without a part in it reads the recording")
	}
	if answer := bob.get(api.PathEvents, start.Session); answer.status != http.StatusForbidden {
		t.Errorf("an approver who is no reviewer replays: %d", answer.status)
	}

	// 6. Evidence, trust and the audit log can be checked by others.
	own, err := alice.api.Evidence(ctx, request.ID)
	must(t, err)
	if len(own.Certificates) != 1 || own.Agreed != "" || sessionIn(t, own).Request != request.ID {
		t.Errorf("alice has %+v", own)
	}
	whole, err := carol.api.Evidence(ctx, request.ID)
	must(t, err)
	if entriesOf(t, own, evidence.Entry.ChangesBeliefs) != 0 || entriesOf(t, whole, evidence.Entry.ChangesBeliefs) < 4 {
		t.Errorf("alice has %d entries that are not her request's, a reviewer %d",
			entriesOf(t, own, evidence.Entry.ChangesBeliefs), entriesOf(t, whole, evidence.Entry.ChangesBeliefs))
	}
	first, err := alice.api.Beginning(ctx)
	must(t, err)
	if entriesOf(t, first, func(e evidence.Entry) bool { return e.Policy != nil }) != 1 || entriesOf(t, first, func(e evidence.Entry) bool { return e.Session != nil }) != 0 {
		t.Errorf("the beginning is %+v", first)
	}
	w.eventually("the signer has the end", func() bool {
		events, err := carol.api.AuditLog(ctx, 0)
		return err == nil && slices.ContainsFunc(events.Leaves, func(l api.AuditLeaf) bool { return strings.Contains(l.Data, "grant.end-confirmed") })
	})
	checkAuditLog(t, carol)
}

func listenForEndings(t *testing.T, proxy *proxywire.Client) <-chan proxywire.Ending {
	t.Helper()
	endings, connected := make(chan proxywire.Ending, 10), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = proxy.Endings(ctx, func() { close(connected) }, func(e proxywire.Ending) {
			if e.Request != "" || e.Session != "" {
				endings <- e
			}
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	select {
	case <-connected:
	case <-time.After(time.Minute):
		t.Fatal("the stream of endings does not begin")
	}
	return endings
}

// recordingOf makes a recording of one shell, and its seals.
func recordingOf(t *testing.T, session, request, output string) ([]byte, []proxywire.Seal) {
	t.Helper()
	var file bytes.Buffer
	var seals []proxywire.Seal
	writer, err := cast.NewWriter(&file, cast.Header{
		Session: session, Request: request, Protocol: "ssh", Login: "deploy", Target: "web-1", Proxy: "proxy-1",
		Person: cast.Person{Issuer: "https://idp.example.com", Subject: "alice", Name: "Alice"},
	}, casttest.Recipients(), cast.Options{OnSeal: func(s cast.Seal) {
		seals = append(seals, proxywire.Seal{Sequence: int64(s.Sequence), Offset: s.End, Head: ledger.Hash(s.Head)})
	}})
	must(t, err)
	for _, body := range []cast.Body{
		cast.ChannelOpen{Type: cast.Shell, Terminal: "xterm", Size: cast.Size{Columns: 80, Rows: 24}},
		cast.Input("secret typed\n"), cast.Output(output),
	} {
		must(t, writer.Write(1, body))
	}
	_, err = writer.Seal()
	must(t, err)
	must(t, writer.Write(1, cast.ExitStatus(3)))
	must(t, writer.Close(cast.End{Reason: cast.Revoked}))
	return file.Bytes(), seals
}

type frame struct {
	kind    uint8
	channel uint16
	payload []byte
}

func checkEvents(t *testing.T, by *person, session string) {
	t.Helper()
	answer := by.get(api.PathEvents, session)
	if answer.status != http.StatusOK || answer.header.Get("Content-Type") != api.EventsFormat {
		t.Fatalf("events: %d %s", answer.status, answer.header.Get("Content-Type"))
	}
	var kinds []uint8
	var output []byte
	for _, f := range frames(t, answer.body) {
		kinds = append(kinds, f.kind)
		if f.kind == uint8(cast.KindOutput) {
			output = append(output, f.payload...)
		}
	}
	want := []uint8{0, uint8(cast.KindChannelOpen), uint8(cast.KindOutput), uint8(cast.KindExitStatus), uint8(cast.KindEnd)}
	if !slices.Equal(kinds, want) || string(output) != "hello \xff from web-1\r\n" {
		t.Errorf("events are %v with output %q", kinds, output)
	}
	tag := answer.header.Get("ETag")
	if again := by.get(api.PathEvents, session, "If-None-Match", tag); tag == "" || again.status != http.StatusNotModified {
		t.Errorf("asked again with %q: %d", tag, again.status)
	}
	if typed := by.get(api.PathEvents+"?input=true", session); typed.status != http.StatusOK || bytes.Contains(typed.body, []byte("secret typed")) {
		t.Error("the broker shows what was typed, which takes two reviewers to open")
	}
}

func frames(t *testing.T, stream []byte) (all []frame) {
	t.Helper()
	for len(stream) > 0 {
		if len(stream) < 16 {
			t.Fatalf("%d bytes follow the last frame", len(stream))
		}
		length := binary.LittleEndian.Uint32(stream[4:])
		if uint64(len(stream)) < 16+uint64(length) {
			t.Fatal("the last frame is cut")
		}
		all = append(all, frame{stream[0], binary.LittleEndian.Uint16(stream[2:]), stream[16 : 16+length]})
		stream = stream[16+length:]
	}
	return all
}

// checkAuditLog does what stint audit verify does.
func checkAuditLog(t *testing.T, by *person) {
	t.Helper()
	log, err := by.api.AuditLog(t.Context(), 0)
	must(t, err)
	verifier, err := note.NewVerifier(log.Key)
	must(t, err)
	checkpoint, err := ledger.Open([]byte(log.Checkpoint), "stint-broker/test1234", verifier)
	must(t, err)
	if checkpoint.Size != int64(len(log.Leaves)) {
		t.Fatalf("%d leaves for a checkpoint of %d", len(log.Leaves), checkpoint.Size)
	}
	leaves := make([]ledger.Leaf, len(log.Leaves))
	kinds := map[string]bool{}
	for i, leaf := range log.Leaves {
		hash, err := base64.StdEncoding.DecodeString(leaf.Hash)
		must(t, err)
		leaves[i] = ledger.Leaf{Data: []byte(leaf.Data), Hash: ledger.Hash(hash)}
		var event struct{ Kind, Text string }
		must(t, json.Unmarshal([]byte(leaf.Data), &event))
		kinds[event.Kind] = true
	}
	each := func(yield func(ledger.Leaf, error) bool) {
		for _, leaf := range leaves {
			if !yield(leaf, nil) {
				return
			}
		}
	}
	must(t, ledger.VerifyAll(each, checkpoint))
	for _, kind := range []string{
		"person.signed-in", "enrolment.pinned", "request.asked", "request.approved", "certificate.issued", "session.started",
		"grant.ended", "session.ended", "recording.sealed", "recording.read",
	} {
		if !kinds[kind] {
			t.Errorf("the audit log has no %s", kind)
		}
	}
	leaves[3].Data = append([]byte(nil), leaves[3].Data...)
	leaves[3].Data[10] ^= 1
	var broken *ledger.Break
	if err := ledger.VerifyAll(each, checkpoint); !errors.As(err, &broken) || broken.Index != 3 {
		t.Errorf("an altered leaf 3 was found as %v", err)
	}
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// get fetches a path of a session; headers come in pairs.
func (p *person) get(path, session string, headers ...string) answer {
	t := p.w.t
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.w.config.URL+strings.ReplaceAll(path, "{session}", session), nil)
	must(t, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := p.browser.Do(request)
	must(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return answer{response.StatusCode, response.Header, body}
}

func isWire(err error, status int) bool {
	var problem *proxywire.Error
	return errors.As(err, &problem) && problem.Status == status
}

// sessionKey is the key that a certificate is for.
func sessionKey(t testing.TB, text string) string {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	must(t, err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.(*ssh.Certificate).Key)))
}

func serial(t testing.TB, text string) (n uint64) {
	t.Helper()
	must(t, json.Unmarshal([]byte(text), &n))
	return n
}
