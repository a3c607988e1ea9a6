// Package fleet asks a Fleet server what it knows about a machine. What Fleet says
// comes from its agent on the machine, by way of a server that the machine's
// user does not run: better than the machine's own word to us, and no proof
// against somebody who controls the machine as root.
//
// It is the broker's alone: the signer trusts signatures, and Fleet signs nothing.
package fleet

import (
	"bytes"
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
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"stint/policies"
	"stint/server/access"
	"stint/server/border"
)

// Why Fleet did not tell. What is returned is an *access.Error that wraps one of these.
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
	maxText   = 300 // characters of each text
	maxPolicy = 1000
)

// Client asks one Fleet server. It is an access.Fleet, and safe for concurrent use.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// NewClient makes a client of the server at address (https://host, or http:// on
// loopback) that shows an API-only user's token. The server's certificate is
// checked against roots, or the system's where that is nil.
func NewClient(address, token string, roots *x509.CertPool) (*Client, error) {
	base, err := parseAddress(address)
	if err != nil {
		return nil, err
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

// CheckAddress refuses what NewClient would.
func CheckAddress(address string) error {
	_, err := parseAddress(address)
	return err
}

func parseAddress(address string) (*url.URL, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" || strings.Trim(base.Path, "/") != "" {
		return nil, errors.New("the address of Fleet is not of the form https://host")
	}
	if base.Scheme != "https" && (base.Scheme != "http" || !loopback(base.Hostname())) {
		return nil, errors.New("the address of Fleet is not https: the token would be read on the way")
	}
	return base, nil
}

func loopback(host string) bool {
	address := net.ParseIP(host)
	return host == "localhost" || address != nil && address.IsLoopback()
}

// Close lets go of the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// identifier is a hardware UUID or a serial number.
var identifier = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{3,63}$`)

// Find asks for the machine with a hardware UUID or serial number.
func (c *Client) Find(ctx context.Context, id string) (policies.FleetHost, error) {
	if !identifier.MatchString(id) {
		return policies.FleetHost{}, told(fmt.Errorf("%w: %q is neither a hardware UUID nor a serial number", ErrUnknown, id))
	}
	host, err := c.host(ctx, "identifier/"+id)
	// Fleet looks for an identifier among host names too, and a machine's name is its
	// user's choice: one could be named after another's serial number.
	if err == nil && !strings.EqualFold(host.UUID, id) && !strings.EqualFold(host.Serial, id) {
		err = fmt.Errorf("%w: it answers with another machine", ErrUnknown)
	}
	return host, told(err)
}

// Host asks for the machine with a number of Fleet's.
func (c *Client) Host(ctx context.Context, number int64) (policies.FleetHost, error) {
	host, err := c.host(ctx, strconv.FormatInt(number, 10))
	if err == nil && host.ID != number {
		err = fmt.Errorf("%w: it answers with another machine", ErrUnclear)
	}
	return host, told(err)
}

func (c *Client) host(ctx context.Context, path string) (policies.FleetHost, error) {
	data, err := c.get(ctx, "/api/v1/fleet/hosts/"+path, url.Values{"exclude_software": {"true"}})
	if err != nil {
		return policies.FleetHost{}, err
	}
	return parseHost(data)
}

// told makes an error one that people may read. What they may not is its cause.
func told(err error) error {
	answer := &access.Error{Problem: access.Unavailable, Code: access.CodeFleetUnavailable, Cause: err}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrUnknown):
		answer.Problem, answer.Code, answer.Message = access.NotFound, access.CodeFleetUnknown, "Fleet does not know this machine."
	case errors.Is(err, ErrRefused):
		answer.Message = "The Fleet server refuses the broker's token; have an administrator of the broker put a valid one into its file and start it again."
	case errors.Is(err, ErrAway):
		answer.Message = "The Fleet server does not answer; try again in a moment."
	default:
		answer.Message = "The Fleet server's answer cannot be read; the broker's log says why."
	}
	return answer
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

// answers are what a machine answered to policies, at most maxPolicy.
type answers []struct {
	Name     string `json:"name"`
	Critical bool   `json:"critical"`
	Response string `json:"response"`
}

var errPolicies = errors.New("it names too many policies")

// UnmarshalJSON counts while it reads: a policy takes many times the memory of the three
// bytes that it can be written in.
func (a *answers) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	switch open, err := decoder.Token(); {
	case err != nil || open == nil: // null: none
		return err
	case open != json.Delim('['):
		return errors.New("no list")
	}
	for decoder.More() {
		if len(*a) == maxPolicy {
			return errPolicies
		}
		*a = append(*a, answers{{}}...)
		if err := decoder.Decode(&(*a)[len(*a)-1]); err != nil {
			return err
		}
	}
	return nil
}

// parseHost reads the answer about a host. Members that are not ours to know are
// let be: Fleet adds some with each version.
func parseHost(data []byte) (policies.FleetHost, error) {
	unclear := func(why string) (policies.FleetHost, error) {
		return policies.FleetHost{}, fmt.Errorf("%w: %s", ErrUnclear, why)
	}
	var answer struct {
		Host *struct {
			ID             int64     `json:"id"`
			Name           string    `json:"hostname"`
			UUID           string    `json:"uuid"`
			Serial         string    `json:"hardware_serial"`
			System         string    `json:"os_version"`
			Collected      time.Time `json:"detail_updated_at"`
			Judged         time.Time `json:"policy_updated_at"`
			DiskEncryption *bool     `json:"disk_encryption_enabled"`
			Policies       answers   `json:"policies"`
		} `json:"host"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	if err := decoder.Decode(&answer); errors.Is(err, errPolicies) {
		return policies.FleetHost{}, fmt.Errorf("%w: %w", ErrUnclear, err)
	} else if err != nil {
		return unclear("it is not JSON of that kind")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return unclear("something follows it")
	}
	h := answer.Host
	if h == nil || h.ID <= 0 || h.UUID == "" && h.Serial == "" {
		return unclear("it names no machine")
	}
	if h.Collected.UTC().Year() > 9999 || h.Judged.UTC().Year() > 9999 {
		return unclear("it has a time that cannot be written")
	}
	host := policies.FleetHost{
		ID: h.ID, Name: h.Name, UUID: h.UUID, Serial: h.Serial, System: h.System,
		Collected: known(h.Collected), Judged: known(h.Judged), DiskEncryption: policies.Unknown,
	}
	if h.DiskEncryption != nil {
		host.DiskEncryption = policies.Off
		if *h.DiskEncryption {
			host.DiskEncryption = policies.On
		}
	}
	texts := []*string{&host.Name, &host.UUID, &host.Serial, &host.System}
	host.Policies = make([]policies.FleetPolicy, len(h.Policies))
	for i, p := range h.Policies {
		policy := policies.FleetPolicy{Name: p.Name, Critical: p.Critical}
		switch p.Response {
		case "pass", "fail":
			passes := p.Response == "pass"
			policy.Passes = &passes
		case "":
		default:
			return unclear("a policy has an answer of another kind")
		}
		host.Policies[i] = policy
		texts = append(texts, &host.Policies[i].Name)
	}
	for _, text := range texts {
		if utf8.RuneCountInString(*text) > maxText {
			return unclear("a text is too long")
		}
		*text = visible(*text)
	}
	return host, nil
}

// visible puts a sign in the place of each character that cannot be seen or changes
// how the rest is read: names are their giver's choice, and stand in our sentences.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if policies.CheckText(string(r), 1) != nil {
			return utf8.RuneError
		}
		return r
	}, text)
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
