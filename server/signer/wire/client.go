package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"stint/server/border"
)

// ProblemType is the media type of an [Error] (RFC 9457).
const ProblemType = "application/problem+json"

const (
	callTimeout = 15 * time.Second
	maxAnswer   = 64 << 20 // bytes; a page of the ledger is the longest
)

// Health is what a signer that answers says of itself.
type Health struct {
	Instance     string `json:"instance"`
	Entries      int64  `json:"entries"` // acknowledged entries of the ledger
	PolicyDigest string `json:"policy_digest"`
	// IssuerKnown says that the identity provider's keys are there. Without them
	// nobody's token can be checked.
	IssuerKnown bool `json:"issuer_known"`
}

// Client calls a signer. It may be used by many goroutines. A refusal is
// returned as an *[Error]; any other error means that the answer is not known,
// and the call may be made again: every call but Rotate is safe to repeat.
type Client struct {
	base *url.URL
	http *http.Client
}

// NewClient makes a client of the signer at address (https://host:port). The
// signer is known by serverKey (see [border.KeyOf]) alone. The caller shows
// certificate.
func NewClient(address, serverKey string, certificate tls.Certificate) (*Client, error) {
	base, client, err := border.NewClient("the signer", address, serverKey, certificate, &http.Transport{
		ResponseHeaderTimeout: callTimeout,
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       time.Minute,
	})
	if err != nil {
		return nil, err
	}
	return &Client{base: base, http: client}, nil
}

// SignSession asks for a certificate for a person.
func (c *Client) SignSession(ctx context.Context, request SessionRequest) (SessionCertificate, error) {
	return post[SessionCertificate](ctx, c, PathSignSession, request)
}

// Reissue asks for a certificate in the place of one whose key was withdrawn.
func (c *Client) Reissue(ctx context.Context, request ReissueRequest) (SessionCertificate, error) {
	return post[SessionCertificate](ctx, c, PathReissue, request)
}

// SignTarget asks, as a proxy, for a certificate that opens one connection.
func (c *Client) SignTarget(ctx context.Context, request TargetRequest) (TargetCertificate, error) {
	return post[TargetCertificate](ctx, c, PathSignTarget, request)
}

// Continue asks, as a proxy, whether a live session may go on under another grant.
func (c *Client) Continue(ctx context.Context, request ContinueRequest) (ContinueResult, error) {
	return post[ContinueResult](ctx, c, PathContinue, request)
}

// SignHost asks, as a proxy, for a host certificate.
func (c *Client) SignHost(ctx context.Context, request HostRequest) (HostCertificate, error) {
	return post[HostCertificate](ctx, c, PathSignHost, request)
}

// Enrol asks to pin a passkey.
func (c *Client) Enrol(ctx context.Context, request EnrolRequest) (EnrolResult, error) {
	return post[EnrolResult](ctx, c, PathEnrol, request)
}

// RemovePasskey takes a passkey out of the roster.
func (c *Client) RemovePasskey(ctx context.Context, request RemovePasskeyRequest) (Done, error) {
	return post[Done](ctx, c, PathRemovePasskey, request)
}

// Suspend says that nothing a person signs counts any more.
func (c *Client) Suspend(ctx context.Context, request SuspendRequest) (Done, error) {
	return post[Done](ctx, c, PathSuspend, request)
}

// Change changes somebody's standing.
func (c *Client) Change(ctx context.Context, request ChangeRequest) (Done, error) {
	return post[Done](ctx, c, PathChange, request)
}

// Policy puts another policy in force.
func (c *Client) Policy(ctx context.Context, request PolicyRequest) (Done, error) {
	return post[Done](ctx, c, PathPolicy, request)
}

// Inventory says what targets an inventory holds.
func (c *Client) Inventory(ctx context.Context, request InventoryRequest) (Done, error) {
	return post[Done](ctx, c, PathInventory, request)
}

// Device asks to take a device's key as its person's.
func (c *Client) Device(ctx context.Context, request DeviceRequest) (Done, error) {
	return post[Done](ctx, c, PathDevice, request)
}

// BlockDevice makes a device count for nothing.
func (c *Client) BlockDevice(ctx context.Context, request BlockDeviceRequest) (Done, error) {
	return post[Done](ctx, c, PathBlockDevice, request)
}

// Delegate lets somebody approve on another's behalf.
func (c *Client) Delegate(ctx context.Context, request DelegateRequest) (Done, error) {
	return post[Done](ctx, c, PathDelegate, request)
}

// EndDelegation makes a delegation count for nothing.
func (c *Client) EndDelegation(ctx context.Context, request EndDelegationRequest) (Done, error) {
	return post[Done](ctx, c, PathEndDelegation, request)
}

