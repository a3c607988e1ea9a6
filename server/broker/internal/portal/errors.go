package portal

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"stint/recorder/cast"
	"stint/server/access"
	"stint/server/api"
	"stint/server/broker/internal/login"
	"stint/server/broker/internal/passkeys"
)

// statuses are the answers to the flow's problems.
var statuses = map[access.Problem]int{
	access.Invalid: http.StatusUnprocessableEntity, access.Unauthenticated: http.StatusUnauthorized,
	access.Forbidden: http.StatusForbidden, access.NotFound: http.StatusNotFound, access.Conflict: http.StatusConflict,
	access.PolicyRefused: http.StatusForbidden, access.SignerRefused: http.StatusForbidden, access.Unavailable: http.StatusServiceUnavailable,
}

// statusClientGone is for the log alone: whoever asked did not wait for the
// answer, as a page does not that is left. No RFC has a number for it; this one
// is widely used.
const statusClientGone = 499

// problem turns any error of a handler into what the caller sees. What is no
// refusal is logged, and told without its cause.
func (p *Portal) problem(ctx context.Context, err error) *api.Error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return &api.Error{Status: statusClientGone, Code: "request.abandoned", Title: "The request was given up before it was answered."}
	}
	problem := problemOf(err)
	if problem.Status >= http.StatusInternalServerError {
		p.log.Error("a request failed", "request_id", requestID(ctx), "code", problem.Code, "error", err)
	} else {
		p.log.Debug("a request was refused", "request_id", requestID(ctx), "code", problem.Code, "error", err)
	}
	return problem
}

func problemOf(err error) *api.Error {
	var ready *api.Error
	var flow *access.Error
	var refusal *login.Refusal
	switch {
	case errors.As(err, &ready):
		return ready
	case errors.As(err, &flow) && statuses[flow.Problem] != 0:
		return flowProblem(flow)
	case errors.As(err, &refusal):
		return &api.Error{Status: http.StatusForbidden, Code: refusal.Code, Title: refusal.Message}
	case errors.Is(err, login.ErrUnavailable):
		return &api.Error{Status: http.StatusServiceUnavailable, Code: "provider.unavailable", Title: "The identity provider does not answer, so nobody can sign in now; try again in a moment."}
	case errors.Is(err, passkeys.ErrCeremony):
		return &api.Error{Status: http.StatusConflict, Code: "registration.over", Title: "This registration was used or took too long; begin again."}
	case errors.Is(err, passkeys.ErrAnswer):
		return &api.Error{Status: http.StatusUnprocessableEntity, Code: "registration.refused", Title: "The authenticator's answer was not accepted; begin again.",
			Fields: []api.FieldError{{Field: "body.credential", Message: "does not fit this registration"}}}
	case errors.Is(err, fs.ErrNotExist):
		return &api.Error{Status: http.StatusNotFound, Code: "recording.not-found", Title: "No byte of this recording has arrived yet; try again in a moment."}
	case errors.Is(err, cast.ErrNoKey):
		return &api.Error{Status: http.StatusConflict, Code: "recording.no-key", Title: "This recording is encrypted, and this broker has no key for it. Whoever has one opens it with: stint play FILE --identity KEY."}
	default:
		return internalProblem(0)
	}
}

func flowProblem(e *access.Error) *api.Error {
	problem := &api.Error{Status: statuses[e.Problem], Code: e.Code, Title: e.Message}
	for _, field := range e.Fields {
		problem.Fields = append(problem.Fields, api.FieldError{Field: "body." + field.Field, Message: field.Message})
	}
	if e.Decision != nil {
		var unmet []string
		for _, reason := range e.Decision.Reasons {
			if !reason.Met {
				unmet = append(unmet, reason.Text)
			}
		}
		problem.Detail = strings.Join(unmet, " ")
	}
	return problem
}

// wrong refuses one field of the input.
func wrong(field, message string) *api.Error {
	return &api.Error{
		Status: http.StatusUnprocessableEntity, Code: access.CodeInvalid, Title: message,
		Fields: []api.FieldError{{Field: field, Message: message}},
	}
}

// inputProblem turns what huma found wrong with an input into the one shape of
// errors. Values are never echoed: they may be tokens or statements.
func inputProblem(status int, message string, causes []error) *api.Error {
	problem := &api.Error{Status: status}
	for _, cause := range causes {
		var detail *huma.ErrorDetail
		if errors.As(cause, &detail) && detail.Location != "" {
			problem.Fields = append(problem.Fields, fieldError(detail))
		}
	}
	switch status {
	case http.StatusUnprocessableEntity:
		problem.Code, problem.Title = access.CodeInvalid, "Some of what was sent is wrong; correct the fields named and try again."
	case http.StatusBadRequest:
		problem.Code, problem.Title = "input.malformed", "The body is not the JSON that this call expects."
		if strings.Contains(message, "required") {
			problem.Title = "This call needs a JSON body."
		}
	case http.StatusRequestEntityTooLarge:
		problem.Code, problem.Title = "input.too-large", "The body is too large for this call."
	case http.StatusUnsupportedMediaType:
		problem.Code, problem.Title = "input.media-type", "Send the body as application/json."
	case http.StatusRequestTimeout:
		problem.Code, problem.Title = "input.timeout", "The body did not arrive in time; try again."
	default:
		if status >= http.StatusInternalServerError || status == 0 {
			return internalProblem(status)
		}
		problem.Code, problem.Title = "input.refused", "The call was refused as it was sent."
	}
	return problem
}

// required is how huma says that a property is missing; its location is then the
// object around it.
var required = regexp.MustCompile(`^expected required property (\S+) to be present$`)

func fieldError(detail *huma.ErrorDetail) api.FieldError {
	if missing := required.FindStringSubmatch(detail.Message); missing != nil {
		return api.FieldError{Field: detail.Location + "." + missing[1], Message: "is required"}
	}
	return api.FieldError{Field: detail.Location, Message: detail.Message}
}

func internalProblem(status int) *api.Error {
	if status == 0 {
		status = http.StatusInternalServerError
	}
	return &api.Error{Status: status, Code: "internal", Title: "Something went wrong on our side; try again, and tell your operators the request id if it stays."}
}
