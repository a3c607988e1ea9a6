package portal

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/api"
	"stint/server/evidence"
)

func (p *Portal) roles(ctx context.Context, _ *noInput) (*body[api.Roles], error) {
	by, policy, now := personOf(ctx), p.policy(), p.config.Now()
	trust, err := p.config.Signing.Trust(ctx)
	if err != nil {
		trust = access.Trust{} // what can be asked for is shown all the same
	}
	roles := api.Roles{Items: []api.Role{}}
	for _, role := range policy.Roles() {
		if !policy.MayAsk(by, role.Name) {
			continue
		}
		shown := toRole(policy, role, by, trust, now)
		roles.Items = append(roles.Items, shown)
	}
	return &body[api.Roles]{roles}, nil
}

func (p *Portal) decide(ctx context.Context, in *onlyBody[api.Ask]) (*body[api.Decision], error) {
	if err := checkSeconds(in.Body.DurationSeconds); err != nil {
		return nil, err
	}
	by := personOf(ctx)
	preview, err := p.config.Flow.Preview(ctx, by, fromAsk(in.Body))
	if err != nil {
		return nil, err
	}
	known := names{}
	known.add(by)
	return &body[api.Decision]{toDecision(preview.Decision, preview.Summary, preview.Approvers, known)}, nil
}

func (p *Portal) requests(ctx context.Context, in *requestsInput) (*body[api.Requests], error) {
	before, err := fromCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	states := make([]access.State, len(in.State))
	for i, s := range in.State {
		states[i] = access.State(s)
	}
	by := personOf(ctx)
	items, next, err := p.config.Flow.Requests(ctx, by, in.View, states, before, in.Limit)
	if err != nil {
		return nil, err
	}
	page := api.Requests{Items: make([]api.RequestSummary, len(items)), Cursor: toCursor(next)}
	for i, item := range items {
		page.Items[i] = toSummary(item, by)
	}
	return &body[api.Requests]{page}, nil
}

// Cursors are numbers to their maker and opaque to everybody else.
func fromCursor(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	before, err := strconv.ParseInt(text, 10, 64)
	if err != nil || toCursor(before) != text {
		return 0, wrong("query.cursor", "This is not a cursor that a page before has given.")
	}
	return before, nil
}

func toCursor(next int64) string {
	if next <= 0 {
		return ""
	}
	return strconv.FormatInt(next, 10)
}

// shown is how every change of a request answers: with the request as it is now.
func (p *Portal) shown(ctx context.Context, view access.RequestView, err error) (*body[api.Request], error) {
	if err != nil {
		return nil, err
	}
	sessions, err := p.toSessions(ctx, view.Sessions)
	if err != nil {
		return nil, err
	}
	return &body[api.Request]{toRequest(view, personOf(ctx), sessions)}, nil
}

func (p *Portal) ask(ctx context.Context, in *onlyBody[api.Ask]) (*body[api.Request], error) {
	if err := checkSeconds(in.Body.DurationSeconds); err != nil {
		return nil, err
	}
	view, err := p.config.Flow.Ask(ctx, personOf(ctx), fromAsk(in.Body))
	return p.shown(ctx, view, err)
}

func (p *Portal) request(ctx context.Context, in *requestInput) (*body[api.Request], error) {
	view, err := p.config.Flow.Request(ctx, personOf(ctx), in.ID)
	return p.shown(ctx, view, err)
}

func (p *Portal) challenge(ctx context.Context, in *requestBody[api.ApprovalDraft]) (*body[api.SigningChallenge], error) {
	if err := checkSeconds(in.Body.DurationSeconds); err != nil {
		return nil, err
	}
	challenge, err := p.config.Flow.Challenge(ctx, personOf(ctx), in.ID, time.Duration(in.Body.DurationSeconds)*time.Second)
	if err != nil {
		return nil, err
	}
	return &body[api.SigningChallenge]{toChallenge(challenge)}, nil
}

func (p *Portal) approve(ctx context.Context, in *requestBody[api.SignedStatement]) (*body[api.Request], error) {
	view, err := p.config.Flow.Approve(ctx, personOf(ctx), in.ID, fromSigned(in.Body))
	return p.shown(ctx, view, err)
}

func (p *Portal) deny(ctx context.Context, in *requestBody[api.Taking]) (*body[api.Request], error) {
	return p.take(ctx, in, p.config.Flow.Deny)
}

func (p *Portal) withdraw(ctx context.Context, in *requestBody[api.Taking]) (*body[api.Request], error) {
	return p.take(ctx, in, p.config.Flow.Withdraw)
}

func (p *Portal) drop(ctx context.Context, in *requestBody[api.Taking]) (*body[api.Request], error) {
	return p.take(ctx, in, p.config.Flow.Drop)
}

func (p *Portal) revoke(ctx context.Context, in *requestBody[api.Taking]) (*body[api.Request], error) {
	return p.take(ctx, in, p.config.Flow.Revoke)
}

