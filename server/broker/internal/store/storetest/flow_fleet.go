package storetest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// demandFleet makes Alice's role ask for Fleet's word of half an hour.
func (h *House) demandFleet(t testing.TB) {
	t.Helper()
	text := strings.Replace(evidencetest.Policy, "reason: required\n",
		"reason: required\ndevice: {required: true, fleet: {period: 30m, require: [disk-encryption], policies: all}}\n", 1)
	h.SetPolicy(t, text)
	h.Signer.ChangeTrust(func(trust *evidence.Trust) { *trust = trust.WithPolicy(h.Policy()) })
}

// host is a machine that does what demandFleet asks, by what it told now.
func (h *House) host(number int64) policies.FleetHost {
	return policies.FleetHost{
		ID: number, Name: "annas-laptop", UUID: "UUID-" + string(rune('0'+number)), Serial: "SERIAL-" + string(rune('0'+number)),
		Collected: h.Clock.Now(), Judged: h.Clock.Now(), DiskEncryption: policies.On, Policies: []policies.FleetPolicy{{Name: "Firewall enabled", Passes: new(true)}},
	}
}

// bound is a laptop of Alice's, which Carol bound to Fleet's host 1.
func (h *House) bound(t testing.TB) *evidencetest.Device {
	t.Helper()
	d := h.laptop(t, "dev-1")
	h.Fleet.Say(h.host(1))
	v, err := h.BindFleet(t.Context(), h.World.Carol.Person, "dev-1", "SERIAL-1")
	wantError(t, nil, err)
	if v.Fleet == nil || v.Fleet.Host != 1 || v.Fleet.By.Name != "Carol" || v.Fleet.Word == nil || v.Fleet.Word.Name != "annas-laptop" {
		t.Fatalf("the device is %+v", v)
	}
	return d
}

// tryActivate activates from a device.
func (h *House) tryActivate(t testing.TB, v access.RequestView, d *evidencetest.Device) (access.Certificate, error) {
	t.Helper()
	return h.activation(t, v, d)(t.Context())
}

// activation is tryActivate, signed and not sent yet.
func (h *House) activation(t testing.TB, v access.RequestView, d *evidencetest.Device) func(context.Context) (access.Certificate, error) {
	t.Helper()
	signed, login := h.Activation(t, v)
	activation, err := evidence.DecodeAs[*evidence.Activation](signed.Statement)
	wantError(t, nil, err)
	activation.Device = d.ID
	text := evidencetest.Text(t, activation)
	proof := &evidence.DeviceProof{Signature: d.Sign(t, text)}
	return func(ctx context.Context) (access.Certificate, error) {
		return h.Activate(ctx, h.World.Alice, v.ID, evidence.SignWithKey(text, h.World.Login.Private), login, proof)
	}
}

func wantRefusal(t testing.TB, err error, because string) {
	t.Helper()
	wantCode(t, access.CodeDeviceRefused, err)
	if !strings.Contains(err.Error(), because) {
		t.Errorf("she reads %v", err)
	}
}

