// Package device makes and keeps the key of this machine: in its TPM where there
// is one, in a file that only its owner may read otherwise. A key in the TPM
// cannot be copied, and Proof and Answer show that to others; a key in a file is as
// good as the file.
package device

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"stint/cmd/stint/internal/account"
	"stint/server/evidence"
)

// Why a device key cannot be used. What is returned wraps one of these.
var (
	ErrNone      = errors.New("this machine has no device key yet; make one with: stint device enroll")
	ErrExists    = errors.New("this machine has a device key already; to make another in its place: stint device enroll --replace")
	ErrDamaged   = errors.New("the file of the device key is damaged or not yours alone; make a new key with: stint device enroll --replace")
	ErrBusy      = errors.New("the TPM is busy; try again in a moment")
	ErrLocked    = errors.New("the TPM has locked itself after wrong passwords; it opens by itself after a while")
	ErrCleared   = errors.New("the TPM does not know this device key: it was cleared, or the key's file is another machine's; make a new key with: stint device enroll --replace")
	ErrForbidden = errors.New("you may not use the TPM of this machine; ask to be put into its group (often tss), or keep the key in a file with: stint device enroll --file")
	ErrNoTPM     = errors.New("the TPM that holds the device key is not there")
)

// Held is where the private half of a device key is.
type Held string

const (
	HeldInTPM  Held = evidence.HeldTPM
	HeldInFile Held = evidence.HeldFile
)

// fileName is the device key's file in the directory it is kept in.
const fileName = "device.json"

// maxFile bounds the device key's file; one with a TPM's proof is about 8 KiB.
const maxFile = 64 << 10

// record is the file of a device key.
type record struct {
	Version int        `json:"version"` // 1
	Held    Held       `json:"held"`
	Public  string     `json:"public"` // authorized_keys form, no comment
	Made    time.Time  `json:"made"`
	Private []byte     `json:"private,omitempty"` // PKCS #8; of a key held in a file
	TPM     *tpmRecord `json:"tpm,omitempty"`     // of a key held in a TPM
}

// Key is the key of this machine, ECDSA on P-256. It is safe for use by one
// goroutine at a time.
type Key struct {
	record record
	public *ecdsa.PublicKey
	file   *ecdsa.PrivateKey // nil if a TPM holds it
}

// Public is the public key in authorized_keys form (ecdsa-sha2-nistp256), without a comment.
func (k *Key) Public() string { return k.record.Public }

// Held tells where the private key is.
func (k *Key) Held() Held { return k.record.Held }

// Made tells when the key was made, by this machine's clock.
func (k *Key) Made() time.Time { return k.record.Made }

// Where names the TPM or the kind of file that holds the key, in words.
func (k *Key) Where() string {
	if k.record.TPM != nil {
		return "in the TPM at " + k.record.TPM.Path
	}
	return "in a file"
}

// Proof is what the TPM says about the key; nil for a key in a file.
func (k *Key) Proof() *evidence.TPMProof {
	if k.record.TPM == nil {
		return nil
	}
	return &k.record.TPM.Proof
}

// Sign signs data: ECDSA over its SHA-256, as the 64 bytes r and s of FIPS 186-5,
// big end first, which are one spelling (DER has several). A TPM finishes the
// command in hand before a cancelled context counts; that takes well under a
// second once a key exists.
func (k *Key) Sign(ctx context.Context, random io.Reader, data []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(data)
	var r, s *big.Int
	var err error
	if k.file != nil {
		r, s, err = ecdsa.Sign(random, k.file, digest[:])
	} else {
		r, s, err = k.record.TPM.sign(ctx, k.public, digest[:])
	}
	if err != nil {
		return nil, fmt.Errorf("signing with the device key: %w", err)
	}
	// A TPM that was exchanged under us must not pass for this device.
	if !ecdsa.Verify(k.public, digest[:], r, s) {
		return nil, fmt.Errorf("signing with the device key: %w", ErrCleared)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature, nil
}

// Create makes a key and keeps it in dir, in the TPM at the path tpm (a device,
// or the Unix socket of an emulator), or in a file where tpm is empty. It returns
// ErrExists if dir holds a key and replace is false; a key is replaced only once
// the new one is whole.
func Create(ctx context.Context, dir, tpm string, replace bool, now time.Time, random io.Reader) (*Key, error) {
	path := filepath.Join(dir, fileName)
	if _, err := os.Lstat(path); err == nil && !replace {
		return nil, ErrExists
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("looking for a device key: %w", err)
	}
	made := record{Version: 1, Made: now.UTC().Truncate(time.Second)}
	var err error
	if tpm == "" {
		err = made.inFile(random)
	} else {
		err = made.inTPM(ctx, tpm)
	}
	if err != nil {
		return nil, fmt.Errorf("making the device key: %w", err)
	}
	data, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		return nil, err
	}
	key, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("making the device key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the device key: %w", err)
	}
	if err := account.WriteFile(path, data, 0o600); err != nil {
		return nil, fmt.Errorf("keeping the device key: %w", err)
	}
	return key, nil
}

