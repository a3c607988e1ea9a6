package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/server/evidence"
)

const (
	// reissuePatience bounds how long a rotation waits for live grants to have
	// certificates that count again. What is left follows by itself.
	reissuePatience = 10 * time.Second
	// mostAway is after how many calls in a row without an answer a pass gives up.
	mostAway = 3
	// mostFailed bounds those that a rotation tells apart.
	mostFailed = 100
)

// Reissues is what came of issuing live grants' certificates once more, after the key
// that had signed them was withdrawn.
type Reissues struct {
	Done   int
	Failed []FailedReissue // the first mostFailed
	More   bool            // others failed too, or are still to come
}

// FailedReissue is a live grant whose certificate counts no longer. Its requester has to
// activate it anew.
type FailedReissue struct {
	Request   string
	Principal string
	Why       string // a sentence
}

// reissuing is what a Service remembers of it, for whoever holds the pass.
type reissuing struct {
	pass     chan struct{}
	settled  string // the authorities by which every live grant was looked at
	attempts int    // passes since then that were cut off
	next     time.Time
}

// enter begins a pass, unless ctx ends before the one that runs does.
func (r *reissuing) enter(ctx context.Context) error {
	select {
	case r.pass <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *reissuing) leave() { <-r.pass }

// reissue is a pass of Run. It does nothing while the signer's keys stay what they were;
// a broker that was away while they changed finds out at its first pass.
func (s *Service) reissue(ctx context.Context) (time.Duration, error) {
	trust, err := s.config.Signer.Trust(ctx)
	if err != nil {
		return longestRest, nil
	}
	if err := s.reissuing.enter(ctx); err != nil {
		return 0, err
	}
	defer s.reissuing.leave()
	if s.config.Clock.Now().Before(s.reissuing.next) {
		return longestRest, nil
	}
	if _, err := s.reissueLive(ctx, trust); err != nil && !errors.As(err, new(*Error)) {
		return 0, err
	}
	return longestRest, nil
}

// reissueLive has the newest certificate of every live grant issued once more, where its
// key counts no longer. The caller holds the pass. An error means that not every call
// was answered; the next pass goes on, since what is done counts again.
func (s *Service) reissueLive(ctx context.Context, trust Trust) (found Reissues, err error) {
	authorities := strings.Join(trust.UserCA, "\n")
	r := &s.reissuing
	if r.settled == authorities {
		return found, nil
	}
	if err = s.reissueEach(ctx, trust, &found); err != nil {
		found.More = true
		r.attempts, r.next = r.attempts+1, s.config.Clock.Now().Add(backOff(r.attempts))
		return found, err
	}
	r.settled, r.attempts, r.next = authorities, 0, time.Time{}
	return found, nil
}

func (s *Service) reissueEach(ctx context.Context, trust Trust, found *Reissues) error {
	var unanswered error
	away := 0
	for after, next, last := int64(-1), int64(0), false; !last; after = next {
		var void []Certificate
		err := s.read(ctx, func(r Reader, m moment) (err error) {
			if err := m.mayGive(); err != nil {
				return err
			}
			void, next, last, err = voidCertificates(r, trust, after, m.now)
			return err
		})
		if err != nil {
			return err
		}
		for _, c := range void {
			_, err := s.issueAgain(ctx, c)
			var no *Error
			if errors.As(err, &no) && no.Problem == Unavailable {
				// It may be about this one alone, which must not keep the others waiting.
				if away++; away == mostAway {
					return err
				}
				unanswered = err
				continue
			}
			away = 0
			switch {
			case err == nil:
				found.Done++
			case no == nil:
				return err
			default:
				s.config.Log.Warn("a certificate of a live grant is not issued once more", "request", c.Request, "serial", c.Serial, "error", err)
				if found.More = found.More || len(found.Failed) == mostFailed; len(found.Failed) < mostFailed {
					found.Failed = append(found.Failed, FailedReissue{c.Request, c.Principal, no.Message})
				}
			}
		}
	}
	return unanswered
}

// voidCertificates reads a run of live grants, those behind a number, and gives their
// newest certificates whose key counts no longer.
func voidCertificates(r Reader, trust Trust, after int64, now time.Time) (void []Certificate, next int64, last bool, err error) {
	grants, err := r.LiveGrantsAfter(after, now, runBatch)
	if err != nil {
		return nil, after, false, err
	}
	for _, q := range grants {
		after = q.Number
		c, err := r.NewestCertificate(q.ID)
		if errors.Is(err, ErrNoRow) {
			continue // nothing was activated yet
		}
		if err != nil {
			return nil, after, false, err
		}
		if !trust.accepts(c) {
			void = append(void, c)
		}
	}
	return void, after, len(grants) < runBatch, nil
}

// accepts tells whether proxies take the key that signed a certificate.
func (t Trust) accepts(c Certificate) bool {
	read, err := evidence.ReadUserCertificate(c.Certificate)
	return err == nil && slices.Contains(t.UserCA, read.Authority)
}

// Reissue gives the certificate that counts now in the place of one that the caller
// shows. Nobody need be signed in: a certificate opens nothing without its key, and
// whoever shows it has it already. A refusal tells nothing of anybody either: who ended
// the grant or is suspended, its requester hears when they activate.
func (s *Service) Reissue(ctx context.Context, shown string) (Certificate, Request, error) {
	c, q, err := s.counting(ctx, shown)
	return c, q, forStrangers(err)
}

// forStrangers is an error without what it tells of people and policy.
func forStrangers(err error) error {
	var no *Error
	if !errors.As(err, &no) {
		return err
	}
	switch {
	case no.Code == CodeNotLive, no.Code == CodeCertificateHeld:
		return fail(no.Problem, no.Code, "The grant of this certificate has ended; ask again.").because(err)
	case no.Problem == PolicyRefused, no.Problem == SignerRefused:
		return fail(PolicyRefused, CodePolicyRefused, "This certificate is not issued once more. Connect again once you are signed in, which says why.").because(err)
	}
	return err
}

// counting is Reissue, with its whole reasons.
func (s *Service) counting(ctx context.Context, shown string) (Certificate, Request, error) {
	read, err := evidence.ReadUserCertificate(shown)
	if err != nil {
		return Certificate{}, Request{}, invalid("certificate", "This is not a certificate of a session key.").because(err)
	}
	var c Certificate
	var q Request
	var counts bool
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		// 1. It is one that was issued here.
		if c, err = r.Certificate(read.Serial); errors.Is(err, ErrNoRow) || err == nil && (c.Certificate != shown || c.Withheld) {
			return fail(NotFound, CodeCertificateUnknown, "This certificate was not issued here. Connect again with stint ssh.")
		} else if err != nil {
			return err
		}
		// 2. Its grant is live, and policy still says yes.
		if q, err = r.Request(c.Request); err != nil {
			return err
		}
		if present := q.at(m.now); !present.State.Live() {
			return present.stuck(ToActivate)
		}
		if err := m.mayGive(); err != nil {
			return err
		}
		decision, _, err := m.evaluate(r, q)
		if err != nil {
			return err
		}
		if err := stillAllowed(q, decision); err != nil {
			return err
		}
		// 3. It counts, or the newest in its place does: no signer need be asked, whoever
		// asks how often.
		newest, err := r.NewestCertificate(c.Request)
		if err != nil {
			return err
		}
		if counts = m.trust.accepts(c); !counts && m.trust.accepts(newest) && standsFor(newest.Certificate, read) {
			c, counts = newest, true
		}
		return nil
	})
	if err != nil || counts {
		return c, q, err
	}
	c, err = s.issueAgain(ctx, c)
	return c, q, err
}

