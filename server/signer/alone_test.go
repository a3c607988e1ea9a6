package signer

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

func TestSomebodyApprovesOnAnothersBehalf(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	behalf := func(id string) evidence.Bundle {
		request := r.wants(id, "db-read")
		b := r.unapproved(request, r.alice)
		b.Approvals = append(b.Approvals, r.approveFor(request, r.dave, r.bob, time.Hour))
		return b
	}
	_, err := r.sign(behalf("r1"))
	refused(t, err, "evidence.approval-for-delegation")
	// Bob cannot delegate what he is not in, nor can another in his name.
	refused(t, r.delegate(r.delegation(r.bob, r.dave, time.Hour, "watchers")), "evidence.delegation-groups")
	forged := r.delegation(r.bob, r.dave, time.Hour, "leads")
	forged.Assertion = r.dave.sign(t, forged.Statement)
	refused(t, r.delegate(forged), "evidence.delegation-passkey")

	given := r.delegation(r.bob, r.dave, time.Hour, "leads")
	must(t, r.delegate(given))
	size := r.entries()
	must(t, r.delegate(given)) // the answer was lost
	if r.entries() != size {
		t.Error("a delegation that was sent twice is there twice")
	}
	// The delegate cannot delegate on, nor approve for themselves with it.
	refused(t, r.delegate(r.delegation(r.dave, r.walter, time.Hour, "leads")), "evidence.delegation-groups")
	own := r.ask(r.dave, "r2")
	b := r.unapproved(own, r.dave)
	b.Approvals = append(b.Approvals, r.approveFor(own, r.dave, r.bob, time.Hour))
	_, err = r.sign(b)
	refused(t, err, "evidence.policy")

	r.mustSign(behalf("r3"))
	r.let(50 * time.Minute)
	late := behalf("r4")
	r.let(20 * time.Minute) // the delegation is over: what was approved by it stays
	late.Login, late.Activation = r.login(r.alice), r.activate(late.Request, r.alice, newKey(t))
	r.mustSign(late)
	_, err = r.signTarget("r4")
	must(t, err)
	_, err = r.sign(behalf("r5"))
	refused(t, err, "evidence.approval-for-delegation")

	// Ended early it counts for nothing, and takes along what was approved by it.
	end := wire.EndDelegationRequest{Digest: evidence.Digest(given.Statement), By: r.subject(r.bob)}
	for range 2 {
		_, err = r.signer.endDelegation(context.Background(), end)
		must(t, err)
	}
	_, err = r.signTarget("r4")
	refused(t, err, "evidence.approval-for-delegation")
	_, err = r.signer.endDelegation(context.Background(), wire.EndDelegationRequest{Digest: evidence.Digest("another")})
	refused(t, err, wire.CodeNoSuchDelegation)
	r.audit()
}

func TestADelegationGivesNoMoreThanTheDelegatorHas(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	must(t, r.delegate(r.delegation(r.bob, r.dave, time.Hour, "leads")))
	request := r.wants("r1", "db-read")
	b := r.unapproved(request, r.alice)
	b.Approvals = append(b.Approvals, r.approveFor(request, r.dave, r.bob, time.Hour))
	r.mustSign(b)
	must(t, failure(r.change(r.standing(evidence.ChangeGroups, r.bob, nil), r.carol)))
	_, err := r.signTarget("r1")
	refused(t, err, "evidence.approval-for-delegation")
	r.audit()
}

func TestAGrantBeginsWhenItIsFirstUsed(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	request := r.wants("r1", "lazy")
	b := r.bundleOf(request, newKey(t))
	again := func() evidence.Bundle {
		b.Login, b.Activation = r.login(r.alice), r.activate(request, r.alice, newKey(t))
		return b
	}
	r.let(7 * time.Hour)
	began := r.clock.Now()
	first := r.mustSign(again())
	if !first.Ends.Equal(began.Add(time.Hour)) {
		t.Errorf("it ends %s after its first use", first.Ends.Sub(began))
	}
	r.let(50 * time.Minute)
	second := r.mustSign(again())
	if !second.Ends.Equal(first.Ends) || !r.noted(second).Circumstances.Used.Equal(began) {
		t.Errorf("used once more it ends %s later", second.Ends.Sub(first.Ends))
	}
	target, err := r.signTarget("r1")
	must(t, err)
	if !target.GrantEnds.Equal(first.Ends) {
		t.Errorf("connections end at %s, not %s", target.GrantEnds, first.Ends)
	}
	r.let(11 * time.Minute)
	_, err = r.sign(again())
	refused(t, err, "evidence.policy")

	// One that nobody uses is over.
	b = r.bundleOf(r.wants("r2", "lazy"), newKey(t))
	request = b.Request
	r.let(8*time.Hour + time.Minute)
	_, err = r.sign(again())
	refused(t, err, "evidence.policy")
	r.audit()
}

