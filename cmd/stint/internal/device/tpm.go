package device

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/google/go-attestation/attest"
	"golang.org/x/sys/unix"

	"stint/server/evidence"
)

// tpmRecord is the part of a device key's file that only its TPM can use.
type tpmRecord struct {
	Path        string            `json:"path"`
	Key         []byte            `json:"key"`         // wrapped by the TPM's storage key
	Attestation []byte            `json:"attestation"` // the attestation key, wrapped likewise
	Proof       evidence.TPMProof `json:"proof"`
}

// paths are where Linux puts a TPM: with the kernel's resource manager, and bare.
var paths = []string{"/dev/tpmrm0", "/dev/tpm0"}

// FindTPM is the path of this machine's TPM, or empty where it has none that we
// know how to use.
func FindTPM() string {
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return path
		}
	}
	return ""
}

// channel carries commands to a TPM and remembers what the TPM last answered:
// go-attestation puts the response code into prose, and "busy" and "cleared" must
// not be told apart by prose.
type channel struct {
	io.ReadWriteCloser
	ctx     context.Context // of the call that opened the channel
	command uint32          // in hand
	code    uint32          // of the last answer, clean-up aside
	broken  error           // what the channel itself met
}

// flushContext is TPM2_FlushContext: how go-attestation cleans up after a failure.
const flushContext = 0x165

// Write sends one command, whole, as TPMs want it.
func (c *channel) Write(command []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		c.broken = err
		return 0, err
	}
	if len(command) >= 10 {
		c.command = binary.BigEndian.Uint32(command[6:])
	}
	n, err := c.ReadWriteCloser.Write(command)
	c.note(err)
	return n, err
}

// Read reads one answer.
func (c *channel) Read(answer []byte) (int, error) {
	n, err := c.ReadWriteCloser.Read(answer)
	c.note(err)
	if n >= 10 && c.command != flushContext {
		c.code = binary.BigEndian.Uint32(answer[6:])
	}
	return n, err
}

func (c *channel) note(err error) {
	if err != nil {
		c.broken = err
	}
}

// MeasurementLog is what go-attestation wants of a channel; no boot is measured here.
func (c *channel) MeasurementLog() ([]byte, error) {
	return nil, errors.New("this channel has no measurement log")
}

// explain makes one of the package's errors of a failure. The codes are those of
// the TPM 2.0 Library, Part 2, 6.6.
func (c *channel) explain(act string, err error) error {
	switch {
	case errors.Is(c.ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%w (%s: %w)", ErrBusy, act, c.ctx.Err())
	case c.ctx.Err() != nil:
		return c.ctx.Err()
	case c.broken != nil && !errors.Is(c.broken, io.EOF):
		return openingError(c.broken)
	case c.code == 0x921: // RC_LOCKOUT
		return fmt.Errorf("%w (%s: %v)", ErrLocked, act, err)
	case c.code&0xf80 == 0x900: // warnings: retry, yielded, out of memory for now, testing
		return fmt.Errorf("%w (%s: %v)", ErrBusy, act, err)
	case c.code&0x0bf == 0x09f: // RC_INTEGRITY, of whichever parameter: another TPM, or another life of it, wrapped this
		return fmt.Errorf("%w (%s: %v)", ErrCleared, act, err)
	}
	return fmt.Errorf("%s: %w", act, err)
}

// openingError makes one of the package's errors of what a system says of a device.
func openingError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("%w (%v)", ErrNoTPM, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (%v)", ErrForbidden, err)
	case errors.Is(err, unix.EBUSY), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w (%v)", ErrBusy, err)
	}
	return fmt.Errorf("speaking with the TPM: %w", err)
}

// dial opens a TPM's device or an emulator's socket.
func dial(ctx context.Context, path string) (io.ReadWriteCloser, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode()&os.ModeSocket != 0 {
		connection, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err != nil {
			return nil, err
		}
		if deadline, ok := ctx.Deadline(); ok {
			return connection, connection.SetDeadline(deadline)
		}
		return connection, nil
	}
	if info.Mode()&os.ModeCharDevice == 0 {
		return nil, fmt.Errorf("%s is no TPM", path)
	}
	// os.OpenFile would make the device non-blocking, and a read before the answer
	// is ready an end of file. The kernel bounds how long a command may take.
	descriptor, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(descriptor), path), nil
}

// useTime bounds one act. A TPM on a slow bus takes most of a minute to make its
// storage key, once.
const useTime = 3 * time.Minute

// use opens the TPM at path for one act.
func use(ctx context.Context, path, act string, do func(*attest.TPM) error) error {
	ctx, cancel := context.WithTimeout(ctx, useTime)
	defer cancel()
	connection, err := dial(ctx, path)
	if err != nil {
		return openingError(err)
	}
	c := &channel{ReadWriteCloser: connection, ctx: ctx}
	tpm, err := attest.OpenTPM(&attest.OpenConfig{CommandChannel: c})
	if err != nil {
		return errors.Join(err, connection.Close())
	}
	defer tpm.Close()
	if err := do(tpm); err != nil {
		return c.explain(act, err)
	}
	return nil
}

