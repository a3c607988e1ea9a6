package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// demandDevice makes Alice's role ask for an enrolled device whose firewall is on,
// and says so at least every five minutes.
func (h *House) demandDevice(t testing.TB) {
	t.Helper()
	text := strings.Replace(evidencetest.Policy, "reason: required\n", "reason: required\ndevice: {required: true, posture: {period: 5m, require: [firewall]}}\n", 1)
	h.SetPolicy(t, text)
	h.Signer.ChangeTrust(func(trust *evidence.Trust) { *trust = trust.WithPolicy(h.Policy()) })
}

// laptop enrols a device of Alice's.
func (h *House) laptop(t testing.TB, id string) *evidencetest.Device {
	t.Helper()
	d := evidencetest.NewDevice(t, id)
	h.World.Now = h.Clock.Now()
	v, err := h.EnrolDevice(t.Context(), h.World.Alice, h.World.DeviceEvidence(t, d, h.World.DeviceStatement(d)), nil)
	wantError(t, nil, err)
	if v.ID != id || v.Owner.Name != "Alice" || v.Block != nil || !slices.Equal(v.May, []string{"block"}) {
		t.Errorf("the device is %+v", v)
	}
	return d
}

// posture is what a device says now; alter comes before the signature.
func (h *House) posture(t testing.TB, d *evidencetest.Device, alter func(*evidence.Posture)) evidence.SignedByKey {
	t.Helper()
	said := h.World.Posture(d)
	said.Issued = h.Clock.Now().Truncate(time.Second)
	if alter != nil {
		alter(said)
	}
	return *d.Signed(t, said)
}

// activeFrom asks, approves, and activates from a device.
func (h *House) activeFrom(t testing.TB, d *evidencetest.Device) (access.RequestView, access.Certificate) {
	t.Helper()
	v := h.Approved(t)
	return v, h.activateFrom(t, v, d)
}

func (h *House) activateFrom(t testing.TB, v access.RequestView, d *evidencetest.Device) access.Certificate {
	t.Helper()
	signed, login := h.Activation(t, v)
	activation, err := evidence.DecodeAs[*evidence.Activation](signed.Statement)
	wantError(t, nil, err)
	said := h.posture(t, d, nil)
	activation.Device, activation.Posture = d.ID, evidence.Digest(said.Statement)
	text := evidencetest.Text(t, activation)
	proof := &evidence.DeviceProof{Signature: d.Sign(t, text), Posture: &said}
	certificate, err := h.Activate(t.Context(), h.World.Alice, v.ID, evidence.SignWithKey(text, h.World.Login.Private), login, proof)
	wantError(t, nil, err)
	return certificate
}

// told is what the only session of a proxy hears when it renews.
func (h *House) told(t testing.TB, id string) string {
	t.Helper()
	verdicts, err := h.RenewLeases(t.Context(), "proxy-1", []string{id})
	wantError(t, nil, err)
	return verdicts[0].Ended
}

const first, another = "session-0123456789abcdef", "session-fedcba9876543210"

