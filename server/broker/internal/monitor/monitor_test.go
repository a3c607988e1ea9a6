package monitor_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/policies"
	"stint/server/access"
	"stint/server/broker/internal/mirror"
	"stint/server/broker/internal/mirror/mirrortest"
	"stint/server/broker/internal/monitor"
	"stint/server/broker/internal/store"
	"stint/server/evidence"
)

var now = time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC)

// house is a broker's database with a signer's ledger to compare it with.
type house struct {
	t       *testing.T
	store   *store.Store
	signer  *mirrortest.Signer
	mirror  *mirror.Mirror
	monitor *monitor.Monitor
	ca      ssh.Signer // current

	mu     sync.Mutex
	raised []access.Alarm
	noted  []string // emergencies
	away   error    // that a note comes to
	number int64
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, signer: mirrortest.New(t, "stint-signer/a"), ca: newKey(t), store: mirrortest.OpenStore(t)}
	var err error
	h.mirror, err = mirror.New(mirror.Config{Signer: h.signer, Store: h.store, Alarms: h, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	h.monitor = h.another()
	h.signer.AddEntry(evidence.Entry{Time: now, Keys: &evidence.KeysEntry{Keys: []evidence.SigningKey{h.key(h.ca, evidence.KeyCurrent)}}})
	_, err = h.mirror.Fetch(t.Context()) // before there are certificates
	must(t, err)
	return h
}

func (h *house) another() *monitor.Monitor {
	h.t.Helper()
	m, err := monitor.New(monitor.Config{Mirror: h.mirror, Store: h.store, Alarms: h, Log: slog.New(slog.DiscardHandler)})
	must(h.t, err)
	return m
}

// RaiseAlarm keeps one alarm a cause, as the flow does.
func (h *house) RaiseAlarm(_ context.Context, a access.Alarm) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, known := range h.raised {
		if known.Cause == a.Cause {
			return false, nil
		}
	}
	h.raised = append(h.raised, a)
	return true, nil
}

func (h *house) NoteEmergency(_ context.Context, request string, first access.FirstUse) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away == nil {
		h.noted = append(h.noted, request+" "+first.Used.Format(time.TimeOnly))
	}
	return h.away
}

// found compares everything and gives the kinds that were raised, in their order.
func (h *house) found() string {
	h.t.Helper()
	must(h.t, h.monitor.Round(h.t.Context()))
	h.mu.Lock()
	defer h.mu.Unlock()
	kinds := make([]string, len(h.raised))
	for i, a := range h.raised {
		kinds[i] = a.Kind
	}
	return strings.Join(kinds, " ")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	must(t, err)
	return signer
}

func line(key ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) }

func (h *house) key(ca ssh.Signer, state string) evidence.SigningKey {
	return evidence.SigningKey{Purpose: evidence.PurposeUserCA, Key: line(ca.PublicKey()), State: state, Made: now}
}

func (h *house) keys(keys ...evidence.SigningKey) {
	h.signer.AddEntry(evidence.Entry{Time: now, Keys: &evidence.KeysEntry{Keys: keys}})
}

var alice = policies.Person{Subject: policies.Subject{Issuer: "https://idp.example.com", Subject: "alice"}, Name: "Alice"}

// statement stands for the text of a request.
func statement(id string) string { return "the request " + id }

// grant stores a request that was approved.
func (h *house) grant(id string, change ...func(*access.Request)) access.Request {
	h.t.Helper()
	h.number++
	q := access.Request{
		ID: id, Number: h.number, State: access.Active, Requester: alice, Begins: now, Ends: now.Add(time.Hour),
		Revision: access.Revision{Number: 1, Ask: policies.Ask{Role: "db-read", Login: "postgres", Target: "db1"}, Digest: evidence.Digest(statement(id))},
	}
	for _, f := range change {
		f(&q)
	}
	must(h.t, h.store.Write(h.t.Context(), func(tx access.Tx) error { return tx.AddRequest(q) }))
	return q
}

// issue is what a signer puts into its ledger for a certificate.
func (h *house) issue(request string, change ...func(*evidence.SessionEntry)) (serial uint64) {
	entry := &evidence.SessionEntry{Request: request, Requester: alice.Subject, Role: "db-read", Principal: "postgres@db1", Serial: uint64(h.signer.Size() + 1)}
	entry.Bundle.Request = statement(request)
	for _, f := range change {
		f(entry)
	}
	return h.signer.AddEntry(evidence.Entry{Time: now, Session: entry})
}