func (p *Portal) take(ctx context.Context, in *requestBody[api.Taking], take func(context.Context, policies.Person, string, string, ...access.EndWord) (access.RequestView, error)) (*body[api.Request], error) {
	var words []access.EndWord
	if word := in.Body.Evidence; word != nil {
		words = append(words, access.EndWord{Signed: evidence.SignedByKey(*word), LoginKey: callerOf(ctx).LoginKey})
	}
	view, err := take(ctx, personOf(ctx), in.ID, in.Body.Reason, words...)
	return p.shown(ctx, view, err)
}

func (p *Portal) activate(ctx context.Context, in *requestBody[api.Activation]) (*body[api.Certificate], error) {
	signed := evidence.SignedByKey{Statement: in.Body.Statement, Signature: in.Body.Signature}
	certificate, err := p.config.Flow.Activate(ctx, personOf(ctx), in.ID, signed, fromBinding(in.Body.Login), fromDeviceProof(in.Body.Device))
	if err != nil {
		return nil, err
	}
	view, err := p.config.Flow.Request(ctx, personOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	return &body[api.Certificate]{p.certificate(certificate, view.Request)}, nil
}

func (p *Portal) certificate(c access.Certificate, q access.Request) api.Certificate {
	return api.Certificate{
		Certificate: c.Certificate, Ends: c.Ends.UTC(), Serial: strconv.FormatUint(c.Serial, 10),
		Login: q.Revision.Ask.Login, Target: q.Revision.Ask.Target, Proxies: p.proxiesFor(q),
	}
}

// reissue answers whoever shows a certificate. Its answer holds nothing of a person but
// what the certificate does.
func (p *Portal) reissue(ctx context.Context, in *onlyBody[api.Reissue]) (*body[api.Reissued], error) {
	c, q, err := p.config.Flow.Reissue(ctx, in.Body.Certificate)
	if err != nil {
		return nil, err
	}
	trust, err := p.config.Signing.Trust(ctx)
	if err != nil {
		return nil, err
	}
	hosts, err := json.Marshal(evidence.Trust{
		Version: trust.Version, Instance: trust.Instance, Log: trust.Log, HostCA: trust.HostCA,
		Keys: slices.DeleteFunc(slices.Clone(trust.Keys), func(k evidence.SigningKey) bool { return k.Purpose != evidence.PurposeHostCA }),
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the signer's host authorities: %w", err)
	}
	return &body[api.Reissued]{api.Reissued{Certificate: p.certificate(c, q), Hosts: hosts}}, nil
}

// toRole is a role as the form for asking has it, for somebody.
func toRole(policy *policies.Bundle, role policies.Role, by policies.Person, trust access.Trust, now time.Time) api.Role {
	words := access.DescribeRole(policy, role)
	shown := api.Role{
		Name: role.Name, Description: role.Description, Targets: toTargets(policy.TargetsOf(role.Name)), Logins: list(role.Logins),
		DefaultSeconds: wholeSeconds(role.Duration.Default), LongestSeconds: wholeSeconds(role.Duration.Longest),
		ReasonRequired: role.Reason == "required", PendingSeconds: wholeSeconds(access.PendingOf(role)),
		Start:   api.StartRule{At: policies.AtApproval, AheadSeconds: wholeSeconds(role.Start.Ahead)},
		Confirm: role.Passkey.Requester, FreshSeconds: wholeSeconds(role.Passkey.Fresh), SingleUse: role.SingleUse, Renewals: words.Renewals,
		Windows: list(words.Windows), Conditions: list(words.Conditions), Session: list(words.Session), Separations: list(words.Separations),
		Device: list(role.Device.Asks()), Stages: make([]api.Stage, len(role.Approval)),
	}
	if role.Ticket != nil {
		shown.Ticket = &api.TicketRule{Required: role.Ticket.Required, Pattern: role.Ticket.Pattern}
	}
	if role.Start.At == policies.AtFirstUse {
		shown.Start.At, shown.Start.WithinSeconds = policies.AtFirstUse, wholeSeconds(cmp.Or(role.Start.Within, policies.DefaultWithin))
	}
	for i, stage := range role.Approval {
		shown.Stages[i] = api.Stage{
			Name: stage.Name, Groups: list(stage.Groups), Count: stage.Count, After: list(stage.After), Notes: list(words.Stages[i]), Given: []api.Person{},
			Approvers: approversFor(trust, policy, stage.Groups, by, now),
		}
	}
	if b := role.BreakGlass; b != nil && slices.ContainsFunc(b.Requesters, func(g string) bool { return slices.Contains(by.Groups, g) }) {
		shown.BreakGlass = &api.BreakGlassRule{
			LongestSeconds: wholeSeconds(b.Longest), ReviewGroups: list(b.Review.Groups), ReviewWithinSeconds: wholeSeconds(b.Review.Within),
		}
	}
	return shown
}
