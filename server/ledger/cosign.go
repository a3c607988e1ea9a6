package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// algCosignature is the type of a timestamped Ed25519 cosignature, C2SP
// tlog-cosignature version 1, in keys and key hashes.
const algCosignature = 4

const cosignatureLength = 8 + ed25519.SignatureSize

// cosigned is what a witness signs: the time, then the checkpoint's body.
func cosigned(at uint64, body []byte) []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", at), body...)
}

func cosignerHash(name string, key []byte) uint32 {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n", name)
	sum.Write(append([]byte{algCosignature}, key...))
	return binary.BigEndian.Uint32(sum.Sum(nil))
}

// cosignKey reads the parts of a key: name+hash+base64.
func cosignKey(text string, length int) (name string, key []byte, hash uint32, err error) {
	name, rest, _ := strings.Cut(text, "+")
	hex, encoded, ok := strings.Cut(rest, "+")
	declared, hexErr := strconv.ParseUint(hex, 16, 32)
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	// The decoders take other spellings too, so what they have read is compared.
	exact := ok && hexErr == nil && err == nil && fmt.Sprintf("%08x", declared) == hex && base64.StdEncoding.EncodeToString(decoded) == encoded
	if !exact || !validName(name) || len(decoded) != 1+length || decoded[0] != algCosignature {
		return "", nil, 0, errors.New("it is not a key of a witness (cosignature/v1)")
	}
	return name, decoded[1:], uint32(declared), nil
}

// NewWitnessKey makes an Ed25519 key for cosigning checkpoints. witnessKey is
// secret; verifierKey is what logs and auditors are given.
func NewWitnessKey(random io.Reader, name string) (witnessKey, verifierKey string, err error) {
	if !validName(name) {
		return "", "", fmt.Errorf("the witness's name %q is empty or holds a space, a plus sign or a control character", name)
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return "", "", fmt.Errorf("making a witness's key: %w", err)
	}
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	encode := func(key []byte) string {
		return fmt.Sprintf("%s+%08x+%s", name, cosignerHash(name, public), base64.StdEncoding.EncodeToString(append([]byte{algCosignature}, key...)))
	}
	return "PRIVATE+KEY+" + encode(seed), encode(public), nil
}

// NewWitnessSigner reads a key of [NewWitnessKey]. clock dates each cosignature.
func NewWitnessSigner(witnessKey string, clock func() time.Time) (note.Signer, error) {
	text, ok := strings.CutPrefix(witnessKey, "PRIVATE+KEY+")
	name, seed, hash, err := cosignKey(text, ed25519.SeedSize)
	if !ok || err != nil {
		return nil, errors.New("the witness's private key is malformed")
	}
	key := ed25519.NewKeyFromSeed(seed)
	if hash != cosignerHash(name, key.Public().(ed25519.PublicKey)) {
		return nil, errors.New("the witness's private key is not of its name")
	}
	return &witnessSigner{name, hash, key, clock}, nil
}

type witnessSigner struct {
	name  string
	hash  uint32
	key   ed25519.PrivateKey
	clock func() time.Time
}

// Name is the witness's.
func (s *witnessSigner) Name() string { return s.name }

// KeyHash tells the witness's keys apart.
func (s *witnessSigner) KeyHash() uint32 { return s.hash }

// Sign gives the time and the signature over time and body.
func (s *witnessSigner) Sign(body []byte) ([]byte, error) {
	at := uint64(s.clock().Unix())
	return append(binary.BigEndian.AppendUint64(nil, at), ed25519.Sign(s.key, cosigned(at, body))...), nil
}

// NewWitnessVerifier reads a witness's public key (cosignature/v1, Ed25519).
func NewWitnessVerifier(verifierKey string) (note.Verifier, error) {
	name, key, hash, err := cosignKey(verifierKey, ed25519.PublicKeySize)
	if err != nil {
		return nil, err
	}
	if hash != cosignerHash(name, key) {
		return nil, errors.New("the witness's key is not of its name")
	}
	return &witnessVerifier{name, hash, key}, nil
}

type witnessVerifier struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

// Name is the witness's.
func (v *witnessVerifier) Name() string { return v.name }

// KeyHash tells the witness's keys apart.
func (v *witnessVerifier) KeyHash() uint32 { return v.hash }

// Verify checks time and signature together.
func (v *witnessVerifier) Verify(body, signature []byte) bool {
	return len(signature) == cosignatureLength &&
		ed25519.Verify(v.key, cosigned(binary.BigEndian.Uint64(signature), body), signature[8:])
}

// Cosign adds signature lines to a signed checkpoint that [Open] accepts.
func Cosign(checkpoint []byte, log note.Verifier, signers ...note.Signer) (lines []byte, err error) {
	signed, err := note.Open(checkpoint, note.VerifierList(log))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	all, err := note.Sign(&note.Note{Text: signed.Text}, signers...)
	if err != nil {
		return nil, fmt.Errorf("cosigning a checkpoint: %w", err)
	}
	return all[len(signed.Text)+1:], nil
}

// WithCosignatures appends to a signed checkpoint those of the lines that this
// witness made over it. An error means that none of them is.
func WithCosignatures(checkpoint, lines []byte, log, witness note.Verifier) ([]byte, error) {
	if len(lines) > maxCheckpoint {
		return nil, fmt.Errorf("%w: the witness's answer is too long", ErrCheckpoint)
	}
	signed, err := note.Open(checkpoint, note.VerifierList(log))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	both, err := note.Open(append(append([]byte(signed.Text+"\n"), signatureLines(checkpoint, signed)...), lines...), note.VerifierList(witness))
	if err != nil || !signedBy(both, witness) {
		return nil, fmt.Errorf("%w: %s has not cosigned it (%v)", ErrCheckpoint, witness.Name(), err)
	}
	cosignature := both.Sigs[0]
	return append(bytes.Clone(checkpoint), fmt.Sprintf("— %s %s\n", cosignature.Name, cosignature.Base64)...), nil
}

func signatureLines(checkpoint []byte, signed *note.Note) []byte {
	return checkpoint[len(signed.Text)+1:]
}
