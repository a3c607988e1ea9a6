package evidence

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"math/big"
	"slices"
	"time"

	"stint/policies"
)

// MostDevices bounds the devices of one person that are not blocked, or were enrolled
// less than enrolledLately ago: blocking is free and a device is never forgotten, so
// that whoever enrols and blocks in turn would make the list grow without end.
const (
	MostDevices    = 20
	enrolledLately = 24 * time.Hour
)

// Devices are the machines whose keys the signer knows. Only the signer changes them.
type Devices []EnrolledDevice

// EnrolledDevice is a machine by its key.
type EnrolledDevice struct {
	ID     string           `json:"id"`
	Person policies.Subject `json:"person"` // whose alone it is
	Name   string           `json:"name"`
	Key    string           `json:"key"`  // form of ParseAuthorityKey
	Held   string           `json:"held"` // HeldTPM, which the enrolment proved, or HeldFile
	// MakerRoot is the root (see policies.RootDigest) of a maker of TPMs that the policy
	// listed then, to which the certificate of its TPM led; empty where it led to none.
	MakerRoot string     `json:"maker_root,omitempty"`
	Enrolled  time.Time  `json:"enrolled"`
	Blocked   *time.Time `json:"blocked,omitempty"` // from then on it signs nothing
}

// Active tells whether what the device signs counts at a moment.
func (d EnrolledDevice) Active(now time.Time) bool {
	return !d.Enrolled.After(now) && (d.Blocked == nil || now.Before(*d.Blocked))
}

// Facts is the device as policy takes it, without what it says of itself.
func (d EnrolledDevice) Facts() *policies.Device {
	return &policies.Device{ID: d.ID, Name: d.Name, Held: d.Held, MakerRoot: d.MakerRoot}
}

// Find is the device with that id.
func (d Devices) Find(id string) (EnrolledDevice, bool) {
	i := slices.IndexFunc(d, func(one EnrolledDevice) bool { return one.ID == id })
	if i < 0 {
		return EnrolledDevice{}, false
	}
	return d[i], true
}

// active is the device with that id, if what it signs counts.
func (d Devices) active(id string, now time.Time) (EnrolledDevice, error) {
	device, ok := d.Find(id)
	switch {
	case !ok || device.Enrolled.After(now):
		return EnrolledDevice{}, fail("unknown", "this device is not enrolled; enrol it with `stint device enroll --replace`")
	case !device.Active(now):
		return EnrolledDevice{}, fail("blocked", "the device %q was blocked; speak with an administrator", device.Name)
	}
	return device, nil
}

// Present is the list as Roster.Present gives the roster: what is blocked by a moment
// always was.
func (d Devices) Present(now time.Time) Devices {
	present := slices.Clone(d)
	for i := range present {
		if present[i].Blocked != nil && !now.Before(*present[i].Blocked) {
			present[i].Blocked = &time.Time{}
		}
	}
	return present
}

// Enrol is the list with one device more. It takes statement and root at their word.
// d stays as it was.
func (d Devices) Enrol(s Device, makerRoot string, at time.Time) Devices {
	return append(slices.Clone(d), EnrolledDevice{
		ID: s.Device, Person: s.Person, Name: s.DeviceName, Key: s.DeviceKey, Held: s.Held, MakerRoot: makerRoot, Enrolled: at,
	})
}

// Block is the list after a device was blocked, and false if there is none that
// could be. d stays as it was.
func (d Devices) Block(id string, at time.Time) (Devices, bool) {
	i := slices.IndexFunc(d, func(one EnrolledDevice) bool { return one.ID == id })
	if i < 0 || d[i].Blocked != nil {
		return d, false
	}
	after := slices.Clone(d)
	after[i].Blocked = &at
	return after, true
}

// DeviceEvidence proves a Device: its key and the person's login key signed it.
type DeviceEvidence struct {
	Statement  string     `json:"statement"`
	Possession string     `json:"possession"` // by the device's key, see DeviceProof
	Login      LoginProof `json:"login"`
	// TPM proves where the key is held; nil exactly where the statement says that a file
	// holds it.
	TPM *TPMProof `json:"tpm,omitempty"`
}

// DeviceProof is what a device adds to an activation that names it.
type DeviceProof struct {
	// Signature over the activation, in base64url: Ed25519's 64 bytes, or ECDSA's r
	// and s of 32 bytes each, big end first, over its SHA-256.
	Signature string `json:"signature"`
	// Posture is what the device said of itself; nil where the activation names none.
	Posture *SignedByKey `json:"posture,omitempty"`
}