func deviceFails(t *testing.T, h *House) {
	ctx, alice := t.Context(), h.World.Alice
	h.demandDevice(t)
	// Without a device the signer says no, and why.
	v := h.Approved(t)
	activation, login := h.Activation(t, v)
	_, err := h.Activate(ctx, alice, v.ID, activation, login, nil)
	wantCode(t, access.CodeSignerRefused, err)
	if !strings.Contains(err.Error(), "stint device enroll") {
		t.Errorf("she reads %v", err)
	}
	d := h.laptop(t, "dev-1")
	certificate := h.activateFrom(t, v, d)
	started, err := h.StartSession(ctx, Start(v, certificate, first))
	wantError(t, nil, err)
	if want := h.Clock.Now().Truncate(time.Second).Add(5 * time.Minute); started.Session.Device != "dev-1" || !started.Session.DeviceDue.Equal(want) {
		t.Errorf("the session is %+v", started.Session)
	}
	// All is well for another period, and the session goes on.
	h.Clock.Move(4 * time.Minute)
	report, err := h.ReportPosture(ctx, alice, "dev-1", h.posture(t, d, nil))
	wantError(t, nil, err)
	if len(report.Rules) != 1 || !report.Rules[0].Complies || report.Posture == nil {
		t.Errorf("the device is %+v", report)
	}
	h.Clock.Move(4 * time.Minute)
	same(t, "verdict", "", h.told(t, first))
	// The firewall goes off: the session ends at once, the grant goes on.
	report, err = h.ReportPosture(ctx, alice, "dev-1", h.posture(t, d, func(p *evidence.Posture) { p.Firewall = policies.Off }))
	wantError(t, nil, err)
	if report.Rules[0].Complies || policies.Objections(report.Rules[0].Reasons) != "The firewall of this machine is off; turn it on." {
		t.Errorf("the device is %+v", report)
	}
	same(t, "verdict", "device", h.told(t, first))
	same(t, "notices", []access.Notice{{Session: first, Reason: "device", At: h.Clock.Now()}}, h.Notices.All())
	same(t, "grant", access.Active, h.stored(t, v.ID).State)
	view, err := h.Request(ctx, alice, v.ID)
	wantError(t, nil, err)
	if last := view.Timeline[len(view.Timeline)-1]; !strings.Contains(last.Event.Text, "The firewall of this machine is off; turn it on.") {
		t.Errorf("the timeline ends with %q", last.Event.Text)
	}
	// No session starts, until the machine complies again.
	_, err = h.StartSession(ctx, Start(v, certificate, another))
	wantCode(t, access.CodeDeviceRefused, err)
	h.Clock.Move(time.Second)
	_, err = h.ReportPosture(ctx, alice, "dev-1", h.posture(t, d, nil))
	wantError(t, nil, err)
	_, err = h.StartSession(ctx, Start(v, certificate, another))
	wantError(t, nil, err)
	same(t, "still told to end", "device", h.told(t, first))
	// A policy that asks for more counts from the next report on.
	text := strings.Replace(evidencetest.Policy, "reason: required\n", "reason: required\ndevice: {required: true, posture: {systemAgeDays: 1}}\n", 1)
	h.SetPolicy(t, text)
	_, err = h.ReportPosture(ctx, alice, "dev-1", h.posture(t, d, nil))
	wantError(t, nil, err)
	same(t, "verdict", "device", h.told(t, another))
}

func deviceSilent(t *testing.T, h *House) {
	ctx := t.Context()
	h.demandDevice(t)
	v, certificate := h.activeFrom(t, h.laptop(t, "dev-1"))
	_, err := h.StartSession(ctx, Start(v, certificate, first))
	wantError(t, nil, err)
	h.Clock.Move(5*time.Minute - 2*time.Second)
	same(t, "verdict", "", h.told(t, first))
	// Past the period it is over at the next renewal, whether or not Run has come.
	h.Clock.Move(2 * time.Second)
	same(t, "verdict", "device", h.told(t, first))
	_, err = h.StartSession(ctx, Start(v, certificate, first))
	wantCode(t, access.CodeSessionEnded, err)
	_, err = h.StartSession(ctx, Start(v, certificate, another))
	wantCode(t, access.CodeDeviceRefused, err)
	// Run tells the proxies, once.
	stop := h.Running(t)
	defer stop()
	h.Eventually(t, "the proxies are told", func() bool { return len(h.Notices.All()) > 0 })
	same(t, "notices", []access.Notice{{Session: first, Reason: "device", At: h.Clock.Now()}}, h.Notices.All())
	view, err := h.Session(ctx, h.World.Alice, first)
	wantError(t, nil, err)
	same(t, "reason", "device", view.KillReason)
	wantError(t, nil, h.EndSession(ctx, "proxy-1", first, access.SessionEnd{Reason: "device", Ended: h.Clock.Now()}))
}

