package wire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
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

// KeyOf is the form in which configurations pin a peer: the SHA-256 of the
// certificate's SubjectPublicKeyInfo, in lower-case hex.
func KeyOf(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// Client calls a signer. It may be used by many goroutines. A refusal is
// returned as an *[Error]; any other error means that the answer is not known,
// and the call may be made again: every call is safe to repeat.
type Client struct {
	base *url.URL
	http *http.Client
}

// NewClient makes a client of the signer at address (https://host:port). The
// signer is known by serverKey (see [KeyOf]) alone: no authority can stand in for
// it. The caller shows certificate.
func NewClient(address, serverKey string, certificate tls.Certificate) (*Client, error) {
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "https" || base.Host == "" || strings.Trim(base.Path, "/") != "" {
		return nil, fmt.Errorf("the signer's address %q is not of the form https://host:port", address)
	}
	pin, err := hex.DecodeString(serverKey)
	if err != nil || len(pin) != sha256.Size {
		return nil, fmt.Errorf("the signer's key %q is not the hex SHA-256 of a public key", serverKey)
	}
	if len(certificate.Certificate) == 0 {
		return nil, errors.New("calling the signer without a client certificate")
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &Client{base: base, http: &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext,
			TLSClientConfig: &tls.Config{
				MinVersion:   tls.VersionTLS13,
				Certificates: []tls.Certificate{certificate},
				// The pin below takes the place of chain and name.
				InsecureSkipVerify: true,
				VerifyConnection: func(state tls.ConnectionState) error {
					if len(state.PeerCertificates) == 0 {
						return errors.New("the signer showed no certificate")
					}
					sum := sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
					if subtle.ConstantTimeCompare(sum[:], pin) != 1 {
						return fmt.Errorf("the server at %s is not the signer: its key is %x", base.Host, sum)
					}
					return nil
				},
			},
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: callTimeout,
			MaxIdleConnsPerHost:   32,
			IdleConnTimeout:       60 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// SignSession asks for a certificate for a person.
func (c *Client) SignSession(ctx context.Context, request SessionRequest) (SessionCertificate, error) {
	return post[SessionCertificate](ctx, c, PathSignSession, request)
}

// SignTarget asks, as a proxy, for a certificate that opens one connection.
func (c *Client) SignTarget(ctx context.Context, request TargetRequest) (TargetCertificate, error) {
	return post[TargetCertificate](ctx, c, PathSignTarget, request)
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

// End says that nothing more may be signed for a request.
func (c *Client) End(ctx context.Context, request EndRequest) (Done, error) {
	return post[Done](ctx, c, PathEnd, request)
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
		// Present and empty: net/http may send the call again on a fresh
		// connection when a kept one turns out to be dead. Nothing is sent.
		request.Header["Idempotency-Key"] = []string{}
	}
	response, err := c.http.Do(request)
	if err != nil {
		return out, fmt.Errorf("calling the signer (%s): %w", path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return out, fmt.Errorf("reading the signer's answer (%s): %w", path, err)
	}
	if len(answer) > maxAnswer {
		return out, fmt.Errorf("the signer's answer (%s) is longer than %d bytes", path, maxAnswer)
	}
	if response.StatusCode != http.StatusOK {
		return out, problem(response, path, answer)
	}
	if err := DecodeStrict(answer, &out); err != nil {
		return out, fmt.Errorf("the signer's answer (%s) is not understood: %w", path, err)
	}
	return out, nil
}

// problem makes an error of an answer that is not a success.
func problem(response *http.Response, path string, answer []byte) error {
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	refusal := &Error{}
	if err == nil && kind == ProblemType && DecodeStrict(answer, refusal) == nil && refusal.Code != "" {
		if refusal.Status >= http.StatusInternalServerError {
			return fmt.Errorf("the signer failed (%s): %s", path, refusal.Error()) // not wrapped: it is no refusal
		}
		return refusal
	}
	return fmt.Errorf("the signer answered %s (%s)", response.Status, path)
}

// DecodeStrict decodes exactly one JSON value: unknown fields and anything that
// follows are errors.
func DecodeStrict(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}
