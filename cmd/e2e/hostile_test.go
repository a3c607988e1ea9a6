//go:build e2e

package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// TestEditedDatabase edits the broker's database by hand, while it runs, in every
// way that would widen what alice holds. She gets a refusal for each that says
// what is wrong, and the signer issues nothing.
func TestEditedDatabase(t *testing.T) {
	t.Parallel()
	s := beginStory(t)
	pending := s.asked("web-1", "45m").ID // before the approval that is put under it
	approved := s.grant("web-1", "30m").ID
	bobs := s.bobAsksAndCarolApproves()
	d := s.openDatabase()
	// An honest certificate first: what is refused below is refused for the edit.
	s.alice.exits(0, "here\n", "", "stint", "ssh", "web-1", "echo here")

	cases := []struct {
		name        string
		destination string
		edit        func()
		says        string
	}{
		{"an approval inserted", "web-1", func() {
			d.exec(`INSERT INTO approvals SELECT ?, revision, approver_issuer, approver_subject, approver, duration_seconds, issued, passkey_name, statement, assertion, behalf FROM approvals WHERE request = ?`, pending, approved)
			d.grant(pending, approved)
			d.end(approved)
		}, "approval is for something else"},
		{"an approval inserted that says what it should", "web-1", func() {
			d.exec(`INSERT INTO approvals SELECT ?, revision, approver_issuer, approver_subject, approver, duration_seconds, issued, passkey_name, statement, assertion, behalf FROM approvals WHERE request = ?`, pending, approved)
			d.restateApproval(pending)
			d.grant(pending, approved)
			d.end(approved)
		}, "passkey signed something other"},
		{"no approval, but the state", "web-1", func() {
			d.grant(pending, approved)
			d.end(approved)
		}, "Needs 1 of sre-leads"},
		{"duration lengthened", "web-1", func() {
			d.restate(approved, func(r *evidence.Request) { r.Ask.Duration = 4 * time.Hour })
		}, "approval is for something else"},
		{"duration lengthened in the approval too", "web-1", func() {
			d.restate(approved, func(r *evidence.Request) { r.Ask.Duration = 4 * time.Hour })
			d.restateApproval(approved)
		}, "passkey signed something other"},
		{"role changed", "web-1", func() {
			d.restate(approved, func(r *evidence.Request) { r.Ask.Role = "customer-data" })
			d.exec(`UPDATE requests SET role = 'customer-data' WHERE id = ?`, approved)
		}, "does not reach web-1"},
		{"role changed in the text", "web-1", func() {
			d.restate(approved, func(r *evidence.Request) { r.Ask.Role = "customer-data" })
		}, "approval is for something else"},
		{"target changed", "customers-db", func() {
			d.restate(approved, func(r *evidence.Request) { r.Ask.Target = "customers-db" })
			d.exec(`UPDATE requests SET target = 'customers-db' WHERE id = ?`, approved)
		}, "does not reach customers-db"},
		{"target changed where it is listed", "demo", func() {
			d.exec(`UPDATE requests SET target = 'demo' WHERE id = ?`, approved)
		}, "another host"},
		{"target changed in the text", "web-1", func() {
			d.restate(approved, func(r *evidence.Request) { r.Ask.Target = "customers-db" })
		}, "another host"},
		{"login changed", "root@web-1", func() {
			d.restate(approved, func(r *evidence.Request) { r.Ask.Login = "root" })
			d.exec(`UPDATE requests SET login = 'root' WHERE id = ?`, approved)
		}, `does not give the login "root"`},
		{"login changed where it is listed", "root@web-1", func() {
			d.exec(`UPDATE requests SET login = 'root' WHERE id = ?`, approved)
		}, "another host"},
		{"login changed in the text", "web-1", func() {
			d.restate(approved, func(r *evidence.Request) { r.Ask.Login = "root" })
		}, "another host"},
		{"approver swapped", "web-1", func() {
			d.exec(`UPDATE approvals SET (approver_issuer, approver_subject, approver, assertion) = (SELECT approver_issuer, approver_subject, approver, assertion FROM approvals WHERE request = ?) WHERE request = ?`, bobs, approved)
		}, "no such passkey in the roster"},
		{"approver swapped in the text", "web-1", func() {
			d.exec(`UPDATE approvals SET (approver_issuer, approver_subject, approver, assertion) = (SELECT approver_issuer, approver_subject, approver, assertion FROM approvals WHERE request = ?) WHERE request = ?`, bobs, approved)
			d.restateApproval(approved)
		}, "passkey signed something other"},
		{"reason changed", "web-1", func() {
			d.restate(approved, func(r *evidence.Request) { r.Ask.Reason = "Something harmless" })
		}, "approval is for something else"},
		{"requester replaced", "web-1", func() {
			d.giveToAlice(bobs, approved)
			d.end(approved)
		}, "somebody else"},
		{"requester replaced in the text", "web-1", func() {
			d.giveToAlice(bobs, approved)
			d.restate(bobs, func(r *evidence.Request) {
				mine := d.statement(approved)
				r.Requester, r.RequesterName = mine.Requester, mine.RequesterName
			})
			d.end(approved)
		}, "approval is for something else"},
	}
	before := len(s.issued())
	for _, c := range cases {
		d.edited(c.edit, func() {
			if said := s.alice.refused([]string{"stint: ", c.says}, "stint", "ssh", c.destination, "true"); testing.Verbose() {
				t.Logf("%s: %s", c.name, strings.TrimSpace(said))
			}
			if now := len(s.issued()); now != before {
				t.Errorf("%s: the signer issued %d certificates", c.name, now-before)
				before = now
			}
		})
	}
	s.alice.exits(0, "here\n", "", "stint", "ssh", "web-1", "echo here")
}

