package evidencetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// Device is a machine with a key of its own, ECDSA on P-256.
type Device struct {
	ID, Public string
	key        *ecdsa.PrivateKey
}

// NewDevice makes one with a new key.
func NewDevice(t testing.TB, id string) *Device {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	public, err := evidence.FormatAuthorityKey(key.Public())
	check(t, err)
	return &Device{ID: id, Public: public, key: key}
}

// Sign signs a text as evidence holds it.
func (d *Device) Sign(t testing.TB, text string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, d.key, sum[:])
	check(t, err)
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return encode(signature)
}

// Signed is a statement that the device signed.
func (d *Device) Signed(t testing.TB, s evidence.Statement) *evidence.SignedByKey {
	t.Helper()
	text := Text(t, s)
	return &evidence.SignedByKey{Statement: text, Signature: d.Sign(t, text)}
}

// DeviceStatement is the enrolment of a device of Alice's.
func (w *World) DeviceStatement(d *Device) *evidence.Device {
	return &evidence.Device{
		Instance: w.Trust.Instance, Person: w.Alice.Subject, Device: d.ID, DeviceName: "Alice's laptop", DeviceKey: d.Public, Held: evidence.HeldFile,
		Issued: w.Now.Add(-time.Minute).Truncate(time.Second), Expires: w.Now.Add(time.Hour).Truncate(time.Second), Nonce: Nonce(),
	}
}

// DeviceEvidence is the enrolment with both its signatures.
func (w *World) DeviceEvidence(t testing.TB, d *Device, s *evidence.Device) evidence.DeviceEvidence {
	t.Helper()
	text := Text(t, s)
	return evidence.DeviceEvidence{
		Statement: text, Possession: d.Sign(t, text),
		Login: evidence.LoginProof{Binding: *w.Binding(t), Signature: evidence.SignWithKey(text, w.Login.Private).Signature},
	}
}

// Posture is a device's word that all is well with it.
func (w *World) Posture(d *Device) *evidence.Posture {
	days := 3
	return &evidence.Posture{
		Instance: w.Trust.Instance, Device: d.ID, System: "Debian 13", SystemAgeDays: &days,
		DiskEncryption: policies.On, Firewall: policies.On, ScreenLock: policies.On, SecureBoot: policies.On,
		Protection: []string{"Falcon"}, Issued: w.Now.Add(-time.Minute).Truncate(time.Second), Nonce: Nonce(),
	}
}