func fleetRefuses(t *testing.T, h *House) {
	h.demandFleet(t)
	d := h.laptop(t, "dev-1")
	v := h.Approved(t)
	// A device that nobody bound, and another person's.
	_, err := h.tryActivate(t, v, d)
	wantRefusal(t, err, "Fleet says nothing of this machine; ask an administrator")
	same(t, "calls", 0, h.Fleet.Calls())
	h.Fleet.Say(h.host(1))
	_, err = h.BindFleet(t.Context(), h.World.Carol.Person, "dev-1", "SERIAL-1")
	wantError(t, nil, err)
	for name, c := range map[string]struct {
		alter func(*policies.FleetHost)
		want  string
	}{
		"not encrypted":    {func(f *policies.FleetHost) { f.DiskEncryption = policies.Off }, "not encrypted; encrypt it."},
		"a policy fails":   {func(f *policies.FleetHost) { f.Policies[0].Passes = new(false) }, "does not pass: Firewall enabled."},
		"another machine":  {func(f *policies.FleetHost) { f.UUID = "UUID-2" }, "Fleet says nothing of this machine"},
		"another's serial": {func(f *policies.FleetHost) { f.Serial = "SERIAL-2" }, "Fleet says nothing of this machine"},
		"told long ago":    {func(f *policies.FleetHost) { f.Collected = f.Collected.Add(-5 * time.Second) }, "older than 30m"},
		"judged long ago":  {func(f *policies.FleetHost) { f.Judged = f.Judged.Add(-5 * time.Second) }, "older than 30m"},
		"told in the future": {func(f *policies.FleetHost) {
			f.Collected, f.Judged = f.Collected.Add(time.Hour), f.Judged.Add(time.Hour)
		}, "dated in the future"},
	} {
		t.Run(name, func(t *testing.T) {
			h.Fleet.Forget()
			write(t, h.Store, func(tx access.Tx) error { return tx.RemoveFleetBinding("dev-1") })
			h.Fleet.Say(h.host(1))
			_, err := h.BindFleet(t.Context(), h.World.Carol.Person, "dev-1", "SERIAL-1")
			wantError(t, nil, err)
			// It is asked anew, and counts at once.
			h.Clock.Move(11 * time.Second)
			host := h.host(1)
			c.alter(&host)
			h.Fleet.Say(host)
			if strings.Contains(name, "long ago") {
				h.Clock.Move(30*time.Minute - time.Second)
			}
			_, err = h.tryActivate(t, v, d)
			wantRefusal(t, err, c.want)
			if c.want == "Fleet says nothing of this machine" {
				view, err := h.Device(t.Context(), h.World.Alice, "dev-1")
				wantError(t, nil, err)
				if view.Fleet.Word != nil || !strings.Contains(view.Fleet.Trouble, "another machine") {
					t.Errorf("the binding is %+v", view.Fleet)
				}
			}
		})
		v = h.Approved(t)
	}
	// One that complies again is used at once.
	h.Clock.Move(11 * time.Second)
	h.Fleet.Say(h.host(1))
	certificate, err := h.tryActivate(t, v, d)
	wantError(t, nil, err)
	started, err := h.StartSession(t.Context(), Start(v, certificate, first))
	wantError(t, nil, err)
	same(t, "due", h.Clock.Now().Truncate(time.Microsecond).Add(30*time.Minute), started.Session.DeviceDue)
	// What Fleet says is asked before each session, too.
	h.Clock.Move(11 * time.Second)
	host := h.host(1)
	host.DiskEncryption = policies.Unknown
	h.Fleet.Say(host)
	_, err = h.StartSession(t.Context(), Start(v, certificate, another))
	wantRefusal(t, err, "Fleet does not know whether the disk")
	same(t, "the first session", "device", h.told(t, first))
	// A word from before that does not take its place.
	h.Clock.Move(11 * time.Second)
	host = h.host(1)
	host.Judged = host.Judged.Add(-12 * time.Second)
	h.Fleet.Say(host)
	_, err = h.tryActivate(t, v, d)
	wantRefusal(t, err, "Fleet does not know whether the disk")
}

func fleetEnds(t *testing.T, h *House) {
	ctx := t.Context()
	h.demandFleet(t)
	d := h.bound(t)
	v := h.Approved(t)
	certificate, err := h.tryActivate(t, v, d)
	wantError(t, nil, err)
	_, err = h.StartSession(ctx, Start(v, certificate, first))
	wantError(t, nil, err)
	// All is well after a quarter of an hour.
	h.Clock.Move(15 * time.Minute)
	h.Fleet.Say(h.host(1))
	same(t, "verdict", "", h.told(t, first))
	stop := h.Running(t)
	defer stop()
	h.Eventually(t, "Fleet is asked", func() bool {
		h.Clock.Move(5 * time.Second)
		h.told(t, first)
		s := read(t, h.Store, func(r access.Reader) (access.Session, error) { return r.Session(first) })
		return s.DeviceDue.After(h.Clock.Now().Add(25 * time.Minute))
	})
	same(t, "verdict", "", h.told(t, first))
	// It complies no more: within the period, and long before it is over, the session ends.
	began := h.Clock.Now()
	host := h.host(1)
	host.Policies[0].Passes = new(false)
	h.Fleet.Say(host)
	h.Eventually(t, "the session is told to end", func() bool {
		h.Clock.Move(5 * time.Second)
		h.told(t, first)
		return len(h.Notices.All()) > 0
	})
	if took := h.Clock.Now().Sub(began); took > 30*time.Minute {
		t.Errorf("it took %s", took)
	}
	same(t, "reason", "device", h.Notices.All()[0].Reason)
	same(t, "verdict", "device", h.told(t, first))
	view, err := h.Request(ctx, h.World.Alice, v.ID)
	wantError(t, nil, err)
	if last := view.Timeline[len(view.Timeline)-1]; !strings.Contains(last.Event.Text, "By Fleet's word, this machine does not pass: Firewall enabled.") {
		t.Errorf("the timeline ends with %q", last.Event.Text)
	}
	same(t, "grant", access.Active, h.stored(t, v.ID).State)
}

