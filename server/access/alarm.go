package access

import (
	"context"
	"errors"
	"strings"
	"time"

	"stint/policies"
)

// Kinds of alarms. They are stable.
const (
	AlarmCertificate   = "certificate-without-grant"   // the ledger holds an issue that no grant explains
	AlarmSession       = "session-without-certificate" // a session whose certificate is in no entry
	AlarmKey           = "signature-by-wrong-key"      // a certificate signed by a key that does not sign, or no longer
	AlarmSerial        = "serial-without-entry"        // a target accepted a certificate that is in no entry
	AlarmForked        = "ledger-forked"               // the signer's ledger is another than the one that was mirrored
	AlarmWentBack      = "ledger-went-back"            // it lacks what was mirrored
	AlarmReplaced      = "ledger-replaced"             // the signer has begun a new ledger
	AlarmMirrorEmptied = "ledger-mirror-emptied"       // the mirror is gone, though certificates were stored
	AlarmUnreadable    = "ledger-entry-unreadable"     // an entry that this broker does not understand
	AlarmBreakGlass    = "break-glass"                 // somebody asks to act alone, in an emergency
	AlarmMore          = "more-alarms"                 // too many to tell apart
)

// mostAlarms bounds those of one kind that nobody has acknowledged. A proxy or a
// target can make up findings of its own kind; they must not crowd out the others.
const mostAlarms = 100

// maxAlarmDetail bounds the detail of one, in bytes.
const maxAlarmDetail = 8 << 10

// Alarm is something that must not be. One cause raises one.
type Alarm struct {
	ID      string // "alm-" and 10 characters
	Number  int64  // leaf of the audit log that records it; orders them
	Kind    string
	Cause   string // names what was found; the same finding has the same
	Title   string // one sentence: what was found
	Request string
	Session string
	Detail  string
	Raised  time.Time

	Acknowledged time.Time // zero: open
	By           policies.Person
	Reason       string
}

// AlarmReader reads alarms.
type AlarmReader interface {
	Alarm(id string) (Alarm, error)
	// AlarmOf finds by cause.
	AlarmOf(cause string) (Alarm, error)
	// Alarms lists by falling Number; openOnly leaves out those acknowledged.
	Alarms(openOnly bool, before int64, limit int) ([]Alarm, error)
	// OpenAlarms counts those that nobody has acknowledged, of one kind or, where
	// that is empty, of all.
	OpenAlarms(kind string) (int, error)
}

// AlarmWriter changes alarms.
type AlarmWriter interface {
	// AddAlarm fails with ErrRowExists if there is one of this cause.
	AddAlarm(a Alarm) error
	// AcknowledgeAlarm stores who, when and why; ErrRaced if somebody has already.
	AcknowledgeAlarm(a Alarm) error
}

// RaiseAlarm writes down what was found, unless it was before, and says whether
// this is news. Kind, Cause and Title are required; Title begins with a capital
// and ends with a full stop.
func (s *Service) RaiseAlarm(ctx context.Context, a Alarm) (news bool, err error) {
	if _, known := advices[a.Kind]; !known || a.Cause == "" || a.Title == "" {
		return false, errors.New("access: an alarm without kind, cause or title")
	}
	if len(a.Detail) > maxAlarmDetail {
		a.Detail = strings.ToValidUTF8(a.Detail[:maxAlarmDetail], "") + "…"
	}
	id, err := s.newID("alm-", 10)
	if err != nil {
		return false, err
	}
	var over bool
	err = s.writeDown(ctx, func(c *change) (err error) {
		news, over, err = c.raise(id, a)
		return err
	})
	if err == nil && (news || over) {
		s.config.Log.Error("alarm", "kind", a.Kind, "title", a.Title, "cause", a.Cause, "detail", a.Detail)
	}
	return news, err
}

