package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"stint/policies"
)

// Config wires a Service. All fields without a stated default are required.
type Config struct {
	Instance string // the installation's id, part of every statement
	Store    Store
	Signer   Signer
	Notifier Notifier
	Fleet    Fleet      // nil: none is asked, and no device can be bound to a host of one
	Facts    FactSource // nil: no facts of the outside are asserted
	Clock    Clock
	Random   io.Reader // cryptographic
	// Policy is the bundle to decide by, asked for at each use: the signer's own
	// bundle where it is known, since the signer's decides in the end.
	Policy func() *policies.Bundle
	// Lease is how long a session outlives its last renewal: recorder/wire.Lease.
	Lease time.Duration
	Log   *slog.Logger
}

const (
	// enrolmentLife is how long an authority has to sign an enrolment.
	enrolmentLife = 24 * time.Hour
	// confirmationLife is how long a device-flow sign-in waits for the passkey.
	confirmationLife = 10 * time.Minute
	// loginLife is how long a login key that a passkey confirmed may act.
	loginLife = 12 * time.Hour
	// signerPatience bounds one call to the signer.
	signerPatience = 10 * time.Second
	// storePatience bounds writing down what the signer has done already.
	storePatience = 10 * time.Second
)

// Service is the flow. Its methods may be called from many goroutines, and from
// many brokers on one database.
type Service struct {
	config Config
	floor  floor
	wake   chan struct{} // there may be work for Run
	// alarmed is what the clock has to reach again; zero while it is right. Only
	// the sweeping loop of Run touches it.
	alarmed time.Time
	// fleetTrouble is nil while Fleet answers.
	fleetTrouble atomic.Pointer[fleetTrouble]
	// factTrouble is nil while the source of facts answers.
	factTrouble atomic.Pointer[string]
	askingFleet turns
	// refusals wait to be written down by Run.
	refusals chan Refusal

	reissuing reissuing
	analyses  analyses
}

// New checks the wiring.
func New(c Config) (*Service, error) {
	if c.Instance == "" || c.Store == nil || c.Signer == nil || c.Notifier == nil || c.Clock == nil ||
		c.Random == nil || c.Policy == nil || c.Lease <= 0 || c.Log == nil {
		return nil, errors.New("access: the wiring is incomplete")
	}
	return &Service{config: c, wake: make(chan struct{}, 1), refusals: make(chan Refusal, mostRefusalsWaiting), reissuing: reissuing{pass: make(chan struct{}, 1)}}, nil
}

// moment is what a transaction goes by: one time, one policy, one roster.
type moment struct {
	instant
	policy *policies.Bundle
	trust  Trust
	heard  bool // the signer has been heard, so trust holds something
	fleet  bool // there is a Fleet server to ask
	crowd  *crowd
	// over are the delegations that were ended and of which the signer may not know yet.
	over map[string]bool
}

// look fixes the moment.
func (s *Service) look(ctx context.Context, r Reader) (moment, error) {
	_, last, err := r.AuditHead()
	if err != nil {
		return moment{}, err
	}
	m := moment{instant: s.floor.read(s.config.Clock.Now(), last), fleet: s.config.Fleet != nil}
	if trust, err := s.config.Signer.Trust(ctx); err == nil {
		m.trust, m.heard = trust, true
	}
	m.policy = s.config.Policy() // the signer's, if it was heard before
	m.over, err = m.endedDelegations(r)
	return m.withCrowd(), err
}

// mayGive says no while the clock or the signer cannot be believed.
func (m moment) mayGive() error {
	if m.behind {
		return fail(Unavailable, CodeClockBehind,
			"The server's clock is behind its own records, so nothing can be granted. Tell an administrator to set the clock.")
	}
	return m.needSigner()
}

func (m moment) needSigner() error {
	if !m.heard {
		return fail(Unavailable, CodeSignerUnavailable, "The signer does not answer yet. Try again in a moment.")
	}
	return nil
}

// change is a write transaction with its moment, and the news to pass on once
// it has committed.
type change struct {
	Tx
	moment
	notices []Notice
	wake    bool
}

func (s *Service) write(ctx context.Context, fn func(c *change) error) error {
	var c *change
	err := s.config.Store.Write(ctx, func(tx Tx) error {
		m, err := s.look(ctx, tx)
		if err != nil {
			return err
		}
		c = &change{Tx: tx, moment: m} // new for each try
		return fn(c)
	})
	if err != nil {
		return err
	}
	for _, n := range c.notices {
		s.config.Notifier.Notify(n)
	}
	if c.wake {
		s.nudge()
	}
	return nil
}

// heldOpen is the context of a call to the signer whose answer is written down: what it has
// decided stands in its ledger, whether or not the caller waits for that.
func heldOpen(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), signerPatience)
}

// writeDown is write for what has happened already: that the caller has gone
// away does not undo it.
func (s *Service) writeDown(ctx context.Context, fn func(c *change) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storePatience)
	defer cancel()
	return s.write(ctx, fn)
}

func (s *Service) read(ctx context.Context, fn func(r Reader, m moment) error) error {
	return s.config.Store.Read(ctx, func(r Reader) error {
		m, err := s.look(ctx, r)
		if err != nil {
			return err
		}
		return fn(r, m)
	})
}

// nudge makes Run look for work now.
func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// record appends an audit event of this moment.
func (c *change) record(e AuditEvent, data any) (int64, error) {
	e.Version, e.Time = 1, c.stamp
	if data != nil {
		encoded, err := encodeJSON(data)
		if err != nil {
			return 0, err
		}
		e.Data = encoded
	}
	index, err := c.Append(e)
	if err != nil {
		return 0, fmt.Errorf("appending %s to the audit log: %w", e.Kind, err)
	}
	return index, nil
}

const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// newID makes an id of so many characters, five random bits each.
func (s *Service) newID(prefix string, characters int) (string, error) {
	random := make([]byte, characters)
	if _, err := io.ReadFull(s.config.Random, random); err != nil {
		return "", fmt.Errorf("reading randomness: %w", err)
	}
	for i, b := range random {
		random[i] = crockford[b&31]
	}
	return prefix + string(random), nil
}

func (s *Service) newNonce() (nonce [16]byte, err error) {
	if _, err = io.ReadFull(s.config.Random, nonce[:]); err != nil {
		return nonce, fmt.Errorf("reading randomness: %w", err)
	}
	return nonce, nil
}
