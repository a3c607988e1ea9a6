package signer

import (
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// TestEveryFieldOfActingAloneAltered is TestEveryFieldAltered for what needs nobody's
// approval, or another's: none of it goes through with one thing otherwise.
func TestEveryFieldOfActingAloneAltered(t *testing.T) {
	t.Parallel()
	urgent := func(q *evidence.Request) { q.Ask.BreakGlass, q.Ask.Duration = true, 20*time.Minute }
	for name, c := range map[string]struct {
		path string
		body func(r *ruled) any
		free []string
	}{
		"an emergency": {wire.PathSignSession, func(r *ruled) any {
			return wire.SessionRequest{Bundle: r.confirmed(r.unapproved(r.wants("r1", "rescue", urgent), r.alice), r.alice)}
		}, []string{"bundle.approvals dropped", "bundle.approvals is null", "bundle.approvals is []"}},
		"what the broker says": {wire.PathSignSession, func(r *ruled) any {
			return wire.SessionRequest{
				Bundle:   r.unapproved(r.wants("r1", "guarded"), r.alice),
				Asserted: []policies.Assertion{{Name: "on-call", Value: "true"}, {Name: "ticket-open", Value: "true"}},
			}
		}, []string{"bundle.approvals dropped", "bundle.approvals is null", "bundle.approvals is []"}},
		"an approval on another's behalf": {wire.PathSignSession, func(r *ruled) any {
			must(t, r.delegate(r.delegation(r.bob, r.dave, time.Hour, "leads")))
			request := r.wants("r1", "db-read")
			b := r.unapproved(request, r.alice)
			b.Approvals = append(b.Approvals, r.approveFor(request, r.dave, r.bob, time.Hour))
			return wire.SessionRequest{Bundle: b}
		}, []string{"bundle.approvals.0 twice"}},
		"a delegation": {wire.PathDelegate, func(r *ruled) any {
			return wire.DelegateRequest{Evidence: r.delegation(r.bob, r.dave, time.Hour, "leads")}
		}, nil},
		"a review": {wire.PathReview, func(r *ruled) any {
			request := r.wants("r1", "rescue", urgent)
			r.mustSign(r.confirmed(r.unapproved(request, r.alice), r.alice))
			r.let(time.Hour) // it is over
			review, err := evidence.ReviewOf(request, r.person(r.walter), "As they said.", r.clock.Now().Truncate(time.Second), nonce())
			must(t, err)
			text := r.encode(review)
			return wire.ReviewRequest{Evidence: evidence.SignedByPasskey{Statement: text, Assertion: r.walter.sign(t, text)}}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRuled(t)
			r.unlimited()
			must(t, r.signer.needKeys(t.Context(), ""))
			r.everyFieldAltered(c.path, r.broker, c.body(r), c.free)
		})
	}
}
