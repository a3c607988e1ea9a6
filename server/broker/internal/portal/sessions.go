package portal

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"stint/policies"
	"stint/server/access"
	"stint/server/api"
	"stint/server/broker/internal/recordings"
)

func (p *Portal) sessions(ctx context.Context, in *sessionsInput) (*body[api.Sessions], error) {
	query := access.SessionQuery{Request: in.Request, Target: in.Target, Limit: in.Limit}
	if in.Live {
		query.Live = &in.Live
	}
	if in.Person != "" {
		subject, err := policies.ParseSubject(in.Person)
		if err != nil {
			subject = policies.Subject{Issuer: p.config.Issuer, Subject: in.Person}
		}
		query.Requester = subject
	}
	var err error
	if query.After, err = fromSessionCursor(in.Cursor); err != nil {
		return nil, err
	}
	items, next, err := p.config.Flow.Sessions(ctx, personOf(ctx), query)
	if err != nil {
		return nil, err
	}
	page := api.Sessions{Cursor: toSessionCursor(next)}
	if page.Items, err = p.toSessions(ctx, items); err != nil {
		return nil, err
	}
	return &body[api.Sessions]{page}, nil
}

// A session's cursor is "live-" or "ended-" and its number.
func fromSessionCursor(text string) (*access.SessionPlace, error) {
	if text == "" {
		return nil, nil
	}
	kind, number, _ := strings.Cut(text, "-")
	n, err := strconv.ParseInt(number, 10, 64)
	place := &access.SessionPlace{Live: kind == "live", Number: n}
	if err != nil || n < 0 || toSessionCursor(place) != text {
		return nil, wrong("query.cursor", "This is not a cursor that a page before has given.")
	}
	return place, nil
}

func toSessionCursor(place *access.SessionPlace) string {
	switch {
	case place == nil:
		return ""
	case place.Live:
		return fmt.Sprintf("live-%d", place.Number)
	default:
		return fmt.Sprintf("ended-%d", place.Number)
	}
}

// toSessions shows sessions in a list, where long recordings are not read.
func (p *Portal) toSessions(ctx context.Context, sessions []access.Session) ([]api.Session, error) {
	converted := make([]api.Session, len(sessions))
	for i, s := range sessions {
		shown, err := p.toSession(ctx, s, true)
		if err != nil {
			return nil, err
		}
		converted[i] = shown
	}
	return converted, nil
}

func (p *Portal) toSession(ctx context.Context, s access.Session, brief bool) (api.Session, error) {
	verdict, err := p.config.Recordings.Check(ctx, s, func() ([]access.Seal, error) { return recordings.Seals(ctx, p.config.Store, s) }, brief)
	if err != nil {
		return api.Session{}, err
	}
	size, err := p.config.Recordings.Size(s)
	if err != nil {
		return api.Session{}, err
	}
	shown := api.Session{
		ID: s.ID, Request: s.Request, Extension: s.Extension, Person: toPerson(s.Person), Role: s.Role, Login: s.Login, Target: s.Target, Proxy: s.Proxy,
		ClientAddress: s.ClientAddress, ClientVersion: s.ClientVersion, Started: s.Started.UTC(), Ended: moment(s.Ended),
		EndReason: s.EndReason, Live: s.Live(), Bytes: size, Seals: int(s.Seals), ChainVerified: verdict.Chain, ChainDetail: verdict.Detail,
		Stored: moment(s.Stored), Removed: moment(s.Removed),
	}
	if shown.Stored != nil {
		shown.Digest = hex.EncodeToString(s.Digest[:])
	}
	if s.Hold != nil {
		shown.Hold = &api.Hold{By: toPerson(s.Hold.By), Reason: s.Hold.Reason, At: s.Hold.At.UTC()}
	}
	return shown, nil
}

func (p *Portal) session(ctx context.Context, in *sessionInput) (*body[api.Session], error) {
	view, err := p.config.Flow.Session(ctx, personOf(ctx), in.Session)
	if err != nil {
		return nil, err
	}
	shown, err := p.toSession(ctx, view.Session, false)
	if err != nil {
		return nil, err
	}
	shown.May = view.May
	shown.ReauthenticateBy = moment(view.ReauthenticateBy)
	if shown.Live {
		shown.GrantEnds = moment(view.GrantEnds)
	}
	return &body[api.Session]{shown}, nil
}

func (p *Portal) kill(ctx context.Context, in *sessionBody[api.Taking]) (*body[api.Session], error) {
	if _, err := p.config.Flow.Kill(ctx, personOf(ctx), in.Session, in.Body.Reason); err != nil {
		return nil, err
	}
	return p.session(ctx, &sessionInput{Session: in.Session})
}

func (p *Portal) presenceChallenge(ctx context.Context, in *sessionInput) (*body[api.SigningChallenge], error) {
	return challenged(p.config.Flow.PresenceChallenge(ctx, personOf(ctx), in.Session))
}

func (p *Portal) presence(ctx context.Context, in *sessionBody[api.SignedStatement]) (*body[api.Session], error) {
	if err := p.config.Flow.ConfirmPresence(ctx, personOf(ctx), in.Session, fromSigned(in.Body)); err != nil {
		return nil, err
	}
	return p.session(ctx, &sessionInput{Session: in.Session})
}

