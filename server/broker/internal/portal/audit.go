package portal

import (
	"context"
	"encoding/base64"

	"stint/server/access"
	"stint/server/api"
)

func (p *Portal) audit(ctx context.Context, in *auditInput) (*body[api.AuditEvents], error) {
	before, err := fromCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	leaves, next, err := p.config.Flow.Audit(ctx, personOf(ctx), before, in.Limit)
	if err != nil {
		return nil, err
	}
	checkpoint, _, err := p.config.Store.Checkpoint(ctx, p.config.Audit.Origin, p.config.Audit.Signer)
	if err != nil {
		return nil, err
	}
	page := api.AuditEvents{Items: make([]api.AuditEvent, len(leaves)), Cursor: toCursor(next), Checkpoint: checkpoint}
	for i, leaf := range leaves {
		page.Items[i] = toAuditEvent(leaf)
	}
	return &body[api.AuditEvents]{page}, nil
}

func toAuditEvent(leaf access.AuditLeaf) api.AuditEvent {
	e := leaf.Event
	return api.AuditEvent{
		Index: leaf.Index, Time: e.Time.UTC(), Kind: e.Kind, Actor: toActor(e.Actor), Request: e.Request, Session: e.Session,
		Text: e.Text, Data: e.Data, Hash: base64.StdEncoding.EncodeToString(leaf.Hash[:]),
	}
}

// auditLog gives leaves exactly as they were hashed, for a check of the whole
// log by somebody else.
func (p *Portal) auditLog(ctx context.Context, in *auditLogInput) (*body[api.AuditLog], error) {
	if err := p.config.Flow.MayAudit(ctx, personOf(ctx)); err != nil {
		return nil, err
	}
	leaves, checkpoint, err := p.config.Store.AuditPage(ctx, in.From, in.Limit, p.config.Audit.Origin, p.config.Audit.Signer)
	if err != nil {
		return nil, err
	}
	page := api.AuditLog{From: in.From, Leaves: make([]api.AuditLeaf, len(leaves)), Checkpoint: checkpoint, Key: p.config.Audit.Verifier}
	for i, leaf := range leaves {
		page.Leaves[i] = api.AuditLeaf{Data: string(leaf.Data), Hash: base64.StdEncoding.EncodeToString(leaf.Hash[:])}
	}
	return &body[api.AuditLog]{page}, nil
}
