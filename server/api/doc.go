// Package api is the contract of the broker's HTTP API: request and response
// types, the paths, and a Go client. The OpenAPI 3.1 document at
// /api/openapi.json is made from these types; the portal's TypeScript types and
// the command line come from it or from here.
//
// Every body is JSON in which unknown fields are refused. Errors are RFC 9457
// problem documents with a stable code (see Error). Lists are pages: items and,
// while there is more, a cursor to pass on as ?cursor=. Times are RFC 3339 in
// UTC; durations are whole seconds in fields that end in _seconds.
//
// Who calls is known by the portal's session cookie (writes then need an Origin
// header that is the portal's own) or by a bearer token of the command line.
package api

// Paths, relative to the broker's URL. {id} is a request id, {session} a session
// id, {credential} a WebAuthn credential id, {enrolment} an enrolment id.
const (
	PathConfiguration = "/api/configuration" // GET -> Configuration, no authentication: what the command line needs to sign in

	PathMe     = "/api/me"     // GET -> Me
	PathSignIn = "/api/login"  // POST LoginRequest -> LoginResult: the command line's sign-in
	PathLogout = "/api/logout" // POST: ends the caller's own session or token

	PathRoles     = "/api/roles"     // GET -> Roles: what the caller may ask for
	PathDecisions = "/api/decisions" // POST Ask -> Decision: what policy would say, nothing stored

	PathRequests    = "/api/requests"                  // GET ?view=mine|to-approve|all&state=&limit=&cursor= -> Requests; POST Ask -> Request
	PathRequest     = "/api/requests/{id}"             // GET -> Request
	PathChallenge   = "/api/requests/{id}/challenge"   // POST ApprovalDraft -> SigningChallenge: the text an approver is to sign
	PathApprovals   = "/api/requests/{id}/approvals"   // POST SignedStatement -> Request
	PathDeny        = "/api/requests/{id}/deny"        // POST Taking -> Request; an approver says no
	PathWithdraw    = "/api/requests/{id}/withdraw"    // POST Taking -> Request; the requester takes a pending one back
	PathDrop        = "/api/requests/{id}/drop"        // POST Taking -> Request; the requester is done
	PathRevoke      = "/api/requests/{id}/revoke"      // POST Taking -> Request; an approver, reviewer or administrator ends it
	PathActivations = "/api/requests/{id}/activations" // POST Activation -> Certificate
	PathReissue     = "/api/certificates/reissue"      // POST Reissue -> Reissued, no authentication: what counts in the place of a certificate
	PathEvidence    = "/api/requests/{id}/evidence"    // GET -> Evidence

	PathAskChallenge    = "/api/requests/{id}/confirmation/challenge" // POST -> SigningChallenge: by which the requester confirms what they ask for
	PathAskConfirmation = "/api/requests/{id}/confirmation"           // POST SignedStatement -> Request
	PathReviewChallenge = "/api/requests/{id}/review/challenge"       // POST ReviewDraft -> SigningChallenge: that closes the review of an emergency
	PathReview          = "/api/requests/{id}/review"                 // POST SignedStatement -> Request
	PathReviews         = "/api/reviews"                              // GET -> Reviews: emergencies that nobody has reviewed
	PathNews            = "/api/news"                                 // GET -> News: what the caller was told and has not answered

	PathSessions          = "/api/sessions"                              // GET ?request=&person=&target=&live=&limit=&cursor= -> Sessions
	PathSession           = "/api/sessions/{session}"                    // GET -> Session
	PathKill              = "/api/sessions/{session}/kill"               // POST Taking -> Session
	PathPresenceChallenge = "/api/sessions/{session}/presence/challenge" // POST -> SigningChallenge
	PathPresence          = "/api/sessions/{session}/presence"           // POST SignedStatement -> Session: its person is there
	PathHold              = "/api/sessions/{session}/hold"               // POST Taking -> Session: nobody removes its recording
	PathRelease           = "/api/sessions/{session}/release"            // POST Taking -> Session: the hold is lifted
	PathEvents            = "/api/sessions/{session}/events"             // GET -> decoded events, application/vnd.stint.events (see EventsFormat)
	PathRecordingFile     = "/api/sessions/{session}/recording"          // GET -> the recording itself, as recorder/cast describes (see RecordingKeys)

	PathPasskeys        = "/api/passkeys"                             // GET -> Passkeys: the caller's own
	PathPasskey         = "/api/passkeys/{credential}"                // PATCH PasskeyName; DELETE
	PathRegistration    = "/api/passkeys/registration"                // POST RegistrationStart -> RegistrationOptions
	PathEnrolments      = "/api/enrolments"                           // GET -> Enrolments: the caller's own, and those an administrator may sign; POST Registration -> Enrolment
	PathPossession      = "/api/enrolments/{enrolment}/possession"    // POST SignedStatement -> Enrolment: by the new passkey
	PathAuthorisation   = "/api/enrolments/{enrolment}/authorisation" // POST Authorisation -> Enrolment
	PathAuthChallenge   = "/api/enrolments/{enrolment}/challenge"     // POST -> SigningChallenge: for the administrator's (or own earlier) passkey
	PathRejectEnrolment = "/api/enrolments/{enrolment}/reject"        // POST Taking -> Enrolment

	PathConfirmations    = "/api/login/confirmations/{code}"           // GET -> LoginConfirmation: what the device-flow page shows
	PathConfirmChallenge = "/api/login/confirmations/{code}/challenge" // POST -> SigningChallenge
	PathConfirm          = "/api/login/confirmations/{code}/confirm"   // POST SignedStatement

	PathTrust        = "/api/trust"           // GET -> Trust: whom to believe, where the proxies are
	PathBeginning    = "/api/trust/beginning" // GET -> Evidence: the first policy and the first administrators, proven
	PathTargetTrust  = "/api/trust/targets"   // GET ?from= -> TargetTrust, no authentication: whose certificates open targets
	PathRotateKeys   = "/api/keys/rotate"     // POST KeyRotation -> KeysRotated: administrators
	PathProxies      = "/api/proxies"         // GET -> ProxyList
	PathAudit        = "/api/audit"           // GET ?cursor=&limit= -> AuditEvents, newest first
	PathAuditLog     = "/api/audit/log"       // GET ?from=&limit= -> AuditLog: leaves and checkpoint, for stint audit verify
	PathOpenAPI      = "/api/openapi.json"
	PathHealth       = "/healthz"       // GET, no authentication
	PathPortalSignIn = "/auth/login"    // GET ?return_to=: starts OpenID Connect sign-in
	PathCallback     = "/auth/callback" // GET: the provider comes back here
)

// Error is an RFC 9457 problem document.
type Error struct {
	Status int          `json:"status"`
	Code   string       `json:"code" doc:"stable, for programs, for example request.not-pending"`
	Title  string       `json:"title" doc:"one sentence that tells the user what to do"`
	Detail string       `json:"detail,omitempty"`
	Fields []FieldError `json:"fields,omitempty" doc:"which fields of the input are wrong, and how"`
}

// FieldError names one field of the input that is wrong.
type FieldError struct {
	Field   string `json:"field" doc:"for example body.duration_seconds"`
	Message string `json:"message"`
}

// Error gives the code and the sentence.
func (e *Error) Error() string { return e.Code + ": " + e.Title }

// GetStatus is Status.
func (e *Error) GetStatus() int { return e.Status }

// ContentType is the media type of RFC 9457 in the place of JSON's.
func (e *Error) ContentType(string) string { return "application/problem+json" }
