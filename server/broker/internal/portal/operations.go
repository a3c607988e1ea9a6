package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"stint/server/api"
)

// maxBody bounds every JSON body. The longest legitimate one carries an ID token
// and two statements.
const maxBody = 128 << 10

// readTimeout bounds the arrival of a body, and with it a call.
const readTimeout = time.Minute

// Security schemes of the OpenAPI document.
const (
	schemeCookie = "session"
	schemeBearer = "bearer"
)

func init() {
	// huma keeps these for the whole process; the portal is its one home.
	huma.DefaultArrayNullable = false
	huma.ValidateStrictCasing = true
	huma.NewError = func(status int, message string, causes ...error) huma.StatusError {
		return inputProblem(status, message, causes)
	}
	huma.NewErrorWithContext = func(_ huma.Context, status int, message string, causes ...error) huma.StatusError {
		return inputProblem(status, message, causes)
	}
}

// newAPI makes the typed API on a gin engine, without operations.
func newAPI(engine *gin.Engine) huma.API {
	config := huma.DefaultConfig("Stint", "1")
	config.Info.Description = "The broker's API: asking, approving, taking away, sessions, recordings and the audit log. " +
		"Errors are RFC 9457 problem documents with a stable code."
	config.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	config.CreateHooks = nil
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.RejectUnknownQueryParameters = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		schemeCookie: {Type: "apiKey", In: "cookie", Name: "stint_{instance}",
			Description: "The portal's session cookie. Everything but GET then needs an Origin header that is the portal's own."},
		schemeBearer: {Type: "http", Scheme: "bearer", Description: "The command line's token, from POST " + api.PathSignIn + "."},
	}
	return humagin.New(engine, config)
}

// body wraps a JSON answer for huma.
type body[T any] struct {
	Body T
}

// nothing is the answer of operations that return none.
type nothing struct{}

// operation registers one operation. Everything needs a signed-in caller unless
// it is said otherwise here, so that a new operation cannot forget it.
func operation[I, O any](on registrar, method, path, id, summary string, handle func(context.Context, *I) (*O, error), options ...option) {
	op := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary,
		MaxBodyBytes: maxBody,
		// Longer than any call takes: the deadline stays on the connection, and
		// when it passes the request's context ends.
		BodyReadTimeout: readTimeout,
		Security:        []map[string][]string{{schemeCookie: {}}, {schemeBearer: {}}},
		Tags:            []string{on.tag},
	}
	open := false
	for _, o := range options {
		o(&op, &open)
	}
	if open {
		op.Security = []map[string][]string{{}}
		op.Middlewares = append(op.Middlewares, on.bounded)
	} else {
		op.Middlewares = append(op.Middlewares, on.authenticate)
	}
	huma.Register(on.api, op, func(ctx context.Context, in *I) (*O, error) {
		// Only now that all of the input is here: a turn waits for no slow sender.
		if op.Metadata[heavy] == true {
			end, ok := on.turns.begin(ctx, personOf(ctx).Subject)
			if !ok {
				return nil, tooMuchWork()
			}
			defer end()
		}
		out, err := handle(ctx, in)
		if err != nil {
			return nil, on.problem(ctx, err)
		}
		return out, nil
	})
}

// registrar is where operations are registered, and under which heading.
type registrar struct {
	api          huma.API
	authenticate func(huma.Context, func(huma.Context))
	bounded      func(huma.Context, func(huma.Context)) // in its place
	turns        *turns
	problem      func(context.Context, error) *api.Error
	tag          string
}

func (r registrar) tagged(tag string) registrar {
	r.tag = tag
	return r
}

type option func(op *huma.Operation, open *bool)

// cost is, in an operation's metadata, how many simple calls one of a stranger's
// counts as.
const cost = "cost"

// withoutSignIn opens an operation to everybody, as often as strangers may call.
func withoutSignIn(price int) option {
	return func(op *huma.Operation, open *bool) {
		mark(op, cost, price)
		*open = true
	}
}

// unconfirmed marks, in an operation's metadata, what whileUnconfirmed lets in.
const unconfirmed = "unconfirmed"

// whileUnconfirmed lets in a sign-in that still waits for its person's passkey.
func whileUnconfirmed() option {
	return func(op *huma.Operation, _ *bool) { mark(op, unconfirmed, true) }
}

// mark adds to an operation's metadata.
func mark(op *huma.Operation, key string, value any) {
	if op.Metadata == nil {
		op.Metadata = map[string]any{}
	}
	op.Metadata[key] = value
}

// created says that success is 201.
func created() option {
	return func(op *huma.Operation, _ *bool) { op.DefaultStatus = http.StatusCreated }
}

// answersBytes documents an answer that is not JSON.
func answersBytes(media, text string) option {
	return func(op *huma.Operation, _ *bool) {
		op.Responses = map[string]*huma.Response{"200": {
			Description: text,
			Content:     map[string]*huma.MediaType{media: {Schema: &huma.Schema{Type: "string", Format: "binary"}}},
		}}
	}
}