// VerifiedDevice is an enrolment of a device that VerifyDevice found proven. Only it
// makes one that holds anything; the methods of any other panic.
type VerifiedDevice struct{ held *verifiedDevice }

type verifiedDevice struct {
	device    Device
	evidence  DeviceEvidence
	tpm       *VerifiedTPM // nil for a key in a file
	makerRoot string
	answered  bool // see Challenger.Answered
}

func (v VerifiedDevice) must() *verifiedDevice {
	if v.held == nil {
		panic("evidence: a VerifiedDevice that VerifyDevice did not return")
	}
	return v.held
}

// Device is the statement.
func (v VerifiedDevice) Device() Device { return v.must().device }

// MakerRoot is the root of a listed maker of TPMs to which the certificate of the
// device's TPM leads; empty where it leads to none.
func (v VerifiedDevice) MakerRoot() string { return v.must().makerRoot }

// Entry is what the ledger records of it. A device whose key is in a TPM has none
// until the TPM has answered (see Challenger.Answered): a *Failure.
func (v VerifiedDevice) Entry() (*DeviceEntry, error) {
	held := v.must()
	if held.tpm != nil && !held.answered {
		return nil, fail("challenge-answer", "the TPM that is said to hold the device's key has answered no challenge; update the command line")
	}
	return &DeviceEntry{Evidence: held.evidence, MakerRoot: held.makerRoot, Answered: held.answered}, nil
}

// VerifyDevice checks that a device may be taken as a person's: whoever enrols it
// holds its key, the person's own login key agrees, and a TPM that is said to hold the
// key says so. All that a TPM says, a forger's software could: its answer to a
// challenge is to come (see Challenger), and who made it is in MakerRoot. A refusal is
// a *Failure.
func VerifyDevice(e DeviceEvidence, trust Trust, now time.Time) (VerifiedDevice, error) {
	none := VerifiedDevice{}

	// 1. The statement, and its time.
	if trust.Version != 1 {
		return none, fail("version", "this version reads trust of version 1")
	}
	device, err := DecodeAs[*Device](e.Statement)
	if err != nil {
		return none, fail("device", "%v", err)
	}
	if device.Instance != trust.Instance {
		return none, fail("instance", "the device is for another installation")
	}
	if err := checkSpan(device.Issued, device.Expires, LongestEnrolment, now); err != nil {
		return none, within("device", err)
	}

	// 2. It is new: a key that was blocked does not come back, under nobody.
	counting := 0
	for _, known := range trust.Devices {
		if known.ID == device.Device || known.Key == device.DeviceKey {
			return none, fail("device-known", "this device's id or key is known already; make a new key with `stint device enroll --replace`")
		}
		if known.Person == device.Person && (known.Active(now) || now.Sub(known.Enrolled) < enrolledLately) {
			counting++
		}
	}
	if counting >= MostDevices {
		return none, fail("device-many", "a person has at most %d devices, of which those blocked count for a day after they were enrolled; block one that is older, or wait", MostDevices)
	}
	if device.DeviceKey == e.Login.Binding.LoginKey {
		return none, fail("device-key", "the device key is the login key; a device has a key of its own")
	}

	// 3. Whoever enrols it holds its key.
	if !verifyDeviceKey(e.Statement, e.Possession, device.DeviceKey) {
		return none, fail("possession", "the device's key did not sign its enrolment")
	}

	// 4. Its person agrees, and is not suspended.
	person, err := VerifyLogin(e.Login.Binding, trust, now)
	if err != nil {
		return none, within("authority", err)
	}
	if person.Subject != device.Person {
		return none, fail("authority-person", "a login key enrols a device of its own person only")
	}
	if err := trust.checkSuspended(person, now); err != nil {
		return none, within("device", err)
	}
	key, err := ParseKey(e.Login.Binding.LoginKey)
	if err != nil || !verifyKey(e.Statement, e.Login.Signature, key) {
		return none, fail("authority-signature", "the login key did not sign the device's enrolment")
	}

	// 5. Its key is held where the statement says.
	tpm, makerRoot, err := verifyHeld(e.TPM, device, trust, now)
	if err != nil {
		return none, within("tpm", err)
	}
	return VerifiedDevice{&verifiedDevice{device: *device, evidence: e, tpm: tpm, makerRoot: makerRoot}}, nil
}

