// Package fleet asks a Fleet server what it knows about a machine. What Fleet says
// comes from its agent on the machine, by way of a server that the machine's
// user does not run: better than the machine's own word to us, and no proof
// against somebody who controls the machine as root.
package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"stint/server/border"
)

// Why Fleet did not tell. What is returned wraps one of these.
var (
	ErrUnknown = errors.New("the Fleet server does not know this machine")
	ErrRefused = errors.New("the Fleet server refuses our token")
	ErrAway    = errors.New("the Fleet server does not answer")
	ErrUnclear = errors.New("the answer of the Fleet server is not one that is known")
)

// Bounds of one call. A host with its software listed is about a megabyte; old
// servers list it unasked.
const (
	callTime  = 10 * time.Second
	maxAnswer = 8 << 20
	maxText   = 300 // bytes of each text
	maxPolicy = 1000
)

// Host is what Fleet knows about a machine.
type Host struct {
	UUID     string
	Serial   string
	Platform string // darwin, ubuntu, rhel, …
	System   string // name and version in one text
	Seen     time.Time
	// Collected is when the agent last told of the machine, and Judged when it last
	// answered the policies; zero if never. What Fleet says is as old as that.
	Collected, Judged time.Time
	DiskEncryption    *bool // nil if not known
	Policies          []Policy
}

// Policy is one of Fleet's policies as it stands for a host.
type Policy struct {
	ID       int64
	Name     string
	Critical bool
	Passes   *bool // nil if the machine has not answered it yet
}

// Client asks one Fleet server. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// NewClient makes a client of the server at address (https://host, or http:// on
// loopback) that shows an API-only user's token. The server's certificate is
// checked against roots, or the system's where that is nil.
func NewClient(address, token string, roots *x509.CertPool) (*Client, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" || strings.Trim(base.Path, "/") != "" {
		return nil, fmt.Errorf("the address of Fleet, %q, is not of the form https://host", address)
	}
	if base.Scheme != "https" && (base.Scheme != "http" || !loopback(base.Hostname())) {
		return nil, fmt.Errorf("the address of Fleet, %q, is not https: the token would be read on the way", address)
	}
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the token for Fleet is empty or not one word")
	}
	return &Client{base: base, token: token, http: &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: callTime}).DialContext,
			TLSHandshakeTimeout: callTime,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			MaxIdleConns:        4, MaxConnsPerHost: 16, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: 64 << 10,
		},
		// A redirect would carry the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func loopback(host string) bool {
	address := net.ParseIP(host)
	return host == "localhost" || address != nil && address.IsLoopback()
}

// Close lets go of the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// identifier is a hardware UUID or a serial number.
var identifier = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{3,63}$`)

// Host asks for the machine with a hardware UUID or serial number. The returned
// error wraps one of the package's.
func (c *Client) Host(ctx context.Context, id string) (Host, error) {
	if !identifier.MatchString(id) {
		return Host{}, fmt.Errorf("%w: %q is neither a hardware UUID nor a serial number", ErrUnknown, id)
	}
	data, err := c.get(ctx, "/api/v1/fleet/hosts/identifier/"+id, url.Values{"exclude_software": {"true"}})
	if err != nil {
		return Host{}, fmt.Errorf("asking Fleet for a machine: %w", err)
	}
	host, err := parseHost(data)
	if err != nil {
		return Host{}, fmt.Errorf("asking Fleet for a machine: %w", err)
	}
	// Fleet looks for an identifier among host names too, and a machine's name is its
	// user's choice: one could be named after another's serial number.
	if !strings.EqualFold(host.UUID, id) && !strings.EqualFold(host.Serial, id) {
		return Host{}, fmt.Errorf("asking Fleet for a machine: %w: it answers with another one", ErrUnclear)
	}
	return host, nil
}

// get makes one call within callTime.
func (c *Client) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	target := c.base.JoinPath(path)
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Accept", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	defer response.Body.Close()
	switch status := response.StatusCode; {
	case status == http.StatusOK:
	case status == http.StatusNotFound:
		return nil, ErrUnknown
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return nil, fmt.Errorf("%w: status %d", ErrRefused, status)
	case status == http.StatusTooManyRequests || status >= 500:
		return nil, fmt.Errorf("%w: status %d", ErrAway, status)
	default:
		return nil, fmt.Errorf("%w: status %d", ErrUnclear, status)
	}
	data, err := border.ReadAtMost(response.Body, maxAnswer)
	switch {
	case errors.Is(err, border.ErrTooLong):
		return nil, fmt.Errorf("%w: %w", ErrUnclear, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	return data, nil
}

// parseHost reads the answer about a host. Members that are not ours to know are
// let be: Fleet adds some with each version.
func parseHost(data []byte) (Host, error) {
	unclear := func(why string) (Host, error) { return Host{}, fmt.Errorf("%w: %s", ErrUnclear, why) }
	var answer struct {
		Host *struct {
			UUID           string    `json:"uuid"`
			Serial         string    `json:"hardware_serial"`
			Platform       string    `json:"platform"`
			System         string    `json:"os_version"`
			Seen           time.Time `json:"seen_time"`
			Collected      time.Time `json:"detail_updated_at"`
			Judged         time.Time `json:"policy_updated_at"`
			DiskEncryption *bool     `json:"disk_encryption_enabled"`
			Policies       []struct {
				ID       int64  `json:"id"`
				Name     string `json:"name"`
				Critical bool   `json:"critical"`
				Response string `json:"response"`
			} `json:"policies"`
		} `json:"host"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	if err := decoder.Decode(&answer); err != nil {
		return unclear("it is not JSON of that kind")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return unclear("something follows it")
	}
	h := answer.Host
	if h == nil || h.UUID == "" && h.Serial == "" {
		return unclear("it names no machine")
	}
	if len(h.Policies) > maxPolicy {
		return unclear("it names too many policies")
	}
	host := Host{
		UUID: h.UUID, Serial: h.Serial, Platform: h.Platform, System: h.System,
		Seen: known(h.Seen), Collected: known(h.Collected), Judged: known(h.Judged), DiskEncryption: h.DiskEncryption,
	}
	texts := []string{h.UUID, h.Serial, h.Platform, h.System}
	for _, p := range h.Policies {
		policy := Policy{ID: p.ID, Name: p.Name, Critical: p.Critical}
		switch p.Response {
		case "pass", "fail":
			passes := p.Response == "pass"
			policy.Passes = &passes
		case "":
		default:
			return unclear("a policy has an answer of another kind")
		}
		texts = append(texts, p.Name)
		host.Policies = append(host.Policies, policy)
	}
	for _, text := range texts {
		if len(text) > maxText {
			return unclear("a text is too long")
		}
	}
	return host, nil
}

// never is what Fleet writes for a time that has not come.
var never = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// known is a time as we keep it: zero if it has not come.
func known(t time.Time) time.Time {
	if !t.After(never) {
		return time.Time{}
	}
	return t.UTC()
}