func deviceBlocked(t *testing.T, h *House) {
	ctx, alice, carol := t.Context(), h.World.Alice, h.World.Carol
	h.demandDevice(t)
	d := h.laptop(t, "dev-1")
	v, certificate := h.activeFrom(t, d)
	_, err := h.StartSession(ctx, Start(v, certificate, first))
	wantError(t, nil, err)
	other := h.laptop(t, "dev-2")
	spare := h.activateFrom(t, v, other)
	_, err = h.StartSession(ctx, Start(v, spare, another))
	wantError(t, nil, err)
	// Who may: its owner, reviewers and administrators.
	_, err = h.BlockDevice(ctx, h.World.Erin.Person, "dev-1", "")
	wantCode(t, access.CodeDeviceNotFound, err)
	_, err = h.BlockDevice(ctx, carol.Person, "dev-9", "")
	wantCode(t, access.CodeDeviceNotFound, err)
	// It holds here though the signer is away.
	h.Signer.SetDown(errors.New("away"))
	blocked, err := h.BlockDevice(ctx, carol.Person, "dev-1", "stolen on a train")
	wantError(t, nil, err)
	if blocked.Block == nil || blocked.Block.By.Name != "Carol" || blocked.Block.Reason != "stolen on a train" || len(blocked.May) != 0 {
		t.Errorf("the device is %+v", blocked)
	}
	same(t, "verdict", "device", h.told(t, first))
	same(t, "another device's session", "", h.told(t, another))
	_, err = h.StartSession(ctx, Start(v, certificate, "session-aaaaaaaaaaaaaaaa"))
	wantCode(t, access.CodeDeviceRefused, err)
	_, err = h.ReportPosture(ctx, alice, "dev-1", h.posture(t, d, nil))
	wantCode(t, access.CodeDeviceBlocked, err)
	_, err = h.BlockDevice(ctx, alice, "dev-1", "")
	wantCode(t, access.CodeDeviceBlocked, err)
	// The signer hears of it once it answers.
	h.Signer.SetDown(nil)
	stop := h.Running(t)
	defer stop()
	h.Clock.Move(time.Second)
	h.Eventually(t, "the signer has the block", func() bool {
		trust, err := h.Signer.Trust(ctx)
		wantError(t, nil, err)
		known, _ := trust.Devices.Find("dev-1")
		return known.Blocked != nil
	})
	signed, login := h.Activation(t, v)
	_, err = h.Activate(ctx, alice, v.ID, signed, login, nil)
	wantCode(t, access.CodeSignerRefused, err)
	// Its own person blocks one too.
	_, err = h.BlockDevice(ctx, alice, "dev-2", "")
	wantError(t, nil, err)
	same(t, "verdict", "device", h.told(t, another))
}

// deviceBlockedMeanwhile: whichever of two brokers is first, no session outlives the
// block, and none begins after it.
func deviceBlockedMeanwhile(t *testing.T, h *House) {
	ctx := t.Context()
	h.demandDevice(t)
	other := h.Another(t)
	for round := range 4 {
		id := fmt.Sprintf("dev-%d", round)
		v, certificate := h.activeFrom(t, h.laptop(t, id))
		sessions := []string{fmt.Sprintf("session-%d-aaaaaaaaaaaa", round), fmt.Sprintf("session-%d-bbbbbbbbbbbb", round)}
		var group sync.WaitGroup
		for _, session := range sessions {
			group.Go(func() {
				if _, err := other.StartSession(ctx, Start(v, certificate, session)); err != nil && !access.IsCode(err, access.CodeDeviceRefused) {
					t.Error(err)
				}
			})
		}
		group.Go(func() {
			if _, err := h.BlockDevice(ctx, h.World.Alice, id, ""); err != nil {
				t.Error(err)
			}
		})
		group.Wait()
		for _, session := range sessions {
			if told := h.told(t, session); told != "device" && told != "unknown" {
				t.Errorf("after the block %s is told %q", session, told)
			}
		}
	}
}