func (h *house) issueTarget(request string, at time.Time) (serial uint64) {
	return h.signer.AddEntry(evidence.Entry{Time: at, Target: &evidence.TargetEntry{
		Request: request, Proxy: "proxy-1", Principal: "postgres@db1", Serial: uint64(h.signer.Size() + 1), Ends: at.Add(time.Minute),
	}})
}

// keep stores a certificate as the broker does with the signer's answer.
func (h *house) keep(request string, serial uint64, ca ssh.Signer, networks ...string) {
	h.t.Helper()
	certificate := &ssh.Certificate{
		Key: newKey(h.t).PublicKey(), Serial: serial, CertType: ssh.UserCert, KeyId: request, ValidPrincipals: []string{"postgres@db1"},
		ValidAfter: uint64(now.Unix()), ValidBefore: uint64(now.Add(time.Hour).Unix()),
		Permissions: ssh.Permissions{CriticalOptions: evidence.UserCriticalOptions(networks)},
	}
	must(h.t, certificate.SignCert(rand.Reader, ca))
	must(h.t, h.store.Write(h.t.Context(), func(tx access.Tx) error {
		return tx.AddCertificate(access.Certificate{
			Serial: serial, Request: request, Certificate: line(certificate), Issued: now, Proof: evidence.Proof{Checkpoint: h.signer.Checkpoint()},
		})
	}))
}

func (h *house) session(id, request string, serial uint64) {
	h.t.Helper()
	h.number++
	must(h.t, h.store.Write(h.t.Context(), func(tx access.Tx) error {
		return tx.AddSession(access.Session{ID: id, Number: h.number, Request: request, Serial: serial, Person: alice, Login: "postgres", Target: "db1", Started: now})
	}))
}

// extend enters that a session of one request goes on under another's grant.
func (h *house) extend(request, next string) {
	h.signer.AddEntry(evidence.Entry{Time: now, Extension: &evidence.ExtensionEntry{
		Session: "ses-" + request, Proxy: "proxy-1", Request: next, Extends: request, Opened: request, Principal: "postgres@db1", Ends: now.Add(time.Hour),
	}})
}

func TestWhatFitsRaisesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for round := range 4 {
		id := fmt.Sprintf("req-%d", round)
		h.grant(id)
		serial := h.issue(id)
		h.keep(id, serial, h.ca, []string{"10.0.0.0/8", "2001:db8::/32"}[:round%3]...)
		h.session("ses-"+id, id, serial)
		h.issueTarget(id, now)
		if round > 0 {
			h.extend(fmt.Sprintf("req-%d", round-1), id)
		}
		h.signer.AddEntry(evidence.Entry{Time: now, Ending: &evidence.EndingEntry{Request: id, Reason: "dropped"}})
		if found := h.found(); found != "" {
			t.Fatalf("round %d found %s: %+v", round, found, h.raised)
		}
	}
	h.grant("req-ended", func(q *access.Request) { q.State, q.EndedAt = access.Ended, now })
	h.issueTarget("req-ended", now.Add(30*time.Second)) // the ending was on its way
	h.monitor = h.another()                             // a restart goes on where the last one stopped
	if found := h.found(); found != "" {
		t.Errorf("after a restart: %s", found)
	}
}

// TestAnEmergencyOfWhichNothingIsWrittenDownIsNoted: its role locks at the signer, so whoever
// reviews must find it.
func TestAnEmergencyOfWhichNothingIsWrittenDownIsNoted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	alone := func(id string, change ...func(*access.Request)) {
		h.grant(id, append(change, func(q *access.Request) { q.Revision.Ask.BreakGlass = true })...)
	}
	use := func(id string, change ...func(*evidence.SessionEntry)) uint64 {
		return h.issue(id, append([]func(*evidence.SessionEntry){func(e *evidence.SessionEntry) {
			e.BreakGlass, e.Circumstances.Now = true, now.Add(time.Minute)
		}}, change...)...)
	}
	alone("req-0000000001")
	alone("req-0000000002", func(q *access.Request) { q.Used = now })
	alone("req-0000000003", pending)
	alone("req-0000000004")
	h.grant("req-0000000005")
	first := use("req-0000000001")
	use("req-0000000001", func(e *evidence.SessionEntry) { e.Bundle.Request, e.Reissues = "", first })
	use("req-0000000002")
	use("req-0000000003") // nothing explains it: that is an alarm
	use("req-0000000004", func(e *evidence.SessionEntry) { e.BreakGlass = false })
	h.issue("req-0000000005")

	h.away = errors.New("the database is away")
	if err := h.monitor.Round(t.Context()); !errors.Is(err, h.away) {
		t.Fatalf("the round comes to %v", err)
	}
	h.away = nil
	if found := h.found(); found != access.AlarmCertificate {
		t.Errorf("it raised %q", found)
	}
	at := now.Add(time.Minute).Format(time.TimeOnly)
	if want := []string{"req-0000000001 " + at, "req-0000000004 " + at}; !slices.Equal(h.noted, want) {
		t.Errorf("it noted %q, want %q", h.noted, want)
	}
	h.found()
	if len(h.noted) != 2 {
		t.Errorf("the next round noted %q too", h.noted[2:])
	}
}

