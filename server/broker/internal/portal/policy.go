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
