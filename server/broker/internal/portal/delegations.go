package portal

import (
	"context"
	"net/http"

	"stint/policies"
	"stint/server/access"
	"stint/server/api"
	"stint/server/evidence"
)

type delegationBody[T any] struct {
	Delegation string `path:"delegation" maxLength:"80" doc:"of a delegation: the digest of its statement"`
	Body       T
}

func (p *Portal) registerDelegations(r registrar) {
	operation(r, http.MethodGet, api.PathDelegations, "delegations", "The caller's delegations, given and taken", p.delegations)
	operation(r, http.MethodPost, api.PathDelegationChallenge, "delegation-challenge", "The text by which the caller lets somebody approve on their behalf", p.delegationChallenge)
	operation(r, http.MethodPost, api.PathDelegations, "delegate", "Delegate with a passkey's signature", p.delegate, created())
	operation(r, http.MethodPost, api.PathEndDelegation, "end-delegation", "End a delegation before its time", p.endDelegation)
}

func (p *Portal) delegations(ctx context.Context, _ *noInput) (*body[api.Delegations], error) {
	known, err := p.config.Flow.Delegations(ctx, personOf(ctx))
	if err != nil {
		return nil, err
	}
	return &body[api.Delegations]{api.Delegations{
		Given: toDelegations(known.Given), Taken: toDelegations(known.Taken), Groups: list(known.Groups),
		Delegates: toPeople(known.Delegates), LongestSeconds: wholeSeconds(evidence.LongestDelegation),
	}}, nil
}

func toDelegations(views []access.DelegationView) []api.Delegation {
	shown := make([]api.Delegation, len(views))
	for i, v := range views {
		shown[i] = toDelegation(v)
	}
	return shown
}

func toDelegation(v access.DelegationView) api.Delegation {
	shown := api.Delegation{
		ID: v.Digest, Delegator: toPerson(v.From), Delegate: toPerson(v.To), Groups: list(v.Groups),
		Begins: v.Begins.UTC(), Ends: v.GivenDelegation.Ends.UTC(), InForce: v.InForce, May: list(v.May),
	}
	if v.Ended != nil {
		shown.Ended, shown.EndedBy = moment(v.Ended.At), somebody(v.Ended.By)
	}
	return shown
}

func (p *Portal) delegationChallenge(ctx context.Context, in *onlyBody[api.DelegationDraft]) (*body[api.SigningChallenge], error) {
	to := policies.Subject{Issuer: in.Body.Issuer, Subject: in.Body.Subject}
	return challenged(p.config.Flow.DelegationChallenge(ctx, personOf(ctx), to, in.Body.Groups, in.Body.Ends))
}

func (p *Portal) delegate(ctx context.Context, in *onlyBody[api.SignedStatement]) (*body[api.Delegation], error) {
	return delegated(p.config.Flow.Delegate(ctx, personOf(ctx), fromSigned(in.Body)))
}

func (p *Portal) endDelegation(ctx context.Context, in *delegationBody[api.Taking]) (*body[api.Delegation], error) {
	return delegated(p.config.Flow.EndDelegation(ctx, personOf(ctx), in.Delegation, in.Body.Reason))
}

func delegated(v access.DelegationView, err error) (*body[api.Delegation], error) {
	if err != nil {
		return nil, err
	}
	return &body[api.Delegation]{toDelegation(v)}, nil
}
