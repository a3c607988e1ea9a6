package signer

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
	"stint/server/signer/ceremonytest"
	"stint/server/signer/wire"
)

// lockedBuffer gathers what a signer logs while a test reads it.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// joinByPage goes through the ceremony of a running signer.
func (w *world) joinByPage(p *person) (statement string) {
	w.t.Helper()
	return ceremonytest.Join(w.t, w.link(p), p.passkey)
}

func (w *world) link(p *person) string {
	w.t.Helper()
	return ceremonytest.Link(w.t, filepath.Join(w.config.Data, "ceremony.json"), w.subject(p))
}

// twoAdministrators is a world whose changes two have to sign: carol and dave.
func twoAdministrators(t *testing.T) (*world, *person) {
	w := newWorld(t)
	dave := newPerson(t, "dave", "Dave Dunn")
	w.setPolicy(map[string]string{"organization.yaml": "kind: Organization\nreviewers: [auditors]\n"})
	w.config.Ceremony.Administrators = []policies.Person{w.listing(w.carol), w.listing(dave)}
	return w, dave
}

// TestTheCeremonyCannotBeSpoiled: before there is a quorum, nobody could ever undo what
// a broker takes from those who are to make it up.
func TestTheCeremonyCannotBeSpoiled(t *testing.T) {
	t.Parallel()
	w, dave := twoAdministrators(t)
	w.open()
	t.Cleanup(w.shut)
	w.join(w.carol)
	before := w.entries()
	_, err := w.suspend(dave)
	refused(t, err, "ceremony")
	_, err = w.suspend(w.carol)
	refused(t, err, "ceremony")
	_, err = w.signer.removePasskey(t.Context(), wire.RemovePasskeyRequest{Credential: w.carol.credential(), By: w.subject(w.bob)})
	refused(t, err, "ceremony")
	if w.entries() != before {
		t.Error("a refusal made an entry")
	}
	_, err = w.suspend(w.bob)
	must(t, err)
	w.join(dave)
	_, err = w.suspend(dave)
	refused(t, err, "evidence.quorum-left")
}

func TestTheCeremony(t *testing.T) {
	t.Parallel()
	w, dave := twoAdministrators(t)
	w.realTime()
	address, stop := w.start()
	broker := w.client(address, w.broker)
	isOpen := func() bool {
		t.Helper()
		trust, err := broker.Trust(t.Context())
		must(t, err)
		return trust.Ceremony
	}
	file := filepath.Join(w.config.Data, "ceremony.json")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the links: %v, %v", info, err)
	}
	carols, daves := w.link(w.carol), w.link(dave)
	if carols == daves || !isOpen() {
		t.Error("two people have one link, or the ceremony is closed")
	}
	statement, err := evidence.DecodeAs[*evidence.Enrolment](w.joinByPage(w.carol))
	must(t, err)
	if statement.Person != w.subject(w.carol) || strings.Join(statement.Groups, ",") != "administrators" || statement.Name != "Carol Clark" {
		t.Errorf("the statement %+v", statement)
	}
	// The link is used up; the other's holds on, over a restart too.
	origin, secret, _ := strings.Cut(carols, "/#")
	if status, answer := ceremonytest.Try(t, origin, "/begin", map[string]any{"secret": secret}); status != 409 || !strings.Contains(string(answer), "ceremony-used") {
		t.Errorf("a used link: %d %s", status, answer)
	}
	must(t, stop())
	address, stop = w.start()
	broker = w.client(address, w.broker)
	_, err = broker.Confirm(t.Context(), wire.ConfirmRequest{})
	must(t, err)
	if data, err := os.ReadFile(file); err != nil || strings.Contains(string(data), secret) || w.link(dave) != daves || !isOpen() {
		t.Errorf("after a restart: %v %s", err, data)
	}
	if status, _ := ceremonytest.Try(t, origin, "/begin", map[string]any{"secret": secret}); status != 403 {
		t.Errorf("a used link after a restart: %d", status)
	}
	// One of two is not a quorum.
	if _, err := broker.Enrol(t.Context(), wire.EnrolRequest{Evidence: w.enrolledBy(w.carol, w.bob, "leads")}); code(err) != "evidence.authority-quorum" {
		t.Errorf("by one of two: %v", err)
	}
	ceremonytest.Join(t, daves, dave.passkey)
	if _, err := os.Stat(file); !os.IsNotExist(err) || isOpen() {
		t.Errorf("everybody has joined: %v", err)
	}
	given := w.enrolledBy(w.carol, w.bob, "leads")
	given.Administrators = w.signed(given.Statement, w.carol, dave)
	_, err = broker.Enrol(t.Context(), wire.EnrolRequest{Evidence: given})
	must(t, err)
	must(t, stop())

	// Nobody else joins there, whoever is listed by now.
	w.config.Ceremony.Administrators = append(w.config.Ceremony.Administrators, w.listing(w.mallory))
	w.open()
	defer w.shut()
	if open, err := w.signer.openCeremony(); err != nil || open != nil {
		t.Errorf("the ceremony opened again: %v", err)
	}
	if err := w.signer.enrolInCeremony(t.Context(), w.joining(w.mallory)); err == nil || len(w.beliefs().trust.Roster.People) != 3 {
		t.Errorf("somebody joined after the ceremony: %v", err)
	}
}

