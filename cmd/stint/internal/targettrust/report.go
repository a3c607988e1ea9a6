package targettrust

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/server/api"
)

// Bounds of the API's fields, in characters.
const (
	maxKeyID = 256
	maxLogin = 64
)

// Report says where sshd's log is and who signs what is taken from it.
type Report struct {
	Target  string // this host's name in the policy
	HostKey string // file of the SSH host key that the policy names
	Log     string // Journal, or a file
}

// send reports what sshd accepted since the last time, and remembers in the state
// how far it got. Only certificates under keys that this target trusts or trusted
// are told: others are not Stint's, and stint trust install warns of the lines
// that let them in. So is one whose line was cut: its key id hid who signed it. It returns how many the broker took, and the serials of those
// that no entry of the signer's ledger knows.
func (r *Report) send(ctx context.Context, c Config, state *State) (sent int, unknown []uint64, err error) {
	key, err := r.key()
	if err != nil {
		return 0, nil, err
	}
	ours := map[string]bool{}
	for _, a := range state.Authorities {
		for _, fingerprint := range fingerprints(a.Key) {
			ours[fingerprint] = true
		}
	}
	var batch []api.AcceptedSerial
	after := state.Reported
	flush := func() error {
		if len(batch) > 0 {
			strange, err := r.post(ctx, c.Broker, key, batch)
			if err != nil {
				return err
			}
			sent, batch, unknown = sent+len(batch), nil, append(unknown, strange...)
		}
		if after == nil || state.Reported != nil && *after == *state.Reported {
			return nil
		}
		state.Reported = after
		return state.save(c.State)
	}
	for l, err := range lines(ctx, r.Log, state.Reported) {
		if err != nil {
			return sent, unknown, fmt.Errorf("reading sshd's log %s: %w", r.Log, err)
		}
		after = &l.after
		found, ok := ParseAccepted(l.text)
		if !ok || !found.Cut && !ours[found.CA] {
			continue
		}
		batch = append(batch, api.AcceptedSerial{
			Serial: found.Serial, KeyID: bounded(found.KeyID, maxKeyID), Login: bounded(found.Login, maxLogin), Time: l.at.UTC().Truncate(time.Second),
		})
		if len(batch) == api.MostAcceptedSerials {
			if err := flush(); err != nil {
				return sent, unknown, err
			}
		}
	}
	err = flush()
	return sent, unknown, err
}

func (r *Report) key() (ssh.Signer, error) {
	text, err := os.ReadFile(r.HostKey)
	if err != nil {
		return nil, fmt.Errorf("reading the host key: %w", err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("reading the host key %s: %w", r.HostKey, err)
	}
	return key, nil
}

// post signs a report and hands it in. It returns the serials that no entry of the
// signer's ledger knows.
func (r *Report) post(ctx context.Context, broker *api.Client, key ssh.Signer, serials []api.AcceptedSerial) (unknown []uint64, err error) {
	report := api.AcceptedSerials{Target: r.Target, Serials: serials}
	signature, err := sign(key, report.SigningText())
	if err != nil {
		return nil, fmt.Errorf("signing with the host key: %w", err)
	}
	report.Signature = base64.StdEncoding.EncodeToString(ssh.Marshal(signature))
	answer, err := broker.ReportAcceptedSerials(ctx, report)
	return answer.Unknown, err
}

// sign signs with a host key; an RSA one without SHA-1, which nobody accepts now.
func sign(key ssh.Signer, text []byte) (*ssh.Signature, error) {
	if able, ok := key.(ssh.AlgorithmSigner); ok && key.PublicKey().Type() == ssh.KeyAlgoRSA {
		return able.SignWithAlgorithm(rand.Reader, text, ssh.KeyAlgoRSASHA512)
	}
	return key.Sign(rand.Reader, text)
}

// bounded cuts a text to what a field may hold.
func bounded(text string, most int) string {
	runes := []rune(strings.ToValidUTF8(text, "?"))
	return string(runes[:min(len(runes), most)])
}
