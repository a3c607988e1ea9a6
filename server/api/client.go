package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds an answer that is decoded in memory.
const maxAnswer = 32 << 20

// callTimeout bounds one call whose context has no deadline of its own.
// Recordings are streamed and bounded by their context alone.
const callTimeout = 30 * time.Second

// Client calls a broker's API. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// NewClient makes a client for the broker at base (its URL as people type it).
// Token is the bearer token of a sign-in, or empty; then httpClient's cookie jar
// carries a portal session. A nil httpClient means one without cookies.
func NewClient(base, token string, httpClient *http.Client) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a Stint portal, such as https://stint.example.com", base)
	}
	if httpClient == nil {
		httpClient = &http.Client{}
	}
	return &Client{base: &url.URL{Scheme: u.Scheme, Host: u.Host}, token: token, http: httpClient}, nil
}

// URL is the broker's URL, without a path.
func (c *Client) URL() string { return c.base.String() }

// expand puts values into the {placeholders} of a path, escaped, in order.
func expand(path string, values ...string) string {
	for _, value := range values {
		open, end := strings.IndexByte(path, '{'), strings.IndexByte(path, '}')
		path = path[:open] + url.PathEscape(value) + path[end+1:]
	}
	return path
}

// send makes one call and returns the answer of a success; any other status
// becomes an *Error.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encoding %s: %w", path, err)
		}
		reader = bytes.NewReader(data)
	}
	// path is escaped already, so it is joined as text.
	target := c.base.String() + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, reader)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	} else if method != http.MethodGet {
		request.Header.Set("Origin", c.base.String())
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, &Error{Code: "unreachable", Title: fmt.Sprintf("The broker at %s does not answer; check the network and STINT_URL.", c.base), Detail: causeOf(err)}
	}
	if response.StatusCode/100 != 2 {
		defer response.Body.Close()
		return nil, problemOf(response)
	}
	return response, nil
}

// causeOf drops the URL that net/http puts in front of a cause.
func causeOf(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err.Error()
	}
	return err.Error()
}

// problemOf reads an error answer, whatever stands in front of the broker.
func problemOf(response *http.Response) error {
	problem := &Error{Status: response.StatusCode}
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if kind == "application/problem+json" || kind == "application/json" {
		_ = json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(problem)
		problem.Status = response.StatusCode
	}
	if problem.Code == "" || problem.Title == "" {
		problem.Code = "http." + strconv.Itoa(response.StatusCode)
		problem.Title = "The broker answered " + response.Status + " without saying why; something else may be listening at its address."
	}
	return problem
}

// call sends body and decodes the answer into a T.
func call[T any](ctx context.Context, c *Client, method, path string, query url.Values, body any) (T, error) {
	var out T
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	response, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return out, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNoContent {
		return out, nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&out); err != nil {
		return out, &Error{Status: response.StatusCode, Code: "answer.unreadable", Title: "The broker's answer could not be read; are client and broker of the same version?", Detail: err.Error()}
	}
	return out, nil
}

// none is the answer of calls that return nothing.
type none struct{}

// Configuration returns what is needed to sign in.
func (c *Client) Configuration(ctx context.Context) (Configuration, error) {
	return call[Configuration](ctx, c, http.MethodGet, PathConfiguration, nil, nil)
}

// Me returns the caller.
func (c *Client) Me(ctx context.Context) (Me, error) {
	return call[Me](ctx, c, http.MethodGet, PathMe, nil, nil)
}

// SignIn exchanges an ID token and its login key for a bearer token.
func (c *Client) SignIn(ctx context.Context, in LoginRequest) (LoginResult, error) {
	return call[LoginResult](ctx, c, http.MethodPost, PathSignIn, nil, in)
}

// Logout ends the caller's token or portal session.
func (c *Client) Logout(ctx context.Context) error {
	_, err := call[none](ctx, c, http.MethodPost, PathLogout, nil, nil)
	return err
}

// Confirmation returns the state of a login key that waits for a passkey.
func (c *Client) Confirmation(ctx context.Context, code string) (LoginConfirmation, error) {
	return call[LoginConfirmation](ctx, c, http.MethodGet, expand(PathConfirmations, code), nil, nil)
}

