package portal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"stint/server/api"
	"stint/server/broker/internal/store"
	"stint/server/evidence"
)

// targetTrust is what the signer said to targets, and the mirror in which its
// ledger's entries are.
type targetTrust struct {
	said evidence.TargetTrustEvidence
	size int64 // of the ledger that it states
	log  store.MirroredLog
}

// trustTimeout bounds how long the signer may take over both.
const trustTimeout = 20 * time.Second

type targetTrustInput struct {
	From int64 `query:"from" minimum:"0" default:"0" doc:"how many entries of the signer's ledger the target has seen"`
}

func (p *Portal) registerTargets(r registrar) {
	operation(r, http.MethodGet, api.PathTargetTrust, "target-trust", "Whose certificates open targets, signed by the signer", p.targetTrust, withoutSignIn(simply))
}

// targetTrust hands over the signer's word. What differs from target to target, the
// proof that the ledger continues what it has seen, comes from the mirror, so that
// whoever asks ever other questions costs the signer nothing.
func (p *Portal) targetTrust(ctx context.Context, in *targetTrustInput) (*body[api.TargetTrust], error) {
	trust, err := p.targets.get(ctx, p.config.Now(), p.askTargetTrust)
	if err != nil {
		return nil, err
	}
	if in.From > trust.size {
		return nil, &api.Error{Status: http.StatusConflict, Code: "targets.from", Title: "The target has seen more of the ledger than the signer holds: " +
			"either it asked within a second of another broker, or it pinned another signer, or this ledger was rolled back."}
	}
	said := trust.said
	if said.Consistency, err = p.config.Mirror.ContinueMirrored(ctx, trust.log, in.From, trust.size); err != nil {
		return nil, err
	}
	text, err := json.Marshal(said)
	if err != nil {
		return nil, fmt.Errorf("encoding what targets trust: %w", err)
	}
	return &body[api.TargetTrust]{api.TargetTrust{Evidence: text}}, nil
}

// askTargetTrust asks the signer, and sees to it that the mirror holds what its
// word is about.
func (p *Portal) askTargetTrust(ctx context.Context) (targetTrust, error) {
	ctx, cancel := context.WithTimeout(ctx, trustTimeout)
	defer cancel()
	said, err := p.config.Signing.TargetTrust(ctx, 0)
	if err != nil {
		return targetTrust{}, err
	}
	if said.Consistency.From != 0 {
		return targetTrust{}, errors.New("the signer's word to targets is not what was asked for")
	}
	origin, _, _ := strings.Cut(said.Note, "\n")
	log, err := p.config.Prover.Reach(ctx, origin, said.Consistency.Size)
	return targetTrust{said, said.Consistency.Size, log}, refuseUnproven(err)
}
