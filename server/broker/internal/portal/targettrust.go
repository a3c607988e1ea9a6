package portal

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"stint/server/api"
	"stint/server/broker/internal/signing"
)

// Whoever asks is unknown, so the signer is asked a bounded number of times: an
// answer serves everybody with the same question for a second, and there are not
// more answers in a second than this. A target that is turned away keeps what it
// has and asks again.
const (
	targetTrustLife = time.Second
	mostTargetTrust = 50
)

// targetTrusts keeps the answers of the second that is running, by question.
type targetTrusts struct {
	mu      sync.Mutex
	until   time.Time
	answers map[int64]*targetTrust
}

// targetTrust is an answer that is there, or on its way.
type targetTrust struct {
	done     chan struct{} // closed when it is there
	evidence json.RawMessage
	err      error
}

// find returns the answer to a question, and whether the caller is to fetch it.
// It returns nil where there are too many questions.
func (t *targetTrusts) find(from int64, now time.Time) (answer *targetTrust, fetch bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.After(t.until) || t.answers == nil {
		t.until, t.answers = now.Add(targetTrustLife), map[int64]*targetTrust{}
	}
	if answer := t.answers[from]; answer != nil {
		return answer, false
	}
	if len(t.answers) >= mostTargetTrust {
		return nil, false
	}
	answer = &targetTrust{done: make(chan struct{})}
	t.answers[from] = answer
	return answer, true
}

// fetch asks the signer, which answers within the bound of its client.
func (t *targetTrust) fetch(ctx context.Context, signer *signing.Client, from int64) {
	defer close(t.done)
	found, err := signer.TargetTrust(ctx, from)
	if err == nil {
		t.evidence, err = json.Marshal(found)
	}
	t.err = err
}

type targetTrustInput struct {
	From int64 `query:"from" minimum:"0" default:"0" doc:"how many entries of the signer's ledger the target has seen"`
}

func (p *Portal) registerTargets(r registrar) {
	operation(r, http.MethodGet, api.PathTargetTrust, "target-trust", "Whose certificates open targets, signed by the signer", p.targetTrust, withoutSignIn())
}

func (p *Portal) targetTrust(ctx context.Context, in *targetTrustInput) (*body[api.TargetTrust], error) {
	answer, fetch := p.targets.find(in.From, p.config.Now())
	if answer == nil {
		return nil, &api.Error{Status: http.StatusTooManyRequests, Code: "targets.busy", Title: "Too many targets ask at once; ask again in a moment."}
	}
	if fetch {
		// Whoever asked first may go away; the others wait for the same answer.
		answer.fetch(context.WithoutCancel(ctx), p.config.Signing, in.From)
	}
	select {
	case <-answer.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the signer: %w", context.Cause(ctx))
	}
	if answer.err != nil {
		return nil, answer.err
	}
	return &body[api.TargetTrust]{api.TargetTrust{Evidence: answer.evidence}}, nil
}
