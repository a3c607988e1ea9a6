package portal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"stint/server/api"
	"stint/server/broker/internal/mirror"
	"stint/server/broker/internal/store"
)

// Prover proves parts of the signer's ledger: mirror.Mirror.
type Prover interface {
	OfRequest(ctx context.Context, request string, known []int64, history bool) (mirror.Proven, error)
	Beginning(ctx context.Context) (mirror.Proven, error)
	Reach(ctx context.Context, origin string, size int64) (store.MirroredLog, error)
}

// evidence gives what proves a request. The history that it stands on, in which
// there are other people's ID tokens, goes to reviewers and administrators.
func (p *Portal) evidence(ctx context.Context, in *requestInput) (*body[api.Evidence], error) {
	found, err := p.config.Flow.Evidence(ctx, personOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	var known []int64
	for _, c := range found.Certificates {
		known = append(known, c.Proof.Inclusion.Index)
	}
	proven, err := p.config.Prover.OfRequest(ctx, in.ID, known, found.History)
	if err != nil {
		return nil, refuseUnproven(err)
	}
	file := toEvidence(in.ID, proven)
	for _, c := range found.Certificates {
		if c.Certificate != "" {
			file.Certificates = append(file.Certificates, c.Certificate)
		}
	}
	if found.Agreed != nil {
		text, err := json.Marshal(found.Agreed)
		if err != nil {
			return nil, fmt.Errorf("encoding evidence: %w", err)
		}
		file.Agreed = string(text)
	}
	return &body[api.Evidence]{file}, nil
}

// beginningTimeout bounds how long it may take to read the ledger's history.
const beginningTimeout = 30 * time.Second

// beginning gives what nobody in the ledger vouches for, to everybody who signed in:
// whoever verifies evidence pins it.
func (p *Portal) beginning(ctx context.Context, _ *noInput) (*body[api.Evidence], error) {
	proven, err := p.began.get(ctx, p.config.Now(), func(ctx context.Context) (mirror.Proven, error) {
		ctx, cancel := context.WithTimeout(ctx, beginningTimeout)
		defer cancel()
		return p.config.Prover.Beginning(ctx)
	})
	if err != nil {
		return nil, refuseUnproven(err)
	}
	return &body[api.Evidence]{toEvidence("", proven)}, nil
}

func toEvidence(request string, proven mirror.Proven) api.Evidence {
	file := api.Evidence{
		Version: 1, Request: request, Checkpoint: proven.Checkpoint,
		Entries: make([]api.ProvenEntry, len(proven.Entries)), Certificates: []string{},
	}
	for i, e := range proven.Entries {
		file.Entries[i] = api.ProvenEntry{Index: e.Inclusion.Index, Entry: string(e.Data), Path: make([]string, len(e.Inclusion.Path))}
		for k, hash := range e.Inclusion.Path {
			file.Entries[i].Path[k] = hash.String()
		}
	}
	return file
}

func refuseUnproven(err error) error {
	if errors.Is(err, mirror.ErrBehind) {
		return &api.Error{
			Status: http.StatusServiceUnavailable, Code: "ledger.behind",
			Title: "The signer does not answer, and this broker does not hold all of that part of its ledger yet; try again in a moment.",
		}
	}
	return err
}
