package ledger

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
)

// maxCheckpoint bounds a signed checkpoint: three short lines and some dozens of
// signatures.
const maxCheckpoint = 16 << 10

// ErrCheckpoint means that a signed checkpoint is malformed, is of another log,
// or lacks a signature that was required.
var ErrCheckpoint = errors.New("the checkpoint is not accepted")

// Checkpoint says what a log held at one moment.
type Checkpoint struct {
	// Origin names the log, for example "stint-signer/8c1f". It holds no space,
	// no plus sign and no control character, so that it can be its key's name.
	Origin string `json:"origin"`
	Size   int64  `json:"size"` // leaves
	Root   Hash   `json:"root"`
}

// text is the C2SP tlog-checkpoint body, without extension lines.
func (c Checkpoint) text() []byte {
	return log.Checkpoint{Origin: c.Origin, Size: uint64(c.Size), Hash: c.Root[:]}.Marshal()
}

// Sign encodes the checkpoint as a signed note. By C2SP the log's own key comes
// first and carries the origin as its name; others are cosigners.
func Sign(c Checkpoint, signers ...note.Signer) ([]byte, error) {
	if !validName(c.Origin) || c.Size < 0 || c.Size > maxSize {
		return nil, fmt.Errorf("signing a checkpoint of %q with %d leaves: origin or size is not allowed", c.Origin, c.Size)
	}
	if len(signers) == 0 {
		return nil, errors.New("signing a checkpoint without a key")
	}
	signed, err := note.Sign(&note.Note{Text: string(c.text())}, signers...)
	if err != nil {
		return nil, fmt.Errorf("signing the checkpoint of %s at %d: %w", c.Origin, c.Size, err)
	}
	return signed, nil
}

// Open reads a signed checkpoint of the log named origin. Every verifier given
// must have signed it, and at least one must be given; signatures by other keys
// are ignored. To accept either of two keys while a key rotates, call Open for
// each. Extension lines and every encoding but the one that [Sign] writes are
// refused. Errors are [ErrCheckpoint].
func Open(data []byte, origin string, verifiers ...note.Verifier) (Checkpoint, error) {
	c, rest, err := open(data, origin, verifiers)
	if err == nil && rest != "" {
		err = fmt.Errorf("%w: it has extension lines", ErrCheckpoint)
	}
	if err != nil {
		return Checkpoint{}, err
	}
	return c, nil
}

func signedBy(n *note.Note, v note.Verifier) bool {
	for _, s := range n.Sigs {
		if s.Name == v.Name() && s.Hash == v.KeyHash() {
			// note does not mind unused bits of base64; two texts of one signature
			// would be two checkpoints to whoever compares bytes.
			_, err := base64.StdEncoding.Strict().DecodeString(s.Base64)
			return err == nil
		}
	}
	return false
}

// NewKey makes an Ed25519 key for signing checkpoints, in the encodings that
// [note.NewSigner] and [note.NewVerifier] read. The log's own key is named by the
// log's origin. signerKey is secret: anyone who reads it can sign for the log.
func NewKey(rand io.Reader, name string) (signerKey, verifierKey string, err error) {
	if !validName(name) {
		return "", "", fmt.Errorf("the key name %q is empty or holds a space, a plus sign or a control character", name)
	}
	return note.GenerateKey(rand, name)
}

// validName is the rule of C2SP signed-note for key names, and no control
// characters, which a note cannot carry.
func validName(s string) bool {
	return s != "" && len(s) <= 255 && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r == '+' || unicode.IsSpace(r) || unicode.IsControl(r)
	})
}