// standsFor tells whether a certificate is the same as another but for serial and key.
func standsFor(certificate string, other evidence.UserCertificate) bool {
	read, err := evidence.ReadUserCertificate(certificate)
	read.Serial, read.Authority = other.Serial, other.Authority
	return err == nil && read == other
}

// issueAgain asks the signer for a certificate in the place of one whose key counts no
// longer, and writes it down. Doing so again gives the same.
func (s *Service) issueAgain(ctx context.Context, earlier Certificate) (Certificate, error) {
	// 1. The signer, outside any transaction.
	calling, cancel := context.WithTimeout(ctx, signerPatience)
	defer cancel()
	signed, err := s.config.Signer.Reissue(calling, earlier.Serial)
	if err != nil {
		return Certificate{}, err
	}
	// 2. It is what it stands for: a signer that was begun anew counts from one again.
	is, err := evidence.ReadUserCertificate(signed.Certificate)
	if err != nil {
		return Certificate{}, fail(Conflict, CodeCertificateUnknown, "The certificate cannot be read. Connect again with stint ssh.").because(err)
	}
	if is.Serial != signed.Serial || !standsFor(earlier.Certificate, is) {
		return Certificate{}, fail(Conflict, CodeCertificateUnknown, "The certificate is of a ledger before this one. Connect again with stint ssh.")
	}
	// 3. Written down whatever happened meanwhile, like every certificate.
	return s.storeAgain(ctx, earlier, signed)
}