func fleetAway(t *testing.T, h *House) {
	ctx := t.Context()
	h.demandFleet(t)
	d := h.bound(t)
	v := h.Approved(t)
	h.Fleet.SetDown(true)
	// What it said last counts for its period, and no longer.
	h.Clock.Move(15 * time.Minute)
	certificate, err := h.tryActivate(t, v, d)
	wantError(t, nil, err)
	same(t, "trouble", "Fleet is away.", h.FleetTrouble())
	_, err = h.StartSession(ctx, Start(v, certificate, first))
	wantError(t, nil, err)
	h.Clock.Move(15*time.Minute - time.Second)
	same(t, "verdict", "", h.told(t, first))
	h.Clock.Move(time.Second)
	same(t, "verdict", "device", h.told(t, first)) // whether or not Run has come
	_, err = h.StartSession(ctx, Start(v, certificate, another))
	wantRefusal(t, err, "older than 30m")
	v = h.Approved(t)
	_, err = h.tryActivate(t, v, d)
	wantRefusal(t, err, "older than 30m")
	stop := h.Running(t)
	defer stop()
	h.Eventually(t, "the proxies are told", func() bool { return len(h.Notices.All()) > 0 })
	same(t, "notices", []access.Notice{{Session: first, Reason: "device", At: h.Clock.Now()}}, h.Notices.All())
	// It can be bound to nothing while Fleet is away, and is not without Fleet.
	_, err = h.BindFleet(ctx, h.World.Carol.Person, "dev-1", "SERIAL-1")
	wantCode(t, access.CodeFleetUnavailable, err)
	// Fleet is back, and no longer knows the host.
	h.Fleet.SetDown(false)
	h.Fleet.Forget()
	h.Clock.Move(11 * time.Second)
	_, err = h.tryActivate(t, v, d)
	wantRefusal(t, err, "Fleet says nothing of this machine")
	same(t, "trouble", "", h.FleetTrouble())
}

// Who comes while Fleet is being asked waits for what it says, instead of being judged by
// what it said long ago; also when whoever had it asked has gone.
func fleetAwaited(t *testing.T, h *House) {
	h.demandFleet(t)
	d := h.bound(t)
	v := h.Approved(t)
	h.Clock.Move(45 * time.Minute)
	h.Fleet.Say(h.host(1))
	called, answer, earlier := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	call := sync.OnceFunc(func() { close(called) })
	h.Fleet.Delay(func() { call(); <-answer })
	ctx, hangUp := context.WithCancel(t.Context())
	activate := h.activation(t, v, d)
	go func() {
		_, err := activate(ctx)
		earlier <- err
	}()
	select {
	case <-called:
	case err := <-earlier:
		t.Fatalf("it is over without asking: %v", err)
	}
	hangUp()
	time.AfterFunc(200*time.Millisecond, func() { close(answer) })
	_, err := h.tryActivate(t, v, d)
	wantError(t, nil, err)
	<-earlier
	same(t, "calls", 2, h.Fleet.Calls()) // one of them was the binding's
}