// Roles lists what the caller may ask for.
func (c *Client) Roles(ctx context.Context) (Roles, error) {
	return call[Roles](ctx, c, http.MethodGet, PathRoles, nil, nil)
}

// Decide says what policy would make of an ask; nothing is stored.
func (c *Client) Decide(ctx context.Context, in Ask) (Decision, error) {
	return call[Decision](ctx, c, http.MethodPost, PathDecisions, nil, in)
}

// Ask makes a request.
func (c *Client) Ask(ctx context.Context, in Ask) (Request, error) {
	return call[Request](ctx, c, http.MethodPost, PathRequests, nil, in)
}

// RequestsQuery selects requests for a list.
type RequestsQuery struct {
	View   string // mine, to-approve or all
	State  string // empty: every state
	Limit  int    // 0: the broker's default
	Cursor string // of the page before
}

// Requests lists requests, newest first.
func (c *Client) Requests(ctx context.Context, q RequestsQuery) (Requests, error) {
	query := url.Values{}
	set(query, "view", q.View)
	set(query, "state", q.State)
	set(query, "cursor", q.Cursor)
	if q.Limit > 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	return call[Requests](ctx, c, http.MethodGet, PathRequests, query, nil)
}

func set(query url.Values, key, value string) {
	if value != "" {
		query.Set(key, value)
	}
}

// Request returns one request, whole.
func (c *Client) Request(ctx context.Context, id string) (Request, error) {
	return call[Request](ctx, c, http.MethodGet, expand(PathRequest, id), nil, nil)
}

// Challenge returns the text that the caller, as an approver, is to sign.
func (c *Client) Challenge(ctx context.Context, id string, in ApprovalDraft) (SigningChallenge, error) {
	return call[SigningChallenge](ctx, c, http.MethodPost, expand(PathChallenge, id), nil, in)
}

// Approve hands in an approval.
func (c *Client) Approve(ctx context.Context, id string, in SignedStatement) (Request, error) {
	return call[Request](ctx, c, http.MethodPost, expand(PathApprovals, id), nil, in)
}

// Deny says no to a pending request.
func (c *Client) Deny(ctx context.Context, id string, in Taking) (Request, error) {
	return call[Request](ctx, c, http.MethodPost, expand(PathDeny, id), nil, in)
}

// Withdraw takes the caller's own pending request back.
func (c *Client) Withdraw(ctx context.Context, id string, in Taking) (Request, error) {
	return call[Request](ctx, c, http.MethodPost, expand(PathWithdraw, id), nil, in)
}

// Drop ends the caller's own grant.
func (c *Client) Drop(ctx context.Context, id string, in Taking) (Request, error) {
	return call[Request](ctx, c, http.MethodPost, expand(PathDrop, id), nil, in)
}

// Revoke ends somebody's grant.
func (c *Client) Revoke(ctx context.Context, id string, in Taking) (Request, error) {
	return call[Request](ctx, c, http.MethodPost, expand(PathRevoke, id), nil, in)
}

// Activate asks for a certificate under an approved request.
func (c *Client) Activate(ctx context.Context, id string, in Activation) (Certificate, error) {
	return call[Certificate](ctx, c, http.MethodPost, expand(PathActivations, id), nil, in)
}

// Reissue asks for the certificate that counts in the place of one.
func (c *Client) Reissue(ctx context.Context, in Reissue) (Reissued, error) {
	return call[Reissued](ctx, c, http.MethodPost, PathReissue, nil, in)
}

// Evidence returns what proves a request's approvals and certificates.
func (c *Client) Evidence(ctx context.Context, id string) (Evidence, error) {
	return call[Evidence](ctx, c, http.MethodGet, expand(PathEvidence, id), nil, nil)
}

// SessionsQuery selects sessions for a list.
type SessionsQuery struct {
	Request, Person, Target string
	Live                    bool
	Limit                   int
	Cursor                  string
}

