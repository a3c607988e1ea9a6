// Package monitor compares what the signer has issued with what was granted: it
// joins the mirrored ledger with the broker's grants, certificates and sessions,
// and with what targets report. What does not fit raises an alarm.
//
// A round begins by noting what the broker holds, and only then brings the mirror
// up to date. Whatever was noted had its entry before the signer's answer left
// it, so an entry that is missing then is missing for good: there is no grace in
// which a forged certificate could pass.
package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/evidence"
)

// Every is how often everything is compared: an alarm is raised within it.
const Every = 10 * time.Second

// page is how many rows are read at a time.
const page = 500

// Mirror is the mirror of the signer's ledger.
type Mirror interface {
	Fetch(ctx context.Context) (store.MirroredLog, error)
	Newest(ctx context.Context) (store.MirroredLog, error)
}

// Alarms is where findings go: access.Service.
type Alarms interface {
	RaiseAlarm(ctx context.Context, a access.Alarm) (news bool, err error)
	NoteEmergency(ctx context.Context, request string, first access.FirstUse) error
}

// Config wires a Monitor; all fields are required.
type Config struct {
	Mirror Mirror
	Store  *store.Store
	Alarms Alarms
	Log    *slog.Logger
}

// Monitor is safe for concurrent use, but for Round, of which one runs at a time.
type Monitor struct {
	config Config
	keys   keyHistory
}

// New checks the wiring.
func New(c Config) (*Monitor, error) {
	if c.Mirror == nil || c.Store == nil || c.Alarms == nil || c.Log == nil {
		return nil, errors.New("monitor: the wiring is incomplete")
	}
	return &Monitor{config: c}, nil
}