// raise is RaiseAlarm within a transition; over says that there are too many of the kind.
func (c *change) raise(id string, a Alarm) (news, over bool, err error) {
	// 1. Each cause once.
	if known, err := c.knowsAlarm(a.Cause); known || err != nil {
		return false, false, err
	}
	// 2. A bound, which is an alarm by itself.
	raised := a
	open, err := c.OpenAlarms(a.Kind)
	if err != nil {
		return false, false, err
	}
	if over = open >= mostAlarms; over {
		raised = Alarm{
			Kind: AlarmMore, Cause: AlarmMore + ": " + a.Kind + " on " + c.stamp.Format(time.DateOnly),
			Title: "There are more alarms of the kind " + a.Kind + " than are kept.",
		}
		if known, err := c.knowsAlarm(raised.Cause); known || err != nil {
			return false, over, err
		}
	}
	// 3. Alarm and audit event together.
	raised.ID, raised.Raised = id, c.stamp
	raised.Number, err = c.record(AuditEvent{
		Kind: EventAlarmRaised, Request: raised.Request, Session: raised.Session, Text: "Alarm: " + raised.Title,
	}, alarmData{Alarm: id, Kind: raised.Kind, Cause: raised.Cause})
	if err != nil {
		return false, over, err
	}
	return true, over, c.AddAlarm(raised)
}

func (c *change) knowsAlarm(cause string) (bool, error) {
	_, err := c.AlarmOf(cause)
	if errors.Is(err, ErrNoRow) {
		return false, nil
	}
	return err == nil, err
}

type alarmData struct {
	Alarm string `json:"alarm"`
	Kind  string `json:"kind,omitempty"`
	Cause string `json:"cause,omitempty"`
}

// Alarms lists newest first, for reviewers and administrators. before and next are
// as in Audit; open counts all that nobody has acknowledged.
func (s *Service) Alarms(ctx context.Context, by policies.Person, openOnly bool, before int64, limit int) (alarms []Alarm, open int, next int64, err error) {
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		if err := m.mayAudit(by); err != nil {
			return err
		}
		next = 0
		if alarms, err = r.Alarms(openOnly, before, page(limit)); err != nil {
			return err
		}
		if len(alarms) == page(limit) {
			next = alarms[len(alarms)-1].Number
		}
		open, err = r.OpenAlarms("")
		return err
	})
	return alarms, open, next, err
}

// AcknowledgeAlarm says that somebody has looked into an alarm, and what they
// found. The same cause raises no further alarm.
func (s *Service) AcknowledgeAlarm(ctx context.Context, by policies.Person, id, reason string) (Alarm, error) {
	reason = strings.TrimSpace(reason)
	if err := policies.CheckText(reason, policies.MostReason); err != nil || reason == "" {
		return Alarm{}, invalid("reason", "Say in up to %d characters what you found.", policies.MostReason)
	}
	var acknowledged Alarm
	err := s.write(ctx, func(c *change) error {
		if err := c.mayAudit(by); err != nil {
			return err
		}
		a, err := c.Alarm(id)
		if errors.Is(err, ErrNoRow) {
			return fail(NotFound, CodeAlarmNotFound, "There is no alarm %q.", clip(id))
		}
		if err != nil {
			return err
		}
		if !a.Acknowledged.IsZero() {
			return fail(Conflict, CodeAlarmAcknowledged, "%s has acknowledged this alarm already.", a.By.Name)
		}
		a.Acknowledged, a.By, a.Reason = c.stamp, by, reason
		if err := c.Tx.AcknowledgeAlarm(a); err != nil {
			return err
		}
		acknowledged = a
		_, err = c.record(AuditEvent{
			Kind: EventAlarmAcknowledged, Actor: ActorOf(by), Request: a.Request, Session: a.Session,
			Text: by.Name + " acknowledged the alarm: " + a.Title,
		}, acknowledgementData{Alarm: a.ID, Reason: reason})
		return err
	})
	return acknowledged, err
}

type acknowledgementData struct {
	Alarm  string `json:"alarm"`
	Reason string `json:"reason"`
}