func (p *Portal) hold(ctx context.Context, in *sessionBody[api.Taking]) (*body[api.Session], error) {
	if err := p.config.Flow.Hold(ctx, personOf(ctx), in.Session, in.Body.Reason); err != nil {
		return nil, err
	}
	return p.session(ctx, &sessionInput{Session: in.Session})
}

func (p *Portal) release(ctx context.Context, in *sessionBody[api.Taking]) (*body[api.Session], error) {
	if err := p.config.Flow.Release(ctx, personOf(ctx), in.Session, in.Body.Reason); err != nil {
		return nil, err
	}
	return p.session(ctx, &sessionInput{Session: in.Session})
}

type eventsInput struct {
	Session string `path:"session" maxLength:"64" doc:"of a session"`
	Input   bool   `query:"input" doc:"with what was typed, passwords included"`
}

// events streams a recording's decoded events.
func (p *Portal) events(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	by := personOf(ctx)
	session, err := p.replayed(ctx, by, in.Session)
	if err != nil {
		return nil, err
	}
	file, err := p.config.Recordings.Read(ctx, session.ID)
	if err != nil {
		return nil, err
	}
	reader, err := p.config.Recordings.Events(file)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer file.Close()
		c := humagin.Unwrap(ctx)
		header := c.Writer.Header()
		header.Set("Content-Type", api.EventsFormat)
		if !session.Live() {
			tag := fmt.Sprintf(`W/"%s-%d-%d-%t"`, session.ID, file.Size(), session.Seals, in.Input)
			header.Set("ETag", tag)
			header.Set("Cache-Control", "private, no-cache")
			if c.GetHeader("If-None-Match") == tag {
				c.Status(http.StatusNotModified)
				c.Writer.WriteHeaderNow()
				return
			}
		}
		c.Status(http.StatusOK)
		if err := recordings.WriteEvents(newPatient(c), reader, in.Input); err != nil {
			p.log.Warn("streaming a recording", "request_id", requestID(c.Request.Context()), "session", session.ID, "error", err)
			// The stream is cut, so that what arrived is not taken for the whole.
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// recording gives the bytes as they are, and the recording's own keys with them, where
// the broker has some: a client then reads and proves it itself.
func (p *Portal) recording(ctx context.Context, in *sessionInput) (*huma.StreamResponse, error) {
	session, err := p.replayed(ctx, personOf(ctx), in.Session)
	if err != nil {
		return nil, err
	}
	file, err := p.config.Recordings.Read(ctx, session.ID)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer file.Close()
		c := humagin.Unwrap(ctx)
		header := c.Writer.Header()
		if keys, err := p.config.Recordings.Reveal(file); err == nil {
			text, _ := json.Marshal(keys) // bytes: it cannot fail
			header.Set(api.RecordingKeys, base64.StdEncoding.EncodeToString(text))
		}
		header.Set("Content-Type", "application/octet-stream")
		header.Set("Content-Disposition", `attachment; filename="`+session.ID+`.stint"`)
		if !session.Live() {
			header.Set("ETag", fmt.Sprintf(`"%s-%d"`, session.ID, file.Size()))
			header.Set("Cache-Control", "private, no-cache")
		}
		http.ServeContent(newPatient(c), c.Request, "", time.Time{}, file)
	}}, nil
}

// patient is a response that may take long as long as it goes on.
type patient struct {
	gin.ResponseWriter
	control *http.ResponseController
}

// stall is how long one write may take.
const stall = 30 * time.Second

func newPatient(c *gin.Context) patient {
	control := http.NewResponseController(c.Writer)
	// The read deadline counts from the request and would end the response.
	_ = control.SetReadDeadline(time.Time{})
	return patient{c.Writer, control}
}

// Write gives each write its own deadline.
func (w patient) Write(data []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(stall))
	return w.ResponseWriter.Write(data)
}

// replayed admits a caller to a recording. That it was opened is put into the
// audit log once in a while, not for each range or each look at a live session.
func (p *Portal) replayed(ctx context.Context, by policies.Person, id string) (access.Session, error) {
	if p.replays.recent(by.Subject, id, p.config.Now()) {
		view, err := p.config.Flow.Session(ctx, by, id)
		if err != nil {
			return access.Session{}, err
		}
		for _, may := range view.May {
			if may == "replay" {
				return view.Session, nil
			}
		}
	}
	session, _, err := p.config.Flow.Replaying(ctx, by, id)
	if err == nil {
		p.replays.note(by.Subject, id, p.config.Now())
	}
	return session, err
}

// replays remembers who opened which recording in the last minutes.
type replays struct {
	mu     sync.Mutex
	opened map[replay]time.Time
}

type replay struct {
	by      policies.Subject
	session string
}

// sameReplay is how long opening a recording again counts as going on.
const sameReplay = 10 * time.Minute

// maxReplays bounds what is remembered; beyond it more is put into the audit log.
const maxReplays = 10000

func newReplays() *replays { return &replays{opened: map[replay]time.Time{}} }

func (r *replays) recent(by policies.Subject, session string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	opened, ok := r.opened[replay{by, session}]
	return ok && now.Sub(opened) < sameReplay
}

func (r *replays) note(by policies.Subject, session string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.opened) >= maxReplays {
		clear(r.opened)
	}
	r.opened[replay{by, session}] = now
}
