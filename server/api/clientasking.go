package api

import (
	"context"
	"net/http"
)

// AskChallenge returns the text by which the caller confirms what they ask for.
func (c *Client) AskChallenge(ctx context.Context, id string) (SigningChallenge, error) {
	return call[SigningChallenge](ctx, c, http.MethodPost, expand(PathAskChallenge, id), nil, nil)
}

// ConfirmAsk hands in the confirmation.
func (c *Client) ConfirmAsk(ctx context.Context, id string, in SignedStatement) (Request, error) {
	return call[Request](ctx, c, http.MethodPost, expand(PathAskConfirmation, id), nil, in)
}

// ReviewChallenge returns the text that closes the review of an emergency.
func (c *Client) ReviewChallenge(ctx context.Context, id string, in ReviewDraft) (SigningChallenge, error) {
	return call[SigningChallenge](ctx, c, http.MethodPost, expand(PathReviewChallenge, id), nil, in)
}

// Review hands in the review of an emergency.
func (c *Client) Review(ctx context.Context, id string, in SignedStatement) (Request, error) {
	return call[Request](ctx, c, http.MethodPost, expand(PathReview, id), nil, in)
}

// Reviews lists emergencies that nobody has reviewed.
func (c *Client) Reviews(ctx context.Context) (Reviews, error) {
	return call[Reviews](ctx, c, http.MethodGet, PathReviews, nil, nil)
}

// News lists what the caller was told and that still waits.
func (c *Client) News(ctx context.Context) (News, error) {
	return call[News](ctx, c, http.MethodGet, PathNews, nil, nil)
}

// Delegations returns the caller's delegations.
func (c *Client) Delegations(ctx context.Context) (Delegations, error) {
	return call[Delegations](ctx, c, http.MethodGet, PathDelegations, nil, nil)
}

// DelegationChallenge returns the text by which the caller delegates.
func (c *Client) DelegationChallenge(ctx context.Context, in DelegationDraft) (SigningChallenge, error) {
	return call[SigningChallenge](ctx, c, http.MethodPost, PathDelegationChallenge, nil, in)
}

// Delegate hands in a delegation.
func (c *Client) Delegate(ctx context.Context, in SignedStatement) (Delegation, error) {
	return call[Delegation](ctx, c, http.MethodPost, PathDelegations, nil, in)
}

// EndDelegation ends a delegation before its time.
func (c *Client) EndDelegation(ctx context.Context, id string, in Taking) (Delegation, error) {
	return call[Delegation](ctx, c, http.MethodPost, expand(PathEndDelegation, id), nil, in)
}
