package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"stint/server/access"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// races lets approvers, the requester, a revoker and time meet on the same
// requests, through two brokers on one database, in random interleavings. What
// must hold afterwards: each request took one legal path, every loser heard an
// ordinary error, each end is in the outbox once and reaches the signer, and
// nobody was told of an end that did not happen.
func races(t *testing.T, h *House) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	brokers := []*access.Service{h.Service, h.Another(t)}
	stop := h.Running(t)
	const rounds = 12
	for range rounds {
		h.race(t, random, brokers)
	}
	stop()
	h.Clock.Move(48 * time.Hour)
	h.run(t, func() bool {
		var due []access.Request
		_ = h.Store.Read(t.Context(), func(r access.Reader) (err error) { due, err = r.Due(h.Clock.Now(), 1); return err })
		return len(due) == 0 && len(h.undelivered(t)) == 0
	})
	all := read(t, h.Store, func(r access.Reader) ([]access.Request, error) {
		return r.Requests(access.RequestQuery{Limit: access.MaxPage})
	})
	same(t, "requests", rounds, len(all))
	notices := h.Notices.All()
	for _, q := range all {
		checkPath(t, q, h.kinds(t, q.ID))
		reason, ended := h.Signer.Ended(q.ID)
		want := string(q.EndReason)
		if q.State != access.Ended {
			want = string(q.State)
		}
		if !ended || reason != want {
			t.Errorf("%s is %s %s; the signer heard %q", q.ID, q.State, q.EndReason, reason)
		}
		told := 0
		for _, n := range notices {
			if n.Request == q.ID {
				told++
			}
		}
		if (q.State == access.Ended) != (told == 1) || told > 1 {
			t.Errorf("%s is %s; proxies were told %d times", q.ID, q.State, told)
		}
	}
}

// race has everybody at one request at once.
func (h *House) race(t *testing.T, random *rand.Rand, brokers []*access.Service) {
	v := h.Pending(t)
	ctx, alice := t.Context(), h.World.Alice
	activation, login := h.Activation(t, v)
	signed := map[*evidencetest.Member]evidence.SignedByPasskey{}
	for _, m := range []*evidencetest.Member{h.World.Bob, h.World.Carol} {
		signed[m] = h.Sign(t, m, v.ID, 0)
	}
	approve := func(m *evidencetest.Member) func(*access.Service) error {
		return func(s *access.Service) error { return second(s.Approve(ctx, m.Person, v.ID, signed[m])) }
	}
	acts := []func(*access.Service) error{
		approve(h.World.Bob), approve(h.World.Bob), approve(h.World.Carol),
		func(s *access.Service) error { return second(s.Drop(ctx, alice, v.ID, "")) },
		func(s *access.Service) error { return second(s.Revoke(ctx, h.World.Bob.Person, v.ID, "")) },
		func(s *access.Service) error { return second(s.Activate(ctx, alice, v.ID, activation, login, nil)) },
		func(s *access.Service) error { return second(s.Activate(ctx, alice, v.ID, activation, login, nil)) },
	}
	if random.IntN(3) == 0 {
		acts = append(acts, func(s *access.Service) error { return second(s.Deny(ctx, h.World.Carol.Person, v.ID, "")) })
	}
	if random.IntN(3) == 0 {
		acts = append(acts, func(s *access.Service) error { return second(s.Withdraw(ctx, alice, v.ID, "")) })
	}
	if random.IntN(3) == 0 {
		acts = append(acts, func(*access.Service) error { h.Clock.Move(time.Hour); return nil })
	}
	random.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
	var group sync.WaitGroup
	for i, act := range acts {
		pause := time.Duration(random.IntN(4000)) * time.Microsecond
		group.Go(func() {
			time.Sleep(pause)
			err := act(brokers[i%len(brokers)])
			var ordinary *access.Error
			if err != nil && !errors.As(err, &ordinary) {
				t.Errorf("not an ordinary error: %v", err)
			}
		})
	}
	group.Wait()
}

// checkPath reads a request's life from its audit events, and compares it with
// the table and with the row.
func checkPath(t *testing.T, q access.Request, kinds []string) {
	t.Helper()
	count := func(kind string) (n int) {
		for _, k := range kinds {
			if k == kind {
				n++
			}
		}
		return n
	}
	where := fmt.Sprintf("%s, %s %s, %v", q.ID, q.State, q.EndReason, kinds)
	ends := count(access.EventDenied) + count(access.EventWithdrawn) + count(access.EventExpired) + count(access.EventGrantEnded)
	if !q.State.Final() || ends != 1 {
		t.Errorf("%s: %d ends", where, ends)
	}
	if approved := count(access.EventApproved); approved > 1 || (q.State == access.Ended) != (approved == 1) {
		t.Errorf("%s: approved %d times", where, approved)
	}
	if count(access.EventApproved) == 1 && count(access.EventApprovalGiven) != 2 || count(access.EventApprovalGiven) > 2 {
		t.Errorf("%s: %d approvals", where, count(access.EventApprovalGiven))
	}
	end := slices.IndexFunc(kinds, func(k string) bool {
		return k == access.EventGrantEnded || k == access.EventDenied || k == access.EventWithdrawn || k == access.EventExpired
	})
	for i, kind := range kinds {
		switch kind {
		case access.EventCertificateIssued, access.EventApproved, access.EventApprovalGiven:
			if i > end {
				t.Errorf("%s: %s after the end", where, kind)
			}
		}
	}
	if q.EndReason == access.EndCompleted && count(access.EventCertificateIssued) == 0 ||
		q.EndReason == access.EndExpired && count(access.EventCertificateIssued) > 0 {
		t.Errorf("%s: the reason does not fit its use", where)
	}
	if count(access.EventEndingDelivered) != 1 {
		t.Errorf("%s: the end was confirmed %d times", where, count(access.EventEndingDelivered))
	}
}