// TestFirstUsesThatMeetGiveOneEnd: two first uses at once begin the grant once.
func TestFirstUsesThatMeetGiveOneEnd(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	request := r.wants("r1", "lazy")
	one, two := r.bundleOf(request, newKey(t)), r.bundleOf(request, newKey(t))
	var second wire.SessionCertificate
	var secondErr error
	done := r.clock.atLook(3, func() { r.let(time.Second); second, secondErr = r.sign(two) })
	first := r.mustSign(one)
	<-done
	must(t, secondErr)
	if !first.Ends.Equal(second.Ends) {
		t.Errorf("the first ends at %s, the second at %s", first.Ends, second.Ends)
	}
	r.audit()
}

func TestAGrantBeginsAtTheTimeThatWasSet(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	start := r.clock.Now().Truncate(time.Second).Add(48 * time.Hour)
	b := r.bundleOf(r.wants("r1", "planned", func(q *evidence.Request) { q.Ask.Start = start }), newKey(t))
	_, err := r.sign(b)
	refused(t, err, wire.CodeScheduled)
	r.let(48 * time.Hour)
	b.Login, b.Activation = r.login(r.alice), r.activate(b.Request, r.alice, newKey(t))
	if c := r.mustSign(b); !c.Ends.Equal(start.Add(time.Hour)) {
		t.Errorf("it ends at %s", c.Ends)
	}
	r.audit()
}

