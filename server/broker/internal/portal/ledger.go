package portal

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/crypto/ssh"

	"stint/server/access"
	"stint/server/api"
	"stint/server/broker/internal/monitor"
	"stint/server/broker/internal/store"
	"stint/server/ledger"
)

// Monitor compares what targets report with the ledger.
type Monitor interface {
	CompareAccepted(ctx context.Context, target string, accepted []monitor.Accepted) (unknown []uint64, err error)
}

// Mirror is what the portal reads of the mirrored ledger.
type Mirror interface {
	NewestMirroredLog(ctx context.Context) (store.MirroredLog, error)
	MirroredLeaves(ctx context.Context, log, from int64, limit int) ([]store.MirroredLeaf, error)
	MirroredTile(ctx context.Context, log store.MirroredLog, tile ledger.Tile) ([]byte, error)
	ContinueMirrored(ctx context.Context, log store.MirroredLog, from, size int64) (ledger.Consistency, error)
}

func (p *Portal) registerLedger(r registrar) {
	operation(r, http.MethodGet, api.PathAlarms, "alarms", "What must not be, newest first; for reviewers and administrators", p.alarms)
	operation(r, http.MethodPost, api.PathAcknowledgeAlarm, "acknowledge-alarm", "Say what an alarm came of", p.acknowledgeAlarm)
	operation(r, http.MethodPost, api.PathAcceptedSerials, "accepted-serials", "A target's report of the certificates that it accepted, signed by its host key", p.acceptedSerials, withoutSignIn(aSignature))
	operation(r, http.MethodGet, api.PathLedgerEntries, "ledger", "Entries of the signer's ledger as they are mirrored; for reviewers and administrators", p.ledgerEntries)
}

type alarmsInput struct {
	State  string `query:"state" enum:"open,all" default:"open" doc:"open are those that nobody has acknowledged"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" maxLength:"256"`
}

type alarmBody[T any] struct {
	Alarm string `path:"alarm" maxLength:"64" doc:"of an alarm"`
	Body  T
}

func (p *Portal) alarms(ctx context.Context, in *alarmsInput) (*body[api.Alarms], error) {
	before, err := fromCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	alarms, open, next, err := p.config.Flow.Alarms(ctx, personOf(ctx), in.State == "open", before, in.Limit)
	if err != nil {
		return nil, err
	}
	page := api.Alarms{Items: make([]api.Alarm, len(alarms)), Open: open, Cursor: toCursor(next)}
	for i, a := range alarms {
		page.Items[i] = toAlarm(a)
	}
	return &body[api.Alarms]{page}, nil
}

func (p *Portal) acknowledgeAlarm(ctx context.Context, in *alarmBody[api.Taking]) (*body[api.Alarm], error) {
	acknowledged, err := p.config.Flow.AcknowledgeAlarm(ctx, personOf(ctx), in.Alarm, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &body[api.Alarm]{toAlarm(acknowledged)}, nil
}

func toAlarm(a access.Alarm) api.Alarm {
	means, steps := a.Advice()
	shown := api.Alarm{
		ID: a.ID, Kind: a.Kind, Title: a.Title, Means: means, Steps: make([]api.AlarmStep, len(steps)), Raised: a.Raised.UTC(), Request: a.Request, Session: a.Session,
		Detail: a.Detail, Acknowledged: moment(a.Acknowledged), Reason: a.Reason,
	}
	for i, step := range steps {
		shown.Steps[i] = api.AlarmStep(step)
	}
	if shown.Acknowledged != nil {
		by := toPerson(a.By)
		shown.By = &by
	}
	return shown
}

// How often a target may report: what it says costs a look at the ledger. And how
// often one that raises an alarm: a target in other hands could make up any number,
// and an honest one loses nothing, since it reports the same later.
const (
	reportBurst = 20
	reportEvery = time.Second
	alarmBurst  = 5
	alarmEvery  = time.Hour
)

// reports bounds each target's. Only targets that the policy names get that far,
// so there are as many as targets.
type reports struct {
	mu       sync.Mutex
	of       map[string]*allowance
	alarming map[string]*allowance
}

// admit takes a report of a target's, if there is one left and alarms are too.
func (r *reports) admit(target string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of, r.alarming = map[string]*allowance{}, map[string]*allowance{}
	}
	if r.of[target] == nil {
		r.of[target], r.alarming[target] = newAllowance(reportBurst, reportEvery), newAllowance(alarmBurst, alarmEvery)
	}
	return r.alarming[target].has(now) && r.of[target].admit(now)
}

// alarmed notes that what a target has just reported raised an alarm.
func (r *reports) alarmed(target string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.alarming[target].admit(now)
}

// acceptedSerials takes a target's word for what it accepted. It can only raise an
// alarm about the target itself.
func (p *Portal) acceptedSerials(ctx context.Context, in *onlyBody[api.AcceptedSerials]) (*body[api.AcceptedSerialsResult], error) {
	// 1. A target that the policy names, and its own signature.
	target, ok := p.policy().Target(in.Body.Target)
	if !ok || !signedByHost(target.HostKey, in.Body.SigningText(), in.Body.Signature) {
		return nil, &api.Error{Status: http.StatusForbidden, Code: "report.signature",
			Title: "The report is not signed by the host key that the policy names for this target; check the target's name and --host-key."}
	}
	// 2. Not faster than is of use.
	if !p.reports.admit(target.Name, p.config.Now()) {
		return nil, &api.Error{Status: http.StatusTooManyRequests, Code: "report.too-often", Title: "This target has just reported, or raised several alarms; try again later."}
	}
	// 3. Compared with the ledger as it is now.
	accepted := make([]monitor.Accepted, len(in.Body.Serials))
	for i, s := range in.Body.Serials {
		accepted[i] = monitor.Accepted{Serial: s.Serial, KeyID: s.KeyID, Login: s.Login, Time: exactly(s.Time)}
	}
	unknown, err := p.config.Monitor.CompareAccepted(ctx, target.Name, accepted)
	if err != nil {
		return nil, &access.Error{Problem: access.Unavailable, Code: access.CodeSignerUnavailable,
			Message: "The signer's ledger cannot be read now, so nothing was compared; send the report again later.", Cause: err}
	}
	if len(unknown) > 0 {
		p.reports.alarmed(target.Name, p.config.Now())
	}
	return &body[api.AcceptedSerialsResult]{api.AcceptedSerialsResult{Known: len(accepted) - len(unknown), Unknown: list(unknown)}}, nil
}