// TestEverybodyJoinedIsTheEnd: also before a quorum has signed anything.
func TestEverybodyJoinedIsTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.open()
	w.join(w.carol)
	w.shut()
	w.config.Ceremony.Administrators = append(w.config.Ceremony.Administrators, w.listing(w.mallory))
	w.open()
	defer w.shut()
	if open, err := w.signer.openCeremony(); err != nil || open != nil {
		t.Errorf("the ceremony opened again: %v", err)
	}
	if err := w.signer.enrolInCeremony(t.Context(), w.joining(w.mallory)); err == nil || len(w.beliefs().trust.Roster.People) != 1 {
		t.Errorf("somebody joined after the ceremony: %v", err)
	}
}

// TestTheCeremonyNeedsAQuorum: fewer than must sign a change could never change anything.
func TestTheCeremonyNeedsAQuorum(t *testing.T) {
	t.Parallel()
	w, _ := twoAdministrators(t)
	w.config.Ceremony.Administrators = w.config.Ceremony.Administrators[:1]
	err := Run(t.Context(), w.config, w.quiet(), func(Ready) error { t.Error("it serves"); return nil })
	if err == nil || !strings.Contains(err.Error(), "quorum is 2") {
		t.Errorf("it ends with %v", err)
	}
}

// TestInit: the command that does nothing but the ceremony prints the links, and
// ends when everybody has joined.
func TestInit(t *testing.T) {
	t.Parallel()
	w, dave := twoAdministrators(t)
	w.realTime()
	var printed, said lockedBuffer
	ended := make(chan error, 1)
	go func() {
		ended <- initialise(t.Context(), w.config, slog.New(slog.NewTextHandler(&said, nil)), &printed)
	}()
	for deadline := time.Now().Add(time.Minute); strings.Count(printed.String(), "\n") < 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it printed only %q, and said %s", &printed, &said)
		}
	}
	if !strings.Contains(printed.String(), "Carol Clark joins at "+w.link(w.carol)+"\n") {
		t.Errorf("it printed %q", &printed)
	}
	w.joinByPage(w.carol)
	w.joinByPage(dave)
	must(t, <-ended)
	if err := Init(t.Context(), w.config, w.quiet(), nil); err == nil || !strings.Contains(err.Error(), "over") {
		t.Errorf("a second ceremony: %v", err)
	}
	w.open()
	defer w.shut()
	if n := len(w.beliefs().trust.Roster.People); n != 2 {
		t.Errorf("%d people joined", n)
	}
}

