package broker

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"stint/server/access"
	"stint/server/api"
	"stint/server/evidence"
	"stint/server/ledger"
	signerwire "stint/server/signer/wire"
)

// tileReader is a client that knows C2SP tlog-tiles and nothing of Stint.
type tileReader struct{ w *world }

// Height is that of C2SP tlog-tiles.
func (tileReader) Height() int { return 8 }

// SaveTiles keeps nothing.
func (tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles fetches tiles by their addresses, as anybody.
func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		got := r.w.do(nil, call{method: http.MethodGet, path: "/ledger/tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")})
		if got.status != http.StatusOK {
			return nil, fmt.Errorf("%s: %d", tile.Path(), got.status)
		}
		data[i] = got.body
	}
	return data, nil
}

// TestTheMirrorIsServed lets an independent client prove every entry.
func TestTheMirrorIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	dana := w.administrator()
	bob := w.approver("bob", dana, "sre-leads")
	alice := w.commandLine("alice")
	_, err := alice.activate(alice.granted(bob))
	must(t, err)
	log, err := w.broker.mirror.Fetch(t.Context())
	must(t, err)

	// 1. The checkpoint, for everybody.
	got := w.do(nil, call{method: http.MethodGet, path: api.PathLedgerCheckpoint})
	verifier, err := note.NewVerifier(log.Key)
	must(t, err)
	checkpoint, err := ledger.Open(got.body, verifier.Name(), verifier)
	if err != nil || checkpoint.Size != log.Size || checkpoint.Size < 5 {
		t.Fatalf("%d %s: %v", got.status, got.body, err)
	}
	// 2. The entries, for whoever reads the audit log.
	entries := getJSON[api.LedgerEntries](t, dana, api.PathLedgerEntries+"?limit=200")
	if int64(len(entries.Entries)) != checkpoint.Size || entries.Key != log.Key {
		t.Fatalf("%d entries, %d are meant", len(entries.Entries), checkpoint.Size)
	}
	// 3. Proved by the tiles.
	hashes := tlog.TileHashReader(tlog.Tree{N: checkpoint.Size, Hash: checkpoint.Root}, tileReader{w})
	for index, entry := range entries.Entries {
		proof, err := tlog.ProveRecord(checkpoint.Size, int64(index), hashes)
		must(t, err)
		must(t, tlog.CheckRecord(proof, checkpoint.Size, checkpoint.Root, int64(index), tlog.RecordHash([]byte(entry))))
	}
	w.entryBundles(t, dana, entries)
	for path, status := range map[string]int{
		"/ledger/tile/0/001": http.StatusNotFound, "/ledger/tile/0/000": http.StatusNotFound, "/ledger/tile/8/0/000": http.StatusNotFound,
		"/ledger/tile/": http.StatusNotFound, "/ledger/tile/data/000": http.StatusNotFound, api.PathLedgerEntries: http.StatusUnauthorized,
	} {
		if got := w.do(nil, call{method: http.MethodGet, path: path}); got.status != status || got.problem(t).Code == "" {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := w.do(w.portalSignIn("erin").browser, call{method: http.MethodGet, path: api.PathLedgerEntries}); got.status != http.StatusForbidden {
		t.Errorf("erin reads the ledger: %d", got.status)
	}
}

// entryBundles reads one by one what is short enough for a bundle.
func (w *world) entryBundles(t *testing.T, dana *person, entries api.LedgerEntries) {
	t.Helper()
	path := fmt.Sprintf("/ledger/tile/entries/000.p/%d", len(entries.Entries))
	if got := w.do(nil, call{method: http.MethodGet, path: path}); got.status != http.StatusUnauthorized {
		t.Errorf("entries for nobody: %d", got.status)
	}
	if got := w.do(w.portalSignIn("erin").browser, call{method: http.MethodGet, path: path}); got.status != http.StatusForbidden {
		t.Errorf("entries for erin: %d", got.status)
	}
	got := w.do(dana.browser, call{method: http.MethodGet, path: path})
	if got.status != http.StatusOK {
		t.Fatalf("entries for dana: %d %s", got.status, got.body)
	}
	for index, rest := 0, got.body; index < len(entries.Entries); index++ {
		length := int(binary.BigEndian.Uint16(rest))
		if string(rest[2:2+length]) != entries.Entries[index] {
			t.Errorf("entry %d of the bundle is another", index)
		}
		rest = rest[2+length:]
	}
}

// TestAnAlarm is raised, seen by those who may, and acknowledged.
func TestAnAlarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	dana := w.administrator()
	bob := w.approver("bob", dana, "sre-leads")
	alice := w.commandLine("alice")
	request := alice.granted(bob)
	_, err := alice.activate(request)
	must(t, err)
	must(t, w.broker.monitor.Round(t.Context()))
	if page := getJSON[api.Alarms](t, dana, api.PathAlarms); page.Open != 0 {
		t.Fatalf("an ordinary day has alarms: %+v", page.Items)
	}
	// Somebody writes a session into the database that came with no certificate.
	must(t, w.broker.store.Write(t.Context(), func(tx access.Tx) error {
		return tx.AddSession(access.Session{ID: "ses-forged", Number: 1 << 40, Request: request.ID, Serial: 4711, Started: time.Now()})
	}))
	must(t, w.broker.monitor.Round(t.Context()))
	must(t, w.broker.monitor.Round(t.Context()))
	page := getJSON[api.Alarms](t, dana, api.PathAlarms)
	if page.Open != 1 || len(page.Items) != 1 || page.Items[0].Kind != access.AlarmSession || page.Items[0].Session != "ses-forged" || page.Items[0].Means == "" || len(page.Items[0].Steps) == 0 {
		t.Fatalf("alarms: %+v", page)
	}
	id := page.Items[0].ID
	path := strings.Replace(api.PathAcknowledgeAlarm, "{alarm}", id, 1)
	erin := w.portalSignIn("erin")
	if got := w.do(erin.browser, call{method: http.MethodGet, path: api.PathAlarms}); got.status != http.StatusForbidden {
		t.Errorf("erin sees alarms: %d", got.status)
	}
	if got := w.do(erin.browser, call{method: http.MethodPost, path: path, body: `{"reason":"nothing"}`}); got.status != http.StatusForbidden {
		t.Errorf("erin acknowledges: %d", got.status)
	}
	if got := w.do(dana.browser, call{method: http.MethodPost, path: path, body: `{}`}); got.status != http.StatusUnprocessableEntity {
		t.Errorf("without a reason: %d", got.status)
	}
	seen := postJSON[api.Alarm](t, dana, path, api.Taking{Reason: "It was a drill."}, http.StatusOK)
	if seen.Acknowledged == nil || seen.By.Name != "Dana" || seen.Reason != "It was a drill." {
		t.Errorf("acknowledged: %+v", seen)
	}
	must(t, w.broker.monitor.Round(t.Context()))
	if page := getJSON[api.Alarms](t, dana, api.PathAlarms); page.Open != 0 || len(page.Items) != 0 {
		t.Errorf("still open: %+v", page)
	}
	if page := getJSON[api.Alarms](t, dana, api.PathAlarms+"?state=all"); len(page.Items) != 1 {
		t.Errorf("all: %+v", page)
	}
}

