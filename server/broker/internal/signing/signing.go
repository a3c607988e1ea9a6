// Package signing is the broker's side of the signer: it keeps what the signer
// believes fresh in memory, decides by the signer's policy, and passes on what
// only the signer may do. It believes nothing of its own: where broker and
// signer differ, the signer is right.
package signing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// How often trust is fetched: often enough that an enrolment made elsewhere is
// seen while a person waits.
const (
	refreshEvery = 3 * time.Second
	retryEvery   = time.Second
	fetchTimeout = 5 * time.Second
)

// Client implements access.Signer. It is safe for concurrent use.
type Client struct {
	wire *wire.Client
	log  *slog.Logger
	// confirm tells a signer that has begun anew what the broker has mirrored.
	confirm func(ctx context.Context, origin string) error

	// fetching lets one fetch run at a time, so that an older answer never
	// replaces a newer one.
	fetching chan struct{}

	mu      sync.RWMutex
	own     *policies.Bundle // from the broker's own directory
	trust   access.Trust
	policy  *policies.Bundle // the signer's; nil until it was heard
	full    *policies.Bundle // policy with the targets of the inventories
	proxies []wire.Proxy
	heard   bool
	trouble string
	first   chan struct{} // closed when the signer was heard for the first time
}

var _ access.Signer = (*Client)(nil)

// New returns a client that decides by own until the signer is heard. confirm
// tells a signer that has begun anew what the broker has mirrored of its ledger.
func New(signer *wire.Client, own *policies.Bundle, confirm func(ctx context.Context, origin string) error, log *slog.Logger) *Client {
	return &Client{
		wire: signer, own: own, confirm: confirm, log: log,
		fetching: make(chan struct{}, 1), first: make(chan struct{}),
		trouble: "The signer has not been heard yet; nothing can be given until it is.",
	}
}

