package portal

import (
	"context"
	"net/http"

	"stint/server/access"
	"stint/server/api"
)

type (
	roleInput struct {
		Name string `path:"name" maxLength:"63" doc:"of a role"`
	}
	pageInput struct {
		Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
		Cursor string `query:"cursor" maxLength:"2048"`
	}
	delegationBody[T any] struct {
		Delegation string `path:"delegation" maxLength:"64" doc:"of a delegation"`
		Body       T
	}
)

// awaited stands where a handler is still to come.
func awaited[I, O any](context.Context, *I) (*O, error) {
	return nil, &access.Error{Problem: access.Unavailable, Code: "not-yet", Message: "This is not there yet."}
}

func (p *Portal) registerPolicy(r registrar) {
	operation(r, http.MethodGet, api.PathPolicyRoles, "policy-roles", "The roles of the policy in force", awaited[noInput, body[api.PolicyRoles]])
	operation(r, http.MethodGet, api.PathPolicyRole, "policy-role", "Everything about a role", awaited[roleInput, body[api.PolicyRole]])
	operation(r, http.MethodGet, api.PathPolicyPeople, "policy-people", "Everybody who is known, for the command line's analyses", awaited[noInput, body[api.Population]])
	operation(r, http.MethodPost, api.PathPolicySimulate, "simulate", "What policy would say to somebody; nothing is stored", awaited[onlyBody[api.WhatIf], body[api.Decision]], largeBody())
	operation(r, http.MethodPost, api.PathPolicyCheck, "check-policy", "What is to be said of a policy before anybody proposes it; nothing is stored", awaited[onlyBody[api.PolicyFiles], body[api.PolicyCheck]], largeBody())
	operation(r, http.MethodGet, api.PathPolicySeparation, "separation", "Who can have what beside what", awaited[pageInput, body[api.SeparationMatrix]])
	operation(r, http.MethodGet, api.PathPolicyHistory, "policy-history", "Recorded requests as facts that policy decides by", awaited[pageInput, body[api.RecordedRequests]])
}

func (p *Portal) registerDelegations(r registrar) {
	operation(r, http.MethodGet, api.PathDelegations, "delegations", "The caller's delegations, given and taken", awaited[noInput, body[api.Delegations]])
	operation(r, http.MethodPost, api.PathDelegationChallenge, "delegation-challenge", "The text by which the caller lets somebody approve on their behalf", awaited[onlyBody[api.DelegationDraft], body[api.SigningChallenge]])
	operation(r, http.MethodPost, api.PathDelegations, "delegate", "Delegate with a passkey's signature", awaited[onlyBody[api.SignedStatement], body[api.Delegation]], created())
	operation(r, http.MethodPost, api.PathEndDelegation, "end-delegation", "End a delegation before its time", awaited[delegationBody[api.Taking], body[api.Delegation]])
}

func (p *Portal) registerReviews(r registrar) {
	operation(r, http.MethodPost, api.PathAskChallenge, "ask-challenge", "The text by which the requester confirms what they ask for", awaited[requestInput, body[api.SigningChallenge]])
	operation(r, http.MethodPost, api.PathAskConfirmation, "confirm-ask", "The requester confirms what they ask for with a passkey", awaited[requestBody[api.SignedStatement], body[api.Request]])
	operation(r, http.MethodPost, api.PathReviewChallenge, "review-challenge", "The text that closes the review of an emergency", awaited[requestBody[api.ReviewDraft], body[api.SigningChallenge]])
	operation(r, http.MethodPost, api.PathReview, "review", "Close the review of an emergency with a passkey's signature", awaited[requestBody[api.SignedStatement], body[api.Request]])
	operation(r, http.MethodGet, api.PathReviews, "reviews", "Emergencies that nobody has reviewed", awaited[noInput, body[api.Reviews]])
	operation(r, http.MethodGet, api.PathNews, "news", "What the caller was told and has not answered", awaited[noInput, body[api.News]])
}