// TestInitThatWasCutOff: whether nothing was lost since is for the broker or a witness to
// say, whom a ceremony in the foreground does not ask. Nobody makes a passkey in vain.
func TestInitThatWasCutOff(t *testing.T) {
	t.Parallel()
	w, _ := twoAdministrators(t)
	w.open()
	w.join(w.carol)
	w.shut()
	var printed lockedBuffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := initialise(ctx, w.config, w.quiet(), &printed); err == nil || !strings.Contains(err.Error(), "stint-signer run") {
		t.Errorf("it goes on: %v; it printed %q", err, &printed)
	}
}

// TestWhatTheCeremonyRefuses: each of these joins nobody, and says what is wrong.
func TestWhatTheCeremonyRefuses(t *testing.T) {
	t.Parallel()
	w, dave := twoAdministrators(t)
	w.realTime()
	_, stop := w.start()
	defer stop()
	origin, secret, _ := strings.Cut(w.link(w.carol), "/#")
	_, daves, _ := strings.Cut(w.link(dave), "/#")
	there := *w.carol.passkey
	there.Origin = origin
	try := func(path string, body map[string]any) string {
		t.Helper()
		status, answer := ceremonytest.Try(t, origin, path, body)
		var problem struct{ Code string }
		must(t, json.Unmarshal(answer, &problem))
		if status == 200 || problem.Code == "" {
			t.Fatalf("%s answers %d: %s", path, status, answer)
		}
		return problem.Code
	}
	begin := func() json.RawMessage {
		t.Helper()
		var begun struct{ Options json.RawMessage }
		ceremonytest.Call(t, origin, "/begin", map[string]any{"secret": secret}, &begun)
		return begun.Options
	}
	register := func(options json.RawMessage, secret, name string) map[string]any {
		return map[string]any{"secret": secret, "name": name, "credential": ceremonytest.Registration(t, &there, options)}
	}
	if got := try("/begin", map[string]any{"secret": secret + "A"}); got != "ceremony-link" {
		t.Errorf("a wrong secret: %s", got)
	}
	if got := try("/begin", map[string]any{"secret": secret, "more": 1}); got != "malformed" {
		t.Errorf("a field too many: %s", got)
	}
	if got := try("/register", register(begin(), daves, "x")); got != "ceremony-begun" {
		t.Errorf("the challenge of somebody else: %s", got)
	}
	options := begin()
	if got := try("/register", register(begin(), secret, "")); got != "ceremony-name" {
		t.Errorf("no name: %s", got)
	}
	begin()
	if got := try("/register", register(options, secret, "x")); got != "ceremony-passkey" {
		t.Errorf("an earlier challenge: %s", got)
	}
	there.Origin = "http://localhost:1"
	if got := try("/register", register(begin(), secret, "x")); got != "ceremony-passkey" {
		t.Errorf("another page: %s", got)
	}
	there.Origin = origin
	if got := try("/enrol", map[string]any{"secret": secret, "assertion": there.Sign(t, "nothing")}); got != "ceremony-begun" {
		t.Errorf("no passkey yet: %s", got)
	}
	var made struct{ Statement string }
	ceremonytest.Call(t, origin, "/register", register(begin(), secret, "Laptop"), &made)
	if got := try("/enrol", map[string]any{"secret": secret, "assertion": there.Sign(t, made.Statement+"and more")}); got != "ceremony-signature" {
		t.Errorf("another text: %s", got)
	}
	if got := try("/enrol", map[string]any{"secret": secret, "assertion": w.carol.passkey.Sign(t, made.Statement)}); got != "ceremony-signature" {
		t.Errorf("signed on the portal's page: %s", got)
	}
	if got := try("/enrol", map[string]any{"secret": daves, "assertion": there.Sign(t, made.Statement)}); got != "ceremony-begun" {
		t.Errorf("somebody else's link: %s", got)
	}
	ceremonytest.Call(t, origin, "/enrol", map[string]any{"secret": secret, "assertion": there.Sign(t, made.Statement)}, nil)
	// Every no is gathered for the ledger, as those to other callers are.
	must(t, stop())
	w.open()
	told := 0
	for index := range w.entries() {
		leaf, err := w.signer.book.journal.Read(index)
		must(t, err)
		entry, err := decodeEntry(leaf)
		must(t, err)
		if entry.Refusal != nil && entry.Refusal.Caller == "ceremony" {
			told += entry.Refusal.Count
		}
	}
	w.shut()
	if told < 10 {
		t.Errorf("%d refusals are in the ledger", told)
	}
}

