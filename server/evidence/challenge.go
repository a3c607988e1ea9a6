package evidence

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/google/go-attestation/attest"
)

// ChallengeLife is how long a TPM has to answer. A slow one takes most of a minute.
const ChallengeLife = 5 * time.Minute

// DeviceChallenge is sealed to a TPM's endorsement key and the name of an attestation
// key (TPM 2.0 Library, Part 1, section 24): only the TPM that holds both opens it.
type DeviceChallenge struct {
	Credential []byte    `json:"credential"` // TPM2B_ID_OBJECT
	Secret     []byte    `json:"secret"`     // TPM2B_ENCRYPTED_SECRET
	Expires    time.Time `json:"expires"`
}

// DeviceAnswer is what the TPM found in a DeviceChallenge.
type DeviceAnswer struct {
	Secret  []byte    `json:"secret"`
	Expires time.Time `json:"expires"` // the challenge's
}

// Challenger makes challenges and judges answers, and remembers none: what is sealed
// follows from its own key and from what it is about. It may be used by many
// goroutines.
type Challenger struct{ key [sha256.Size]byte }

// NewChallenger makes one with a new key. Another one takes no answer to its
// challenges.
func NewChallenger(random io.Reader) (*Challenger, error) {
	c := new(Challenger)
	if _, err := io.ReadFull(random, c.key[:]); err != nil {
		return nil, fmt.Errorf("making the key of challenges: %w", err)
	}
	return c, nil
}

// Challenge asks the TPM that is said to hold a device's key. A refusal is a *Failure.
func (c *Challenger) Challenge(v VerifiedDevice, now time.Time) (DeviceChallenge, error) {
	none := DeviceChallenge{}
	tpm := v.must().tpm
	if tpm == nil {
		return none, fail("challenge", "the device's key is held in a file: there is no TPM to challenge")
	}
	expires := now.Add(ChallengeLife).UTC().Truncate(time.Second)
	parameters := attest.ActivationParameters{EK: tpm.endorsement, AK: tpm.proof.attestation(), Rand: bytes.NewReader(c.secret(v, expires))}
	_, sealed, err := parameters.Generate()
	if err != nil {
		return none, fail("challenge", "nothing can be sealed to the TPM: %v", err)
	}
	return DeviceChallenge{Credential: sealed.Credential, Secret: sealed.Secret, Expires: expires}, nil
}

// Answered is the device with its TPM's answer, which shows that endorsement key,
// attestation key and with it the device key are in one TPM. A refusal is a *Failure.
func (c *Challenger) Answered(v VerifiedDevice, answer DeviceAnswer, now time.Time) (VerifiedDevice, error) {
	held := *v.must()
	if held.tpm == nil {
		return VerifiedDevice{}, fail("challenge", "the device's key is held in a file, and there is a TPM's answer")
	}
	expires := answer.Expires.UTC()
	if !now.Before(expires) || expires.After(now.Add(ChallengeLife)) || expires.Nanosecond() != 0 {
		return VerifiedDevice{}, fail("challenge-expires", "the TPM's answer came too late; enrol the device again")
	}
	if !hmac.Equal(answer.Secret, c.secret(v, expires)) {
		return VerifiedDevice{}, fail("challenge-answer", "this is no answer of the TPM that is said to hold the device's key; enrol the device again")
	}
	held.answered = true
	return VerifiedDevice{&held}, nil
}

// secret is what is sealed in the challenge about a device: it answers for this
// statement, these keys and this time, and for nothing else.
func (c *Challenger) secret(v VerifiedDevice, expires time.Time) []byte {
	held := v.must()
	mac := hmac.New(sha256.New, c.key[:])
	io.WriteString(mac, "stint device challenge 1\n")
	for _, part := range [][]byte{
		[]byte(held.evidence.Statement), held.tpm.proof.Endorsement, held.tpm.proof.Certificate, held.tpm.proof.Attestation.Public,
		[]byte(expires.UTC().Format(time.RFC3339)),
	} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write(part)
	}
	return mac.Sum(nil)
}
