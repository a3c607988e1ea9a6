package wire

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"stint/server/border"
)

// Deadlines of the calls. A person waits for the first; the others are made by
// loops that try again.
const (
	startDeadline  = 5 * time.Second
	leaseDeadline  = 4 * time.Second
	endDeadline    = 10 * time.Second
	uploadDeadline = time.Minute
)

// Bounds of what the client reads.
const (
	maxAnswer = 4 << 20
	maxLine   = 64 << 10
)

// Client is a proxy's side of the contract. It is safe for concurrent use. A
// refusal by the broker is an *Error; every other error means that the broker
// could not be asked.
type Client struct {
	base *url.URL
	http *http.Client
}

// NewClient makes a client of the broker at address (https://host:port). The
// broker is known by serverKey (see [border.KeyOf]) alone. The proxy shows
// certificate.
func NewClient(address, serverKey string, certificate tls.Certificate) (*Client, error) {
	base, client, err := border.NewClient("the broker", address, serverKey, certificate, &http.Transport{
		ResponseHeaderTimeout: uploadDeadline,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       time.Minute,
		DisableCompression:    true,
	})
	if err != nil {
		return nil, err
	}
	return &Client{base: base, http: client}, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// StartSession announces a session and returns the broker's yes.
func (c *Client) StartSession(ctx context.Context, start SessionStart) (Session, error) {
	var session Session
	err := c.exchange(ctx, startDeadline, PathSessions, start, &session)
	if err == nil && (session.Session != start.Session || session.Lease <= 0) {
		err = errors.New("the broker's answer is about another session or carries no lease")
	}
	return session, err
}

// RenewLeases asks for a verdict on each session; at most MaxLeases of them.
func (c *Client) RenewLeases(ctx context.Context, request LeaseRequest) (LeaseResult, error) {
	var result LeaseResult
	err := c.exchange(ctx, leaseDeadline, PathLeases, request, &result)
	if err != nil {
		return LeaseResult{}, err
	}
	if len(result.Verdicts) != len(request.Sessions) {
		return LeaseResult{}, errors.New("the broker's answer has another number of verdicts")
	}
	for i, verdict := range result.Verdicts {
		if verdict.Session != request.Sessions[i] {
			return LeaseResult{}, errors.New("the broker's verdicts are in another order")
		}
	}
	return result, nil
}

// EndSession reports that a session is over. Repeating it is harmless.
func (c *Client) EndSession(ctx context.Context, session string, end SessionEnd) error {
	return c.exchange(ctx, endDeadline, sessionPath(PathSessionEnd, session), end, nil)
}

// ExtendSession reports that a session goes on under another grant.
func (c *Client) ExtendSession(ctx context.Context, session string, extension Extension) error {
	return c.exchange(ctx, startDeadline, sessionPath(PathExtension, session), extension, nil)
}

// ReportStatus says how this process of the proxy's is.
func (c *Client) ReportStatus(ctx context.Context, status ProxyStatus) error {
	return c.exchange(ctx, leaseDeadline, PathStatus, status, nil)
}

// ReportSeals reports sealed segments, in order. Repeating one is harmless.
func (c *Client) ReportSeals(ctx context.Context, session string, seals Seals) error {
	return c.exchange(ctx, endDeadline, sessionPath(PathSeals, session), seals, nil)
}

// RecordingState asks how much of a recording the broker holds durably.
func (c *Client) RecordingState(ctx context.Context, session string) (RecordingState, error) {
	ctx, cancel := context.WithTimeout(ctx, endDeadline)
	defer cancel()
	var state RecordingState
	err := c.do(ctx, http.MethodGet, sessionPath(PathRecording, session), nil, nil, 0, &state)
	return state, err
}

// Upload sends size bytes (at most MaxChunk) of a recording that begin at
// offset, and returns how much the broker then holds durably.
func (c *Client) Upload(ctx context.Context, session string, offset int64, chunk io.Reader, size int64) (RecordingState, error) {
	if size > MaxChunk {
		return RecordingState{}, fmt.Errorf("a chunk of %d bytes is too large", size)
	}
	ctx, cancel := context.WithTimeout(ctx, uploadDeadline)
	defer cancel()
	query := url.Values{"offset": {strconv.FormatInt(offset, 10)}}
	var state RecordingState
	err := c.do(ctx, http.MethodPut, sessionPath(PathRecording, session), query, io.LimitReader(chunk, size), size, &state)
	return state, err
}

// Endings opens the stream of endings and calls each for everything it says,
// pings included, in order. connected is called once, when the broker has
// begun the stream: from then on no ending is missed until Endings returns,
// which it does, with an error, when the stream breaks, when nothing was heard
// for two pings, or when ctx ends.
func (c *Client) Endings(ctx context.Context, connected func(), each func(Ending)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(2*EndingsPing, func() { cancel(errors.New("the broker fell silent")) })
	defer silence.Stop()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath(PathEndings).String(), nil)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("opening the stream of endings: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return refusal(response)
	}
	connected()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for lines.Scan() {
		silence.Reset(2 * EndingsPing)
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var ending Ending
		if err := border.DecodeStrict(line, &ending); err != nil {
			return fmt.Errorf("reading an ending: %w", err)
		}
		each(ending)
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading the stream of endings: %w", err)
	}
	return errors.New("the broker ended the stream of endings")
}

// exchange posts a JSON body and reads a JSON answer into out, unless out is nil.
func (c *Client) exchange(ctx context.Context, deadline time.Duration, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, path, nil, bytes.NewReader(body), int64(len(body)), out)
}

func (c *Client) do(ctx context.Context, method, path string, query url.Values, body io.Reader, size int64, out any) error {
	u := c.base.JoinPath(path)
	u.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return err
	}
	request.ContentLength = size
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPut {
		request.Header.Set("Content-Type", "application/octet-stream")
	}
	// Present and empty: every call is safe to repeat, so net/http may make it
	// again on a fresh connection when a kept one turns out to be dead, as it is
	// after the broker was restarted. Nothing is sent.
	request.Header["Idempotency-Key"] = []string{}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("asking the broker: %w", err)
	}
	defer func() {
		// What is left is read, so that the connection can be used again.
		_, _ = io.CopyN(io.Discard, response.Body, 4096)
		response.Body.Close()
	}()
	if response.StatusCode/100 != 2 {
		return refusal(response)
	}
	if out == nil {
		return nil
	}
	answer, err := border.ReadAtMost(response.Body, maxAnswer)
	if err == nil {
		err = border.DecodeStrict(answer, out)
	}
	if err != nil {
		return fmt.Errorf("reading the broker's answer: %w", err)
	}
	return nil
}

// ErrFault means that the broker could not make one call for a reason of its own, which says
// nothing about others.
var ErrFault = errors.New("the broker failed at this call")

// refusal reads a problem document. A server error, or an answer that is none of
// the broker's, is not a refusal: the caller tries again.
func refusal(response *http.Response) error {
	problem := &Error{}
	err := json.NewDecoder(io.LimitReader(response.Body, maxLine)).Decode(problem)
	if response.StatusCode == http.StatusInternalServerError {
		return fmt.Errorf("%w (%s)", ErrFault, problem.Code)
	}
	if response.StatusCode/100 != 4 || err != nil || problem.Code == "" {
		return fmt.Errorf("the broker answered with status %d (%s)", response.StatusCode, problem.Code)
	}
	problem.Status = response.StatusCode
	return problem
}

func sessionPath(path, session string) string {
	return strings.ReplaceAll(path, "{session}", url.PathEscape(session))
}
