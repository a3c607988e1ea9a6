package ledger

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
)

// SignLines is [Sign] for a checkpoint that carries something more: extension
// lines behind origin, size and root, as C2SP tlog-checkpoint has them. It says
// at once what the log held and what its owner states at that size. A line is not
// empty and holds no control character; there is at least one, so that nobody
// takes a plain checkpoint for a statement nor the other way round.
func SignLines(c Checkpoint, lines []string, signers ...note.Signer) ([]byte, error) {
	if !validName(c.Origin) || c.Size < 0 || c.Size > maxSize {
		return nil, fmt.Errorf("signing a checkpoint of %q with %d leaves: origin or size is not allowed", c.Origin, c.Size)
	}
	if len(signers) == 0 || !validLines(lines) {
		return nil, fmt.Errorf("signing a checkpoint of %q with extension lines: a key is missing, or a line that is not empty", c.Origin)
	}
	signed, err := note.Sign(&note.Note{Text: string(c.text()) + strings.Join(lines, "\n") + "\n"}, signers...)
	if err != nil {
		return nil, fmt.Errorf("signing the checkpoint of %s at %d: %w", c.Origin, c.Size, err)
	}
	if len(signed) > maxCheckpoint {
		return nil, fmt.Errorf("signing the checkpoint of %s at %d: its extension lines are too long", c.Origin, c.Size)
	}
	return signed, nil
}

// OpenLines is [Open] for what [SignLines] writes, and refuses everything else, a
// plain checkpoint included. What the lines mean is for the caller to read, as
// strictly. Errors are [ErrCheckpoint].
func OpenLines(data []byte, origin string, verifiers ...note.Verifier) (Checkpoint, []string, error) {
	c, rest, err := open(data, origin, verifiers)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	text, ended := strings.CutSuffix(rest, "\n")
	lines := strings.Split(text, "\n")
	if !ended || !validLines(lines) {
		return Checkpoint{}, nil, fmt.Errorf("%w: it has no extension lines, or an empty one", ErrCheckpoint)
	}
	return c, lines, nil
}

// open reads a signed checkpoint, and whatever follows the root in its text.
func open(data []byte, origin string, verifiers []note.Verifier) (Checkpoint, string, error) {
	refuse := func(why string) (Checkpoint, string, error) {
		return Checkpoint{}, "", fmt.Errorf("%w: %s", ErrCheckpoint, why)
	}
	// 1. Bounds, and someone to believe.
	if len(data) > maxCheckpoint {
		return refuse("it is too long")
	}
	if len(verifiers) == 0 {
		return refuse("no key was given to check it with")
	}
	// 2. Signatures, before anything inside is read.
	signed, err := note.Open(data, note.VerifierList(verifiers...))
	if err != nil {
		return refuse(err.Error())
	}
	for _, v := range verifiers {
		if !signedBy(signed, v) {
			return refuse("the signature of " + v.Name() + " is missing or not in its one encoding")
		}
	}
	// 3. The text: three lines in the one encoding.
	var parsed log.Checkpoint
	rest, err := parsed.Unmarshal([]byte(signed.Text))
	if err != nil {
		return refuse(err.Error())
	}
	c := Checkpoint{Origin: parsed.Origin, Size: int64(parsed.Size)}
	if parsed.Size > maxSize || len(parsed.Hash) != len(c.Root) || !validName(parsed.Origin) {
		return refuse("origin, size or root is not allowed")
	}
	copy(c.Root[:], parsed.Hash)
	if !bytes.Equal(append(c.text(), rest...), []byte(signed.Text)) {
		return refuse("it is not in its one encoding")
	}
	// 4. The log that was asked for.
	if c.Origin != origin {
		return refuse(fmt.Sprintf("it is of the log %q, not %q", c.Origin, origin))
	}
	return c, string(rest), nil
}

func validLines(lines []string) bool {
	for _, line := range lines {
		if line == "" || !utf8.ValidString(line) || strings.ContainsFunc(line, unicode.IsControl) {
			return false
		}
	}
	return len(lines) > 0
}