// Open reads the key that is kept in dir and sees to it that it can be used: the
// TPM that made it is there and knows it. It returns an error that wraps one of
// the package's.
func Open(ctx context.Context, dir string) (*Key, error) {
	data, err := read(filepath.Join(dir, fileName))
	if err != nil {
		return nil, err
	}
	key, err := parse(data)
	if err != nil {
		return nil, err
	}
	if key.file == nil {
		if err := key.record.TPM.check(ctx, key.public); err != nil {
			return nil, fmt.Errorf("opening the device key: %w", err)
		}
	}
	return key, nil
}

// read reads the key's file, which nobody but its owner may be able to read.
func read(path string) ([]byte, error) {
	// Without waiting: opening a pipe would wait for its writer, deaf to signals.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("reading the device key: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the device key: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w (%s is no file, or others may read it)", ErrDamaged, path)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the device key: %w", err)
	}
	return data, nil
}

// parse reads the file of a device key strictly. All that can be checked without
// a TPM is: the private key or the TPM's proof is that of the public key.
func parse(data []byte) (*Key, error) {
	damaged := func(why string) (*Key, error) { return nil, fmt.Errorf("%w (%s)", ErrDamaged, why) }
	if len(data) > maxFile {
		return damaged("it is too long")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var r record
	if err := decoder.Decode(&r); err != nil {
		return damaged(err.Error())
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return damaged("something stands behind it")
	}
	if r.Version != 1 {
		return damaged(fmt.Sprintf("its version is %d", r.Version))
	}
	public, err := parsePublic(r.Public)
	if err != nil {
		return damaged(err.Error())
	}
	key := &Key{record: r, public: public}
	switch {
	case r.Held == HeldInFile && r.TPM == nil:
		private, err := x509.ParsePKCS8PrivateKey(r.Private)
		if err != nil {
			return damaged("its private key does not read")
		}
		file, ok := private.(*ecdsa.PrivateKey)
		if !ok || !file.PublicKey.Equal(public) {
			return damaged("its private key is not that of its public key")
		}
		key.file = file
	case r.Held == HeldInTPM && r.TPM != nil && r.Private == nil:
		if _, err := evidence.VerifyTPM(r.TPM.Proof, r.Public); err != nil {
			return damaged(err.Error())
		}
	default:
		return damaged("it does not say where the key is held")
	}
	return key, nil
}

func (r *record) inFile(random io.Reader) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return err
	}
	r.Held = HeldInFile
	if r.Private, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		return err
	}
	r.Public, err = formatPublic(&private.PublicKey)
	return err
}

// formatPublic writes a public key in authorized_keys form, without a comment.
func formatPublic(public *ecdsa.PublicKey) (string, error) {
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n"), nil
}

// parsePublic reads what formatPublic writes and nothing else, on P-256.
func parsePublic(text string) (*ecdsa.PublicKey, error) {
	parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return nil, errors.New("its public key does not read")
	}
	key, ok := parsed.(ssh.CryptoPublicKey)
	if !ok {
		return nil, errors.New("its public key is of another kind")
	}
	public, ok := key.CryptoPublicKey().(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, errors.New("its public key is not ECDSA on P-256")
	}
	if again, err := formatPublic(public); err != nil || again != text {
		return nil, errors.New("its public key is spelled in another way")
	}
	return public, nil
}
