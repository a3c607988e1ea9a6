package ledger

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxProofLines is C2SP tlog-witness's bound.
const maxProofLines = 63

// MaxSubmission bounds the body of an add-checkpoint call.
const MaxSubmission = maxCheckpoint + 64*(base64Hash+1) + 32

const base64Hash = 44

// SizeType is the media type in which a witness answers with the size that it has seen.
const SizeType = "text/x.tlog.size"

// ErrSubmission means that the body of an add-checkpoint call is malformed.
var ErrSubmission = errors.New("the submission is malformed")

// Submission is the body of C2SP tlog-witness's add-checkpoint: a checkpoint,
// and the proof that it continues what the witness saw last.
type Submission struct {
	Old        int64 // the size that the witness is taken to have seen last
	Proof      []Hash
	Checkpoint []byte // signed
}

// Encode writes the body.
func (s Submission) Encode() []byte {
	body := fmt.Appendf(nil, "old %d\n", s.Old)
	for _, hash := range s.Proof {
		body = append(body, base64.StdEncoding.EncodeToString(hash[:])+"\n"...)
	}
	return append(append(body, '\n'), s.Checkpoint...)
}

// ParseSubmission reads a body in its one encoding. What the checkpoint says is
// for [Open] to find out. The error is [ErrSubmission].
func ParseSubmission(body []byte) (Submission, error) {
	refuse := func(why string) (Submission, error) { return Submission{}, fmt.Errorf("%w: %s", ErrSubmission, why) }
	if len(body) > MaxSubmission {
		return refuse("it is too long")
	}
	head, checkpoint, ok := bytes.Cut(body, []byte("\n\n"))
	if !ok {
		return refuse("there is no empty line before the checkpoint")
	}
	lines := strings.Split(string(head), "\n")
	text, ok := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil || old < 0 || old > maxSize || strconv.FormatInt(old, 10) != text {
		return refuse("its first line is not \"old\" and a size")
	}
	if lines = lines[1:]; len(lines) > maxProofLines {
		return refuse("the proof is too long")
	}
	s := Submission{Old: old, Proof: make([]Hash, len(lines)), Checkpoint: checkpoint}
	for i, line := range lines {
		hash, err := base64.StdEncoding.Strict().DecodeString(line)
		// The decoder passes over carriage returns, so what it has read is compared.
		if err != nil || len(hash) != len(s.Proof[i]) || base64.StdEncoding.EncodeToString(hash) != line {
			return refuse("a line of the proof is not a hash")
		}
		copy(s.Proof[i][:], hash)
	}
	return s, nil
}

// OriginOf is the first line of a checkpoint, believed by nobody: it says which
// log's key to open the checkpoint with.
func OriginOf(checkpoint []byte) string {
	line, _, _ := bytes.Cut(checkpoint, []byte("\n"))
	return string(line)
}