func TestTheBrokersWord(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	open, shut := policies.Assertion{Name: "ticket-open", Value: "true"}, policies.Assertion{Name: "ticket-open", Value: "false"}
	onCall, off := policies.Assertion{Name: "on-call", Value: "true"}, policies.Assertion{Name: "on-call", Value: "false"}
	alone := func(id string) evidence.Bundle { return r.unapproved(r.wants(id, "guarded"), r.alice) }
	for _, c := range []struct {
		name   string
		bundle evidence.Bundle
		facts  []policies.Assertion
		code   string
	}{
		{"nothing is said", alone("r1"), nil, "evidence.policy"},
		{"the ticket is closed", alone("r1"), []policies.Assertion{onCall, shut}, "evidence.policy"},
		{"a restriction's fact is missing", alone("r1"), []policies.Assertion{onCall}, "evidence.policy"},
		{"she is not on call", alone("r1"), []policies.Assertion{off, open}, "evidence.policy"},
		{"whether she is, is missing", alone("r1"), []policies.Assertion{open}, "evidence.policy"},
		{"a fact of no type", alone("r1"), []policies.Assertion{{Name: "on-call", Value: "yes"}, open}, "evidence.asserted"},
		{"a fact that nobody reads", r.bundle("r1", newKey(t)), []policies.Assertion{open}, "evidence.asserted"},
		{"a fact twice", alone("r1"), []policies.Assertion{onCall, onCall, open}, "evidence.asserted"},
		{"not on call, and Bob agreed", r.bundleOf(r.wants("r2", "guarded"), newKey(t)), []policies.Assertion{off, open}, ""},
		{"on call", alone("r3"), []policies.Assertion{onCall, open}, ""},
	} {
		certificate, err := r.asserting(c.bundle, c.facts...)
		if c.code != "" {
			refused(t, err, c.code)
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := r.noted(certificate).Circumstances.Asserted; len(got) != 2 || got[0] != c.facts[0] || got[1] != c.facts[1] {
			t.Errorf("%s: the ledger has %v", c.name, got)
		}
	}
	// A connection goes by what was said, also where policy asks for less by then.
	_, err := r.signTarget("r3")
	must(t, err)
	r.enforce("roles.yaml", strings.Replace(ruledText, `restrict:
  - {name: closed, when: "!asserted.ticket_open", refuse: The ticket is closed.}
`, "", 1))
	_, err = r.signTarget("r3")
	must(t, err)
	r.audit()
}

func TestASingleUse(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	b := r.bundleOf(r.wants("r1", "once"), newKey(t))
	session := r.mustSign(b)
	if got := parse(t, session.Certificate).CriticalOptions["source-address"]; got != "10.0.0.0/8,2001:db8::/32" {
		t.Errorf("it may be used from %q", got)
	}

	ctx, key := context.Background(), newKey(t)
	open := func(proxy, key string) (wire.TargetCertificate, error) {
		return r.signer.signTarget(ctx, ProxyConfig{Name: proxy}, wire.TargetRequest{Request: "r1", PublicKey: key})
	}
	first, err := open("proxy-1", key)
	must(t, err)
	if rules := first.Rules; !rules.SingleUse || rules.IdleSeconds != 300 || len(rules.Channels) != 1 || len(rules.Networks) != 2 {
		t.Errorf("the rules are %+v", rules)
	}
	again, err := open("proxy-1", key) // the answer was lost
	must(t, err)
	if again.Certificate != first.Certificate {
		t.Error("the same key is given another certificate")
	}
	for _, other := range []struct{ proxy, key string }{{"proxy-1", newKey(t)}, {"proxy-2", key}} {
		_, err = open(other.proxy, other.key)
		refused(t, err, "used")
	}
	r.let(wire.TargetLife)
	_, err = open("proxy-1", key)
	refused(t, err, "used")
	// Another activation, or a later revision, makes no second session of it.
	b.Activation = r.activate(b.Request, r.alice, newKey(t))
	r.mustSign(b)
	_, err = open("proxy-1", newKey(t))
	refused(t, err, "used")
	r.shut()
	r.open()
	_, err = open("proxy-1", newKey(t))
	refused(t, err, "used")
	r.audit()
}

// TestSourceNetworksAreInTheCertificate: an SSH server takes it from there alone.
func TestSourceNetworksAreInTheCertificate(t *testing.T) {
	t.Parallel()
	for network, may := range map[string]bool{"10.0.0.0/8": false, "127.0.0.0/8": true} {
		r := newRuled(t)
		r.enforce("roles.yaml", strings.ReplaceAll(ruledText, "10.0.0.0/8", network)+"# changed\n")
		public, private, err := ed25519.GenerateKey(rand.Reader)
		must(t, err)
		session := r.mustSign(r.bundleOf(r.wants("r1", "once"), evidence.FormatKey(public)))
		if got := r.noted(session).Networks; len(got) != 2 || got[0] != network {
			t.Errorf("the entry has %v", got)
		}
		certificate := parse(t, session.Certificate)
		key, err := ssh.NewSignerFromKey(private)
		must(t, err)
		signer, err := ssh.NewCertSigner(certificate, key)
		must(t, err)
		if err := r.signIn(signer); (err == nil) != may {
			t.Errorf("a certificate for %s, used on loopback: %v", network, err)
		}
	}
}

// signIn signs in to an SSH server on loopback that accepts the signer's certificates.
func (r *ruled) signIn(with ssh.Signer) error {
	r.t.Helper()
	_, host, err := ed25519.GenerateKey(rand.Reader)
	must(r.t, err)
	hostKey, err := ssh.NewSignerFromKey(host)
	must(r.t, err)
	checker := ssh.CertChecker{Clock: r.clock.Now, IsUserAuthority: func(key ssh.PublicKey) bool {
		return slices.Contains(r.beliefs().trust.UserCA, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))))
	}}
	server := &ssh.ServerConfig{PublicKeyCallback: checker.Authenticate}
	server.AddHostKey(hostKey)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(r.t, err)
	defer listener.Close()
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if c, _, _, err := ssh.NewServerConn(conn, server); err == nil {
			c.Close()
		}
	}()
	client, err := ssh.Dial("tcp", listener.Addr().String(), &ssh.ClientConfig{
		User: "postgres@db1", Auth: []ssh.AuthMethod{ssh.PublicKeys(with)}, HostKeyCallback: ssh.FixedHostKey(hostKey.PublicKey()), Timeout: time.Minute,
	})
	if err == nil {
		client.Close()
	}
	<-served
	return err
}