// TestTheCeremonyTakesNoOtherAuthority: what the page brings is checked as evidence is.
func TestTheCeremonyTakesNoOtherAuthority(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	for name, given := range map[string]evidence.EnrolmentEvidence{
		"an administrator's word": w.enrolledBy(w.carol, w.mallory, "administrators"),
		"two authorities": func() evidence.EnrolmentEvidence {
			given := w.enrolledBy(w.carol, w.mallory, "administrators")
			given.Ceremony = true
			return given
		}(),
		"another installation": func() evidence.EnrolmentEvidence {
			given := w.joining(w.mallory)
			given.Statement = strings.Replace(given.Statement, instance, "zzzzzzzz", 1)
			return given
		}(),
	} {
		size := w.entries()
		if err := w.signer.enrolInCeremony(context.Background(), given); err == nil || w.entries() != size {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheCeremonyAsksForTheMakeOfAPasskey: where the policy demands to know on which
// authenticators administrators' passkeys live, the first ones' are asked too.
func TestTheCeremonyAsksForTheMakeOfAPasskey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.realTime()
	maker, stranger := evidencetest.NewMaker(t), evidencetest.NewMaker(t)
	w.setPolicy(map[string]string{"organization.yaml": "kind: Organization\nreviewers: [auditors]\nquorum: 1\n" + maker.YAML("administrators")})
	_, stop := w.start()
	defer stop()
	origin, secret, _ := strings.Cut(w.link(w.carol), "/#")
	there := *w.carol.passkey
	there.Origin = origin
	register := func(by *evidencetest.Maker) (statement string) {
		t.Helper()
		var begun struct {
			Attested bool
			Options  struct{ Challenge, Attestation string }
		}
		ceremonytest.Call(t, origin, "/begin", map[string]any{"secret": secret}, &begun)
		if !begun.Attested || begun.Options.Attestation != "direct" {
			t.Errorf("the browser is asked for %+v", begun)
		}
		credential := ceremonytest.Registration(t, &there, json.RawMessage(`{"challenge":"`+begun.Options.Challenge+`"}`))
		if by != nil {
			attestation := by.Attest(t, &there, func(a *evidencetest.Attesting) { a.ClientData["challenge"] = begun.Options.Challenge })
			credential["response"] = map[string]any{"clientDataJSON": attestation.ClientData, "attestationObject": attestation.Object}
		}
		var made struct{ Statement string }
		ceremonytest.Call(t, origin, "/register", map[string]any{"secret": secret, "name": "Key", "credential": credential}, &made)
		return made.Statement
	}
	enrol := func(statement string) (int, string) {
		t.Helper()
		status, answer := ceremonytest.Try(t, origin, "/enrol", map[string]any{"secret": secret, "assertion": there.Sign(t, statement)})
		return status, string(answer)
	}
	for name, by := range map[string]*evidencetest.Maker{"none": nil, "another make": stranger} {
		if status, answer := enrol(register(by)); status != 403 || !strings.Contains(answer, "evidence.attestation") {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if status, answer := enrol(register(maker)); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	must(t, stop())
	w.open()
	defer w.shut()
	if made := w.beliefs().trust.Roster.People[0].Passkeys[0].Attested; made != "Test authenticator" {
		t.Errorf("the roster says that it is a %q", made)
	}
}