// What was issued once more, by the key that follows a withdrawn one, is explained by the
// same grant.
func TestWhatWasIssuedOnceMoreRaisesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.grant("req-a")
	first := h.issue("req-a")
	h.keep("req-a", first, h.ca)
	withdrawn := h.ca
	h.ca = newKey(t)
	h.keys(h.key(withdrawn, evidence.KeyWithdrawn), h.key(h.ca, evidence.KeyCurrent))
	again := func(e *evidence.SessionEntry) { e.Reissues = first }
	second := h.issue("req-a", again)
	h.keep("req-a", second, h.ca)
	h.session("ses-a", "req-a", second)
	h.issue("req-a", func(e *evidence.SessionEntry) { e.Reissues = second }) // and the broker was killed before it kept it
	if found := h.found(); found != "" {
		t.Errorf("it finds %s: %+v", found, h.raised)
	}
	h.keep("req-a", h.issue("req-a", again), withdrawn)
	if found := h.found(); found != access.AlarmKey {
		t.Errorf("of one that the withdrawn key signed it finds %q", found)
	}
}

func TestWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		happens func(*house)
		alarm   string
		says    string
	}{
		"no such request": {func(h *house) { h.issue("req-none") }, access.AlarmCertificate, "there is no such request"},
		"once more without a request": {func(h *house) {
			h.issue("req-none", func(e *evidence.SessionEntry) { e.Reissues = 1 })
		}, access.AlarmCertificate, "there is no such request"},
		"by somebody known": {func(h *house) {
			must(h.t, h.store.Write(h.t.Context(), func(tx access.Tx) error {
				return tx.PutPerson(access.KnownPerson{Person: alice, Handle: []byte("alice"), LastSeen: now})
			}))
			h.issue("req-none")
		}, access.AlarmCertificate, `to "Alice"`},
		"never granted": {func(h *house) { h.grant("r", pending); h.issue("r") }, access.AlarmCertificate, "it is pending"},
		"denied":        {func(h *house) { h.grant("r", pending, state(access.Denied)); h.issue("r") }, access.AlarmCertificate, "it is denied"},
		"somebody else's": {func(h *house) {
			h.grant("r")
			h.issue("r", func(e *evidence.SessionEntry) { e.Requester.Subject = "mallory" })
		}, access.AlarmCertificate, "somebody else's"},
		"another role": {func(h *house) { h.grant("r"); h.issue("r", func(e *evidence.SessionEntry) { e.Role = "root" }) }, access.AlarmCertificate, "for the role db-read"},
		"another login": {func(h *house) {
			h.grant("r")
			h.issue("r", func(e *evidence.SessionEntry) { e.Principal = "root@db1" })
		}, access.AlarmCertificate, "postgres@db1"},
		"another text": {func(h *house) {
			h.grant("r")
			h.issue("r", func(e *evidence.SessionEntry) { e.Bundle.Request = "another text" })
		}, access.AlarmCertificate, "another text here"},
		"another text of an emergency": {func(h *house) {
			h.grant("r", func(q *access.Request) { q.Revision.Ask.BreakGlass = true })
			h.issue("r", func(e *evidence.SessionEntry) { e.Bundle.Request, e.BreakGlass = "another text", true })
		}, access.AlarmCertificate, "another text here"},
		"a target without request": {func(h *house) { h.issueTarget("req-none", now); h.issueTarget("req-none", now) }, access.AlarmCertificate, "there is no such request"},
		"a target past the end": {func(h *house) {
			h.grant("r", func(q *access.Request) { q.State, q.EndedAt = access.Ended, now })
			h.issueTarget("r", now.Add(2*time.Minute))
		}, access.AlarmCertificate, "the grant ended at 2026-03-04T09:00:00Z"},
		"a session goes on under no request": {func(h *house) { h.grant("r"); h.extend("r", "req-none") }, access.AlarmCertificate, "there is no such request"},
		"a session of no request goes on":    {func(h *house) { h.grant("r"); h.extend("req-none", "r") }, access.AlarmCertificate, "is not the same person's for the same role"},
		"a session of another role goes on": {func(h *house) {
			h.grant("r")
			h.grant("q", func(q *access.Request) { q.Revision.Ask.Role = "root" })
			h.extend("r", "q")
		}, access.AlarmCertificate, "is not the same person's for the same role"},
		"a session goes on elsewhere": {func(h *house) {
			h.grant("r")
			h.grant("q", func(q *access.Request) { q.Revision.Ask.Target = "db2" })
			h.extend("r", "q")
		}, access.AlarmCertificate, "the request is for postgres@db2"},
		"a session goes on past the end": {func(h *house) {
			h.grant("r")
			h.grant("q", func(q *access.Request) { q.State, q.EndedAt = access.Ended, now.Add(-2*time.Minute) })
			h.extend("r", "q")
		}, access.AlarmCertificate, "the grant ended at"},
		"a session without certificate": {func(h *house) { h.grant("r"); h.session("ses-1", "r", 77) }, access.AlarmSession, "no entry for the serial 77"},
		"a session by another's entry":  {func(h *house) { h.grant("r"); h.grant("q"); h.session("ses-1", "r", h.issue("q")) }, access.AlarmSession, "for the request \"q\""},
		"a session by a target's entry": {func(h *house) { h.grant("r"); h.session("ses-1", "r", h.issueTarget("r", now)) }, access.AlarmSession, "no certificate for a person"},
		"a session by no serial":        {func(h *house) { h.grant("r"); h.session("ses-1", "r", 0) }, access.AlarmSession, "no entry"},
		"a certificate without entry":   {func(h *house) { h.grant("r"); h.keep("r", 99, h.ca) }, access.AlarmSession, "no entry for the serial 99"},
		"a certificate by a stranger":   {func(h *house) { h.grant("r"); h.keep("r", h.issue("r"), newKey(h.t)) }, access.AlarmKey, "none of the signer's"},
		"by a retired key": {func(h *house) {
			old := h.ca
			h.ca = newKey(h.t)
			h.keys(h.key(h.ca, evidence.KeyCurrent), h.key(old, evidence.KeyRetired))
			h.grant("r")
			h.keep("r", h.issue("r"), old)
		}, access.AlarmKey, "was retired at entry 2"},
		"by a withdrawn key": {func(h *house) {
			old := h.ca
			h.ca = newKey(h.t)
			h.keys(h.key(h.ca, evidence.KeyCurrent), h.key(old, evidence.KeyWithdrawn))
			h.grant("r")
			h.keep("r", h.issue("r"), old)
		}, access.AlarmKey, "was withdrawn"},
		"by a key that is left out": {func(h *house) {
			old := h.ca
			h.keys(h.key(newKey(h.t), evidence.KeyCurrent))
			h.grant("r")
			h.keep("r", h.issue("r"), old)
		}, access.AlarmKey, "none of the signer's"},
		"by the key for targets": {func(h *house) {
			target := newKey(h.t)
			entry := h.key(target, evidence.KeyCurrent)
			entry.Purpose = evidence.PurposeTargetCA
			h.keys(h.key(h.ca, evidence.KeyCurrent), entry)
			h.grant("r")
			h.keep("r", h.issue("r"), target)
		}, access.AlarmKey, "none of the signer's for people"},
		"an entry of another version": {func(h *house) { h.signer.Add("not JSON"); h.signer.Add("{") }, access.AlarmUnreadable, "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			c.happens(h)
			for range 2 { // the second finds nothing more
				if found := h.found(); found != c.alarm {
					t.Fatalf("found %q, want %q: %+v", found, c.alarm, h.raised)
				}
			}
			if a := h.raised[0]; !strings.Contains(a.Title+a.Detail, c.says) {
				t.Errorf("it says %q and %q, not %q", a.Title, a.Detail, c.says)
			}
			h.monitor = h.another()
			if found := h.found(); found != c.alarm {
				t.Errorf("after a restart: %q", found)
			}
		})
	}
}

