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
	AlarmMore          = "more-alarms"                 // too many to tell apart
)

// alarmWords say, for each kind, what an alarm means and what to do.
var alarmWords = map[string][2]string{
	AlarmCertificate: {
		"The signer has issued a certificate, and nothing here was granted that it could be for. Somebody may use a copy of this broker, or may have removed a request from its database.",
		"Compare the entry with the audit log. If nobody can explain it, revoke what the person holds, rotate the signer's keys now, and give the broker a new certificate of its own.",
	},
	AlarmSession: {
		"A session was opened with a certificate that the signer's ledger does not hold. The key that signed it may be in other hands.",
		"End the session, look at its recording, and rotate the signer's keys now.",
	},
	AlarmKey: {
		"A certificate was signed by a key that was not in use then. A key that was retired or withdrawn may have been copied.",
		"Revoke the grant, withdraw the key (rotate the signer's keys now), and find out where copies of the key file are.",
	},
	AlarmSerial: {
		"A target let somebody in by a certificate that the signer's ledger does not hold. The key that targets trust may be in other hands.",
		"Take the target out of use or look who is on it, and rotate the target key now, so that targets refuse the old one.",
	},
	AlarmForked: {
		"The signer's ledger contradicts what this broker has mirrored: entries were altered, or somebody else signs with the ledger's key.",
		"Stop the signer, keep both sides (the detail below holds the signed checkpoints, which prove it), and restore the signer's data directory from an unaltered copy.",
	},
	AlarmWentBack: {
		"The signer's ledger lacks entries that this broker has mirrored: its disk was put back to an older state. Endings and removals may be among what is missing.",
		"Restore the signer's data directory from a copy that holds all entries. The signer gives nothing until then.",
	},
	AlarmReplaced: {
		"The signer has begun a new ledger, with new keys. Nothing of the old one counts any more.",
		"If you began the signer anew on purpose, acknowledge this. If not, somebody has replaced it: stop it, and restore its data directory.",
	},
	AlarmMirrorEmptied: {
		"The mirror of the signer's ledger is gone from this broker's database, though certificates are there that were issued under it. The broker can no longer tell whether the signer was put back to an older state.",
		"If the database was restored from an older copy, acknowledge this. Otherwise find out who can write to it.",
	},
	AlarmUnreadable: {
		"An entry of the signer's ledger is not understood, so nothing can be said about it. Broker and signer may be of different versions.",
		"Bring the broker to the signer's version, or newer.",
	},
	AlarmMore: {
		"More was found than alarms of one kind are kept for. What was left out stands in the broker's log only. A proxy or a target in other hands can do that.",
		"Look into the open alarms and into the log, and acknowledge them; what is found later is shown again.",
	},
}

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

// Words say what an alarm means and what to do about it.
func (a Alarm) Words() (means, do string) {
	words := alarmWords[a.Kind]
	return words[0], words[1]
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
	if _, known := alarmWords[a.Kind]; !known || a.Cause == "" || a.Title == "" {
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
	err = s.writeDown(ctx, func(c *change) error {
		news, over = false, false
		// 1. Each cause once.
		if known, err := c.knowsAlarm(a.Cause); known || err != nil {
			return err
		}
		// 2. A bound, which is an alarm by itself.
		raised := a
		open, err := c.OpenAlarms(a.Kind)
		if err != nil {
			return err
		}
		if over = open >= mostAlarms; over {
			raised = Alarm{
				Kind: AlarmMore, Cause: AlarmMore + ": " + a.Kind + " on " + c.stamp.Format(time.DateOnly),
				Title: "There are more alarms of the kind " + a.Kind + " than are kept.",
			}
			if known, err := c.knowsAlarm(raised.Cause); known || err != nil {
				return err
			}
		}
		// 3. Alarm and audit event together.
		raised.ID, raised.Raised = id, c.stamp
		raised.Number, err = c.record(AuditEvent{
			Kind: EventAlarmRaised, Request: raised.Request, Session: raised.Session, Text: "Alarm: " + raised.Title,
		}, alarmData{Alarm: id, Kind: raised.Kind, Cause: raised.Cause})
		if err != nil {
			return err
		}
		news = true
		return c.AddAlarm(raised)
	})
	if err == nil && (news || over) {
		s.config.Log.Error("alarm", "kind", a.Kind, "title", a.Title, "cause", a.Cause, "detail", a.Detail)
	}
	return news, err
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
