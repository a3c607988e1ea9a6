package store

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"gorm.io/gorm"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
)

type requestRow struct {
	ID               string `gorm:"primaryKey"`
	Number           int64
	State            string
	EndReason        string
	RequesterIssuer  string
	RequesterSubject string
	RequesterEmail   string
	Requester        string
	Revision         int
	Role             string
	Target           string
	Login            string
	DurationSeconds  int64
	Reason           string
	Statement        string
	Digest           string
	Asked            int64
	Expires          int64
	Decision         string
	Begins           int64
	Ends             int64
	EndedAt          int64
	EndedBy          string
	Due              int64
	Ticket           string
	Start            int64
	BreakGlass       bool
	Used             int64
	Confirmation     string
	Asserted         string
	Review           string
	OpenReview       bool
	Tell             int64
}

func (requestRow) TableName() string { return "requests" }

func toRequestRow(r access.Request) requestRow {
	ask := r.Revision.Ask
	row := requestRow{
		ID: r.ID, Number: r.Number, State: string(r.State), EndReason: string(r.EndReason),
		RequesterIssuer: r.Requester.Issuer, RequesterSubject: r.Requester.Subject.Subject,
		RequesterEmail: folded(r.Requester.Email), Requester: text(r.Requester),
		Revision: r.Revision.Number, Role: ask.Role, Target: ask.Target, Login: ask.Login,
		DurationSeconds: int64(ask.Duration / time.Second), Reason: ask.Reason,
		Statement: r.Revision.Statement, Digest: r.Revision.Digest,
		Asked: micros(r.Revision.Asked), Expires: micros(r.Revision.Expires), Decision: text(r.Decision),
		Begins: micros(r.Begins), Ends: micros(r.Ends), EndedAt: micros(r.EndedAt), EndedBy: personText(r.EndedBy),
		Due: due(r), Ticket: ask.Ticket, Start: micros(ask.Start), BreakGlass: ask.BreakGlass,
		Used: micros(r.Used), OpenReview: r.OpenReview, Tell: micros(r.Tell),
	}
	if r.Confirmation != nil {
		row.Confirmation = text(r.Confirmation)
	}
	if len(r.Asserted) > 0 {
		row.Asserted = text(r.Asserted)
	}
	if r.Review != nil {
		row.Review = text(r.Review)
	}
	return row
}

// due is when time ends a request; 0 when it has ended.
func due(r access.Request) int64 {
	switch {
	case r.State == access.Pending:
		return micros(r.Revision.Expires)
	case r.State.Live():
		return micros(r.Ends)
	}
	return 0
}

func (row requestRow) request() (access.Request, error) {
	r := access.Request{
		ID: row.ID, Number: row.Number, State: access.State(row.State), EndReason: access.EndReason(row.EndReason),
		Revision: access.Revision{
			Number: row.Revision,
			Ask: policies.Ask{
				Role: row.Role, Target: row.Target, Login: row.Login,
				Duration: time.Duration(row.DurationSeconds) * time.Second, Reason: row.Reason,
				Ticket: row.Ticket, Start: moment(row.Start), BreakGlass: row.BreakGlass,
			},
			Statement: row.Statement, Digest: row.Digest, Asked: moment(row.Asked), Expires: moment(row.Expires),
		},
		Begins: moment(row.Begins), Ends: moment(row.Ends), EndedAt: moment(row.EndedAt),
		Used: moment(row.Used), OpenReview: row.OpenReview, Tell: moment(row.Tell),
	}
	var d decoder
	d.into(row.Requester, &r.Requester)
	d.into(row.Decision, &r.Decision)
	d.into(row.EndedBy, &r.EndedBy)
	d.into(row.Confirmation, &r.Confirmation)
	d.into(row.Asserted, &r.Asserted)
	d.into(row.Review, &r.Review)
	return r, d.err
}

func (r *reader) Request(id string) (access.Request, error) {
	return one(r.db.Where("id = ?", id), requestRow.request)
}

func (r *reader) RequestsByID(ids []string) ([]access.Request, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return all(r.db.Where("id IN ?", ids), requestRow.request)
}

func (r *reader) Requests(q access.RequestQuery) ([]access.Request, error) {
	db := r.db.Order("number DESC").Limit(bound(q.Limit))
	if q.Requester != (policies.Subject{}) {
		db = db.Where("requester_issuer = ? AND requester_subject = ?", q.Requester.Issuer, q.Requester.Subject)
	}
	if q.Role != "" {
		db = db.Where("role = ?", q.Role)
	}
	if len(q.States) > 0 {
		db = db.Where("state IN ?", q.States)
	}
	if q.Before > 0 {
		db = db.Where("number < ?", q.Before)
	}
	return all(db, requestRow.request)
}

func bound(limit int) int { return max(1, min(limit, access.MaxPage)) }

func (r *reader) LiveGrants(of []policies.Person, now time.Time) ([]access.Request, error) {
	return all(r.requestsOf(of).Where("state IN ?", []access.State{access.Approved, access.Active}).
		Where("due > 0 AND ends > ?", micros(now)).Order("number"), requestRow.request)
}

func (r *reader) LiveGrantsAfter(number int64, now time.Time, limit int) ([]access.Request, error) {
	return all(r.db.Where("state IN ?", []access.State{access.Approved, access.Active}).
		Where("number > ? AND due > 0 AND ends > ?", number, micros(now)).Order("number").Limit(bound(limit)), requestRow.request)
}

func (r *reader) OpenRequests(of []policies.Person) ([]access.Request, error) {
	return all(r.requestsOf(of).Where("state IN ?", []access.State{access.Pending, access.Approved, access.Active}).
		Where("due > 0").Order("number"), requestRow.request)
}

