package storetest

import (
	"strings"
	"testing"
	"time"

	"stint/server/access"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// demand makes Alice's role ask for a device as the rule says; an empty rule asks for
// none. Makers of TPMs go with it.
func (h *House) demand(t testing.TB, makers, rule string) {
	t.Helper()
	if rule != "" {
		rule = "device: " + rule + "\n"
	}
	text := strings.NewReplacer("quorum: 1\n", "quorum: 1\n"+makers, "reason: required\n", "reason: required\n"+rule).Replace(evidencetest.Policy)
	h.SetPolicy(t, text)
	h.Signer.ChangeTrust(func(trust *evidence.Trust) { *trust = trust.WithPolicy(h.Policy()) })
}

// moving moves the clock on, with a proxy that renews a session, until something is so.
func (h *House) moving(t *testing.T, session, what string, is func(access.Session) bool) {
	t.Helper()
	h.Eventually(t, what, func() bool {
		h.Clock.Move(time.Second)
		h.told(t, session)
		return is(read(t, h.Store, func(r access.Reader) (access.Session, error) { return r.Session(session) }))
	})
}

// connected is Alice's grant with a live session, the first, from a device.
func (h *House) connected(t testing.TB, d *evidencetest.Device) access.RequestView {
	t.Helper()
	v, certificate := h.activeFrom(t, d)
	_, err := h.StartSession(t.Context(), Start(v, certificate, first))
	wantError(t, nil, err)
	return v
}

// A policy that asks for more is not put off until a device says something again, which
// may be never.
func policyAsksMore(t *testing.T, h *House) {
	ctx := t.Context()
	d := h.laptop(t, "dev-1")
	maker := evidencetest.NewTPMMaker(t, h.World.Now)
	defer h.Running(t)()
	for i, c := range []struct {
		device     bool
		rule, want string
	}{
		{false, "{required: true}", "was ended because of its machine: production-shell is used from an enrolled device only"},
		{true, "{required: true, posture: {}}", "was ended because of the device Alice's laptop: This machine did not say in what state it is"},
		{true, "{required: true, fleet: {policies: all}}", "Fleet says nothing of this machine"},
		{true, "{required: true, held: tpm}", "this machine's is in a file"},
	} {
		h.demand(t, "", "")
		v := h.Approved(t)
		var certificate access.Certificate
		var err error
		if c.device {
			certificate, err = h.tryActivate(t, v, d)
		} else {
			activation, login := h.Activation(t, v)
			certificate, err = h.Activate(ctx, h.World.Alice, v.ID, activation, login, nil)
		}
		wantError(t, nil, err)
		id := another[:len(another)-1] + string(rune('a'+i))
		_, err = h.StartSession(ctx, Start(v, certificate, id))
		wantError(t, nil, err)
		h.demand(t, maker.YAML("Acme"), c.rule)
		h.moving(t, id, "the session is told to end", func(s access.Session) bool { return s.KillReason != "" })
		same(t, "verdict", "device", h.told(t, id))
		same(t, "grant", access.Active, h.stored(t, v.ID).State)
		view, err := h.Request(ctx, h.World.Alice, v.ID)
		wantError(t, nil, err)
		if last := view.Timeline[len(view.Timeline)-1]; !strings.Contains(last.Event.Text, c.want) {
			t.Errorf("%s: the timeline ends with %q", c.rule, last.Event.Text)
		}
	}
}

// A session whose machine does what the new policy asks goes on, for as long as that
// allows; Fleet is asked before its word of long ago is held against anybody.
func policyAsksOther(t *testing.T, h *House) {
	ctx := t.Context()
	h.demandFleet(t)
	d := h.bound(t)
	h.demand(t, "", "")
	h.Clock.Move(3 * time.Hour)
	// That it was away a while ago is no reason not to ask.
	h.Fleet.SetDown(true)
	_, err := h.BindFleet(ctx, h.World.Carol.Person, "dev-1", "SERIAL-1")
	wantCode(t, access.CodeFleetUnavailable, err)
	h.Fleet.SetDown(false)
	h.connected(t, d)
	defer h.Running(t)()
	host := h.host(1)
	h.Fleet.Say(host)
	due := func(rule, what string, at time.Time) {
		t.Helper()
		h.demand(t, "", rule)
		h.moving(t, first, what, func(s access.Session) bool { return s.DeviceDue.Equal(at) })
	}
	began := h.Clock.Now().Truncate(time.Second)
	due("{required: true, posture: {period: 10m}}", "its own word counts", began.Add(10*time.Minute))
	due("{required: true, fleet: {period: 1h, policies: all}}", "Fleet's word counts", host.Collected.Truncate(time.Microsecond).Add(time.Hour))
	due("", "nothing is asked", time.Time{})
	same(t, "verdict", "", h.told(t, first))
	same(t, "notices", 0, len(h.Notices.All()))
}

// Another broker may just be asking Fleet: what it will hear is waited for before old
// words end a session. Where it never comes, Fleet is asked once more.
func policyAwaitsFleet(t *testing.T, h *House) {
	ctx := t.Context()
	h.demandFleet(t)
	d := h.bound(t)
	h.demand(t, "", "")
	h.Clock.Move(3 * time.Hour)
	v := h.connected(t, d)
	asked := h.beingAsked(t, "dev-1")
	h.Fleet.SetDown(true)
	defer h.Running(t)()
	h.demand(t, "", "{required: true, fleet: {period: 1h, policies: all}}")
	h.moving(t, first, "the session is told to end", func(s access.Session) bool { return s.KillReason != "" })
	same(t, "calls", 2, h.Fleet.Calls())
	view, err := h.Request(ctx, h.World.Alice, v.ID)
	wantError(t, nil, err)
	last := view.Timeline[len(view.Timeline)-1].Event
	if waited := last.Time.Sub(asked); waited < 10*time.Second || !strings.Contains(last.Text, "is older than 1h") {
		t.Errorf("after %s: %s", waited, last.Text)
	}
}

// beingAsked is as if another broker had just begun to ask Fleet about a device.
func (h *House) beingAsked(t testing.TB, device string) time.Time {
	t.Helper()
	asked := h.Clock.Now()
	write(t, h.Store, func(tx access.Tx) error {
		binding, err := tx.FleetBinding(device)
		if err != nil {
			return err
		}
		binding.Asked = asked
		return tx.PutFleetBinding(binding)
	})
	return asked
}

// A policy that comes back finds some sessions judged by the one between, which was not
// done with them yet.
func policyComesBack(t *testing.T, h *House) {
	ctx := t.Context()
	h.demandFleet(t)
	cleared, waiting := h.bound(t), h.laptop(t, "dev-2")
	h.Fleet.Say(h.host(2))
	_, err := h.BindFleet(ctx, h.World.Carol.Person, "dev-2", "SERIAL-2")
	wantError(t, nil, err)
	h.Clock.Move(3 * time.Hour)
	h.Fleet.Say(h.host(1))
	h.demand(t, "", "")
	v := h.Approved(t)
	for id, d := range map[string]*evidencetest.Device{first: cleared, another: waiting} {
		_, err = h.StartSession(ctx, Start(v, h.activateFrom(t, v, d), id))
		wantError(t, nil, err)
	}
	stop := h.Running(t)
	due := func(rule, what string, is func(time.Time) bool) {
		t.Helper()
		h.demand(t, "", rule)
		h.moving(t, first, what, func(s access.Session) bool { h.told(t, another); return is(s.DeviceDue) })
	}
	const before, between = "{required: true, posture: {period: 30m}}", "{required: true, fleet: {period: 1h, policies: all}}"
	own := h.Clock.Now().Truncate(time.Second).Add(30 * time.Minute)
	due(before, "the policy before counts", own.Equal)
	h.beingAsked(t, "dev-2")
	due(between, "the policy between counts", own.Before)
	due(before, "the policy before counts again", own.Equal)
	h.moving(t, another, "both are judged by it", func(s access.Session) bool { return s.DevicePolicy == h.Policy().Digest() })
	stop()

	// It may be gone again before a pass came by, and still a session was judged by it:
	// Fleet was asked just then.
	h.demand(t, "", between)
	_, err = h.BindFleet(ctx, h.World.Carol.Person, "dev-1", "SERIAL-1")
	wantError(t, nil, err)
	judged := read(t, h.Store, func(r access.Reader) (access.Session, error) { return r.Session(first) })
	same(t, "judged by the policy between", true, own.Before(judged.DeviceDue))
	defer h.Running(t)()
	due(before, "the policy before counts after all", own.Equal)
}

// A signer that has begun anew knows none of the devices from before; until it was heard,
// nothing can be said of them.
func deviceForgotten(t *testing.T, h *House) {
	ctx := t.Context()
	h.demand(t, "", "{required: true}")
	v := h.Approved(t)
	certificate := h.activateFrom(t, v, h.laptop(t, "dev-1"))
	h.Signer.ChangeTrust(func(trust *evidence.Trust) { trust.Devices = nil })
	_, err := h.StartSession(ctx, Start(v, certificate, first))
	wantRefusal(t, err, "does not know this device; enrol it anew")
	// A role that asks for none takes it, as it takes no device.
	h.demand(t, "", "")
	_, err = h.StartSession(ctx, Start(v, certificate, first))
	wantError(t, nil, err)
}