// OpenAPI returns the API's OpenAPI 3.1 document.
func OpenAPI() ([]byte, error) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	described := newAPI(engine)
	(&Portal{}).register(described)
	return encodeOpenAPI(described)
}

func encodeOpenAPI(described huma.API) ([]byte, error) {
	document, err := json.Marshal(described.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("encoding the OpenAPI document: %w", err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, document, "", "  "); err != nil {
		return nil, fmt.Errorf("encoding the OpenAPI document: %w", err)
	}
	indented.WriteByte('\n')
	return indented.Bytes(), nil
}

// Inputs that several operations share.
type (
	noInput      struct{}
	requestInput struct {
		ID string `path:"id" maxLength:"64" doc:"of a request"`
	}
	requestBody[T any] struct {
		ID   string `path:"id" maxLength:"64" doc:"of a request"`
		Body T
	}
	sessionInput struct {
		Session string `path:"session" maxLength:"64" doc:"of a session"`
	}
	sessionBody[T any] struct {
		Session string `path:"session" maxLength:"64" doc:"of a session"`
		Body    T
	}
	credentialInput struct {
		Credential string `path:"credential" maxLength:"1400" doc:"WebAuthn credential id, base64url"`
	}
	credentialBody[T any] struct {
		Credential string `path:"credential" maxLength:"1400" doc:"WebAuthn credential id, base64url"`
		Body       T
	}
	enrolmentInput struct {
		Enrolment string `path:"enrolment" maxLength:"64" doc:"of an enrolment"`
	}
	enrolmentBody[T any] struct {
		Enrolment string `path:"enrolment" maxLength:"64" doc:"of an enrolment"`
		Body      T
	}
	confirmationInput struct {
		Code string `path:"code" maxLength:"64" doc:"of a sign-in that waits for a passkey"`
	}
	confirmationBody[T any] struct {
		Code string `path:"code" maxLength:"64" doc:"of a sign-in that waits for a passkey"`
		Body T
	}
	onlyBody[T any] struct {
		Body T
	}
)

type requestsInput struct {
	View   string   `query:"view" enum:"mine,to-approve,all" default:"mine" doc:"all is for reviewers"`
	State  []string `query:"state" enum:"pending,approved,active,denied,withdrawn,expired,ended" doc:"one or more, with commas between"`
	Limit  int      `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string   `query:"cursor" maxLength:"256"`
}

type sessionsInput struct {
	Request string `query:"request" maxLength:"64"`
	Person  string `query:"person" maxLength:"512" doc:"subject, or part of name or e-mail"`
	Target  string `query:"target" maxLength:"63"`
	Live    bool   `query:"live" doc:"live sessions only"`
	Limit   int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor  string `query:"cursor" maxLength:"256"`
}

type auditInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" maxLength:"256"`
}

type auditLogInput struct {
	From  int64 `query:"from" minimum:"0" default:"0" doc:"index of the first leaf"`
	Limit int   `query:"limit" minimum:"1" maximum:"1000" default:"500"`
}

// register declares every operation of the API.
func (p *Portal) register(on huma.API) {
	r := registrar{api: on, authenticate: p.authenticateHuma, turns: p.turns, bounded: p.boundedHuma, problem: p.problem}
	p.registerPeople(r.tagged("people"))
	p.registerTargets(r.tagged("targets"))
	p.registerRequests(r.tagged("requests"))
	p.registerReviews(r.tagged("requests"))
	p.registerDelegations(r.tagged("delegations"))
	p.registerPolicy(r.tagged("policy"))
	p.registerSessions(r.tagged("sessions"))
	p.registerPasskeys(r.tagged("passkeys"))
	p.registerChanges(r.tagged("changes"))
	p.registerDevices(r.tagged("devices"))
	p.registerAudit(r.tagged("audit"))
	p.registerLedger(r.tagged("ledger"))
	p.registerKeys(r.tagged("keys"))
	p.registerProxies(r.tagged("proxies"))
}

func (p *Portal) registerPeople(r registrar) {
	operation(r, http.MethodGet, api.PathHealth, "health", "Whether the broker can do its work", p.health, withoutSignIn(simply))
	operation(r, http.MethodGet, api.PathConfiguration, "configuration", "What a command line needs before it signs in", p.configuration, withoutSignIn(simply))
	operation(r, http.MethodPost, api.PathSignIn, "sign-in", "Sign the command line in", p.signIn, withoutSignIn(aSignIn))
	operation(r, http.MethodPost, api.PathLogout, "logout", "End the caller's own session or token", p.logout, whileUnconfirmed())
	operation(r, http.MethodGet, api.PathMe, "me", "The caller", p.me)
	operation(r, http.MethodGet, api.PathTrust, "trust", "Whom to believe, and where the proxies are", p.trust)
	operation(r, http.MethodGet, api.PathBeginning, "beginning", "The first policy and the first administrators, proven to be in the signer's ledger", p.beginning)
	operation(r, http.MethodGet, api.PathConfirmations, "confirmation", "A sign-in that waits for its person's passkey", p.confirmation, whileUnconfirmed())
	operation(r, http.MethodPost, api.PathConfirmChallenge, "confirmation-challenge", "The text that confirms a sign-in", p.confirmationChallenge)
	operation(r, http.MethodPost, api.PathConfirm, "confirm", "Confirm a sign-in with a passkey", p.confirm)
}

func (p *Portal) registerRequests(r registrar) {
	operation(r, http.MethodGet, api.PathRoles, "roles", "What the caller may ask for", p.roles)
	operation(r, http.MethodPost, api.PathDecisions, "decide", "What policy would say; nothing is stored", p.decide)
	operation(r, http.MethodGet, api.PathRequests, "requests", "A page of requests, newest first", p.requests)
	operation(r, http.MethodPost, api.PathRequests, "ask", "Ask for access", p.ask, created())
	operation(r, http.MethodGet, api.PathRequest, "request", "A request with all that became of it", p.request)
	operation(r, http.MethodPost, api.PathChallenge, "approval-challenge", "The text an approver is to sign", p.challenge)
	operation(r, http.MethodPost, api.PathApprovals, "approve", "Approve with a passkey's signature", p.approve)
	operation(r, http.MethodPost, api.PathDeny, "deny", "An approver says no", p.deny)
	operation(r, http.MethodPost, api.PathWithdraw, "withdraw", "The requester takes a pending request back", p.withdraw)
	operation(r, http.MethodPost, api.PathDrop, "drop", "The requester is done", p.drop)
	operation(r, http.MethodPost, api.PathRevoke, "revoke", "End a grant", p.revoke)
	operation(r, http.MethodPost, api.PathActivations, "activate", "Ask for a certificate for a session key", p.activate)
	operation(r, http.MethodPost, api.PathReissue, "reissue", "The certificate that counts in the place of one", p.reissue, withoutSignIn(aSignature))
	operation(r, http.MethodGet, api.PathEvidence, "evidence", "What proves approvals and issues, to be checked offline", p.evidence)
}

func (p *Portal) registerSessions(r registrar) {
	operation(r, http.MethodGet, api.PathSessions, "sessions", "A page of sessions, live first, then newest first", p.sessions)
	operation(r, http.MethodGet, api.PathSession, "session", "A session", p.session)
	operation(r, http.MethodPost, api.PathKill, "kill", "Close one live session", p.kill)
	operation(r, http.MethodPost, api.PathPresenceChallenge, "presence-challenge", "The text by which whose session it is says that they are there", p.presenceChallenge)
	operation(r, http.MethodPost, api.PathPresence, "presence", "Confirm with a passkey's signature that you are there", p.presence)
	operation(r, http.MethodPost, api.PathHold, "hold", "Keep a recording from being removed", p.hold)
	operation(r, http.MethodPost, api.PathRelease, "release", "Lift the legal hold of a recording", p.release)
	operation(r, http.MethodGet, api.PathEvents, "session-events", "A recording's decoded events, for players", p.events,
		answersBytes(api.EventsFormat, "Frames; see the description of the format in the documentation."))
	operation(r, http.MethodGet, api.PathRecordingFile, "recording", "The recording itself; ranges are supported", p.recording,
		answersBytes("application/octet-stream", "The recording's bytes."))
}

func (p *Portal) registerPasskeys(r registrar) {
	operation(r, http.MethodGet, api.PathPasskeys, "passkeys", "The caller's own passkeys", p.passkeys)
	operation(r, http.MethodPatch, api.PathPasskey, "rename-passkey", "Rename a passkey", p.renamePasskey)
	operation(r, http.MethodDelete, api.PathPasskey, "remove-passkey", "Remove a passkey", p.removePasskey)
	operation(r, http.MethodPost, api.PathRegistration, "start-registration", "Begin to register a passkey", p.startRegistration)
	operation(r, http.MethodGet, api.PathEnrolments, "enrolments", "Enrolments that wait: the caller's own, and those an administrator may sign", p.enrolments)
	operation(r, http.MethodPost, api.PathEnrolments, "finish-registration", "Hand in the authenticator's answer", p.finishRegistration, created())
	operation(r, http.MethodPost, api.PathPossession, "prove-possession", "The new passkey signs the enrolment", p.possession)
	operation(r, http.MethodPost, api.PathAuthorisation, "authorise", "An authority signs the enrolment", p.authorise)
	operation(r, http.MethodPost, api.PathAuthChallenge, "authorisation-challenge", "The text an authority's passkey is to sign", p.authorisationChallenge)
	operation(r, http.MethodPost, api.PathRejectEnrolment, "reject-enrolment", "Say no to an enrolment", p.rejectEnrolment)
}

func (p *Portal) registerAudit(r registrar) {
	operation(r, http.MethodGet, api.PathAudit, "audit", "The audit log, newest first", p.audit)
	operation(r, http.MethodGet, api.PathAuditLog, "audit-log", "Leaves of the audit log with a signed checkpoint", p.auditLog)
}