// inTPM makes the key in the TPM at path, and beside it an attestation key that
// certifies it.
func (r *record) inTPM(ctx context.Context, path string) error {
	r.Held, r.TPM = HeldInTPM, &tpmRecord{Path: path}
	return use(ctx, path, "making a key", func(tpm *attest.TPM) error {
		attestation, err := tpm.NewAK(&attest.AKConfig{Algorithm: attest.ECDSA})
		if err != nil {
			return err
		}
		defer attestation.Close(tpm)
		key, err := tpm.NewKey(attestation, &attest.KeyConfig{Algorithm: attest.ECDSA, Size: 256})
		if err != nil {
			return err
		}
		defer key.Close()
		public, ok := key.Public().(*ecdsa.PublicKey)
		if !ok {
			return fmt.Errorf("the TPM made a key of another kind: %T", key.Public())
		}
		if r.Public, err = formatPublic(public); err != nil {
			return err
		}
		if r.TPM.Key, err = key.Marshal(); err != nil {
			return err
		}
		if r.TPM.Attestation, err = attestation.Marshal(); err != nil {
			return err
		}
		own, certified := attestation.AttestationParameters(), key.CertificationParameters()
		r.TPM.Proof = evidence.TPMProof{
			Attestation: evidence.TPMCertified{Public: own.Public, Statement: own.CreateAttestation, Signature: own.CreateSignature},
			Creation:    own.CreateData,
			Key:         evidence.TPMCertified{Public: certified.Public, Statement: certified.CreateAttestation, Signature: certified.CreateSignature},
		}
		if err := endorse(&r.TPM.Proof, tpm); err != nil {
			return err
		}
		// A proof that we would not believe ourselves is none.
		_, err = evidence.VerifyTPM(r.TPM.Proof, r.Public)
		return err
	})
}

// endorse adds the TPM's endorsement key, and its maker's certificate if there is
// one. A TPM whose owner has closed the endorsement hierarchy has neither for us;
// its keys work, and cannot be proved to be in a TPM.
func endorse(p *evidence.TPMProof, tpm *attest.TPM) error {
	endorsements, err := tpm.EKs()
	if err != nil || len(endorsements) == 0 {
		return nil
	}
	key, ok := endorsements[0].Public.(*rsa.PublicKey)
	if !ok || key.Size() != evidence.EndorsementSize {
		return nil
	}
	if p.Endorsement, err = x509.MarshalPKIXPublicKey(key); err != nil {
		return err
	}
	if certificate := endorsements[0].Certificate; certificate != nil {
		p.Certificate = certificate.Raw
	}
	return nil
}

// load loads the key for one act, and sees to it that it is the one of the file.
func (t *tpmRecord) load(tpm *attest.TPM, public *ecdsa.PublicKey) (*attest.Key, error) {
	key, err := tpm.LoadKey(t.Key)
	if err != nil {
		return nil, err
	}
	if !public.Equal(key.Public()) {
		return nil, errors.Join(ErrDamaged, key.Close())
	}
	return key, nil
}

// check loads the key and lets it go.
func (t *tpmRecord) check(ctx context.Context, public *ecdsa.PublicKey) error {
	return use(ctx, t.Path, "loading the key", func(tpm *attest.TPM) error {
		key, err := t.load(tpm, public)
		if err != nil {
			return err
		}
		return key.Close()
	})
}

func (t *tpmRecord) sign(ctx context.Context, public *ecdsa.PublicKey, digest []byte) (r, s *big.Int, err error) {
	err = use(ctx, t.Path, "signing", func(tpm *attest.TPM) error {
		key, err := t.load(tpm, public)
		if err != nil {
			return err
		}
		defer key.Close()
		private, err := key.Private(public)
		if err != nil {
			return err
		}
		signer, ok := private.(crypto.Signer)
		if !ok {
			return errors.New("the key does not sign")
		}
		// The TPM has randomness of its own.
		signature, err := signer.Sign(nil, digest, crypto.SHA256)
		if err != nil {
			return err
		}
		var parts struct{ R, S *big.Int }
		if rest, err := asn1.Unmarshal(signature, &parts); err != nil || len(rest) > 0 {
			return fmt.Errorf("the TPM's signature does not read: %w", err)
		}
		r, s = parts.R, parts.S
		return nil
	})
	return r, s, err
}

// Answer opens what the signer sealed to the TPM's endorsement key (see
// evidence.Challenger). Only the TPM that holds both that key and the attestation
// key can.
func (k *Key) Answer(ctx context.Context, c evidence.DeviceChallenge) (evidence.DeviceAnswer, error) {
	none := evidence.DeviceAnswer{}
	if k.record.TPM == nil {
		return none, errors.New("the device key is in a file: there is no TPM to ask")
	}
	if len(c.Credential) < 2 || len(c.Secret) < 2 {
		return none, errors.New("the challenge does not read")
	}
	t := k.record.TPM
	var secret []byte
	err := use(ctx, t.Path, "answering a challenge", func(tpm *attest.TPM) error {
		attestation, err := tpm.LoadAK(t.Attestation)
		if err != nil {
			return err
		}
		defer attestation.Close(tpm)
		secret, err = attestation.ActivateCredential(tpm, attest.EncryptedCredential{Credential: c.Credential, Secret: c.Secret})
		return err
	})
	if err != nil {
		return none, err
	}
	return evidence.DeviceAnswer{Secret: secret, Expires: c.Expires}, nil
}
