package sshproxy

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"stint/recorder/cast"
	"stint/recorder/spool"
	"stint/recorder/wire"
	signer "stint/server/signer/wire"
)

// refusedSession is an error with a sentence for the person.
type refusedSession struct {
	reason   string
	sentence string
	cause    error
}

func (r *refusedSession) Error() string {
	if r.cause == nil {
		return r.sentence
	}
	return r.sentence + ": " + r.cause.Error()
}

func (r *refusedSession) Unwrap() error { return r.cause }

// open takes a connection from a checked certificate to an open target, in
// steps each of which may refuse.
func (s *session) open() error {
	p := s.proxy

	// 1. Known here before the broker is asked, so that no ending is missed; and
	// endings are being heard.
	if err := p.live.add(s); err != nil {
		return refusedHere(err)
	}
	if err := p.live.awaitStream(s.context); err != nil {
		return &refusedSession{wire.ReasonLeaseLost, "the broker cannot be reached, so no session can start. Try again in a moment", err}
	}

	// 2. The broker says that the grant is live and policy still allows it.
	asked, granted, err := s.askBroker()
	if err != nil {
		problem := &wire.Error{}
		if errors.As(err, &problem) {
			if problem.Code == wire.CodeNotLive {
				// Why will be heard, and ends the sessions that the grant has.
				p.live.endOuters(s.pass.Request, ending{reason: wire.ReasonFailed, detail: printable(problem.Title), at: p.now()})
			}
			return &refusedSession{wire.ReasonFailed, printable(problem.Title), err}
		}
		return &refusedSession{wire.ReasonLeaseLost, "the broker cannot be reached, so no session can start. Try again in a moment", err}
	}

	// 3. From here on it ends with its lease, with its grant and with its
	// certificate, whichever comes first.
	s.arm(asked, granted)

	// 4. The signer, which does not trust the broker, lets this proxy open one
	// connection, and says where and to whose key.
	key, certificate, err := s.askSigner()
	if err != nil {
		problem := &signer.Error{}
		if errors.As(err, &problem) {
			return &refusedSession{wire.ReasonFailed, printable(problem.Title), err}
		}
		return &refusedSession{wire.ReasonFailed, "the signer cannot be reached, so no session can start. Try again in a moment", err}
	}
	s.limitGrant(s.pass.Request, certificate.GrantEnds)

	// 5. What it says of sessions is understood, for whom they are recorded included.
	s.said = certificate.Rules
	if s.rules, err = readRules(s.said); err != nil {
		return &refusedSession{wire.ReasonFailed, "this proxy does not understand what the role says of sessions. Tell those who run stint", err}
	}
	recipients := s.said.Recipients
	to, err := cast.ParseRecipients(recipients.Session, recipients.First, recipients.Second)
	if errors.Is(err, cast.ErrNoRecipients) {
		return &refusedSession{wire.ReasonRecorderFailed, "this session cannot be recorded, since nobody could open the recording. Those who run stint name the keys of those who may, under `recordings` in the organization's policy", err}
	}
	if err != nil {
		return &refusedSession{wire.ReasonRecorderFailed, "this session cannot be recorded, since a key under `recordings` in the organization's policy cannot be used. Tell those who run stint", err}
	}

	// 6. It is recorded, or it is not.
	onOutage := s.endByOutage
	if s.rules.holds {
		onOutage = nil
	} else if err := p.options.Spool.Taking(); err != nil {
		return notRecorded(err)
	}
	header := cast.Header{
		Session: s.id, Request: s.pass.Request, Protocol: "ssh",
		Person: cast.Person{Issuer: granted.Person.Issuer, Subject: granted.Person.Subject, Name: granted.Name},
		Login:  s.pass.Login, Target: s.pass.Target, Proxy: p.options.Name, Client: string(s.client.ClientVersion()),
	}
	if s.recording, err = p.options.Spool.Create(header, to, onOutage); err != nil {
		return notRecorded(err)
	}

	// 7. The role may be used from where the client is.
	if why := refusesFrom(s.rules.networks, s.client.RemoteAddr()); why != "" {
		return &refusedSession{wire.ReasonFailed, why, nil}
	}

	// 8. The target shows exactly that key.
	if s.target, err = s.dial(key, certificate); err != nil {
		return err
	}
	s.armIdle()
	s.armPresence()
	s.serves.Store(true)
	return nil
}

// notRecorded refuses a session that cannot be recorded.
func notRecorded(err error) error {
	why := "this session cannot be recorded, so it is refused. Tell those who run stint"
	if clause := spool.Why(err); clause != "" {
		why = "this session cannot be recorded, since " + clause + ". Tell those who run stint, and try again later"
	}
	return &refusedSession{wire.ReasonRecorderFailed, why, err}
}

// askBroker announces the session, and once more if no answer came: one lost
// connection, or a machine that stood still for a while, costs nobody a session.
// It returns when the broker was asked, from which the lease counts.
func (s *session) askBroker() (asked time.Time, granted wire.Session, err error) {
	start := wire.SessionStart{
		Session: s.id, Request: s.pass.Request, Serial: s.pass.Serial, SessionKey: s.pass.SessionKey, Login: s.pass.Login, Target: s.pass.Target,
		ClientAddress: s.client.RemoteAddr().String(), ClientVersion: printable(string(s.client.ClientVersion())),
	}
	for range 2 {
		asked = time.Now()
		granted, err = s.proxy.options.Broker.StartSession(s.context, start)
		problem := (*wire.Error)(nil)
		refused := errors.As(err, &problem)
		// Without an answer the broker may have said yes, and not been heard. A
		// refusal of the second try takes nothing back of that.
		s.announced = s.announced || !refused
		if err == nil || refused || s.context.Err() != nil {
			break
		}
	}
	return asked, granted, err
}

func newSessionID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return hex.EncodeToString(id[:])
}