func (s *Service) storeAgain(ctx context.Context, earlier Certificate, signed SignedCertificate) (stored Certificate, err error) {
	var stood error
	err = s.writeDown(ctx, func(c *change) error {
		stood = nil
		known, err := c.Certificate(signed.Serial)
		if err != nil && !errors.Is(err, ErrNoRow) {
			return err
		}
		q, requestErr := c.Request(earlier.Request)
		if requestErr != nil {
			return requestErr
		}
		if err == nil { // another pass, or another broker, was faster
			if stored = known; known.Withheld {
				stood = fail(Conflict, CodeCertificateHeld, "%s", q.at(c.now).standing())
			}
			return nil
		}
		if present := q.at(c.now); !present.State.Live() {
			stood = fail(Conflict, CodeCertificateHeld, "%s", present.standing())
		}
		stored = Certificate{
			Serial: signed.Serial, Request: earlier.Request, Principal: earlier.Principal, Certificate: signed.Certificate,
			Issued: c.now, Ends: signed.Ends, Bundle: earlier.Bundle, Proof: signed.Proof, Withheld: stood != nil,
		}
		if err := c.AddCertificate(stored); err != nil {
			return err
		}
		event := AuditEvent{Kind: EventCertificateReissued, Request: q.ID,
			Text: fmt.Sprintf("%s's certificate for %s was issued once more, since the key that had signed it was withdrawn.", q.Requester.Name, stored.Principal)}
		if stood != nil {
			event.Kind, event.Text = EventCertificateHeld, "A certificate for "+stored.Principal+" was issued once more, but the grant had ended; nobody got it."
		}
		_, err = c.record(event, certificateData{
			Serial: fmt.Sprint(signed.Serial), Principal: stored.Principal, Ends: signed.Ends, Ledger: signed.Proof.Inclusion.Index,
			Reissues: fmt.Sprint(earlier.Serial),
		})
		return err
	})
	if err == nil {
		err = stood
	}
	if err != nil {
		return Certificate{}, err
	}
	return stored, nil
}

// reissueNow is what a rotation waits for. That it is cut off is no failure of the
// rotation: the rest follows.
func (s *Service) reissueNow(ctx context.Context) Reissues {
	ctx, cancel := context.WithTimeout(ctx, reissuePatience)
	defer cancel()
	trust, err := s.config.Signer.Trust(ctx)
	var found Reissues
	if err == nil {
		found, err = s.reissueLive(ctx, trust)
	}
	if err != nil {
		s.config.Log.Warn("issuing certificates of live grants once more was cut off, and goes on", "error", err)
		found.More = true
	}
	return found
}