// Presence says that whose session it is is there.
func (c *Client) Presence(ctx context.Context, request PresenceRequest) (Done, error) {
	return post[Done](ctx, c, PathPresence, request)
}

// Present asks, as a proxy, when whose session it is last said that they are there.
func (c *Client) Present(ctx context.Context, request PresentRequest) (PresentResult, error) {
	return post[PresentResult](ctx, c, PathPresent, request)
}

// Review closes the review of an emergency.
func (c *Client) Review(ctx context.Context, request ReviewRequest) (Done, error) {
	return post[Done](ctx, c, PathReview, request)
}

// End says that nothing more may be signed for a request.
func (c *Client) End(ctx context.Context, request EndRequest) (Done, error) {
	return post[Done](ctx, c, PathEnd, request)
}

// Rotate replaces keys of the signer's at once. Made again, it replaces them again: two
// changes are more than a target that was away for a moment can follow.
func (c *Client) Rotate(ctx context.Context, request RotateRequest) (RotateResult, error) {
	return post[RotateResult](ctx, c, PathRotate, request)
}

// Trust returns what the signer believes and the head of its ledger.
func (c *Client) Trust(ctx context.Context) (TrustResult, error) {
	return get[TrustResult](ctx, c, PathTrust, nil)
}

// Ledger returns at most limit entries from index from on.
func (c *Client) Ledger(ctx context.Context, from int64, limit int) (LedgerPage, error) {
	return get[LedgerPage](ctx, c, PathLedger, url.Values{
		"from": {strconv.FormatInt(from, 10)}, "limit": {strconv.Itoa(limit)},
	})
}

// Confirm tells the signer what the broker has mirrored last.
func (c *Client) Confirm(ctx context.Context, request ConfirmRequest) (ConfirmResult, error) {
	return post[ConfirmResult](ctx, c, PathConfirm, request)
}

// Consistency asks for the proof that the ledger continues its first from entries.
func (c *Client) Consistency(ctx context.Context, from int64) (ConsistencyResult, error) {
	return get[ConsistencyResult](ctx, c, PathConsistency, url.Values{"from": {strconv.FormatInt(from, 10)}})
}

// Health asks whether the signer works.
func (c *Client) Health(ctx context.Context) (Health, error) {
	return get[Health](ctx, c, PathHealth, nil)
}

// Close closes connections that are kept for later calls.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func post[Out any](ctx context.Context, c *Client, path string, in any) (Out, error) {
	var out Out
	body, err := json.Marshal(in)
	if err != nil {
		return out, fmt.Errorf("encoding the call %s: %w", path, err)
	}
	if len(body) > MaxBody {
		return out, &Error{Status: http.StatusRequestEntityTooLarge, Code: "too-large", Title: fmt.Sprintf("The evidence is too long: %d bytes, at most %d are allowed.", len(body), MaxBody)}
	}
	return call[Out](ctx, c, http.MethodPost, path, nil, body)
}

func get[Out any](ctx context.Context, c *Client, path string, query url.Values) (Out, error) {
	return call[Out](ctx, c, http.MethodGet, path, query, nil)
}

func call[Out any](ctx context.Context, c *Client, method, path string, query url.Values, body []byte) (Out, error) {
	var out Out
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	target := c.base.JoinPath(path)
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return out, fmt.Errorf("calling the signer (%s): %w", path, err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
		if path != PathRotate {
			// Present and empty: net/http may send the call again on a fresh
			// connection when a kept one turns out to be dead. Nothing is sent.
			request.Header["Idempotency-Key"] = []string{}
		}
	}
	response, err := c.http.Do(request)
	if err != nil {
		return out, fmt.Errorf("calling the signer (%s): %w", path, err)
	}
	defer response.Body.Close()
	answer, err := border.ReadAtMost(response.Body, maxAnswer)
	if err != nil {
		return out, fmt.Errorf("reading the signer's answer (%s): %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return out, problem(response, path, answer)
	}
	if err := border.DecodeStrict(answer, &out); err != nil {
		return out, fmt.Errorf("the signer's answer (%s) is not understood: %w", path, err)
	}
	return out, nil
}

// problem makes an error of an answer that is not a success.
func problem(response *http.Response, path string, answer []byte) error {
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	refusal := &Error{}
	if err == nil && kind == ProblemType && border.DecodeStrict(answer, refusal) == nil && refusal.Code != "" {
		if response.StatusCode/100 != 4 || refusal.Status != response.StatusCode {
			return fmt.Errorf("the signer failed (%s): %s", path, refusal.Error()) // not wrapped: it is no refusal
		}
		return refusal
	}
	return fmt.Errorf("the signer answered %s (%s)", response.Status, path)
}