func posturesRefused(t *testing.T, h *House) {
	ctx, alice := t.Context(), h.World.Alice
	h.demandDevice(t)
	d, other := h.laptop(t, "dev-1"), h.laptop(t, "dev-2")
	good := h.posture(t, d, nil)
	_, err := h.ReportPosture(ctx, alice, "dev-1", good)
	wantError(t, nil, err)
	_, err = h.ReportPosture(ctx, alice, "dev-1", good)
	wantError(t, nil, err) // the answer was lost
	stored := func() string {
		return read(t, h.Store, func(r access.Reader) (access.DevicePosture, error) { return r.DevicePosture("dev-1") }).Said.Statement
	}
	edited := good
	edited.Statement = strings.Replace(good.Statement, "firewall: on\n", "firewall: off\n", 1)
	swapped := *other.Signed(t, h.World.Posture(d))
	for name, c := range map[string]struct {
		by     policies.Person
		device string
		said   evidence.SignedByKey
		code   string
	}{
		"edited":                 {alice, "dev-1", edited, access.CodePosture},
		"by another device":      {alice, "dev-1", swapped, access.CodePosture},
		"for another device":     {alice, "dev-1", h.posture(t, other, nil), access.CodeDeviceNotFound},
		"of another person":      {h.World.Bob.Person, "dev-1", h.posture(t, d, nil), access.CodeDeviceNotFound},
		"not known":              {alice, "dev-3", h.posture(t, evidencetest.NewDevice(t, "dev-3"), nil), access.CodePosture},
		"from the future":        {alice, "dev-1", h.posture(t, d, func(p *evidence.Posture) { p.Issued = p.Issued.Add(time.Minute) }), access.CodePosture},
		"too late":               {alice, "dev-1", h.posture(t, d, func(p *evidence.Posture) { p.Issued = p.Issued.Add(-time.Second) }), ""},
		"another installation's": {alice, "dev-1", h.posture(t, d, func(p *evidence.Posture) { p.Instance = "other" }), access.CodePosture},
		"not a posture":          {alice, "dev-1", *d.Signed(t, h.World.DeviceStatement(d)), access.CodePosture},
		"nothing":                {alice, "dev-1", evidence.SignedByKey{}, access.CodePosture},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.ReportPosture(ctx, c.by, c.device, c.said)
			if c.code == "" {
				wantError(t, nil, err) // no news
			} else {
				wantCode(t, c.code, err)
			}
			same(t, "stored", good.Statement, stored())
		})
	}
	// Nobody enrols for somebody else.
	late := evidencetest.NewDevice(t, "dev-4")
	_, err = h.EnrolDevice(ctx, h.World.Bob.Person, h.World.DeviceEvidence(t, late, h.World.DeviceStatement(late)), nil)
	wantCode(t, access.CodeForbidden, err)
	h.Signer.SetUnheard(true)
	_, err = h.ReportPosture(ctx, alice, "dev-1", good)
	wantCode(t, access.CodeSignerUnavailable, err)
	// Which devices there are is not known then, and not told as none.
	_, err = h.BlockDevice(ctx, alice, "dev-1", "")
	wantCode(t, access.CodeSignerUnavailable, err)
	_, _, err = h.Devices(ctx, alice, false, 0, 5)
	wantCode(t, access.CodeSignerUnavailable, err)
}

func devicesListed(t *testing.T, h *House) {
	ctx, alice := t.Context(), h.World.Alice
	h.demandDevice(t)
	for _, id := range []string{"dev-1", "dev-2", "dev-3"} {
		h.laptop(t, id)
	}
	ids := func(by policies.Person, everybody bool, before int64, limit int) (ids []string, next int64) {
		items, next, err := h.Devices(ctx, by, everybody, before, limit)
		wantError(t, nil, err)
		for _, v := range items {
			ids = append(ids, v.ID)
		}
		return ids, next
	}
	page, next := ids(alice, false, 0, 2)
	same(t, "first page", []string{"dev-3", "dev-2"}, page)
	page, next = ids(alice, false, next, 2)
	same(t, "second page", []string{"dev-1"}, page)
	same(t, "the end", 0, next)
	page, _ = ids(h.World.Bob.Person, false, 0, 5)
	same(t, "Bob's", 0, len(page))
	page, _ = ids(h.World.Carol.Person, true, 0, 5)
	same(t, "everybody's", []string{"dev-3", "dev-2", "dev-1"}, page)
	_, _, err := h.Devices(ctx, h.World.Erin.Person, true, 0, 5)
	wantCode(t, access.CodeForbidden, err)
	same(t, "report within", 150*time.Second, h.ReportWithin())
}