// issued is the certificates that the signer issued to people.
func (w *world) issued() (entries []*evidence.SessionEntry) {
	w.t.Helper()
	for _, entry := range w.ledger() {
		if entry.Session != nil {
			entries = append(entries, entry.Session)
		}
	}
	return entries
}

// bobAsksAndCarolApproves is a grant of somebody else, approved by somebody else.
func (s *story) bobAsksAndCarolApproves() string {
	s.t.Helper()
	carol := s.signIn("carol", "/", nil)
	s.enrolPasskey(carol, "carol", "sre-leads")
	id := s.askInPortal(s.bob, "web-1", "1 hour", "Bob's own work")
	carol.open(s.Portal + "/approvals/" + id)
	carol.noteTexts()
	carol.click(`role=button[name=/^Approve with passkey/]`)
	carol.showed("Approved")
	return id
}

// database is the broker's, as somebody has it who may write to its file.
type database struct {
	s  *story
	db *sql.DB
}

func (s *story) openDatabase() *database {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.data, "broker", "stint.db")+"?_pragma=busy_timeout(60000)&_txlock=immediate")
	if err != nil {
		s.t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // temporary tables are a connection's own
	s.t.Cleanup(func() { db.Close() })
	return &database{s, db}
}

func (d *database) exec(statement string, arguments ...any) {
	d.s.t.Helper()
	result, err := d.db.Exec(statement, arguments...)
	if err != nil {
		d.s.t.Fatalf("%s: %v", statement, err)
	}
	if rows, err := result.RowsAffected(); err != nil || rows == 0 && !strings.HasPrefix(statement, "CREATE") && !strings.HasPrefix(statement, "D") {
		d.s.t.Fatalf("%s changed nothing (%v)", statement, err)
	}
}

// edited does an edit, then what is to be seen with it, and puts back all that
// was there before.
func (d *database) edited(edit, see func()) {
	d.s.t.Helper()
	tables := []string{"approvals", "requests"}
	for _, table := range tables {
		d.exec("CREATE TEMPORARY TABLE kept_" + table + " AS SELECT * FROM " + table)
	}
	edit()
	see()
	for _, table := range tables {
		d.exec("DELETE FROM " + table)
		d.exec("INSERT INTO " + table + " SELECT * FROM kept_" + table)
		d.exec("DROP TABLE kept_" + table)
	}
}

