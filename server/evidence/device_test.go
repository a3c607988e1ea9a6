package evidence_test

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// deviceWorld is a world whose role demands a device, and Alice's laptop with it.
type deviceWorld struct {
	*world
	laptop *evidencetest.Device
}

const deviceRule = `device:
  required: true
  posture: {period: 5m, require: [disk-encryption], systemAgeDays: 30, protection: [Falcon]}
`

func newDeviceWorld(t *testing.T) *deviceWorld {
	w := &deviceWorld{world: newWorld(t), laptop: evidencetest.NewDevice(t, "dev-1")}
	w.Trust.Policy["policy.yaml"] = strings.Replace(w.Trust.Policy["policy.yaml"], "reason: required\n", "reason: required\n"+deviceRule, 1)
	w.know(w.laptop, w.Alice.Subject)
	w.fromDevice(w.laptop, nil, nil)
	return w
}

// know puts a device into what is trusted.
func (w *deviceWorld) know(d *evidencetest.Device, whose policies.Subject) *evidence.EnrolledDevice {
	w.Trust.Devices = append(w.Trust.Devices, evidence.EnrolledDevice{
		ID: d.ID, Person: whose, Name: "Alice's laptop", Key: d.Public, Held: evidence.HeldTPM, Enrolled: w.Now.Add(-time.Hour),
	})
	return &w.Trust.Devices[len(w.Trust.Devices)-1]
}

// fromDevice activates from a device with its posture; the alterations come before
// anything is signed.
func (w *deviceWorld) fromDevice(d *evidencetest.Device, posture func(*evidence.Posture), activation func(*evidence.Activation)) {
	said := w.Posture(d)
	if posture != nil {
		posture(said)
	}
	signed := d.Signed(w.t, said)
	a := w.Activation(w.t)
	a.Device, a.Posture = d.ID, evidence.Digest(signed.Statement)
	if activation != nil {
		activation(a)
	}
	w.bundle.Activation = w.SignedActivation(w.t, a)
	w.bundle.Device = &evidence.DeviceProof{Signature: d.Sign(w.t, w.bundle.Activation.Statement), Posture: signed}
}