// verifyHeld checks that there is a TPM's proof exactly where the statement says that
// a TPM holds the key, and finds the root of the TPM's maker.
func verifyHeld(proof *TPMProof, device *Device, trust Trust, now time.Time) (tpm *VerifiedTPM, makerRoot string, err error) {
	if device.Held != HeldTPM {
		if proof != nil {
			return nil, "", fail("proof", "the statement says that a file holds the device's key, and there is a TPM's proof")
		}
		return nil, "", nil
	}
	if proof == nil {
		return nil, "", fail("proof", "the statement says that a TPM holds the device's key, and the TPM's proof is missing; update the command line")
	}
	verified, err := VerifyTPM(*proof, device.DeviceKey)
	if err != nil {
		return nil, "", err
	}
	if verified.endorsement == nil {
		return nil, "", fail("endorsement", "the TPM withholds its endorsement key, so that nothing shows that it holds the device's key; "+
			"open its endorsement hierarchy, or keep the key in a file with `stint device enroll --file --replace`")
	}
	policy, err := trust.loaded()
	if err != nil {
		return nil, "", err
	}
	makerRoot, err = verified.MakerRoot(policy, now)
	return &verified, makerRoot, err
}

// verifyActivatedDevice checks the device that an activation names, or that it names
// none, and gives it as policy takes it.
func verifyActivatedDevice(b Bundle, activation *Activation, trust Trust, now time.Time) (*policies.Device, error) {
	// 1. Statement and proof name the same parts, or none.
	if activation.Device == "" {
		if b.Device != nil || activation.Posture != "" {
			return nil, fail("proof", "the activation names no device, and there is a device's proof or posture")
		}
		return nil, nil
	}
	if b.Device == nil {
		return nil, fail("proof", "the activation names a device, and the device's proof is missing")
	}
	// 2. It is the requester's own, and not blocked.
	known, err := trust.Devices.active(activation.Device, now)
	if err != nil {
		return nil, err
	}
	if known.Person != activation.Requester {
		return nil, fail("person", "the device is another person's")
	}
	// 3. Its key signed this activation, and with it the session key.
	if !verifyDeviceKey(b.Activation.Statement, b.Device.Signature, known.Key) {
		return nil, fail("signature", "the device's key did not sign the activation")
	}
	device := known.Facts()
	// 4. The posture is the one that was named, and this device's word.
	signed := b.Device.Posture
	if (signed == nil) != (activation.Posture == "") {
		return nil, fail("posture", "the activation names a posture that is missing, or none where there is one")
	}
	if signed == nil {
		return device, nil
	}
	if Digest(signed.Statement) != activation.Posture {
		return nil, fail("posture-digest", "the posture is another than the activation names")
	}
	posture, said, err := VerifyPosture(*signed, trust, now)
	if err != nil {
		return nil, within("posture", err)
	}
	if said.ID != known.ID {
		return nil, fail("posture-device", "the posture is another device's")
	}
	device.Posture = posture.Facts()
	return device, nil
}

// SignatureOfDevice writes a device key's signature, 64 bytes, as evidence holds it.
func SignatureOfDevice(signature []byte) string { return toBase64(signature) }

// verifyDeviceKey checks a device key's signature over a statement's text, in its
// one form.
func verifyDeviceKey(statement, signature, key string) bool {
	public, err := ParseAuthorityKey(key)
	if err != nil {
		return false
	}
	switch public := public.(type) {
	case ed25519.PublicKey:
		return verifyKey(statement, signature, public)
	case *ecdsa.PublicKey:
		sig, err := boundedBase64(signature, mostSignature)
		if err != nil || len(sig) != 64 {
			return false
		}
		sum := sha256.Sum256([]byte(statement))
		return ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	}
	return false
}

func (b *Beliefs) applyDevice(e *DeviceEntry, at time.Time) error {
	device, err := DecodeAs[*Device](e.Evidence.Statement)
	if err != nil {
		return err
	}
	b.devices = b.devices.Enrol(*device, e.MakerRoot, at)
	return nil
}

func (b *Beliefs) applyDeviceBlock(e *DeviceBlockEntry, at time.Time) error {
	after, ok := b.devices.Block(e.Device, at)
	if !ok {
		return fail("device-block", "it blocks a device that is not known, or blocked already")
	}
	b.devices = after
	return nil
}
