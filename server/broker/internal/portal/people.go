package portal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"stint/server/api"
)

func (p *Portal) me(ctx context.Context, _ *noInput) (*body[api.Me], error) {
	by := personOf(ctx)
	standing := p.config.Flow.Standing(ctx, by)
	return &body[api.Me]{api.Me{
		Person: toPerson(by), Groups: list(by.Groups), RosterGroups: list(standing.Roster),
		Approver: standing.Approver, Administrator: standing.Administrator, Reviewer: standing.Reviewer,
		Ceremony: standing.Ceremony, Instance: p.config.Instance, PolicyWarning: p.config.Signing.Differs(),
	}}, nil
}

func (p *Portal) configuration(context.Context, *noInput) (*body[api.Configuration], error) {
	return &body[api.Configuration]{api.Configuration{
		Instance: p.config.Instance, Issuer: p.config.Issuer, ClientID: p.config.ClientID,
	}}, nil
}

func (p *Portal) trust(ctx context.Context, _ *noInput) (*body[api.Trust], error) {
	trust, err := p.config.Signing.Trust(ctx)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(trust.Trust)
	if err != nil {
		return nil, fmt.Errorf("encoding trust: %w", err)
	}
	targets, proxies := p.reached(p.policy().Targets(), personOf(ctx).Subject)
	return &body[api.Trust]{api.Trust{
		Trust: text, Checkpoint: trust.Checkpoint, AuditKey: p.config.Audit.Verifier, Proxies: proxies,
		Targets: targets, Issuer: p.config.Issuer, ClientID: p.config.ClientID,
	}}, nil
}

// healthTimeout bounds how long the database may take to answer.
const healthTimeout = 2 * time.Second

func (p *Portal) health(ctx context.Context, _ *noInput) (*body[api.Health], error) {
	troubles := []string{}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	if err := p.config.Store.Ping(ctx); err != nil {
		p.log.Error("the database does not answer", "error", err)
		troubles = append(troubles, "The database does not answer.")
	}
	for _, trouble := range []string{p.config.Signing.Trouble(), p.config.Login.Trouble(), p.config.Signing.Differs()} {
		if trouble != "" {
			troubles = append(troubles, trouble)
		}
	}
	if p.config.Troubles != nil {
		troubles = append(troubles, p.config.Troubles()...)
	}
	status := "ok"
	if len(troubles) > 0 {
		status = "degraded"
	}
	return &body[api.Health]{api.Health{Status: status, Troubles: troubles}}, nil
}
