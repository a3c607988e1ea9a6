// Package facts asks a source outside of the installation for what it knows about a
// request: the state of its ticket, whether the requester is on call, how risky it is.
// Nobody can check its word. It is the broker's alone, and the protocol is described in
// docs/operations/facts.md.
package facts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/border"
)

const (
	// DefaultTimeout bounds one call where the configuration does not.
	DefaultTimeout = 3 * time.Second
	// kept is how long an answer serves the same question: one press of a button asks it
	// a few times.
	kept = 5 * time.Second
	// mostKept bounds the answers that are kept.
	mostKept = 1000
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 64 << 10
)

// Client asks one source. It is an access.FactSource, and safe for concurrent use.
type Client struct {
	url     string
	token   string
	timeout time.Duration
	http    *http.Client
	now     func() time.Time

	mu      sync.Mutex
	answers map[[sha256.Size]byte]answer
}

type answer struct {
	until time.Time
	facts []policies.Assertion
}

var _ access.FactSource = (*Client)(nil)

// NewClient makes a client of the source at address (https, or http on loopback), which
// is shown token. The source's certificate is checked against roots, or the system's
// where that is nil.
func NewClient(address, token string, timeout time.Duration, roots *x509.CertPool, now func() time.Time) (*Client, error) {
	if err := CheckAddress(address); err != nil {
		return nil, err
	}
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the token for the source of facts is empty or not one word")
	}
	if timeout <= 0 || timeout > DefaultTimeout {
		timeout = DefaultTimeout
	}
	return &Client{
		url: address, token: token, timeout: timeout, now: now, answers: map[[sha256.Size]byte]answer{},
		http: &http.Client{
			Transport: &http.Transport{
				DialContext: (&net.Dialer{Timeout: DefaultTimeout}).DialContext, TLSHandshakeTimeout: DefaultTimeout,
				TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
				MaxIdleConns:    4, MaxConnsPerHost: 16, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
			},
			// A redirect would carry the token elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// CheckAddress refuses what NewClient would.
func CheckAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("the address of the source of facts is no URL of the form https://host/path")
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return errors.New("the address of the source of facts is not https: the token would be read on the way")
	}
	return nil
}

// Close lets go of the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// question is the body of a call.
type question struct {
	Facts  []string `json:"facts"`
	Person person   `json:"person"`
	Ask    ask      `json:"ask"`
}

type person struct {
	Issuer  string   `json:"issuer"`
	Subject string   `json:"subject"`
	Name    string   `json:"name"`
	Email   string   `json:"email,omitempty"`
	Groups  []string `json:"groups"`
}

type ask struct {
	Role            string     `json:"role"`
	Target          string     `json:"target"`
	Login           string     `json:"login"`
	DurationSeconds int64      `json:"duration_seconds"`
	Reason          string     `json:"reason"`
	Ticket          string     `json:"ticket,omitempty"`
	Start           *time.Time `json:"start,omitempty"`
	BreakGlass      bool       `json:"break_glass"`
}

// Facts asks for facts by name. What the source does not tell is left out.
func (c *Client) Facts(ctx context.Context, q access.FactQuery) ([]policies.Assertion, error) {
	body, err := encode(q)
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256(body)
	if facts, ok := c.recall(key); ok {
		return facts, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	data, err := c.post(ctx, body)
	if err != nil {
		return nil, err
	}
	facts, err := parse(data, q.Facts)
	if err != nil {
		return nil, err
	}
	c.keep(key, facts)
	return facts, nil
}

func encode(q access.FactQuery) ([]byte, error) {
	in := question{
		Facts:  q.Facts,
		Person: person{Issuer: q.Person.Issuer, Subject: q.Person.Subject.Subject, Name: q.Person.Name, Email: q.Person.Email, Groups: q.Person.Groups},
		Ask: ask{
			Role: q.Ask.Role, Target: q.Ask.Target, Login: q.Ask.Login, DurationSeconds: int64(q.Ask.Duration / time.Second),
			Reason: q.Ask.Reason, Ticket: q.Ask.Ticket, BreakGlass: q.Ask.BreakGlass,
		},
	}
	if in.Person.Groups == nil {
		in.Person.Groups = []string{}
	}
	if !q.Ask.Start.IsZero() {
		start := q.Ask.Start.UTC()
		in.Ask.Start = &start
	}
	return json.Marshal(in)
}

func (c *Client) recall(key [sha256.Size]byte) ([]policies.Assertion, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.answers[key]
	return slices.Clone(known.facts), ok && c.now().Before(known.until)
}

func (c *Client) keep(key [sha256.Size]byte, facts []policies.Assertion) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if len(c.answers) >= mostKept {
		for key, known := range c.answers {
			if !now.Before(known.until) {
				delete(c.answers, key)
			}
		}
	}
	if len(c.answers) < mostKept {
		c.answers[key] = answer{until: now.Add(kept), facts: slices.Clone(facts)}
	}
}

func (c *Client) post(ctx context.Context, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the source of facts: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the source of facts answers %s", response.Status)
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, errors.New("the source of facts answers something else than JSON")
	}
	data, err := border.ReadAtMost(response.Body, maxAnswer)
	if err != nil {
		return nil, fmt.Errorf("reading the source of facts: %w", err)
	}
	return data, nil
}

// parse reads an answer: {"facts": {name: value}}, each value true or false, a whole
// number or a text. null says that it is not known. A fact that was not asked for
// refuses all: whoever answers is wrong about something.
func parse(data []byte, asked []string) ([]policies.Assertion, error) {
	var in struct {
		Facts map[string]json.RawMessage `json:"facts"`
	}
	if err := border.DecodeStrict(data, &in); err != nil {
		return nil, fmt.Errorf("reading the source of facts: %w", err)
	}
	if in.Facts == nil {
		return nil, errors.New("the answer of the source of facts holds no facts")
	}
	var facts []policies.Assertion
	for name, raw := range in.Facts {
		if !slices.Contains(asked, name) {
			return nil, fmt.Errorf("the source of facts tells %.80q, which was not asked", name)
		}
		value, known, err := valueOf(raw)
		if err != nil {
			return nil, fmt.Errorf("the fact %s: %w", name, err)
		}
		if known {
			facts = append(facts, policies.Assertion{Name: name, Value: value})
		}
	}
	slices.SortFunc(facts, func(a, b policies.Assertion) int { return strings.Compare(a.Name, b.Name) })
	return facts, nil
}

// valueOf writes a value as policies.Assertion holds it; false where it is not known.
func valueOf(raw json.RawMessage) (text string, known bool, err error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", false, err
	}
	switch v := value.(type) {
	case nil:
		return "", false, nil
	case bool:
		return strconv.FormatBool(v), true, nil
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 64)
		if err != nil {
			return "", false, errors.New("a number is whole, and has at most 64 bits")
		}
		return strconv.FormatInt(n, 10), true, nil
	case string:
		return v, true, nil
	}
	return "", false, errors.New("a value is true or false, a whole number or a text")
}