func pending(q *access.Request) { q.State, q.Begins, q.Ends = access.Pending, time.Time{}, time.Time{} }

func state(s access.State) func(*access.Request) { return func(q *access.Request) { q.State = s } }

// TestRotationIsInOrder: each key signs for the entries that it was current for.
func TestRotationIsInOrder(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	old, next := h.ca, newKey(t)
	h.keys(h.key(old, evidence.KeyCurrent), h.key(next, evidence.KeyNext))
	h.grant("r")
	byOld, early := h.issue("r"), h.issue("r")
	h.keys(h.key(next, evidence.KeyCurrent), h.key(old, evidence.KeyRetired))
	byNext := h.issue("r")
	h.keep("r", byOld, old)
	h.keep("r", byNext, next)
	if found := h.found(); found != "" {
		t.Errorf("found %s: %+v", found, h.raised)
	}
	// One that was still to come signs nothing.
	h.keep("r", early, next)
	if found := h.found(); found != access.AlarmKey {
		t.Errorf("found %q", found)
	}
}

// TestAnAbsentSignerHidesNothing: what is mirrored is compared, what needs the
// signer's answer waits for it.
func TestAnAbsentSignerHidesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.issue("req-none")
	_, err := h.mirror.Fetch(t.Context())
	must(t, err)
	h.grant("r")
	h.session("ses-1", "r", 77)
	h.signer.Away(true)
	if err := h.monitor.Round(t.Context()); err == nil || len(h.raised) != 1 || h.raised[0].Kind != access.AlarmCertificate {
		t.Fatalf("%v, %+v", err, h.raised)
	}
	h.signer.Away(false)
	if found := h.found(); found != access.AlarmCertificate+" "+access.AlarmSession {
		t.Errorf("found %q", found)
	}
}