// grant makes a request look approved, as another one is.
func (d *database) grant(id, like string) {
	d.s.t.Helper()
	d.exec(`UPDATE requests SET (state, begins, ends, due) = (SELECT 'approved', begins, ends, due FROM requests WHERE id = ?) WHERE id = ?`, like, id)
}

// end makes a request look ended, so that another is found in its place.
func (d *database) end(id string) {
	d.s.t.Helper()
	d.exec(`UPDATE requests SET state = 'ended', end_reason = 'completed', due = 0 WHERE id = ?`, id)
}

// giveToAlice makes one request look as if it were by the requester of another.
func (d *database) giveToAlice(id, like string) {
	d.s.t.Helper()
	d.exec(`UPDATE requests SET (requester_issuer, requester_subject, requester_email, requester) =
		(SELECT requester_issuer, requester_subject, requester_email, requester FROM requests WHERE id = ?) WHERE id = ?`, like, id)
}

func (d *database) text(query string, arguments ...any) (text string) {
	d.s.t.Helper()
	if err := d.db.QueryRow(query, arguments...).Scan(&text); err != nil {
		d.s.t.Fatalf("%s: %v", query, err)
	}
	return text
}

func (d *database) statement(id string) *evidence.Request {
	d.s.t.Helper()
	request, err := evidence.DecodeAs[*evidence.Request](d.text(`SELECT statement FROM requests WHERE id = ?`, id))
	if err != nil {
		d.s.t.Fatal(err)
	}
	return request
}

// restate writes the text of a request anew, with its digest.
func (d *database) restate(id string, change func(*evidence.Request)) {
	d.s.t.Helper()
	request := d.statement(id)
	change(request)
	text := encode(d.s.t, request)
	d.exec(`UPDATE requests SET statement = ?, digest = ?, duration_seconds = ? WHERE id = ?`, text, evidence.Digest(text), int64(request.Ask.Duration/time.Second), id)
}