// Run keeps trust fresh until ctx is done.
func (c *Client) Run(ctx context.Context) {
	for {
		wait := refreshEvery
		if err := c.Refresh(ctx); err != nil {
			wait = retryEvery
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// Refresh fetches what the signer believes now.
func (c *Client) Refresh(ctx context.Context) error {
	select {
	case c.fetching <- struct{}{}:
		defer func() { <-c.fetching }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	result, err := c.wire.Trust(ctx)
	if err != nil {
		c.troubled("The signer does not answer; nothing can be given until it does.", err)
		return err
	}
	if !result.Confirmed {
		if err := c.confirmed(ctx, result.Trust.Log); err != nil {
			c.troubled("The signer has begun anew, and its ledger is not confirmed yet; nothing can be given until it is.", err)
			return err
		}
	}
	bundle, err := c.bundleOf(result)
	var full *policies.Bundle
	if err == nil {
		full, err = result.Trust.WithPolicy(bundle).Bundle(time.Now())
	}
	if err != nil {
		c.troubled("The signer's policy cannot be read; broker and signer may be of different versions.", err)
		return err
	}
	result.Trust.Roster = result.Trust.Roster.Indexed()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trust = access.Trust{Trust: result.Trust, PolicyDigest: result.PolicyDigest, Checkpoint: result.Checkpoint, Ceremony: result.Ceremony}
	c.policy, c.full, c.proxies = bundle, full, result.Proxies
	if c.trouble != "" {
		c.log.Info("the signer is heard", "policy", result.PolicyDigest)
	}
	c.trouble = ""
	if !c.heard {
		c.heard = true
		close(c.first)
	}
	return nil
}

// Proxy is what the signer says of the proxy with a key; nil where it knows none. The names
// that broker and signer have for it may differ.
func (c *Client) Proxy(key string) *wire.Proxy {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, proxy := range c.proxies {
		if proxy.Key == key {
			return &proxy
		}
	}
	return nil
}

// confirmed has the signer's ledger confirmed, and says whether it is.
func (c *Client) confirmed(ctx context.Context, logKey string) error {
	origin, _, _ := strings.Cut(logKey, "+")
	if err := c.confirm(ctx, origin); err != nil {
		return fmt.Errorf("confirming the signer's ledger: %w", err)
	}
	c.log.Info("the signer's ledger is confirmed", "log", origin)
	return nil
}

// again makes a call, and once more where the signer had begun anew meanwhile and
// is confirmed now, so that people do not notice its restart.
func again[Out any](ctx context.Context, c *Client, call func() (Out, error)) (Out, error) {
	out, err := call()
	var refusal *wire.Error
	if !errors.As(err, &refusal) || refusal.Code != wire.CodeUnconfirmed {
		return out, err
	}
	if refreshErr := c.Refresh(ctx); refreshErr != nil {
		return out, errors.Join(err, refreshErr)
	}
	return call()
}

// bundleOf loads the signer's policy unless it is the one already loaded.
func (c *Client) bundleOf(result wire.TrustResult) (*policies.Bundle, error) {
	c.mu.RLock()
	known := c.policy
	c.mu.RUnlock()
	if known != nil && known.Digest() == result.PolicyDigest {
		return known, nil
	}
	bundle, err := policies.Parse(result.Trust.Policy)
	if err != nil {
		return nil, fmt.Errorf("loading the signer's policy: %w", err)
	}
	if bundle.Digest() != result.PolicyDigest {
		return nil, fmt.Errorf("the signer's policy is %s by its text and %s by its word", bundle.Digest(), result.PolicyDigest)
	}
	return bundle, nil
}

func (c *Client) troubled(sentence string, cause error) {
	if errors.Is(cause, context.Canceled) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trouble != sentence {
		c.log.Warn("asking the signer", "trouble", sentence, "error", cause)
	}
	c.trouble = sentence
}

// Trouble says in one sentence what is wrong between broker and signer; empty
// when nothing is.
func (c *Client) Trouble() string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.trouble
}

// Heard is closed once the signer was heard.
func (c *Client) Heard() <-chan struct{} { return c.first }

// Policy is the signer's policy where it is known, with the targets that
// inventories brought, else the broker's own.
func (c *Client) Policy() *policies.Bundle {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.full != nil {
		return c.full
	}
	return c.own
}

// SetOwn replaces the broker's own policy.
func (c *Client) SetOwn(own *policies.Bundle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.own = own
}

// Differs says, for people, that broker and signer have different policies;
// empty when they have the same or the signer was not heard yet.
func (c *Client) Differs() string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.policy == nil || c.policy.Digest() == c.own.Digest() {
		return ""
	}
	return "Broker and signer have different policies; the signer's decides. If a change of the policy came into force, bring the same files to the broker and reload them; " +
		"if the broker's files are the newer ones, propose them with stint policy propose."
}

// Trust is what the signer believes, from memory.
func (c *Client) Trust(context.Context) (access.Trust, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if !c.heard {
		return access.Trust{}, unavailable(errors.New("the signer was never heard"))
	}
	return c.trust, nil
}

// SignSession asks for a certificate for a person.
func (c *Client) SignSession(ctx context.Context, b evidence.Bundle, asserted []policies.Assertion) (access.SignedCertificate, error) {
	signed, err := again(ctx, c, func() (wire.SessionCertificate, error) {
		return c.wire.SignSession(ctx, wire.SessionRequest{Bundle: b, Asserted: asserted})
	})
	if err != nil {
		return access.SignedCertificate{}, translate(err)
	}
	used, err := firstUse(signed.Proof)
	if err != nil {
		return access.SignedCertificate{}, unavailable(err)
	}
	return access.SignedCertificate{Certificate: signed.Certificate, Serial: signed.Serial, Ends: signed.Ends, Used: used, Proof: signed.Proof}, nil
}

// firstUse reads, from the entry of an issue, when the first certificate of its grant
// was issued.
func firstUse(proof evidence.Proof) (time.Time, error) {
	var entry evidence.Entry
	if err := json.Unmarshal([]byte(proof.Entry), &entry); err != nil {
		return time.Time{}, fmt.Errorf("reading the entry of an issue: %w", err)
	}
	switch {
	case entry.Session == nil:
		return time.Time{}, errors.New("the entry of an issue is about something else")
	case !entry.Session.Circumstances.Used.IsZero():
		return entry.Session.Circumstances.Used, nil
	}
	return entry.Session.Circumstances.Now, nil
}

// Reissue asks for a certificate in the place of one whose key was withdrawn.
func (c *Client) Reissue(ctx context.Context, serial uint64) (access.SignedCertificate, error) {
	signed, err := again(ctx, c, func() (wire.SessionCertificate, error) {
		return c.wire.Reissue(ctx, wire.ReissueRequest{Serial: serial})
	})
	if err != nil {
		return access.SignedCertificate{}, translate(err)
	}
	return access.SignedCertificate{Certificate: signed.Certificate, Serial: signed.Serial, Ends: signed.Ends, Proof: signed.Proof}, nil
}

// End says that nothing more may be signed for a request.
func (c *Client) End(ctx context.Context, e access.Ending) error {
	_, err := again(ctx, c, func() (wire.Done, error) {
		return c.wire.End(ctx, wire.EndRequest{Request: e.Request, Reason: e.Reason, By: e.By.Subject, Evidence: e.Evidence})
	})
	return translate(err)
}

// Enrol pins a passkey and fetches trust anew.
func (c *Client) Enrol(ctx context.Context, e evidence.EnrolmentEvidence) error {
	if _, err := again(ctx, c, func() (wire.EnrolResult, error) { return c.wire.Enrol(ctx, wire.EnrolRequest{Evidence: e}) }); err != nil {
		return translate(err)
	}
	c.refreshAfter(ctx)
	return nil
}

// RemovePasskey takes a passkey out of the roster and fetches trust anew.
func (c *Client) RemovePasskey(ctx context.Context, credential string, by policies.Subject) error {
	_, err := again(ctx, c, func() (wire.Done, error) {
		return c.wire.RemovePasskey(ctx, wire.RemovePasskeyRequest{Credential: credential, By: by})
	})
	var refusal *wire.Error
	if errors.As(err, &refusal) && refusal.Code == wire.CodeNoSuchPasskey {
		err = nil // it signs nothing already
	}
	if err != nil {
		return translate(err)
	}
	c.refreshAfter(ctx)
	return nil
}

// RotateKeys replaces keys of the signer's at once and fetches trust anew.
func (c *Client) RotateKeys(ctx context.Context, purpose, reason string, by policies.Subject) error {
	if _, err := c.wire.Rotate(ctx, wire.RotateRequest{Purpose: purpose, Reason: reason, By: by}); err != nil {
		return translate(err)
	}
	c.refreshAfter(ctx)
	return nil
}

// refreshAfter fetches trust after a change that the signer has made. A failure
// is no failure of the change: Run fetches again.
func (c *Client) refreshAfter(ctx context.Context) {
	if err := c.Refresh(ctx); err != nil {
		c.log.Warn("fetching the signer's trust after a change", "error", err)
	}
}

// translate turns what the signer's client says into the flow's errors.
func translate(err error) error {
	if err == nil {
		return nil
	}
	var refusal *wire.Error
	if errors.As(err, &refusal) && refusal.Code == wire.CodeUnconfirmed {
		return &access.Error{
			Problem: access.Unavailable, Code: access.CodeSignerUnavailable,
			Message: "The signer has begun anew and its ledger is not confirmed yet; try again in a moment.", Cause: err,
		}
	}
	if errors.As(err, &refusal) && refusal.Status < http.StatusInternalServerError {
		return &access.Error{Problem: access.SignerRefused, Code: "signer." + refusal.Code, Message: refusal.Title}
	}
	return unavailable(err)
}

func unavailable(cause error) error {
	return &access.Error{
		Problem: access.Unavailable, Code: access.CodeSignerUnavailable,
		Message: "The signer does not answer, so nothing can be given now; try again in a moment.", Cause: cause,
	}
}