// exactly is zero for what a target's log did not say exactly.
func exactly(t time.Time) time.Time {
	if t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

// signedByHost checks a signature by an SSH host key. RSA with SHA-1 is refused.
func signedByHost(hostKey string, text []byte, encoded string) bool {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(hostKey))
	if err != nil {
		return false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return false
	}
	var signature ssh.Signature
	if err := ssh.Unmarshal(raw, &signature); err != nil || signature.Format == ssh.KeyAlgoRSA {
		return false
	}
	return key.Verify(text, &signature) == nil
}

// ledgerEntries gives leaves exactly as they were hashed, of whatever length.
func (p *Portal) ledgerEntries(ctx context.Context, in *auditLogInput) (*body[api.LedgerEntries], error) {
	if err := p.config.Flow.MayAudit(ctx, personOf(ctx)); err != nil {
		return nil, err
	}
	log, err := p.mirrored(ctx)
	if err != nil {
		return nil, err
	}
	leaves, err := p.config.Mirror.MirroredLeaves(ctx, log.ID, in.From, min(in.Limit, mostEntries))
	if err != nil {
		return nil, err
	}
	page := api.LedgerEntries{From: in.From, Entries: make([]string, len(leaves)), Checkpoint: newestCheckpoint(log), Key: log.Key}
	for i, leaf := range leaves {
		page.Entries[i] = string(leaf.Data)
	}
	return &body[api.LedgerEntries]{page}, nil
}

// mostEntries bounds a page: an entry may hold a whole policy.
const mostEntries = 200

func (p *Portal) mirrored(ctx context.Context) (store.MirroredLog, error) {
	log, err := p.config.Mirror.NewestMirroredLog(ctx)
	if errors.Is(err, access.ErrNoRow) || err == nil && log.Checkpoint == "" {
		return log, &api.Error{Status: http.StatusNotFound, Code: "ledger.not-mirrored", Title: "Nothing of the signer's ledger was mirrored yet; try again in a moment."}
	}
	return log, err
}

// newestCheckpoint is the one with witnesses' signatures, where they signed the
// newest.
func newestCheckpoint(log store.MirroredLog) string {
	body, _, _ := strings.Cut(log.Checkpoint, "\n\n")
	if log.Cosigned != "" && strings.HasPrefix(log.Cosigned, body+"\n\n") {
		return log.Cosigned
	}
	return log.Checkpoint
}

// routeLedger serves the mirror as C2SP tlog-tiles has it.
func (p *Portal) routeLedger(engine *gin.Engine) {
	engine.GET(api.PathLedgerCheckpoint, p.bounded, func(c *gin.Context) {
		log, err := p.mirrored(c.Request.Context())
		if err != nil {
			p.refuse(c, p.problem(c.Request.Context(), err))
			return
		}
		c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(newestCheckpoint(log)))
	})
	engine.GET(api.PathLedgerTiles+"*tile", p.bounded, func(c *gin.Context) {
		data, err := p.tile(c.Request, strings.TrimPrefix(c.Param("tile"), "/"))
		if err != nil {
			p.refuse(c, p.problem(c.Request.Context(), err))
			return
		}
		c.Data(http.StatusOK, "application/octet-stream", data)
	})
}

// tile reads hashes for everybody, and entries for who may read the audit log:
// they hold people's ID tokens.
func (p *Portal) tile(r *http.Request, path string) ([]byte, error) {
	ctx := r.Context()
	tile, err := ledger.ParseTile(path)
	if err != nil {
		return nil, noTile(err)
	}
	if tile.Entries() {
		caller, err := p.authenticate(r, false)
		if err != nil {
			return nil, err
		}
		if err := p.config.Flow.MayAudit(ctx, caller.Person); err != nil {
			return nil, err
		}
	}
	log, err := p.mirrored(ctx)
	if err != nil {
		return nil, err
	}
	if !tile.Entries() {
		data, err := p.config.Mirror.MirroredTile(ctx, log, tile)
		return data, noTile(err)
	}
	if !tile.In(log.Size) {
		return nil, noTile(ledger.ErrTile)
	}
	from, count := tile.Leaves()
	leaves, err := p.config.Mirror.MirroredLeaves(ctx, log.ID, from, count)
	if err != nil {
		return nil, err
	}
	entries := make([][]byte, len(leaves))
	for i, leaf := range leaves {
		entries[i] = leaf.Data
	}
	bundle, err := ledger.EntryBundle(entries)
	if errors.Is(err, ledger.ErrLongLeaf) {
		return nil, &api.Error{Status: http.StatusUnprocessableEntity, Code: "ledger.long-entry",
			Title: "An entry of this bundle is longer than the bundle's format allows; read it from " + api.PathLedgerEntries + "."}
	}
	return bundle, err
}

func noTile(err error) error {
	if errors.Is(err, ledger.ErrTile) {
		return &api.Error{Status: http.StatusNotFound, Code: "ledger.no-tile", Title: "The ledger has no such tile (yet)."}
	}
	return err
}
