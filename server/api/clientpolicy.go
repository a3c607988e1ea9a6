package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// PolicyRoles lists the roles of the policy in force.
func (c *Client) PolicyRoles(ctx context.Context) (PolicyRoles, error) {
	return call[PolicyRoles](ctx, c, http.MethodGet, PathPolicyRoles, nil, nil)
}

// PolicyRole returns everything about a role.
func (c *Client) PolicyRole(ctx context.Context, name string) (PolicyRole, error) {
	return call[PolicyRole](ctx, c, http.MethodGet, expand(PathPolicyRole, name), nil, nil)
}

// PolicyPeople returns everybody who is known.
func (c *Client) PolicyPeople(ctx context.Context) (Population, error) {
	return call[Population](ctx, c, http.MethodGet, PathPolicyPeople, nil, nil)
}

// Simulate says what policy would say to somebody.
func (c *Client) Simulate(ctx context.Context, in WhatIf) (Decision, error) {
	return call[Decision](ctx, c, http.MethodPost, PathPolicySimulate, nil, in)
}

// CheckPolicy says what is to be said of a policy before anybody proposes it.
func (c *Client) CheckPolicy(ctx context.Context, in PolicyFiles) (PolicyCheck, error) {
	return call[PolicyCheck](ctx, c, http.MethodPost, PathPolicyCheck, nil, in)
}

// Separation returns a page of who can have what beside what; cursor is of the page before.
func (c *Client) Separation(ctx context.Context, cursor string) (SeparationMatrix, error) {
	query := url.Values{}
	set(query, "cursor", cursor)
	return call[SeparationMatrix](ctx, c, http.MethodGet, PathPolicySeparation, query, nil)
}

// PolicyHistory returns a page of recorded requests, newest first; limit 0 is the
// broker's default, and cursor is of the page before.
func (c *Client) PolicyHistory(ctx context.Context, limit int, cursor string) (RecordedRequests, error) {
	query := url.Values{}
	set(query, "cursor", cursor)
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	return call[RecordedRequests](ctx, c, http.MethodGet, PathPolicyHistory, query, nil)
}