// Sessions lists sessions, live ones first, then newest first.
func (c *Client) Sessions(ctx context.Context, q SessionsQuery) (Sessions, error) {
	query := url.Values{}
	set(query, "request", q.Request)
	set(query, "person", q.Person)
	set(query, "target", q.Target)
	set(query, "cursor", q.Cursor)
	if q.Live {
		query.Set("live", "true")
	}
	if q.Limit > 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	return call[Sessions](ctx, c, http.MethodGet, PathSessions, query, nil)
}

// Session returns one session.
func (c *Client) Session(ctx context.Context, id string) (Session, error) {
	return call[Session](ctx, c, http.MethodGet, expand(PathSession, id), nil, nil)
}

// Hold puts a session's recording under a legal hold.
func (c *Client) Hold(ctx context.Context, id string, in Taking) (Session, error) {
	return call[Session](ctx, c, http.MethodPost, expand(PathHold, id), nil, in)
}

// Release lifts the legal hold of a session's recording.
func (c *Client) Release(ctx context.Context, id string, in Taking) (Session, error) {
	return call[Session](ctx, c, http.MethodPost, expand(PathRelease, id), nil, in)
}

// Recording streams a session's recording in the format of recorder/cast. The
// caller closes it.
func (c *Client) Recording(ctx context.Context, session string) (io.ReadCloser, error) {
	response, err := c.send(ctx, http.MethodGet, expand(PathRecordingFile, session), nil, nil)
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

// StartRegistration begins the registration of a passkey.
func (c *Client) StartRegistration(ctx context.Context, in RegistrationStart) (RegistrationOptions, error) {
	return call[RegistrationOptions](ctx, c, http.MethodPost, PathRegistration, nil, in)
}

// Enrol hands in a new passkey and asks for an enrolment statement.
func (c *Client) Enrol(ctx context.Context, in Registration) (Enrolment, error) {
	return call[Enrolment](ctx, c, http.MethodPost, PathEnrolments, nil, in)
}

// ProvePossession hands in the new passkey's signature over its enrolment.
func (c *Client) ProvePossession(ctx context.Context, enrolment string, in SignedStatement) (Enrolment, error) {
	return call[Enrolment](ctx, c, http.MethodPost, expand(PathPossession, enrolment), nil, in)
}

// Authorise hands in an authority's yes to an enrolment.
func (c *Client) Authorise(ctx context.Context, enrolment string, in Authorisation) (Enrolment, error) {
	return call[Enrolment](ctx, c, http.MethodPost, expand(PathAuthorisation, enrolment), nil, in)
}

// Enrolments lists the enrolments that wait for the caller.
func (c *Client) Enrolments(ctx context.Context) (Enrolments, error) {
	return call[Enrolments](ctx, c, http.MethodGet, PathEnrolments, nil, nil)
}

// Passkeys lists the caller's passkeys.
func (c *Client) Passkeys(ctx context.Context) (Passkeys, error) {
	return call[Passkeys](ctx, c, http.MethodGet, PathPasskeys, nil, nil)
}

// RemovePasskey takes one of the caller's passkeys out of the roster.
func (c *Client) RemovePasskey(ctx context.Context, credential string) error {
	_, err := call[none](ctx, c, http.MethodDelete, expand(PathPasskey, credential), nil, nil)
	return err
}

// RotateKeys replaces keys of the signer's at once.
func (c *Client) RotateKeys(ctx context.Context, in KeyRotation) (KeysRotated, error) {
	return call[KeysRotated](ctx, c, http.MethodPost, PathRotateKeys, nil, in)
}

// Trust returns whom to believe and where the proxies are.
func (c *Client) Trust(ctx context.Context) (Trust, error) {
	return call[Trust](ctx, c, http.MethodGet, PathTrust, nil, nil)
}

// Beginning returns the entries of the signer's ledger from which the rest is
// proven.
func (c *Client) Beginning(ctx context.Context) (Evidence, error) {
	return call[Evidence](ctx, c, http.MethodGet, PathBeginning, nil, nil)
}

// AuditLog returns leaves of the audit log from an index on, oldest first.
func (c *Client) AuditLog(ctx context.Context, from int64) (AuditLog, error) {
	return call[AuditLog](ctx, c, http.MethodGet, PathAuditLog, url.Values{"from": {strconv.FormatInt(from, 10)}}, nil)
}