func fleetBinding(t *testing.T, h *House) {
	ctx, alice, bob, carol, dana := t.Context(), h.World.Alice, h.World.Bob.Person, h.World.Carol.Person, h.World.Dana.Person
	h.demandFleet(t)
	h.bound(t)
	h.laptop(t, "dev-2")
	h.Fleet.Say(h.host(2))
	bind := func(by policies.Person, device, host string) error {
		_, err := h.BindFleet(ctx, by, device, host)
		return err
	}
	// Never one's own, and nobody's but an overseer's to say.
	wantCode(t, access.CodeForbidden, bind(alice, "dev-2", "SERIAL-2"))
	wantCode(t, access.CodeDeviceNotFound, bind(bob, "dev-2", "SERIAL-2"))
	write(t, h.Store, func(tx access.Tx) error {
		return tx.PutPerson(access.KnownPerson{Person: alice, Handle: []byte("alice"), FirstSeen: h.Clock.Now(), LastSeen: h.Clock.Now()})
	})
	other := dana // Alice's other identity, which reviews
	other.Subject.Subject, other.Email, other.Groups = "alice-2", alice.Email, []string{"security"}
	wantCode(t, access.CodeForbidden, bind(other, "dev-2", "SERIAL-2"))
	wantCode(t, access.CodeDeviceNotFound, bind(dana, "dev-9", "SERIAL-2"))
	wantCode(t, access.CodeFleetUnknown, bind(dana, "dev-2", "SERIAL-9"))
	v, err := h.Device(ctx, alice, "dev-2")
	wantError(t, nil, err)
	same(t, "her own", []string{"block"}, v.May)
	v, err = h.Device(ctx, dana, "dev-2")
	wantError(t, nil, err)
	same(t, "Dana may", []string{"block", "bind-fleet"}, v.May)
	wantError(t, nil, bind(dana, "dev-2", "SERIAL-2"))
	// A host is one device's: it goes to the newer of one person's.
	wantError(t, nil, bind(carol, "dev-2", "SERIAL-1"))
	v, err = h.Device(ctx, alice, "dev-1")
	wantError(t, nil, err)
	if v.Fleet != nil || v.Rules[0].Complies {
		t.Errorf("the device before is %+v", v)
	}
	// It does not go to another person's, unless the one before was blocked.
	erins := evidencetest.NewDevice(t, "dev-3")
	h.Signer.ChangeTrust(func(trust *evidence.Trust) {
		statement := h.World.DeviceStatement(erins)
		statement.Person = h.World.Erin.Person.Subject
		trust.Devices = trust.Devices.Enrol(*statement, "", h.Clock.Now())
	})
	wantCode(t, access.CodeFleetTaken, bind(dana, "dev-3", "SERIAL-1"))
	_, err = h.BlockDevice(ctx, carol, "dev-2", "")
	wantError(t, nil, err)
	wantCode(t, access.CodeDeviceBlocked, bind(dana, "dev-2", "SERIAL-2"))
	wantError(t, nil, bind(dana, "dev-3", "SERIAL-1"))
	kinds := map[string]int{}
	for _, leaf := range read(t, h.Store, func(r access.Reader) ([]access.AuditLeaf, error) {
		return r.AuditEvents(access.AuditQuery{Limit: access.MaxPage})
	}) {
		kinds[leaf.Event.Kind]++
	}
	if kinds[access.EventFleetBound] != 4 || kinds[access.EventFleetUnbound] != 2 {
		t.Errorf("the audit log has %v", kinds)
	}
}

func fleetRate(t *testing.T, h *House) {
	ctx := t.Context()
	h.demandFleet(t)
	d := h.bound(t) // one call
	v := h.Approved(t)
	for range 3 {
		_, err := h.tryActivate(t, v, d)
		wantError(t, nil, err)
	}
	same(t, "asked just now", 1, h.Fleet.Calls())
	h.Clock.Move(10 * time.Second)
	certificate, err := h.tryActivate(t, v, d)
	wantError(t, nil, err)
	_, err = h.StartSession(ctx, Start(v, certificate, first))
	wantError(t, nil, err)
	same(t, "once more", 2, h.Fleet.Calls())
	// Two brokers together ask once in five minutes.
	for _, broker := range []*access.Service{h.Service, h.Another(t)} {
		defer (&House{Service: broker}).Running(t)()
	}
	began := h.Clock.Now()
	h.Eventually(t, "it is asked twice more", func() bool {
		h.Clock.Move(5 * time.Second)
		h.told(t, first)
		return h.Fleet.Calls() == 4
	})
	if took := h.Clock.Now().Sub(began); took < 10*time.Minute {
		t.Errorf("it was asked so often in %s", took)
	}
}