// Run compares, over and over, until ctx is done.
func (m *Monitor) Run(ctx context.Context) {
	for {
		if err := m.Round(ctx); err != nil && ctx.Err() == nil {
			m.config.Log.Warn("comparing the ledger with what was granted", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(Every):
		}
	}
}

// Positions of the monitor.
const (
	positionSessions     = "sessions"     // the number of the next session
	positionCertificates = "certificates" // when the last certificate was issued, in microseconds
)

// positionEntries is the next entry of a ledger.
func positionEntries(log store.MirroredLog) string { return "entries of " + log.Origin }

// overlap is how far back certificates are looked at again: brokers' clocks differ.
const overlap = 5 * time.Minute

// Round compares everything that is new since the last round.
func (m *Monitor) Round(ctx context.Context) error {
	// 1. What the broker holds.
	sessions, err := m.newSessions(ctx)
	if err != nil {
		return err
	}
	certificates, err := m.newCertificates(ctx)
	if err != nil {
		return err
	}
	// 2. What the signer has issued. Without its answer, what is mirrored already is
	// compared all the same.
	log, fetchErr := m.config.Mirror.Fetch(ctx)
	if fetchErr != nil {
		if log, err = m.config.Mirror.Newest(ctx); errors.Is(err, access.ErrNoRow) {
			return fetchErr
		} else if err != nil {
			return errors.Join(fetchErr, err)
		}
	}
	if err := m.compareEntries(ctx, log); err != nil || fetchErr != nil {
		return errors.Join(err, fetchErr)
	}
	// 3. What the broker holds is in the ledger, and signed by the right keys.
	return errors.Join(m.compareSessions(ctx, log, sessions), m.compareCertificates(ctx, log, certificates))
}

// compareEntries goes through the entries that no round has seen.
func (m *Monitor) compareEntries(ctx context.Context, log store.MirroredLog) error {
	name := positionEntries(log)
	next, err := m.config.Store.Position(ctx, name)
	if err != nil {
		return err
	}
	for {
		leaves, err := m.config.Store.MirroredLeaves(ctx, log.ID, next, page)
		if err != nil || len(leaves) == 0 {
			return err
		}
		var found []access.Alarm
		var unknown []*evidence.SessionEntry
		err = m.config.Store.Read(ctx, func(r access.Reader) error {
			found, unknown = nil, nil
			for _, leaf := range leaves {
				entry, alarm, err := compareEntry(r, log, leaf)
				if err != nil {
					return err
				}
				if alarm != nil {
					found = append(found, *alarm)
					continue
				}
				lost, err := isUnknown(r, entry.Session)
				if err != nil {
					return err
				}
				if lost {
					unknown = append(unknown, entry.Session)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := m.raise(ctx, found); err != nil {
			return err
		}
		for _, emergency := range unknown {
			if err := m.config.Alarms.NoteEmergency(ctx, emergency.Request, firstUse(emergency)); err != nil {
				return fmt.Errorf("writing an emergency down: %w", err)
			}
		}
		next = leaves[len(leaves)-1].Number + 1
		if err := m.config.Store.SetPosition(ctx, name, next); err != nil {
			return err
		}
	}
}

// isUnknown says whether somebody acted alone by a certificate whose issue was never written
// down here, where nobody would find it to review it. That it is for an emergency the request
// says, whatever the signer calls it.
func isUnknown(r access.RequestReader, issued *evidence.SessionEntry) (bool, error) {
	if issued == nil {
		return false, nil
	}
	q, err := r.Request(issued.Request)
	return err == nil && q.Misses(firstUse(issued)), err
}

// firstUse is when the grant of a certificate was first used.
func firstUse(issued *evidence.SessionEntry) access.FirstUse {
	first := access.FirstUse{Used: issued.Circumstances.Used, Ends: issued.Ends, Bundle: issued.Bundle}
	if first.Used.IsZero() {
		first.Used = issued.Circumstances.Now
	}
	return first
}

// endingTolerance is how long after a grant's end a proxy may still have opened a
// connection: the ending was on its way to the signer, and two clocks differ.
const endingTolerance = time.Minute

// compareEntry reads an entry, and finds the grant that an issue is for.
func compareEntry(r access.Reader, log store.MirroredLog, leaf store.MirroredLeaf) (entry evidence.Entry, alarm *access.Alarm, err error) {
	if err := json.Unmarshal(leaf.Data, &entry); err != nil {
		return entry, &access.Alarm{
			Kind: access.AlarmUnreadable, Cause: access.AlarmUnreadable + " in " + log.Origin,
			Title:  fmt.Sprintf("Entry %d of the signer's ledger cannot be read.", leaf.Number),
			Detail: err.Error(),
		}, nil
	}
	alarm, err = compareIssue(r, log, leaf, entry)
	return entry, alarm, err
}

func compareIssue(r access.Reader, log store.MirroredLog, leaf store.MirroredLeaf, entry evidence.Entry) (*access.Alarm, error) {
	switch {
	case entry.Session != nil:
		why, err := explains(r, entry.Session.Request, func(q access.Request) string {
			ask := q.Revision.Ask
			switch {
			case q.Requester.Subject != entry.Session.Requester:
				return "the request is somebody else's, " + q.Requester.Subject.String()
			case ask.Role != entry.Session.Role:
				return "the request is for the role " + ask.Role
			case ask.Login+"@"+ask.Target != entry.Session.Principal:
				return "the request is for " + ask.Login + "@" + ask.Target
			case entry.Session.Reissues == 0 && evidence.Digest(entry.Session.Bundle.Request) != q.Revision.Digest:
				return "the request has another text here"
			}
			return ""
		})
		if why == "" || err != nil {
			return nil, err
		}
		who, err := called(r, entry.Session.Requester)
		if err != nil {
			return nil, err
		}
		return &access.Alarm{
			Kind: access.AlarmCertificate, Cause: fmt.Sprintf("%s: entry %d of %s", access.AlarmCertificate, leaf.Number, log.Origin),
			Title: fmt.Sprintf("The signer issued the certificate %d for %.80q to %.80q, and no grant explains it.",
				entry.Session.Serial, entry.Session.Principal, who),
			Request: known(why, entry.Session.Request), Detail: detail(leaf, log, entry.Time, why),
		}, nil
	case entry.Extension != nil:
		return compareExtension(r, log, leaf, entry)
	case entry.Target != nil:
		why, err := explains(r, entry.Target.Request, func(q access.Request) string {
			ask := q.Revision.Ask
			switch {
			case ask.Login+"@"+ask.Target != entry.Target.Principal:
				return "the request is for " + ask.Login + "@" + ask.Target
			case !q.EndedAt.IsZero() && entry.Time.After(q.EndedAt.Add(endingTolerance)):
				return "the grant ended at " + q.EndedAt.UTC().Format(time.RFC3339)
			}
			return ""
		})
		if why == "" || err != nil {
			return nil, err
		}
		// A proxy opens many connections under one request: one alarm for all.
		return &access.Alarm{
			Kind: access.AlarmCertificate, Cause: fmt.Sprintf("%s: targets under %.80q in %s", access.AlarmCertificate, entry.Target.Request, log.Origin),
			Title: fmt.Sprintf("The signer issued a target certificate for %.80q to the proxy %.80q, and no grant explains it.",
				entry.Target.Principal, entry.Target.Proxy),
			Request: known(why, entry.Target.Request), Detail: detail(leaf, log, entry.Time, why),
		}, nil
	}
	return nil, nil
}

// compareExtension finds what explains that a session goes on: two grants of one person's
// for the same, and the session.
func compareExtension(r access.Reader, log store.MirroredLog, leaf store.MirroredLeaf, entry evidence.Entry) (*access.Alarm, error) {
	e := entry.Extension
	before, err := r.Request(e.Extends)
	if err != nil && !errors.Is(err, access.ErrNoRow) {
		return nil, err
	}
	why, err := explains(r, e.Request, func(q access.Request) string {
		ask := q.Revision.Ask
		switch {
		case ask.Login+"@"+ask.Target != e.Principal:
			return "the request is for " + ask.Login + "@" + ask.Target
		case before.Requester.Subject != q.Requester.Subject || before.Revision.Ask.Role != ask.Role:
			return "the request that it extends, " + e.Extends + ", is not the same person's for the same role"
		case !q.EndedAt.IsZero() && entry.Time.After(q.EndedAt.Add(endingTolerance)):
			return "the grant ended at " + q.EndedAt.UTC().Format(time.RFC3339)
		}
		return ""
	})
	if why == "" || err != nil {
		return nil, err
	}
	return &access.Alarm{
		Kind: access.AlarmCertificate, Cause: fmt.Sprintf("%s: extensions under %.80q in %s", access.AlarmCertificate, e.Request, log.Origin),
		Title:   fmt.Sprintf("The signer let a session to %.80q at the proxy %.80q go on, and no grant explains it.", e.Principal, e.Proxy),
		Request: known(why, e.Request), Detail: detail(leaf, log, entry.Time, why),
	}, nil
}

// called is somebody as people know them, or by their identity where they never
// signed in here. It is for reading; the detail has the identity itself.
func called(r access.PeopleReader, who policies.Subject) (string, error) {
	known, err := r.Person(who)
	if errors.Is(err, access.ErrNoRow) {
		return who.Subject, nil
	}
	if known.Person.Email != "" {
		return known.Person.Email, err
	}
	return known.Person.Name, err
}

const noRequest = "there is no such request here"

// known names a request only where there is one to look at.
func known(why, request string) string {
	if why == noRequest {
		return ""
	}
	return request
}

func detail(leaf store.MirroredLeaf, log store.MirroredLog, at time.Time, why string) string {
	return fmt.Sprintf("Entry %d of %s, of %s: %s.\n\n%s", leaf.Number, log.Origin, at.UTC().Format(time.RFC3339), why, leaf.Data)
}

// explains says why a request does not explain an issue; nothing if it does. The
// grant was stored before the signer was asked, so it is there by now.
func explains(r access.RequestReader, request string, differs func(access.Request) string) (why string, err error) {
	q, err := r.Request(request)
	if errors.Is(err, access.ErrNoRow) {
		return noRequest, nil
	}
	if err != nil {
		return "", err
	}
	if q.Ends.IsZero() {
		return "the request was never granted; it is " + string(q.State), nil
	}
	return differs(q), nil
}

func (m *Monitor) raise(ctx context.Context, alarms []access.Alarm) error {
	for _, a := range alarms {
		if _, err := m.config.Alarms.RaiseAlarm(ctx, a); err != nil {
			return fmt.Errorf("raising an alarm: %w", err)
		}
	}
	return nil
}
