package signer

import (
	"context"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
	"stint/server/signer/wire"
)

// deviceEvidence is the enrolment of a device as alice's.
func (w *world) deviceEvidence(d *evidencetest.Device) evidence.DeviceEvidence {
	w.t.Helper()
	now := w.clock.Now().Truncate(time.Second)
	text := w.encode(&evidence.Device{
		Instance: instance, Person: w.subject(w.alice), Device: d.ID, DeviceName: "Alice's laptop", DeviceKey: d.Public, Held: evidence.HeldFile,
		Issued: now, Expires: now.Add(time.Hour), Nonce: nonce(),
	})
	return evidence.DeviceEvidence{
		Statement: text, Possession: d.Sign(w.t, text),
		Login: evidence.LoginProof{Binding: *w.login(w.alice), Signature: evidence.SignWithKey(text, w.alice.login).Signature},
	}
}

// enrolledDevice is one that the signer knows.
func (w *world) enrolledDevice() *evidencetest.Device {
	w.t.Helper()
	d := evidencetest.NewDevice(w.t, "dev-1")
	_, err := w.signer.enrolDevice(context.Background(), wire.DeviceRequest{Evidence: w.deviceEvidence(d)})
	must(w.t, err)
	return d
}

func (w *world) block(device string) (wire.Done, error) {
	return w.signer.blockDevice(context.Background(), wire.BlockDeviceRequest{Device: device, By: w.subject(w.carol)})
}

// demanding are the files in force, with a rule about devices in the role of the
// world's requests.
func (w *world) demanding() map[string]string {
	rule := "reason: required\ndevice: {required: true, posture: {period: 5m, require: [firewall]}}\n"
	return w.policyWith("roles.yaml", strings.Replace(rolesText, "reason: required\n", rule, 1))
}

// from activates a bundle from a device whose word alter may change.
func (w *world) from(d *evidencetest.Device, b evidence.Bundle, alter func(*evidence.Posture)) evidence.Bundle {
	w.t.Helper()
	said := &evidence.Posture{
		Instance: instance, Device: d.ID, System: "Debian 13", DiskEncryption: policies.On, Firewall: policies.On,
		ScreenLock: policies.Unknown, SecureBoot: policies.Unknown, Issued: w.clock.Now().Truncate(time.Second), Nonce: nonce(),
	}
	if alter != nil {
		alter(said)
	}
	signed := d.Signed(w.t, said)
	activation, err := evidence.DecodeAs[*evidence.Activation](b.Activation.Statement)
	must(w.t, err)
	activation.Device, activation.Posture = d.ID, evidence.Digest(signed.Statement)
	activated := evidence.SignWithKey(w.encode(activation), w.alice.login)
	b.Activation = &activated
	b.Device = &evidence.DeviceProof{Signature: d.Sign(w.t, activated.Statement), Posture: signed}
	return b
}

func TestACertificateNeedsTheDevice(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	_, err := w.signer.changePolicy(t.Context(), wire.PolicyRequest{Evidence: w.proposed(w.demanding(), nil, w.carol)})
	must(t, err)
	b := w.bundle("r1", newKey(t))
	_, err = w.sign(b)
	refused(t, err, "evidence.device-policy")

	d := evidencetest.NewDevice(t, "dev-1")
	_, err = w.sign(w.from(d, b, nil))
	refused(t, err, "evidence.device-unknown")
	given := w.deviceEvidence(d)
	first, err := w.signer.enrolDevice(t.Context(), wire.DeviceRequest{Evidence: given})
	must(t, err)
	if e := w.prove(first.Proof); e.Device == nil {
		t.Errorf("entry %+v", e)
	}
	// The answer was lost, and the call made again, also after a restart.
	for range 2 {
		again, err := w.signer.enrolDevice(t.Context(), wire.DeviceRequest{Evidence: given})
		must(t, err)
		if again.Proof.Entry != first.Proof.Entry {
			t.Error("the same device made another entry")
		}
		w.shut()
		w.open()
	}
	_, err = w.sign(w.from(d, b, func(p *evidence.Posture) { p.Firewall = policies.Off }))
	refused(t, err, "evidence.device-policy")
	_, err = w.sign(w.from(d, b, func(p *evidence.Posture) { p.Issued = p.Issued.Add(-5 * time.Minute) }))
	refused(t, err, "evidence.device-policy")
	w.mustSign(w.from(d, b, nil))

	// A connection later, the posture of then counts; a block since then too.
	w.clock.add(10 * time.Minute)
	_, err = w.signTarget("r1")
	must(t, err)
	done, err := w.block("dev-1")
	must(t, err)
	if e := w.prove(done.Proof); e.DeviceBlock == nil || e.DeviceBlock.By != w.subject(w.carol) {
		t.Errorf("entry %+v", e)
	}
	again, err := w.block("dev-1")
	must(t, err)
	if again.Proof.Entry != done.Proof.Entry {
		t.Error("the same block made another entry")
	}
	_, err = w.signTarget("r1")
	refused(t, err, "evidence.device-blocked")
	_, err = w.sign(w.from(d, w.bundleOf(b.Request, newKey(t)), nil))
	refused(t, err, "evidence.device-blocked")

	// The key comes back under no other id, and a stranger is not blocked.
	anew := *d
	anew.ID = "dev-2"
	_, err = w.signer.enrolDevice(t.Context(), wire.DeviceRequest{Evidence: w.deviceEvidence(&anew)})
	refused(t, err, "evidence.device-known")
	_, err = w.block("dev-2")
	refused(t, err, "no-such-device")

	// All of it holds after a restart.
	w.shut()
	w.open()
	_, err = w.signTarget("r1")
	refused(t, err, "evidence.device-blocked")
}

// Whoever enrols without end uses up nobody's enrolments but their own.
func TestEnrolmentsAreCountedByPerson(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.signer.changes = newLimiter(1, 0)
	w.enrolledDevice()
	enrol := func(e evidence.DeviceEvidence) error {
		_, err := w.signer.enrolDevice(t.Context(), wire.DeviceRequest{Evidence: e})
		return err
	}
	alices := w.deviceEvidence(evidencetest.NewDevice(t, "dev-2"))
	refused(t, enrol(alices), "rate-limited")
	bobs := alices
	bobs.Statement = strings.Replace(alices.Statement, w.subject(w.alice).String(), w.subject(w.bob).String(), 1)
	refused(t, enrol(bobs), "evidence.possession")
}