// requestsOf selects those of several identities or their e-mail addresses.
func (r *reader) requestsOf(of []policies.Person) *gorm.DB {
	who := r.db.Session(&gorm.Session{NewDB: true}).Where("FALSE")
	for _, p := range of {
		who = who.Or("requester_issuer = ? AND requester_subject = ?", p.Subject.Issuer, p.Subject.Subject)
		if p.Email != "" {
			who = who.Or("requester_email = ?", folded(p.Email))
		}
	}
	return r.db.Where(who)
}

// folded is an e-mail address so that every other that differs in case only, as
// strings.EqualFold has it, is the same: ſ is an s there, and its own small letter.
func folded(email string) string {
	return strings.Map(func(c rune) rune {
		least := c
		for other := unicode.SimpleFold(c); other != c; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return unicode.ToLower(least)
	}, email)
}

func (r *reader) Due(now time.Time, limit int) ([]access.Request, error) {
	return all(r.db.Where("due > 0 AND due <= ?", micros(now)).Order("due").Limit(bound(limit)), requestRow.request)
}

func (r *reader) NextDue() (time.Time, error) {
	row, err := first[requestRow](r.db.Select("due").Where("due > 0").Order("due"))
	return moment(row.Due), err
}

func (t *tx) AddRequest(r access.Request) error { return add(t.db, toRequestRow(r)) }

func (t *tx) MoveRequest(r access.Request, from access.State) error {
	row := toRequestRow(r)
	return changed(t.db.Model(&requestRow{}).
		Where("id = ? AND state = ? AND revision = ?", r.ID, string(from), r.Revision.Number).
		Updates(map[string]any{
			"state": row.State, "end_reason": row.EndReason, "decision": row.Decision, "begins": row.Begins,
			"ends": row.Ends, "ended_at": row.EndedAt, "ended_by": row.EndedBy, "due": row.Due,
			"used": row.Used, "confirmation": row.Confirmation, "asserted": row.Asserted, "review": row.Review,
			"open_review": row.OpenReview, "tell": row.Tell,
		}))
}

type approvalRow struct {
	Request         string `gorm:"primaryKey"`
	Revision        int    `gorm:"primaryKey;autoIncrement:false"`
	ApproverIssuer  string `gorm:"primaryKey"`
	ApproverSubject string `gorm:"primaryKey"`
	Approver        string
	DurationSeconds int64
	Issued          int64
	PasskeyName     string
	Statement       string
	Assertion       string
	Behalf          string
}

func (approvalRow) TableName() string { return "approvals" }

func (row approvalRow) approval() (access.Approval, error) {
	a := access.Approval{
		Request: row.Request, Revision: row.Revision, Duration: time.Duration(row.DurationSeconds) * time.Second,
		Issued: moment(row.Issued), PasskeyName: row.PasskeyName, Signed: evidence.SignedByPasskey{Statement: row.Statement},
	}
	var d decoder
	d.into(row.Approver, &a.Approver)
	d.into(row.Behalf, &a.For)
	d.into(row.Assertion, &a.Signed.Assertion)
	return a, d.err
}

func (r *reader) Approvals(request string, revision int) ([]access.Approval, error) {
	return all(r.db.Where("request = ? AND revision = ?", request, revision).
		Order("issued, approver_issuer, approver_subject"), approvalRow.approval)
}

func (t *tx) AddApproval(a access.Approval) error {
	row := approvalRow{
		Request: a.Request, Revision: a.Revision, ApproverIssuer: a.Approver.Issuer, ApproverSubject: a.Approver.Subject.Subject,
		Approver: text(a.Approver), DurationSeconds: int64(a.Duration / time.Second), Issued: micros(a.Issued),
		PasskeyName: a.PasskeyName, Statement: a.Signed.Statement, Assertion: text(a.Signed.Assertion),
	}
	if a.For != nil {
		row.Behalf = text(a.For)
	}
	return add(t.db, row)
}

type certificateRow struct {
	Serial      string `gorm:"primaryKey"`
	Request     string
	Principal   string
	Certificate string
	Issued      int64
	Ends        int64
	Bundle      string
	Proof       string
	Withheld    bool
}

func (certificateRow) TableName() string { return "certificates" }

func (row certificateRow) certificate() (access.Certificate, error) {
	c := access.Certificate{
		Request: row.Request, Principal: row.Principal, Certificate: row.Certificate,
		Issued: moment(row.Issued), Ends: moment(row.Ends), Withheld: row.Withheld,
	}
	var d decoder
	d.into(row.Bundle, &c.Bundle)
	d.into(row.Proof, &c.Proof)
	if d.err == nil {
		c.Serial, d.err = strconv.ParseUint(row.Serial, 10, 64)
	}
	return c, d.err
}

func (r *reader) Certificate(serial uint64) (access.Certificate, error) {
	return one(r.db.Where("serial = ?", strconv.FormatUint(serial, 10)), certificateRow.certificate)
}

func (r *reader) Certificates(request string) ([]access.Certificate, error) {
	return all(r.db.Where("request = ?", request).Order("issued, serial"), certificateRow.certificate)
}

func (r *reader) NewestCertificate(request string) (access.Certificate, error) {
	return one(r.db.Where("request = ? AND NOT withheld", request).Order("issued DESC, length(serial) DESC, serial DESC"), certificateRow.certificate)
}

func (t *tx) AddCertificate(c access.Certificate) error {
	return add(t.db, certificateRow{
		Serial: strconv.FormatUint(c.Serial, 10), Request: c.Request, Principal: c.Principal, Certificate: c.Certificate,
		Issued: micros(c.Issued), Ends: micros(c.Ends), Bundle: text(c.Bundle), Proof: text(c.Proof), Withheld: c.Withheld,
	})
}