// report signs what a target accepted.
func (w *world) report(by ssh.Signer, target string, serials ...api.AcceptedSerial) api.AcceptedSerials {
	w.t.Helper()
	r := api.AcceptedSerials{Target: target, Serials: serials}
	signature, err := by.Sign(rand.Reader, r.SigningText())
	must(w.t, err)
	r.Signature = base64.StdEncoding.EncodeToString(ssh.Marshal(signature))
	return r
}

func TestTargetsReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	dana := w.administrator()
	bob := w.approver("bob", dana, "sre-leads")
	alice := w.commandLine("alice")
	request := alice.granted(bob)
	_, err := alice.activate(request)
	must(t, err)
	proxy, err := signerwire.NewClient(w.config.Signer.URL, w.config.Signer.Key, w.proxy.pair)
	must(t, err)
	defer proxy.Close()
	certificate, err := proxy.SignTarget(t.Context(), signerwire.TargetRequest{Request: request.ID, PublicKey: newSSHKey(t)})
	must(t, err)
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(certificate.Certificate))
	must(t, err)
	good := api.AcceptedSerial{Serial: key.(*ssh.Certificate).Serial, KeyID: request.ID, Login: "deploy", Time: time.Now().UTC().Truncate(time.Second)}

	// 1. What the signer has issued is known, however soon it is reported.
	anonymous := &person{w: w, browser: &http.Client{}}
	answer := postJSON[api.AcceptedSerialsResult](t, anonymous, api.PathAcceptedSerials, w.report(w.host, "web-1", good), http.StatusOK)
	if answer.Known != 1 || len(answer.Unknown) != 0 {
		t.Errorf("answer %+v", answer)
	}
	// 2. What it has not is an alarm.
	forged := good
	forged.Serial = 1 << 63
	answer = postJSON[api.AcceptedSerialsResult](t, anonymous, api.PathAcceptedSerials, w.report(w.host, "web-1", good, forged), http.StatusOK)
	if answer.Known != 1 || len(answer.Unknown) != 1 || answer.Unknown[0] != forged.Serial {
		t.Errorf("answer %+v", answer)
	}
	if page := getJSON[api.Alarms](t, dana, api.PathAlarms); page.Open != 1 || page.Items[0].Kind != access.AlarmSerial {
		t.Errorf("alarms %+v", page)
	}
	// 3. Nobody else reports for a target.
	stranger, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(make([]byte, 32)))
	must(t, err)
	altered := w.report(w.host, "web-1", good)
	altered.Serials[0].Login = "root"
	for name, report := range map[string]api.AcceptedSerials{
		"another key": w.report(stranger, "web-1", good), "another target": w.report(w.host, "demo", good), "no target": w.report(w.host, "web-9", good),
		"altered": altered, "unsigned": {Target: "web-1", Serials: []api.AcceptedSerial{good}, Signature: "AAAA"},
	} {
		got := postJSON[api.Error](t, anonymous, api.PathAcceptedSerials, report, http.StatusForbidden)
		if got.Code != "report.signature" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// 4. Nor does a target raise alarms without end.
	for i := range 10 {
		forged.Serial = 1<<62 + uint64(i)
		got := w.do(nil, call{method: http.MethodPost, path: api.PathAcceptedSerials, body: mustJSON(t, w.report(w.host, "web-1", forged))})
		if got.status == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("ten reports at once raise ten alarms")
}

// Ever other questions of one caller keep nobody from the signer's word, and each
// answer proves that the ledger continues what its asker has seen.
func TestTargetTrust(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{balancers: []string{"127.0.0.0/8"}})
	ctx := t.Context()
	dana := w.administrator()
	anonymous, err := api.NewClient(w.config.URL, "", nil)
	must(t, err)
	trust, err := w.broker.signing.Trust(ctx)
	must(t, err)
	ask := func(from int64) (evidence.TargetTrustEvidence, evidence.TargetTrust) {
		t.Helper()
		answer, err := anonymous.TargetTrust(ctx, from)
		must(t, err)
		var offered evidence.TargetTrustEvidence
		must(t, json.Unmarshal(answer.Evidence, &offered))
		said, err := evidence.OpenTargetTrust(offered.Note, trust.Trust.Log)
		must(t, err)
		return offered, said
	}
	_, seen := ask(0)
	if seen.Checkpoint.Size < 3 {
		t.Fatalf("the ledger holds %d entries", seen.Checkpoint.Size)
	}
	w.approver("bob", dana, "sre-leads") // the ledger grows
	w.eventually("the answer is a new one", func() bool {
		offered, said := ask(seen.Checkpoint.Size)
		must(t, offered.Consistency.Check(seen.Checkpoint, said.Checkpoint))
		return said.Checkpoint.Size > seen.Checkpoint.Size
	})
	for i := range int64(200) {
		ask(i % seen.Checkpoint.Size)
	}
	if _, err := anonymous.TargetTrust(ctx, 1<<40); codeOf(err) != "targets.from" {
		t.Errorf("a ledger that was never so long: %v", err)
	}
	// A flooder is refused in the end; behind the same balancer, another caller is not.
	from := func(address, method, path, body string) answer {
		return w.do(nil, call{method: method, path: path, body: body, header: map[string]string{"X-Forwarded-For": address}})
	}
	status := 0
	for range 10 * 1000 {
		if status = from("198.51.100.9, 192.0.2.1", http.MethodPost, api.PathInventories, "{}").status; status == http.StatusTooManyRequests {
			break
		}
	}
	if other := from("192.0.2.1, 192.0.2.2", http.MethodGet, api.PathTargetTrust, ""); status != http.StatusTooManyRequests || other.status != http.StatusOK {
		t.Errorf("a flooder is answered with %d, another with %d %s", status, other.status, other.body)
	}
}