// TestCertificatesOfALedgerBefore are compared with that ledger.
func TestCertificatesOfALedgerBefore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.grant("r")
	serial := h.issue("r")
	h.keep("r", serial, h.ca)
	if found := h.found(); found != "" {
		t.Fatal(found)
	}
	fresh := mirrortest.New(t, "stint-signer/b")
	var err error
	h.mirror, err = mirror.New(mirror.Config{Signer: fresh, Store: h.store, Alarms: h, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	h.monitor = h.another()
	h.session("ses-1", "r", serial)
	if found := h.found(); found != access.AlarmReplaced {
		t.Errorf("found %q: %+v", found, h.raised)
	}
}

func TestAcceptedSerials(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.grant("r")
	person, target := h.issue("r"), h.issueTarget("r", now)
	good := monitor.Accepted{Serial: target, KeyID: "r", Login: "postgres"}
	timely, early, late := good, good, good
	timely.Time, early.Time, late.Time = now.Add(2*time.Second), now.Add(-time.Hour), now.Add(time.Hour)
	unknown, err := h.monitor.CompareAccepted(t.Context(), "db1", []monitor.Accepted{good, timely})
	if err != nil || len(unknown) != 0 || len(h.raised) != 0 {
		t.Fatalf("%v %v %+v", unknown, err, h.raised)
	}
	for name, c := range map[string]struct {
		target string
		accept monitor.Accepted
	}{
		"of no entry":    {"db1", monitor.Accepted{Serial: 9999, KeyID: "r", Login: "postgres"}},
		"zero":           {"db1", monitor.Accepted{KeyID: "r", Login: "postgres"}},
		"the largest":    {"db1", monitor.Accepted{Serial: 1<<64 - 1, KeyID: "r", Login: "postgres"}},
		"a person's":     {"db1", monitor.Accepted{Serial: person, KeyID: "r", Login: "postgres"}},
		"another login":  {"db1", monitor.Accepted{Serial: target, KeyID: "r", Login: "root"}},
		"another target": {"db2", good},
		"used again":     {"db1", late},
		"used before":    {"db1", early},
		"another key id": {"db1", monitor.Accepted{Serial: target, KeyID: "q", Login: "postgres"}},
	} {
		h.raised = nil
		for range 2 { // a report that is sent again raises nothing new
			unknown, err := h.monitor.CompareAccepted(t.Context(), c.target, []monitor.Accepted{good, c.accept})
			if c.target != "db1" {
				unknown = unknown[1:]
			}
			if err != nil || len(unknown) != 1 || unknown[0] != c.accept.Serial || len(h.raised) != 1 || h.raised[0].Kind != access.AlarmSerial {
				t.Errorf("%s: %v %v %+v", name, unknown, err, h.raised)
			}
		}
	}
	// A finding that is known already, and may be acknowledged, hides no other.
	h.raised = nil
	for i, report := range [][]monitor.Accepted{{{KeyID: "x"}}, {{KeyID: "x"}, late}} {
		if _, err := h.monitor.CompareAccepted(t.Context(), "db1", report); err != nil || len(h.raised) != i+1 {
			t.Errorf("report %d: %v %+v", i, err, h.raised)
		}
	}
	h.signer.Away(true)
	if _, err := h.monitor.CompareAccepted(t.Context(), "db1", []monitor.Accepted{good}); err == nil || errors.Is(err, access.ErrNoRow) {
		t.Errorf("compared with nobody: %v", err)
	}
}