// restateApproval writes the text of a request's approval anew, so that it says
// what it should say; only the signature under it is of another text.
func (d *database) restateApproval(id string) {
	d.s.t.Helper()
	old, err := evidence.DecodeAs[*evidence.Approval](d.text(`SELECT statement FROM approvals WHERE request = ?`, id))
	if err != nil {
		d.s.t.Fatal(err)
	}
	var approver policies.Person
	if err := json.Unmarshal([]byte(d.text(`SELECT approver FROM approvals WHERE request = ?`, id)), &approver); err != nil {
		d.s.t.Fatal(err)
	}
	text := d.text(`SELECT statement FROM requests WHERE id = ?`, id)
	approval, err := evidence.ApprovalOf(text, approver, nil, d.statement(id).Ask.Duration, later(old.Issued, d.statement(id).Issued), old.Nonce)
	if err != nil {
		d.s.t.Fatal(err)
	}
	d.exec(`UPDATE approvals SET statement = ?, duration_seconds = ? WHERE request = ?`, encode(d.s.t, approval), int64(approval.Ask.Duration/time.Second), id)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func encode(t *testing.T, statement evidence.Statement) string {
	t.Helper()
	text, err := evidence.Encode(statement)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestHostileBroker has everything that a broker has, and more: its key, alice's
// sign-in and even bob, who signs what he is shown. The signer still holds it to
// the policy, and to alice's own key.
func TestHostileBroker(t *testing.T) {
	t.Parallel()
	s := beginStory(t)
	// The broker's own policy calls the demo host production.
	s.relabel("demo", "production")
	s.alice.refused([]string{"stint: "}, "stint", "request", "production-shell", "--target", "demo", "--reason", "It is production now")

	asked := s.grant("web-1", "30m")
	signer, before := s.signerAs("broker"), len(s.issued())
	forge := func(change func(*evidence.Request)) evidence.Bundle {
		request, err := evidence.DecodeAs[*evidence.Request](asked.Statement)
		if err != nil {
			t.Fatal(err)
		}
		change(request)
		return s.bundle(encode(t, request))
	}
	refused := func(what string, bundle evidence.Bundle, code string) {
		t.Helper()
		answer, err := signer.SignSession(t.Context(), wire.SessionRequest{Bundle: bundle})
		var refusal *wire.Error
		if !errors.As(err, &refusal) || refusal.Code != code {
			t.Errorf("%s: the signer says %v and issues %q; want %s", what, err, answer.Certificate, code)
		}
	}
	refused("target relabelled", forge(func(r *evidence.Request) { r.Request, r.Ask.Target = "req-relabelled", "demo" }), "evidence.policy")
	refused("role that is not alice's", forge(func(r *evidence.Request) {
		r.Request, r.Ask.Role, r.Ask.Target, r.Ask.Duration = "req-key-management", "key-management", "vault", 30*time.Minute
	}), "evidence.policy")
	refused("longer than the role allows", forge(func(r *evidence.Request) { r.Request, r.Ask.Duration = "req-long", 24*time.Hour }), "evidence.policy")

	stolen := forge(func(r *evidence.Request) { r.Request = "req-stolen" })
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	withKey := *stolen.Login
	withKey.LoginKey = evidence.FormatKey(public)
	stolen.Login, stolen.Activation = &withKey, s.activation(stolen.Request, private)
	refused("requester's key replaced", stolen, "evidence.nonce")
	stolen.Login = s.account().login()
	refused("activation signed by another key", stolen, "evidence.activation-signature")

	// The broker picks the nonce of a sign-in to its portal so that it commits to a
	// key of its own. All of it is genuine, but the portal's tokens activate nothing.
	salt := make([]byte, evidence.SaltSize)
	rand.Read(salt)
	picked, err := evidence.LoginNonce(evidence.FormatKey(public), salt)
	if err != nil {
		t.Fatal(err)
	}
	stolen.Login = &evidence.LoginBinding{
		IDToken: s.tokenOfPortal("alice", picked), LoginKey: evidence.FormatKey(public),
		NonceSalt: base64.RawURLEncoding.EncodeToString(salt),
	}
	refused("a token of the portal, with the broker's nonce", stolen, "evidence.id-token-audience")

	if now := len(s.issued()); now != before {
		t.Errorf("the signer issued %d certificates", now-before)
	}
	// All of that was forged well: what is allowed goes through.
	honest := forge(func(r *evidence.Request) { r.Request = "req-honest" })
	if _, err := signer.SignSession(t.Context(), wire.SessionRequest{Bundle: honest}); err != nil {
		t.Errorf("a bundle as the broker makes it: %v", err)
	}
}

// relabel gives the broker a policy of its own in which a target has another
// environment, and starts it again.
func (s *story) relabel(target, environment string) {
	s.t.Helper()
	own := filepath.Join(s.data, "policy-of-the-broker")
	if err := os.CopyFS(own, os.DirFS(filepath.Join(s.data, "policy"))); err != nil {
		s.t.Fatal(err)
	}
	s.replaceIn(filepath.Join(own, "targets.yaml"), `"env": "`+target+`"`, `"env": "`+environment+`"`)
	s.replaceIn(filepath.Join(s.data, "config", "broker.json"), `"policy": "`+filepath.Join(s.data, "policy")+`"`, `"policy": "`+own+`"`)
	s.kill("broker")
	s.bob.open(s.Portal + "/")
	s.bob.see("text=The broker and the signer decide by different policies")
}

func (s *story) replaceIn(path, old, next string) {
	s.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		s.t.Fatalf("%s does not hold %q:\n%s", path, old, text)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, next, 1)), 0o600); err != nil {
		s.t.Fatal(err)
	}
}
