package signer

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
	"stint/server/signer/wire"
)

// fakeClock is a clock that tests set, or the real one.
type fakeClock struct {
	mu   sync.Mutex
	now  time.Time
	real bool
	hook func() // called by every look at the clock
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hook != nil {
		c.hook()
	}
	if c.real {
		return time.Now()
	}
	return c.now
}

// atLook runs f, in a goroutine of its own, at the n-th look at the clock from now
// on. The second is the one under the book's mutex, with which a verification
// begins: f comes in between it and the decision.
func (c *fakeClock) atLook(n int, f func()) (done <-chan struct{}) {
	finished := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hook = func() {
		if n--; n == 0 {
			c.hook = nil
			go func() {
				defer close(finished)
				f()
			}()
		}
	}
	return finished
}

func (c *fakeClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// provider is an OpenID provider over real HTTP.
type provider struct {
	server *httptest.Server

	mu        sync.Mutex
	keys      []*evidencetest.Issuer // the last one signs
	published []json.RawMessage      // of each key what the signer may know
	away      bool
	hits      int
}

func newProvider(t testing.TB) *provider {
	p := &provider{}
	p.rotate(t, "first")
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.hits++
		switch {
		case p.away:
			http.Error(w, "away", http.StatusBadGateway)
		case r.URL.Path == "/.well-known/openid-configuration":
			json.NewEncoder(w).Encode(map[string]any{"issuer": p.server.URL, "jwks_uri": p.server.URL + "/keys", "token_endpoint": p.server.URL + "/token"})
		case r.URL.Path == "/keys":
			json.NewEncoder(w).Encode(map[string]any{"keys": p.published})
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(p.server.Close)
	return p
}

// rotate makes a new key that signs from now on.
func (p *provider) rotate(t testing.TB, id string) {
	key := evidencetest.NewIssuer(t, "", cli)
	key.KeyID = id
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys, p.published = append(p.keys, key), append(p.published, json.RawMessage(key.JWK(t)))
}

// withdraw forgets all keys but the last.
func (p *provider) withdraw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys, p.published = p.keys[len(p.keys)-1:], p.published[len(p.published)-1:]
}

func (p *provider) setAway(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

func (p *provider) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits
}

func (p *provider) token(t testing.TB, who *person, client, nonce string, now time.Time) string {
	p.mu.Lock()
	key := p.keys[len(p.keys)-1]
	p.mu.Unlock()
	return key.Token(t, map[string]any{
		"iss": p.server.URL, "sub": who.subject, "aud": client, "exp": now.Add(30 * time.Minute).Unix(), "iat": now.Unix(),
		"nonce": nonce, "name": who.name, "email": who.subject + "@example.com", "email_verified": true, "groups": who.groups,
	})
}

// person is somebody with a laptop and a passkey.
type person struct {
	subject string
	name    string
	groups  []string // as the provider says
	login   ed25519.PrivateKey
	passkey *evidencetest.Passkey
}

func newPerson(t testing.TB, subject, name string, groups ...string) *person {
	_, login, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return &person{subject, name, groups, login, evidencetest.NewPasskey(t, "localhost", origin)}
}

func (p *person) loginKey() string { return evidence.FormatKey(p.login.Public().(ed25519.PublicKey)) }

func (p *person) credential() string { return p.passkey.Credential }

func (p *person) sign(t testing.TB, statement string) evidence.Assertion {
	t.Helper()
	return p.passkey.Sign(t, statement)
}

func defaultPolicy(t testing.TB) map[string]string {
	return map[string]string{
		"organization.yaml": "kind: Organization\nreviewers: [auditors]\nquorum: 1\n",
		"roles.yaml":        rolesText,
		"targets.yaml":      targetsText(t, "prod"),
	}
}

const rolesText = `kind: Role
name: db-read
description: Read production databases
requesters: [engineering]
targets: {labels: {env: prod}}
logins: [postgres]
duration: {default: 1h, longest: 4h}
reason: required
approval:
  - {name: lead, groups: [leads], count: 1}
---
kind: Role
name: db-write
description: Write production databases
requesters: [engineering]
targets: {labels: {env: prod}}
logins: [postgres]
duration: {default: 1h, longest: 4h}
reason: required
approval:
  - {name: lead, groups: [leads], count: 1}
---
kind: Role
name: sandbox
description: Play
requesters: [engineering]
targets: {labels: {env: dev}}
logins: [postgres]
duration: {default: 1h, longest: 8h}
reason: optional
approval: []
---
kind: Separation
name: read-or-write
description: Nobody has both at once.
forbid: held
roles: [db-read, db-write]
`

var hostKeys = sync.OnceValue(func() [3]string {
	var keys [3]string
	for i := range keys {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		keys[i] = evidence.FormatKey(public)
	}
	return keys
})

func targetsText(t testing.TB, env string) string {
	text := ""
	for i, name := range []string{"db1", "db2", "dev1"} {
		label := env
		if name == "dev1" {
			label = "dev"
		}
		text += fmt.Sprintf("---\nkind: Target\nname: %s\naddress: %s.example.com:22\nhostKey: %s\nlabels: {env: %s}\n", name, name, hostKeys()[i], label)
	}
	return strings.TrimPrefix(text, "---\n")
}

// secondAccount enrols alice-2, by its address another account of Alice's.
func (w *world) secondAccount() *person {
	w.t.Helper()
	second := newPerson(w.t, "alice-2", "Alice Adams")
	enrolment, err := evidence.DecodeAs[*evidence.Enrolment](w.enrolment(second))
	must(w.t, err)
	enrolment.Email = "alice@example.com"
	statement := w.encode(enrolment)
	_, err = w.signer.pin(context.Background(), wire.EnrolRequest{Evidence: evidence.EnrolmentEvidence{
		Statement: statement, Possession: second.sign(w.t, statement), Administrators: w.signed(statement, w.carol),
	}})
	must(w.t, err)
	return second
}