func TestVerifyDeviceActivation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check string // empty: it holds
		forge func(w *deviceWorld)
	}{
		"it holds":           {"", func(*deviceWorld) {}},
		"as it comes back":   {"", func(w *deviceWorld) { w.bundle = evidencetest.Clone(w.t, w.bundle) }},
		"blocked since then": {"", func(w *deviceWorld) { later := w.Now.Add(1); w.Trust.Devices[0].Blocked = &later }},
		"no device where no role asks": {"", func(w *deviceWorld) {
			w.staging()
			w.Approvers = nil
			w.remake()
		}},
		"a device where no role asks": {"", func(w *deviceWorld) {
			w.staging()
			w.Approvers = nil
			w.remake()
			w.fromDevice(w.laptop, nil, nil)
		}},

		// The device.
		"no device":                {"device-policy", func(w *deviceWorld) { w.remake() }},
		"the proof is taken away":  {"device-proof", func(w *deviceWorld) { w.bundle.Device = nil }},
		"a proof beside no device": {"device-proof", func(w *deviceWorld) { proof := w.bundle.Device; w.remake(); w.bundle.Device = proof }},
		"a posture without a device": {"device-proof", func(w *deviceWorld) {
			w.fromDevice(w.laptop, nil, func(a *evidence.Activation) { a.Device = "" })
			w.bundle.Device = nil
		}},
		"an unknown device": {"device-unknown", func(w *deviceWorld) { w.Trust.Devices = nil }},
		"not enrolled yet":  {"device-unknown", func(w *deviceWorld) { w.Trust.Devices[0].Enrolled = w.Now.Add(1) }},
		"a blocked device":  {"device-blocked", func(w *deviceWorld) { now := w.Now; w.Trust.Devices[0].Blocked = &now }},
		"blocked by now": {"device-blocked", func(w *deviceWorld) {
			w.Trust.Devices, _ = w.Trust.Devices.Block("dev-1", w.Now.Add(time.Hour))
			w.Trust.Devices = w.Trust.Devices.Present(w.Now.Add(time.Hour))
		}},
		"a colleague's device": {"device-person", func(w *deviceWorld) { w.Trust.Devices[0].Person = w.Bob.Person.Subject }},
		"a namesake's device":  {"device-person", func(w *deviceWorld) { w.Trust.Devices[0].Person.Issuer += "/other" }},
		"one's other identity": {"device-person", func(w *deviceWorld) { w.Trust.Devices[0].Person.Subject = "alice-admin" }},
		"the device key swapped": {"device-signature", func(w *deviceWorld) {
			w.bundle.Device.Signature = evidencetest.NewDevice(w.t, "dev-1").Sign(w.t, w.bundle.Activation.Statement)
		}},
		"the login key in the device's place": {"device-signature", func(w *deviceWorld) { w.bundle.Device.Signature = w.bundle.Activation.Signature }},
		"no signature":                        {"device-signature", func(w *deviceWorld) { w.bundle.Device.Signature = "" }},
		"a signature cut":                     {"device-signature", func(w *deviceWorld) { w.bundle.Device.Signature = w.bundle.Device.Signature[:84] }},
		"the signature of another activation": {"device-signature", func(w *deviceWorld) {
			old := w.bundle.Device.Signature
			w.fromDevice(w.laptop, nil, nil)
			w.bundle.Device.Signature = old
		}},
		"the posture's signature": {"device-signature", func(w *deviceWorld) { w.bundle.Device.Signature = w.bundle.Device.Posture.Signature }},
		"replayed from another device of one's own": {"device-signature", func(w *deviceWorld) {
			other := evidencetest.NewDevice(w.t, "dev-2")
			w.know(other, w.Alice.Subject)
			signature := w.bundle.Device.Signature
			w.fromDevice(other, nil, nil)
			w.bundle.Device.Signature = signature
		}},
		"the device replaced in the text": {"activation-signature", func(w *deviceWorld) {
			other := evidencetest.NewDevice(w.t, "dev-2")
			w.know(other, w.Alice.Subject)
			w.bundle.Activation.Statement = strings.Replace(w.bundle.Activation.Statement, "device: dev-1\n", "device: dev-2\n", 1)
			w.bundle.Device.Signature = other.Sign(w.t, w.bundle.Activation.Statement)
		}},
		"the session key replaced": {"activation-signature", func(w *deviceWorld) {
			w.bundle.Activation.Statement = strings.Replace(w.bundle.Activation.Statement, w.Session.Public, evidencetest.NewKey(w.t).Public, 1)
			w.bundle.Device.Signature = w.laptop.Sign(w.t, w.bundle.Activation.Statement)
		}},
		"by the login key of a thief without the device": {"device-signature", func(w *deviceWorld) {
			w.activate(func(a *evidence.Activation) {
				a.Device, a.Posture = "dev-1", evidence.Digest(w.bundle.Device.Posture.Statement)
			})
		}},

		// The posture.
		"no posture": {"device-policy", func(w *deviceWorld) {
			w.fromDevice(w.laptop, nil, func(a *evidence.Activation) { a.Posture = "" })
			w.bundle.Device.Posture = nil
		}},
		"the posture taken away":      {"device-posture", func(w *deviceWorld) { w.bundle.Device.Posture = nil }},
		"a posture that is not named": {"device-posture", func(w *deviceWorld) { w.fromDevice(w.laptop, nil, func(a *evidence.Activation) { a.Posture = "" }) }},
		"an edited posture": {"device-posture-digest", func(w *deviceWorld) {
			w.bundle.Device.Posture.Statement = strings.Replace(w.bundle.Device.Posture.Statement, "firewall: on\n", "firewall: off\n", 1)
		}},
		"an earlier posture": {"device-posture-digest", func(w *deviceWorld) {
			old := w.bundle.Device.Posture
			w.fromDevice(w.laptop, nil, nil)
			w.bundle.Device.Posture = old
		}},
		"a posture by the login key": {"device-posture-signature", func(w *deviceWorld) {
			said := evidence.SignWithKey(w.bundle.Device.Posture.Statement, w.Login.Private)
			w.bundle.Device.Posture = &said
		}},
		"a posture of another device": {"device-posture-device", func(w *deviceWorld) {
			other := evidencetest.NewDevice(w.t, "dev-2")
			w.know(other, w.Alice.Subject)
			said := other.Signed(w.t, w.Posture(other))
			w.fromDevice(w.laptop, nil, func(a *evidence.Activation) { a.Posture = evidence.Digest(said.Statement) })
			w.bundle.Device.Posture = said
		}},
		"a posture of another device under this one's name": {"device-posture-signature", func(w *deviceWorld) {
			said := evidencetest.NewDevice(w.t, "dev-2").Signed(w.t, w.Posture(w.laptop))
			w.fromDevice(w.laptop, nil, func(a *evidence.Activation) { a.Posture = evidence.Digest(said.Statement) })
			w.bundle.Device.Posture = said
		}},
		"a posture of another installation": {"device-posture-instance", func(w *deviceWorld) {
			w.fromDevice(w.laptop, func(p *evidence.Posture) { p.Instance = "other" }, nil)
		}},
		"a posture that is an activation": {"device-posture-statement", func(w *deviceWorld) {
			said := w.laptop.Signed(w.t, w.Activation(w.t))
			w.fromDevice(w.laptop, nil, func(a *evidence.Activation) { a.Posture = evidence.Digest(said.Statement) })
			w.bundle.Device.Posture = said
		}},
		"a stale posture": {"device-policy", func(w *deviceWorld) {
			w.fromDevice(w.laptop, func(p *evidence.Posture) { p.Issued = w.Now.Add(-5 * time.Minute) }, nil)
		}},
		"a posture from the future": {"device-policy", func(w *deviceWorld) {
			w.fromDevice(w.laptop, func(p *evidence.Posture) { p.Issued = w.Now.Add(31 * time.Second) }, nil)
		}},
		"a bad posture": {"device-policy", func(w *deviceWorld) {
			w.fromDevice(w.laptop, func(p *evidence.Posture) { p.DiskEncryption = policies.Off }, nil)
		}},
		"a posture without a fact": {"device-policy", func(w *deviceWorld) { w.fromDevice(w.laptop, func(p *evidence.Posture) { p.SystemAgeDays = nil }, nil) }},
		"an unprotected machine":   {"device-policy", func(w *deviceWorld) { w.fromDevice(w.laptop, func(p *evidence.Posture) { p.Protection = nil }, nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newDeviceWorld(t)
			c.forge(w)
			_, err := evidence.Verify(w.bundle, w.Trust, w.Circumstances())
			if c.check != "" {
				refusedBy(t, err, c.check)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVerifyDevice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check string // empty: it holds
		alter func(w *deviceWorld, s *evidence.Device)
		after func(w *deviceWorld, e *evidence.DeviceEvidence)
	}{
		"it holds":             {},
		"as it comes back":     {after: func(w *deviceWorld, e *evidence.DeviceEvidence) { *e = evidencetest.Clone(w.t, *e) }},
		"another version":      {check: "version", alter: func(w *deviceWorld, _ *evidence.Device) { w.Trust.Version = 2 }},
		"another statement":    {check: "device", after: func(w *deviceWorld, e *evidence.DeviceEvidence) { e.Statement = w.bundle.Request }},
		"another installation": {check: "instance", alter: func(_ *deviceWorld, s *evidence.Device) { s.Instance = "other" }},
		"from the future":      {check: "device-issued", alter: func(w *deviceWorld, s *evidence.Device) { s.Issued = w.Now.Add(31 * time.Second) }},
		"over":                 {check: "device-expires", alter: func(w *deviceWorld, s *evidence.Device) { s.Expires = w.Now }},
		"for ever":             {check: "device-expires", alter: func(w *deviceWorld, s *evidence.Device) { s.Expires = s.Issued.Add(25 * time.Hour) }},
		"a known id":           {check: "device-known", alter: func(_ *deviceWorld, s *evidence.Device) { s.Device = "dev-1" }},
		"a known key":          {check: "device-known", alter: func(w *deviceWorld, _ *evidence.Device) { w.Trust.Devices[0].Key = w.laptop.Public }},
		"a blocked key": {check: "device-known", alter: func(w *deviceWorld, _ *evidence.Device) {
			w.Trust.Devices[0].Key = w.laptop.Public
			w.Trust.Devices, _ = w.Trust.Devices.Block("dev-1", w.Now.Add(-time.Minute))
		}},
		"a colleague's key": {check: "device-known", alter: func(w *deviceWorld, _ *evidence.Device) {
			w.Trust.Devices[0].Key, w.Trust.Devices[0].Person = w.laptop.Public, w.Bob.Person.Subject
		}},
		"too many": {check: "device-many", alter: func(w *deviceWorld, _ *evidence.Device) {
			for range evidence.MostDevices - 1 {
				w.know(evidencetest.NewDevice(w.t, "other-"+evidencetest.Nonce()), w.Alice.Subject)
			}
		}},
		"many blocked ones": {alter: func(w *deviceWorld, _ *evidence.Device) {
			for range evidence.MostDevices {
				blocked := w.know(evidencetest.NewDevice(w.t, "other-"+evidencetest.Nonce()), w.Alice.Subject)
				blocked.Blocked, blocked.Enrolled = &time.Time{}, w.Now.Add(-24*time.Hour)
			}
		}},
		"enrolled and blocked in turn": {check: "device-many", alter: func(w *deviceWorld, _ *evidence.Device) {
			for range evidence.MostDevices - 1 {
				w.know(evidencetest.NewDevice(w.t, "other-"+evidencetest.Nonce()), w.Alice.Subject).Blocked = &time.Time{}
			}
		}},
		"the login key as device key": {check: "device-key", alter: func(w *deviceWorld, s *evidence.Device) { s.DeviceKey = w.Login.Public }},
		"another key's possession": {check: "possession", after: func(w *deviceWorld, e *evidence.DeviceEvidence) {
			e.Possession = evidencetest.NewDevice(w.t, "x").Sign(w.t, e.Statement)
		}},
		"no possession": {check: "possession", after: func(_ *deviceWorld, e *evidence.DeviceEvidence) { e.Possession = "" }},
		"a relayed token": {check: "authority-nonce", after: func(w *deviceWorld, e *evidence.DeviceEvidence) {
			e.Login.Binding.LoginKey = evidencetest.NewKey(w.t).Public
		}},
		"no login":        {check: "authority-login-key", after: func(_ *deviceWorld, e *evidence.DeviceEvidence) { e.Login = evidence.LoginProof{} }},
		"for a colleague": {check: "authority-person", alter: func(w *deviceWorld, s *evidence.Device) { s.Person = w.Bob.Person.Subject }},
		"a person who is suspended": {check: "device-suspended", alter: func(w *deviceWorld, _ *evidence.Device) {
			w.Trust.Roster, _ = w.Trust.Roster.Suspend(w.Alice.Subject, "Alice", w.Now)
		}},
		"signed by another login key": {check: "authority-signature", after: func(w *deviceWorld, e *evidence.DeviceEvidence) {
			e.Login.Signature = evidence.SignWithKey(e.Statement, evidencetest.NewKey(w.t).Private).Signature
		}},
		"the possession as login sign": {check: "authority-signature", after: func(_ *deviceWorld, e *evidence.DeviceEvidence) { e.Login.Signature = e.Possession }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newDeviceWorld(t)
			w.laptop = evidencetest.NewDevice(t, "dev-2")
			statement := w.DeviceStatement(w.laptop)
			if c.alter != nil {
				c.alter(w, statement)
			}
			given := w.DeviceEvidence(t, w.laptop, statement)
			if c.after != nil {
				c.after(w, &given)
			}
			verified, err := evidence.VerifyDevice(given, w.Trust, w.Now)
			if c.check != "" {
				refusedBy(t, err, c.check)
				return
			}
			if err != nil || verified.Device() != *statement {
				t.Errorf("%+v, %v", verified, err)
			}
		})
	}
}

// An Ed25519 key is a device's too: authenticators and other holders have them.
func TestDeviceWithAnEd25519Key(t *testing.T) {
	t.Parallel()
	w := newDeviceWorld(t)
	key := mustEd25519(t)
	w.Trust.Devices[0].Key = evidence.FormatKey(key.Public().(ed25519.PublicKey))
	said := evidence.SignWithKey(w.bundle.Device.Posture.Statement, key)
	w.bundle.Device = &evidence.DeviceProof{Signature: evidence.SignWithKey(w.bundle.Activation.Statement, key).Signature, Posture: &said}
	if _, err := evidence.Verify(w.bundle, w.Trust, w.Circumstances()); err != nil {
		t.Error(err)
	}
}

// An auditor replays devices as every other entry that changes beliefs.
func TestDevicesInTheLedger(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	laptop := evidencetest.NewDevice(t, "dev-1")
	enrol := evidence.Entry{Device: &evidence.DeviceEntry{Evidence: h.DeviceEvidence(t, laptop, h.DeviceStatement(laptop))}}
	before := h.beliefs
	h.add(enrol)
	if block := (evidence.Entry{DeviceBlock: &evidence.DeviceBlockEntry{}}); !enrol.ChangesBeliefs() || !block.ChangesBeliefs() {
		t.Error("a history would leave devices out")
	}
	known, ok := h.beliefs.Devices().Find("dev-1")
	if !ok || known.Key != laptop.Public || !known.Active(h.Now) || known.Person != h.Alice.Subject {
		t.Fatalf("the device is %+v", known)
	}
	if _, ok := before.Devices().Find("dev-1"); ok {
		t.Error("earlier beliefs changed")
	}
	again := enrol
	again.Time, again.Believed = h.Now, h.beliefs.Latest()
	refusedBy(t, h.beliefs.Check(again), "device-known")
	enrolled := h.beliefs
	h.add(evidence.Entry{DeviceBlock: &evidence.DeviceBlockEntry{Device: "dev-1", By: h.Dana.Person.Subject}})
	if known, _ := h.beliefs.Devices().Find("dev-1"); known.Active(h.Now) {
		t.Error("a blocked device is active")
	}
	if known, _ := enrolled.Devices().Find("dev-1"); !known.Active(h.Now) {
		t.Error("earlier beliefs changed")
	}
	for name, id := range map[string]string{"blocked twice": "dev-1", "unknown": "dev-2"} {
		e := evidence.Entry{Time: h.Now, Believed: h.beliefs.Latest(), DeviceBlock: &evidence.DeviceBlockEntry{Device: id}}
		if _, err := h.beliefs.Apply(h.beliefs.Latest()+1, e); err == nil {
			t.Errorf("%s: it was applied", name)
		}
	}
}
